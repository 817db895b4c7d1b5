/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault injection by name: LWKT_FAIL=point:nth,point:*
 *
 * THEORY
 * A place where the host may refuse something calls machine_fail("its.name")
 * first.  So the failure branch there can be reached without a debugger.  nth
 * counts the calls with that name from 1; `*` refuses each of them.  If a name
 * is given twice, only its first nth counts.  LWKT_FAIL is read once per boot.
 * If it is not set, a call costs two loads.
 *
 * A host may set lwkt__fail_host, which gets each decision and may change it.
 * The simulated host makes each refusal an event of its trace and, with faults
 * injected (LWKT_SIM_FAULTS), refuses more calls by the seed.
 *
 * Points of the Linux host: altstack, arena, carrier.create, carrier.grower,
 * clock.tsc, decommit.many, epoll.add, epoll.create, guard.madvise, guard.many,
 * guard.mprotect, hostcall.nowait, hostcall.part, io.init, io.mem,
 * io_uring.setup, mem.reserve, membarrier, open.cached, preempt.boot,
 * retry.create, timer.create, timer.signal, vcpu.fsgsbase, vcpu.start,
 * watch.create.
 *
 * Source: FreeBSD's fail(9), reduced to one rule.
 */
#include <errno.h>
#include <limits.h>
#include <lwkt/panic.h>
#include <stdlib.h>
#include <string.h>

#include "machine/hostlib.h"
#include "machine/machine.h"

#define FAIL_MAX	8		/* points in one LWKT_FAIL */
#define FAIL_NAME	32		/* bytes of a name, with the NUL */

struct fail_point {
	char		fp_name[FAIL_NAME];	/* (i) */
	uint32_t	fp_nth;			/* (i) call to refuse; 0: all */
	uint32_t	fp_calls;		/* (a) calls so far */
};

static struct fail_point points[FAIL_MAX];
static int npoints;			/* (i) */

int (*lwkt__fail_host)(const char *point, int refused);

/*
 * Parse one "name:nth" or "name:*" and append it to points[].  `end` points
 * after its last character.  Returns 0 or EINVAL.
 */
static int
fail_parse(const char *s, const char *end)
{
	struct fail_point *fp = &points[npoints];
	const char *colon = memchr(s, ':', (size_t)(end - s));
	unsigned long nth = 0;
	char *stop;

	if (colon == NULL || colon == s || colon - s >= FAIL_NAME ||
	    npoints == FAIL_MAX)
		return EINVAL;
	if (colon + 2 != end || colon[1] != '*') {
		nth = strtoul(colon + 1, &stop, 10);
		if (stop != end || nth == 0 || nth > UINT32_MAX)
			return EINVAL;
	}
	memset(fp, 0, sizeof(*fp));
	memcpy(fp->fp_name, s, (size_t)(colon - s));
	fp->fp_nth = (uint32_t)nth;
	npoints++;
	return 0;
}

int
lwkt__fail_boot(void)
{
	const char *s = getenv("LWKT_FAIL"), *end;

	npoints = 0;
	while (s != NULL && *s != '\0') {
		end = s + strcspn(s, ",");
		if (fail_parse(s, end) != 0) {
			lwkt_printf("lwkt: LWKT_FAIL: must be point:nth,...: "
			    "%s", s);
			return EINVAL;
		}
		s = *end == ',' ? end + 1 : end;
	}
	return 0;
}

/* Count a call of the point.  Returns 1 if LWKT_FAIL refuses it, else 0. */
static int
fail_named(const char *point)
{
	struct fail_point *fp;
	uint32_t call;

	for (fp = points; fp < points + npoints; fp++) {
		if (strcmp(fp->fp_name, point) != 0)
			continue;
		call = atomic_fetchadd_32(&fp->fp_calls, 1) + 1;
		return fp->fp_nth == 0 || call == fp->fp_nth;
	}
	return 0;
}

int
machine_fail(const char *point)
{
	int refused = fail_named(point);

	if (lwkt__fail_host != NULL)
		refused = lwkt__fail_host(point, refused);
	return refused;
}
