/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: a counter under a mutex that nobody else wants.
 */
#include <st.h>
#include "bench.h"

static volatile long counter;

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 20000000);
	st_mutex_t lock;
	int64_t begin;

	bench_check(st_init() == 0, "init");
	lock = st_mutex_new();
	begin = bench_now();
	for (long i = 0; i < n; i++) {
		st_mutex_lock(lock);
		counter = counter + 1;
		st_mutex_unlock(lock);
	}
	bench_report("lock", "st",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(counter == n, "%ld, not %ld", counter, n);
	return (0);
}
