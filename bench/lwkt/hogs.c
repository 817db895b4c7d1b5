/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How late a thread wakes that sleeps 1 ms again and again, on a CPU with two
 * threads that only compute.  All CPUs do this; the figures are of all sleeps.
 */
#include <lwkt/lwkt.h>
#include <lwkt/preempt.h>
#include "bench.h"

#define SLEEP_NS	1000000
#define HOGS		2		/* of a CPU */
#define MAXCPUS		64

static struct bench_hist hist[MAXCPUS];
static volatile int over;
static long n;

static __attribute__((noinline)) void
compute(void)
{
	while (!over)
		continue;
}

static void
hog(void *arg)
{
	(void)arg;
	compute();
}

static void
sleeper(void *arg)
{
	struct bench_hist *h = arg;
	int64_t begin, late;

	for (long i = 0; i < n; i++) {
		begin = bench_now();
		lwkt_sleep_ns(SLEEP_NS);
		late = bench_now() - begin - SLEEP_NS;
		bench_check(late >= 0, "woke %lld ns early", (long long)-late);
		bench_hist_add(h, late);
	}
}

static lwkt_thread_t
start(void (*fn)(void *), void *arg, int flags, int cpu, int pri)
{
	lwkt_thread_t td;

	bench_check(lwkt_create(fn, arg, &td, NULL, LWKT_JOINABLE |
	    LWKT_NOSTART | flags, cpu, "bench") == 0, "no thread");
	lwkt_setpri_initial(td, pri);
	lwkt_schedule(td);
	return (td);
}

static int
bench(void *arg)
{
	int ncpus = lwkt_ncpus() < MAXCPUS ? lwkt_ncpus() : MAXCPUS, cpu, i;
	lwkt_thread_t hogs[MAXCPUS * HOGS], sleepers[MAXCPUS];

	(void)arg;
	/* A static program is not registered as a whole. */
	(void)lwkt_preempt_register((const void *)(uintptr_t)compute, 16);
	(void)lwkt_preempt_register((const void *)(uintptr_t)hog, 16);
	for (cpu = 0; cpu < ncpus; cpu++) {
		sleepers[cpu] = start(sleeper, &hist[cpu], 0, cpu,
		    LWKT_PRI_KERN_DAEMON);
		for (i = 0; i < HOGS; i++)
			hogs[cpu * HOGS + i] = start(hog, NULL,
			    LWKT_PREEMPTIBLE, cpu, LWKT_PRI_USER_NORM);
	}
	for (cpu = 0; cpu < ncpus; cpu++)
		lwkt_join(sleepers[cpu]);
	over = 1;
	for (i = 0; i < ncpus * HOGS; i++)
		lwkt_join(hogs[i]);
	bench_hist_merge(hist, ncpus);
	bench_report("hogs-p50", "lwkt", bench_hist_us(hist, 0.5), "us");
	bench_report("hogs-p99", "lwkt", bench_hist_us(hist, 0.99), "us");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK * 2 };

	n = bench_arg(argc, argv, 1, 2000);
	return (lwkt_boot(&cfg, bench, NULL));
}
