/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: N threads that give way; st_usleep(0) is how one does there.
 */
#include <st.h>
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
		st_usleep(0);
	}
	return (NULL);
}

int
main(int argc, char **argv)
{
	st_thread_t *td;
	int64_t begin, took;
	char name[32];

	nthreads = (int)bench_arg(argc, argv, 1, 2);
	rounds = (int)bench_arg(argc, argv, 2, 2000000) / nthreads;
	td = calloc((size_t)nthreads, sizeof(st_thread_t));
	bench_check(st_init() == 0, "init");
	for (int i = 0; i < nthreads; i++) {
		td[i] = st_thread_create(yielder, (void *)(intptr_t)i, 1,
		    BENCH_STACK);
		bench_check(td[i] != NULL, "create %d", i);
	}
	st_usleep(0);
	begin = bench_now();
	for (int i = 0; i < nthreads; i++)
		st_thread_join(td[i], NULL);
	took = bench_now() - begin;
	bench_check(handovers > (long)nthreads * rounds / 2,
	    "%ld switches in %ld yields", handovers, (long)nthreads * rounds);
	snprintf(name, sizeof(name), "yield-%d", nthreads);
	bench_report(name, "st", (double)took / (double)handovers, "ns");
	return (0);
}
