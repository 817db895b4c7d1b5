/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * migrate NCPUS [HOPS]: a thread goes from CPU to CPU, round and round.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

static long n;

static int
bench(void *arg)
{
	int64_t begin = bench_now();
	int cpu = 0, ncpus = lwkt_ncpus();
	long arrived = 0;
	char name[32];

	(void)arg;
	for (long i = 0; i < n; i++) {
		cpu = (cpu + 1) % ncpus;
		lwkt_migratecpu(cpu);
		arrived += lwkt_cpuid() == cpu;
	}
	snprintf(name, sizeof(name), "migrate-%d", ncpus);
	bench_report(name, "lwkt",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(arrived == n, "arrived %ld times, not %ld", arrived, n);
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	cfg.lc_ncpus = (int)bench_arg(argc, argv, 1, 2);
	n = bench_arg(argc, argv, 2, 500000);
	return (lwkt_boot(&cfg, bench, NULL));
}
