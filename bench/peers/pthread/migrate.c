/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: a thread goes from CPU to CPU by its affinity.
 */
#include "bench.h"

int
main(int argc, char **argv)
{
	int ncpus = (int)bench_arg(argc, argv, 1, 2);
	long n = bench_arg(argc, argv, 2, 50000), moved = 0;
	int before = -1, cpu = 0;
	int64_t begin;
	char name[32];

	begin = bench_now();
	for (long i = 0; i < n; i++) {
		cpu = (cpu + 1) % ncpus;
		bench_pin(cpu);
		moved += sched_getcpu() != before;
		before = sched_getcpu();
	}
	snprintf(name, sizeof(name), "migrate-%d", ncpus);
	bench_report(name, "pthread",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(moved == n, "moved %ld times, not %ld", moved, n);
	return (0);
}
