/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Say once which resource of the host a boot could not have.
 *
 * THEORY
 * The errno of a refused call names no limit: EAGAIN is what a host thread and
 * a timer are refused with.  The place that asked knows which limits count, so
 * the line has them, with their values and the letters of ulimit(1): bytes,
 * where the shell may show KiB.  Several CPUs
 * may be refused at the same time, for the same reason: one of them prints.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/kassert.h"
#include "machine/linux/host.h"

#define LIMITS_MAX	3
#define BOOT_STACK	10240	/* bytes: a boot and the idle thread use 6400 */

struct limit_name {
	int		 ln_resource;
	char		 ln_letter;	/* of ulimit(1); 0: end of the list */
};

/* What a refusal may come from. */
static const struct limit_name names[][LIMITS_MAX + 1] = {
	[LIMIT_FILES] = { { RLIMIT_NOFILE, 'n' } },
	[LIMIT_THREADS] = { { RLIMIT_NPROC, 'u' }, { RLIMIT_AS, 'v' },
	    { RLIMIT_DATA, 'd' } },
	[LIMIT_SIGNALS] = { { RLIMIT_SIGPENDING, 'i' } },
	[LIMIT_MEMORY] = { { RLIMIT_AS, 'v' }, { RLIMIT_DATA, 'd' } },
};

static uint32_t told;			/* (a) in this boot */

void
lwkt__limit_boot(void)
{
	atomic_store_32(&told, 0);
}

/* ", ulimit -u 500, ulimit -v unlimited" */
static void
limits_format(char *buf, size_t size, enum limit which)
{
	const struct limit_name *ln;
	struct rlimit rl;
	size_t len = 0;

	buf[0] = '\0';
	for (ln = names[which]; ln->ln_letter != 0 && len < size; ln++) {
		if (getrlimit((__rlimit_resource_t)ln->ln_resource, &rl) != 0)
			continue;
		len += (size_t)snprintf(buf + len, size - len,
		    rl.rlim_cur == RLIM_INFINITY ? ", ulimit -%c unlimited" :
		    ", ulimit -%c %llu", ln->ln_letter,
		    (unsigned long long)rl.rlim_cur);
	}
}

/* Has the caller's stack room for a boot?  0, or EINVAL with a line. */
int
lwkt__limit_stack(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	pthread_attr_t attr;
	size_t size = 0;
	void *low = NULL;

	if (gettid() == getpid() ||
	    pthread_getattr_np(pthread_self(), &attr) != 0)
		return 0;
	(void)pthread_attr_getstack(&attr, &low, &size);
	(void)pthread_attr_destroy(&attr);
	/* Elsewhere: a stack that the program made itself. */
	if (here - (uintptr_t)low >= size ||
	    here - (uintptr_t)low >= BOOT_STACK)
		return 0;
	lwkt_printf("lwkt: a boot needs %d bytes of stack, this pthread has "
	    "%zu left", BOOT_STACK, (size_t)(here - (uintptr_t)low));
	return EINVAL;
}

void
lwkt__limit_refused(int cpu, const char *what, int error, enum limit which)
{
	char limits[128];

	if (atomic_swap_32(&told, 1) != 0)
		return;
	limits_format(limits, sizeof(limits), which);
	lwkt_printf("lwkt: the host refuses %s of cpu %d: %s%s", what, cpu,
	    strerror(error), limits);
}
