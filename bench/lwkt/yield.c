/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cost of a switch through the run queue: N threads of one CPU that yield.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

static int nthreads, rounds;
static int last;		/* who ran before */
static long handovers;		/* times that somebody else did */

static void
yielder(void *arg)
{
	int self = (int)(intptr_t)arg;

	for (int i = 0; i < rounds; i++) {
		handovers += last != self;
		last = self;
		lwkt_yield();
	}
}

static int
bench(void *arg)
{
	lwkt_thread_t *td = arg;
	int64_t begin, took;
	char name[32];

	for (int i = 0; i < nthreads; i++)
		bench_check(lwkt_create(yielder, (void *)(intptr_t)i, &td[i],
		    NULL, LWKT_JOINABLE, 0, "yielder") == 0, "create");
	lwkt_yield();			/* each has its stack and has run */
	begin = bench_now();
	for (int i = 0; i < nthreads; i++)
		lwkt_join(td[i]);
	took = bench_now() - begin;
	bench_check(handovers >= (long)nthreads * (rounds - 1),
	    "%ld switches, not %ld", handovers, (long)nthreads * rounds);
	snprintf(name, sizeof(name), "yield-%d", nthreads);
	bench_report(name, "lwkt", (double)took / (double)handovers, "ns");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_stksize = BENCH_STACK };

	nthreads = (int)bench_arg(argc, argv, 1, 2);
	rounds = (int)bench_arg(argc, argv, 2, 20000000) / nthreads;
	return (lwkt_boot(&cfg, bench, calloc((size_t)nthreads,
	    sizeof(lwkt_thread_t))));
}
