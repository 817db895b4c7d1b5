/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How late one thread wakes that sleeps 1 ms, on a CPU with nothing else.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

#define SLEEP_NS	1000000

static struct bench_hist hist;
static long n;

static int
bench(void *arg)
{
	int64_t begin, late;

	(void)arg;
	for (long i = 0; i < n; i++) {
		begin = bench_now();
		lwkt_sleep_ns(SLEEP_NS);
		late = bench_now() - begin - SLEEP_NS;
		bench_check(late >= 0, "woke %lld ns early", (long long)-late);
		bench_hist_add(&hist, late);
	}
	bench_report("timer-p50", "lwkt", bench_hist_us(&hist, 0.5), "us");
	bench_report("timer-p99", "lwkt", bench_hist_us(&hist, 0.99), "us");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_stksize = BENCH_STACK };

	n = bench_arg(argc, argv, 1, 1000);
	return (lwkt_boot(&cfg, bench, NULL));
}
