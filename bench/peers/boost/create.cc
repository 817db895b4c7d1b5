/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: create a fiber that does nothing, join it.
 */
#include "common.h"

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 1000000), ran = 0;
	int64_t begin = bench_now();

	for (long i = 0; i < n; i++)
		start([&ran] { ran++; }).join();
	bench_report("create-join", "boost",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(ran == n, "%ld of %ld ran", ran, n);
	return 0;
}
