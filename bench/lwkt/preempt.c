/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it costs to interrupt a thread between two of its instructions: the same
 * computation with a timer every 100 us and without, on one CPU.
 */
#include <lwkt/lwkt.h>
#include <lwkt/preempt.h>
#include <lwkt/systimer.h>
#include "bench.h"

#define PERIOD_NS	100000
#define TIMES		40

static long n;
static volatile uint64_t fired;
static double best_ns, share;

static void
timer_fires(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	fired = fired + 1;
}

/* Return the CPU time of this host thread, without waits for the core. */
static int64_t
cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
}

static __attribute__((noinline)) int64_t
compute(void)
{
	int64_t begin = cpu_now();
	uint64_t x = 1;

	for (long i = 0; i < n; i++) {
		x = x * 0x9e3779b97f4a7c15ull + 1;
		__asm__ __volatile__("" : "+r" (x));
	}
	return (cpu_now() - begin);
}

static void
measure(void *arg)
{
	struct lwkt_systimer st;
	int64_t alone = compute(), with;
	uint64_t hits;

	(void)arg;
	for (int i = 0; i < TIMES; i++) {
		with = compute();
		alone = with < alone ? with : alone;
	}
	best_ns = 1e9;
	lwkt_systimer_init_periodic(&st, timer_fires, NULL, PERIOD_NS, 0);
	for (int i = 0; i < TIMES; i++) {
		hits = fired;
		with = compute();
		hits = fired - hits;
		bench_check(hits > 10, "only %llu timers",
		    (unsigned long long)hits);
		if ((double)(with - alone) / (double)hits < best_ns) {
			best_ns = (double)(with - alone) / (double)hits;
			share = best_ns / 300000 * 100;
		}
	}
	lwkt_systimer_del(&st);
}

static int
bench(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	/* A static program is not registered as a whole. */
	(void)lwkt_preempt_register((const void *)(uintptr_t)compute, 64);
	bench_check(lwkt_create(measure, NULL, &td, NULL, LWKT_JOINABLE |
	    LWKT_PREEMPTIBLE, 0, "measure") == 0, "no thread");
	lwkt_join(td);
	bench_report("preempt", "lwkt", best_ns, "ns");
	bench_report("preempt-300us", "lwkt", share, "%");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };

	n = bench_arg(argc, argv, 1, 20000000);
	return (lwkt_boot(&cfg, bench, NULL));
}
