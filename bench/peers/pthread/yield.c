/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: N threads on one core that sched_yield().
 *
 * The scheduler may give the core back to the caller, so what is counted is
 * the times that another thread ran; a count lost to a preemption is noise.
 */
#include "bench.h"

static int nthreads, rounds;
static volatile int last;
static volatile long handovers;
static pthread_barrier_t started;

static void *
yielder(void *arg)
{
	int self = (int)(intptr_t)arg;

	pthread_barrier_wait(&started);
	for (int i = 0; i < rounds; i++) {
		handovers = handovers + (last != self);
		last = self;
		sched_yield();
	}
	return (NULL);
}

int
main(int argc, char **argv)
{
	pthread_attr_t attr;
	pthread_t *td;
	int64_t begin, took;
	char name[32];

	nthreads = (int)bench_arg(argc, argv, 1, 2);
	rounds = (int)bench_arg(argc, argv, 2, 500000) / nthreads;
	td = calloc((size_t)nthreads, sizeof(*td));
	pthread_barrier_init(&started, NULL, (unsigned)nthreads + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, BENCH_STACK);
	for (int i = 0; i < nthreads; i++)
		bench_check(pthread_create(&td[i], &attr, yielder,
		    (void *)(intptr_t)i) == 0, "create %d", i);
	pthread_barrier_wait(&started);
	begin = bench_now();
	for (int i = 0; i < nthreads; i++)
		pthread_join(td[i], NULL);
	took = bench_now() - begin;
	bench_check(handovers > (long)nthreads * rounds / 4,
	    "%ld switches in %ld yields", handovers, (long)nthreads * rounds);
	snprintf(name, sizeof(name), "yield-%d", nthreads);
	bench_report(name, "pthread", (double)took / (double)handovers, "ns");
	return (0);
}
