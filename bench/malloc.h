/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory taken and given back: what every implementation does.
 *
 * The program defines before: void *take(size_t size), void give(void *p), and
 * void turn(void), one turn of a wait for the other CPU.
 *
 *	malloc-64	a block of 64 bytes, taken and given back
 *	malloc-many	10,000 blocks of 16 to 1023 bytes, then all given back,
 *			a block
 *	malloc-remote	blocks of 64 bytes taken on one CPU and given back on
 *			the other, a block
 */
#ifndef BENCH_MALLOC_H
#define BENCH_MALLOC_H

#include <stdatomic.h>

#include "bench.h"

#define MALLOC_MANY	10000
#define MALLOC_RING	1024		/* blocks under way */

static void *_Atomic malloc_ring[MALLOC_RING];

static inline void
malloc_64(const char *impl, long n)
{
	int64_t begin = bench_now();
	uint64_t *volatile p;

	for (long i = 0; i < n; i++) {
		p = take(64);
		*p = (uint64_t)i;
		give(p);
	}
	bench_report("malloc-64", impl,
	    (double)(bench_now() - begin) / (double)n, "ns");
}

static inline void
malloc_many(const char *impl, long rounds)
{
	static uint64_t *block[MALLOC_MANY];
	uint64_t random = 1;
	int64_t begin = 0;
	int i;

	for (long r = -1; r < rounds; r++) {
		if (r == 0)		/* the first round warms up */
			begin = bench_now();
		for (i = 0; i < MALLOC_MANY; i++) {
			block[i] = take(16 + bench_random(&random) % 1008);
			*block[i] = (uint64_t)i;
		}
		for (i = 0; i < MALLOC_MANY; i++) {
			bench_check(*block[i] == (uint64_t)i, "overwritten");
			give(block[i]);
		}
	}
	bench_report("malloc-many", impl, (double)(bench_now() - begin) /
	    (double)(rounds * MALLOC_MANY), "ns");
}

/* The two sides; the one that takes reports. */
static inline void
malloc_takes(const char *impl, long n)
{
	int64_t begin = bench_now();
	uint64_t *p;

	for (long i = 0; i < n; i++) {
		p = take(64);
		*p = (uint64_t)i;
		while (atomic_load_explicit(&malloc_ring[i % MALLOC_RING],
		    memory_order_relaxed) != NULL)
			turn();
		atomic_store_explicit(&malloc_ring[i % MALLOC_RING], p,
		    memory_order_release);
	}
	for (long i = 0; i < MALLOC_RING; i++)
		while (atomic_load(&malloc_ring[i]) != NULL)
			turn();
	bench_report("malloc-remote", impl,
	    (double)(bench_now() - begin) / (double)n, "ns");
}

static inline void
malloc_gives(long n)
{
	uint64_t *p;

	for (long i = 0; i < n; i++) {
		while ((p = atomic_load_explicit(&malloc_ring[i % MALLOC_RING],
		    memory_order_acquire)) == NULL)
			turn();
		bench_check(*p == (uint64_t)i, "overwritten");
		give(p);
		atomic_store_explicit(&malloc_ring[i % MALLOC_RING], NULL,
		    memory_order_release);
	}
}

#endif
