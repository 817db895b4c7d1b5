/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * malloc and free of the C library, or of another one that is linked: by one
 * thread (while a second exists), or freed by the other.
 */
#include <stddef.h>
#include <stdlib.h>

#ifndef IMPL
#define IMPL	"pthread"
#endif

static inline void *
take(size_t size)
{
	return (malloc(size));
}

static inline void
give(void *p)
{
	free(p);
}

static inline void
turn(void)
{
	__builtin_ia32_pause();
}

#include "malloc.h"

static long n;

static void *
idle(void *arg)
{
	pause();
	return (arg);
}

static void *
gives(void *arg)
{
	bench_pin(1);
	malloc_gives(n);
	return (arg);
}

int
main(int argc, char **argv)
{
	long ncpus = bench_arg(argc, argv, 1, 1);
	pthread_t td;

	n = bench_arg(argc, argv, 2, ncpus == 1 ? 20000000 : 5000000);
	bench_check(pthread_create(&td, NULL, ncpus == 1 ? idle : gives,
	    NULL) == 0, "create");
	bench_pin(0);
	if (ncpus == 1) {
		malloc_64(IMPL, n);
		malloc_many(IMPL, n / MALLOC_MANY / 4);
		return (0);
	}
	malloc_takes(IMPL, n);
	return (pthread_join(td, NULL));
}
