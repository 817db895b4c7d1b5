/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpusync KIND NCPUS [TIMES]: stop all CPUs, run a function on each and let
 * them continue (cpusync), or only run the function on each (cpusync-quick).
 * Meanwhile each of the other CPUs runs a thread that yields.
 */
#include <lwkt/lwkt.h>
#include <lwkt/cpusync.h>
#include <lwkt/ipiq.h>
#include "bench.h"

static long n;
static int ncpus, quick, stop;

static struct {
	_Alignas(64) long calls;
} cpu[LWKT_MAXCPU];

static void
count(void *arg)
{
	(void)arg;
	cpu[lwkt_cpuid()].calls++;
}

static void
busy(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		lwkt_yield();
}

static int64_t
measure(void)
{
	lwkt_cpumask_t all = lwkt_cpumask_all();
	int64_t begin = bench_now();

	for (long i = 0; i < n; i++) {
		if (quick)
			lwkt_cpusync_quick(all, count, NULL);
		else
			lwkt_cpusync_simple(all, count, NULL);
	}
	return (bench_now() - begin);
}

static int
bench(void *arg)
{
	lwkt_thread_t td[LWKT_MAXCPU];
	char name[32];
	int64_t took;

	(void)arg;
	for (int i = 1; i < ncpus; i++)
		bench_check(lwkt_create(busy, NULL, &td[i], NULL,
		    LWKT_JOINABLE, i, "busy%d", i) == 0, "create");
	lwkt_synchronize_ipiqs("bench");
	took = measure();
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (int i = 1; i < ncpus; i++)
		lwkt_join(td[i]);
	for (int i = 0; i < ncpus; i++)
		bench_check(cpu[i].calls == n, "%ld calls on cpu %d",
		    cpu[i].calls, i);
	snprintf(name, sizeof(name), "cpusync%s-%d", quick ? "-quick" : "",
	    ncpus);
	bench_report(name, "lwkt", (double)took / (double)n, "ns");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	quick = argc > 1 && strcmp(argv[1], "cpusync-quick") == 0;
	ncpus = cfg.lc_ncpus = (int)bench_arg(argc, argv, 2, 2);
	n = bench_arg(argc, argv, 3, 300000);
	return (lwkt_boot(&cfg, bench, NULL));
}
