/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GNU Pth: a counter under a mutex that nobody else wants.
 */
#include <pth.h>
#include "bench.h"

static pth_mutex_t lock = PTH_MUTEX_INIT;
static volatile long counter;

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 10000000);
	int64_t begin;

	bench_check(pth_init(), "init");
	begin = bench_now();
	for (long i = 0; i < n; i++) {
		pth_mutex_acquire(&lock, FALSE, NULL);
		counter = counter + 1;
		pth_mutex_release(&lock);
	}
	bench_report("lock", "pth",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(counter == n, "%ld, not %ld", counter, n);
	return (0);
}
