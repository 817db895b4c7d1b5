/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Protecting a counter from everything else on the CPU: a critical section, by
 * the inline form and by the out-of-line calls.
 */
#include <lwkt/lwkt.h>
#include <lwkt/thread2.h>
#include "bench.h"

static volatile long counter;
static long n;

static void
finish(const char *name, int64_t begin)
{
	bench_report(name, "lwkt",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(counter == n, "%ld, not %ld", counter, n);
	counter = 0;
}

static int
bench(void *arg)
{
	int64_t begin = bench_now();

	(void)arg;
	for (long i = 0; i < n; i++) {
		lwkt_crit_enter_quick();
		counter = counter + 1;
		lwkt_crit_exit_quick();
	}
	finish("lock", begin);
	begin = bench_now();
	for (long i = 0; i < n; i++) {
		lwkt_crit_enter();
		counter = counter + 1;
		lwkt_crit_exit();
	}
	finish("lock-call", begin);
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_stksize = BENCH_STACK };

	n = bench_arg(argc, argv, 1, 50000000);
	return (lwkt_boot(&cfg, bench, NULL));
}
