/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GNU Pth: N threads that yield.
 */
#include <pth.h>
#include "bench.h"

static int nthreads, rounds, last;
static long handovers;

static void *
yielder(void *arg)
{
	int self = (int)(intptr_t)arg;

	for (int i = 0; i < rounds; i++) {
		handovers += last != self;
		last = self;
		pth_yield(NULL);
	}
	return (NULL);
}

int
main(int argc, char **argv)
{
	int64_t begin, took;
	pth_attr_t attr;
	char name[32];
	pth_t *td;

	nthreads = (int)bench_arg(argc, argv, 1, 2);
	rounds = (int)bench_arg(argc, argv, 2, 500000) / nthreads;
	td = calloc((size_t)nthreads, sizeof(*td));
	bench_check(pth_init(), "init");
	attr = pth_attr_new();
	pth_attr_set(attr, PTH_ATTR_STACK_SIZE, BENCH_STACK);
	for (int i = 0; i < nthreads; i++) {
		td[i] = pth_spawn(attr, yielder, (void *)(intptr_t)i);
		bench_check(td[i] != NULL, "create %d", i);
	}
	pth_yield(NULL);
	begin = bench_now();
	for (int i = 0; i < nthreads; i++)
		pth_join(td[i], NULL);
	took = bench_now() - begin;
	bench_check(handovers > (long)nthreads * rounds / 2,
	    "%ld switches in %ld yields", handovers, (long)nthreads * rounds);
	snprintf(name, sizeof(name), "yield-%d", nthreads);
	bench_report(name, "pth", (double)took / (double)handovers, "ns");
	return (0);
}
