/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: fork and join.  fib(n) creates a thread for fib(n - 1),
 * computes fib(n - 2) itself and joins the thread.
 */
#include <st.h>
#include "bench.h"

static long nthreads;

static void *
fib(void *arg)
{
	long *n = arg, forked, own;
	st_thread_t td;

	if (*n < 2)
		return (NULL);
	nthreads++;
	forked = *n - 1;
	td = st_thread_create(fib, &forked, 1, BENCH_STACK);
	bench_check(td != NULL, "create");
	own = *n - 2;
	fib(&own);
	st_thread_join(td, NULL);
	*n = forked + own;
	return (NULL);
}

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 2, 20);
	long rounds = bench_arg(argc, argv, 3, 20), result = 0;
	int64_t begin;

	bench_check(st_init() == 0, "init");
	begin = bench_now();
	for (long i = 0; i < rounds; i++) {
		result = n;
		fib(&result);
	}
	bench_report("fib-1", "st",
	    (double)(bench_now() - begin) / (double)nthreads, "ns");
	bench_check(result == bench_fib(n), "wrong sum %ld", result);
	return (0);
}
