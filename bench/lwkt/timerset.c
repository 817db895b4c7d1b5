/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timerset [N]: 10,000 timers are pending, all far away.  One of them is
 * stopped and started again with another time, and so on.
 */
#include <lwkt/lwkt.h>
#include <lwkt/systimer.h>
#include "bench.h"

static struct lwkt_systimer timer[TIMERS];
static long n, fired;

static void
expired(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	fired++;
}

static void
start(int i, int64_t delay_ms)
{
	lwkt_systimer_init_oneshot(&timer[i], expired, NULL,
	    delay_ms * 1000000);
}

/* A timer that was set again and again expires once. */
static void
check(void)
{
	bench_check(fired == 0, "%ld timers expired early", fired);
	lwkt_systimer_del(&timer[0]);
	start(0, 1);
	lwkt_sleep_ns(20000000);
	bench_check(fired == 1, "one timer expired %ld times", fired);
	for (int i = 1; i < TIMERS; i++)
		lwkt_systimer_del(&timer[i]);
}

static int
bench(void *arg)
{
	uint64_t state = 1;
	int64_t delay_ms, begin;
	int i;

	(void)arg;
	for (i = 0; i < TIMERS; i++) {
		bench_timer_pick(&state, &delay_ms);
		start(i, delay_ms);
	}
	begin = bench_now();
	for (long k = 0; k < n; k++) {
		i = bench_timer_pick(&state, &delay_ms);
		lwkt_systimer_del(&timer[i]);
		start(i, delay_ms);
	}
	bench_report("timer-set", "lwkt",
	    (double)(bench_now() - begin) / (double)n, "ns");
	check();
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_stksize = BENCH_STACK };

	n = bench_arg(argc, argv, 1, 3000000);
	return (lwkt_boot(&cfg, bench, NULL));
}
