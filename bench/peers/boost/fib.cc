/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: fork and join.  fib(n) creates a fiber for fib(n - 1), computes
 * fib(n - 2) itself and joins the fiber.
 */
#include "common.h"

static long nthreads;

static long
fib(long n)
{
	long forked, own;

	if (n < 2)
		return n;
	nthreads++;
	fibers::fiber fiber = start([&forked, n] { forked = fib(n - 1); });
	own = fib(n - 2);
	fiber.join();
	return forked + own;
}

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 2, 20);
	long rounds = bench_arg(argc, argv, 3, 20), result = 0;
	int64_t begin = bench_now();

	for (long i = 0; i < rounds; i++)
		result = fib(n);
	bench_report("fib-1", "boost",
	    (double)(bench_now() - begin) / (double)nthreads, "ns");
	bench_check(result == bench_fib(n), "wrong sum %ld", result);
	return 0;
}
