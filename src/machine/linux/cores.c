/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decide how many CPUs to run, and on which cores.
 *
 * THEORY
 * If there are more CPUs than the host runs at a time, those in excess wait.
 * So the number of CPUs is the smallest one of three numbers: the cores in the
 * affinity mask, the CPU quota of the cgroup (cgroup.c), rounded up, and
 * LWKT_MAXCPU.  The program may request another number, also more CPUs than
 * cores.  If it does not, LWKT_NCPU may.
 *
 * CPU i starts on the i-th allowed core, counted cyclically from the core on
 * which the caller runs.  So several processes with few CPUs each do not all
 * start on core 0.  identity.c places the CPUs, as lwkt.pin says.
 *
 * The mask is static, because a boot may be called in a pthread with a small
 * stack.  Only one boot runs at a time.
 */
#include <errno.h>
#include <lwkt/panic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/linux/host.h"

#define CORE_BITS	8192		/* most cores of a Linux kernel */

struct cores lwkt__cores;

static void
cores_affinity(struct cores *co)
{
	static cpu_set_t set[CORE_BITS / (8 * sizeof(cpu_set_t))];
	long online;

	co->co_n = 0;
	if (sched_getaffinity(0, sizeof(set), set) == 0) {
		for (int i = 0; i < CORE_BITS && co->co_n < LWKT_MAXCPU; i++) {
			if (CPU_ISSET_S((size_t)i, sizeof(set), set))
				co->co_core[co->co_n++] = i;
		}
	}
	if (co->co_n == 0) {
		/* The mask is unknown: count the cores; place no CPU (-1). */
		online = sysconf(_SC_NPROCESSORS_ONLN);
		co->co_n = online < 1 ? 1 : online > LWKT_MAXCPU ?
		    LWKT_MAXCPU : (int)online;
		for (int i = 0; i < co->co_n; i++)
			co->co_core[i] = -1;
	}
}

static void
cores_first(struct cores *co)
{
	int now = sched_getcpu();

	co->co_first = 0;
	for (int i = 0; i < co->co_n; i++) {
		if (co->co_core[i] == now)
			co->co_first = i;
	}
}

/* Store LWKT_NCPU in *want if it is set.  Returns 0 or EINVAL. */
static int
ncpu_env(int *want)
{
	const char *s = getenv("LWKT_NCPU");
	char *end;
	long n;

	if (s == NULL || *s == '\0')
		return 0;
	errno = 0;
	n = strtol(s, &end, 10);
	if (errno != 0 || *end != '\0' || n < 1 || n > LWKT_MAXCPU) {
		lwkt_printf("lwkt: LWKT_NCPU=%s: must be a number from 1 to "
		    "%d", s, LWKT_MAXCPU);
		return EINVAL;
	}
	*want = (int)n;
	return 0;
}

int
lwkt__cores_boot(int want)
{
	struct cores *co = &lwkt__cores;
	int error;

	if (want == 0) {
		error = ncpu_env(&want);
		if (error != 0)
			return error;
	}
	if (want < 0 || want > LWKT_MAXCPU) {
		lwkt_printf("lwkt: lc_ncpus is %d: must be from 1 to %d", want,
		    LWKT_MAXCPU);
		return EINVAL;
	}
	cores_affinity(co);
	cores_first(co);
	co->co_quota = lwkt__cgroup_quota("/proc/self/cgroup",
	    "/proc/self/mountinfo");
	if (want == 0) {
		want = co->co_n;
		if (co->co_quota > 0 && co->co_quota < want)
			want = co->co_quota;
	}
	co->co_ncpus = want;
	return 0;
}
