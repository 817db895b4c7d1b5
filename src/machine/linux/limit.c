/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Print once which resource the host has refused to a boot.
 *
 * THEORY
 * The errno of a refused call does not name the limit: a host thread and a
 * timer are both refused with EAGAIN.  The caller knows which limits apply.  So
 * the line has the values of these limits and their letters in ulimit(1).
 * Sizes are in bytes, where the shell may show KiB.  Several CPUs may be
 * refused at the same time, for the same reason; only the first one prints.
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

/* The limits that may cause a refusal, by enum limit. */
static const struct limit_name names[][LIMITS_MAX + 1] = {
	[LIMIT_FILES] = { { RLIMIT_NOFILE, 'n' } },
	[LIMIT_THREADS] = { { RLIMIT_NPROC, 'u' }, { RLIMIT_AS, 'v' },
	    { RLIMIT_DATA, 'd' } },
	[LIMIT_SIGNALS] = { { RLIMIT_SIGPENDING, 'i' } },
	[LIMIT_MEMORY] = { { RLIMIT_AS, 'v' }, { RLIMIT_DATA, 'd' } },
};

static uint32_t told;			/* (a) 1: printed in this boot */

void
lwkt__limit_boot(void)
{
	atomic_store_32(&told, 0);
}

/* Write the limits: ", ulimit -u 500, ulimit -v unlimited" */
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

/*
 * Check that the caller's stack has room for a boot.  Returns 0 if it has, or
 * if its bounds are not known: the stack of the process's first host thread, or
 * a stack that the program has made.  Otherwise prints why and returns EINVAL.
 */
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
	/* If `here` is outside, the program has made this stack: no check. */
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
