/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: fork and join.  fib(n) creates a thread for fib(n - 1), computes
 * fib(n - 2) itself and joins the thread.  The kernel chooses the CPUs, and N
 * is small, for all threads may live at once.
 */
#include "bench.h"

static pthread_attr_t attr;
static long nthreads;

static void *
fib(void *arg)
{
	long *n = arg, forked, own;
	pthread_t td;

	if (*n < 2)
		return (NULL);
	__atomic_add_fetch(&nthreads, 1, __ATOMIC_RELAXED);
	forked = *n - 1;
	bench_check(pthread_create(&td, &attr, fib, &forked) == 0, "create");
	own = *n - 2;
	fib(&own);
	pthread_join(td, NULL);
	*n = forked + own;
	return (NULL);
}

int
main(int argc, char **argv)
{
	long ncpus = bench_arg(argc, argv, 1, 1);
	long n = bench_arg(argc, argv, 2, 15);
	long rounds = bench_arg(argc, argv, 3, 20), result = 0;
	int64_t begin = bench_now();

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 2 * BENCH_STACK);
	for (long i = 0; i < rounds; i++) {
		result = n;
		fib(&result);
	}
	bench_report(ncpus == 1 ? "fib-1" : "fib-2", "pthread",
	    (double)(bench_now() - begin) / (double)nthreads, "ns");
	bench_check(result == bench_fib(n), "wrong sum %ld", result);
	return (0);
}
