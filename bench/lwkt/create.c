/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cost of a thread's life: create one that does nothing, join it.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

static long n, ran;

static void
nothing(void *arg)
{
	++*(long *)arg;
}

static void
lives(long count)
{
	lwkt_thread_t td;

	for (long i = 0; i < count; i++) {
		bench_check(lwkt_create(nothing, &ran, &td, NULL,
		    LWKT_JOINABLE, 0, "worker") == 0, "create");
		lwkt_join(td);
	}
}

static int
bench(void *arg)
{
	int64_t begin;

	(void)arg;
	lives(1000);			/* fill the cache */
	ran = 0;
	begin = bench_now();
	lives(n);
	bench_report("create-join", "lwkt",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(ran == n, "%ld of %ld ran", ran, n);
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_stksize = BENCH_STACK };

	n = bench_arg(argc, argv, 1, 5000000);
	return (lwkt_boot(&cfg, bench, NULL));
}
