/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 100,000 threads that sleep 1 to 100 ms again and again on one CPU.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

static struct bench_sleepers plan;
static int n;

static void
sleeper(void *arg)
{
	uint64_t rng = (uint64_t)(intptr_t)arg * 2654435761u + 1;
	int64_t asked_at, want;

	do {
		want = bench_sleeper_pick_ns(&rng);
		asked_at = bench_now();
		lwkt_sleep_ns(want);
	} while (bench_sleeper_woke(&plan, asked_at, want));
}

static int
bench(void *arg)
{
	lwkt_thread_t *td = arg;

	plan.begin = plan.end = INT64_MAX;
	for (int i = 0; i < n; i++)
		bench_check(lwkt_create(sleeper, (void *)(intptr_t)i, &td[i],
		    NULL, LWKT_JOINABLE, 0, "sleeper") == 0, "create");
	lwkt_sleep_ns(500000000);
	plan.begin = bench_now();
	plan.end = plan.begin + SLEEPERS_WINDOW_NS;
	for (int i = 0; i < n; i++)
		lwkt_join(td[i]);
	bench_sleepers_report(&plan, "lwkt");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_stksize = BENCH_STACK };

	n = (int)bench_arg(argc, argv, 1, 100000);
	return (lwkt_boot(&cfg, bench, calloc((size_t)n,
	    sizeof(lwkt_thread_t))));
}
