/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks: taken and given back by one CPU, by all CPUs, and shared by all.
 * These are the three tests of DragonFly's debug.spin_lock_test.
 */
#include <lwkt/lwkt.h>
#include <lwkt/spinlock.h>
#include "bench.h"

static struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("bench");
static volatile long counter;
static long n;

static void
alone(void *arg)
{
	(void)arg;
	for (long i = 0; i < n; i++) {
		lwkt_spin_lock(&spin);
		counter = counter + 1;
		lwkt_spin_unlock(&spin);
	}
}

static void
shared(void *arg)
{
	volatile long seen;

	(void)arg;
	for (long i = 0; i < n; i++) {
		lwkt_spin_lock_shared(&spin);
		seen = counter;
		lwkt_spin_unlock_shared(&spin);
	}
	(void)seen;
}

/* Nanoseconds of one taking when so many CPUs do it at once. */
static void
measure(const char *name, void (*fn)(void *), int ncpus)
{
	lwkt_thread_t td[LWKT_MAXCPU];
	int64_t begin;

	counter = 0;
	begin = bench_now();
	for (int i = 0; i < ncpus; i++)
		bench_check(lwkt_create(fn, NULL, &td[i], NULL, LWKT_JOINABLE,
		    i, "spin%d", i) == 0, "no thread");
	for (int i = 0; i < ncpus; i++)
		lwkt_join(td[i]);
	bench_report(name, "lwkt", (double)(bench_now() - begin) /
	    (double)n / ncpus, "ns");
	bench_check(fn == shared || counter == n * ncpus, "%ld, not %ld",
	    counter, n * ncpus);
}

static int
bench(void *arg)
{
	(void)arg;
	measure("spin", alone, 1);
	measure("spin-contended", alone, lwkt_ncpus());
	measure("spin-shared", shared, 1);
	measure("spin-shared-contended", shared, lwkt_ncpus());
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	n = bench_arg(argc, argv, 1, 10000000);
	return (lwkt_boot(&cfg, bench, NULL));
}
