/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: a counter under a mutex that nobody else wants.
 */
#include "common.h"

static volatile long counter;

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 20000000);
	int64_t begin = bench_now();
	fibers::mutex lock;

	for (long i = 0; i < n; i++) {
		lock.lock();
		counter = counter + 1;
		lock.unlock();
	}
	bench_report("lock", "boost",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(counter == n, "%ld, not %ld", counter, n);
	return 0;
}
