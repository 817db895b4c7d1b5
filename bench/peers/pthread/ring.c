/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: a token goes round 1,000 threads, each with a semaphore.  The last
 * round ends them.
 */
#include <semaphore.h>
#include "bench.h"

#define MEMBERS	1000

static sem_t come[MEMBERS], last;
static long hops, n;

static void
wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		continue;
}

static void *
hand_on(void *arg)
{
	long self = (sem_t *)arg - come, now;

	do {
		wait_for(&come[self]);
		now = ++hops;
		sem_post(now == n + MEMBERS ? &last :
		    &come[(self + 1) % MEMBERS]);
	} while (now <= n);
	return (NULL);
}

int
main(int argc, char **argv)
{
	static pthread_t td[MEMBERS];
	pthread_attr_t attr;
	int64_t begin, took;

	n = bench_arg(argc, argv, 1, 100000);
	sem_init(&last, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, BENCH_STACK);
	for (int i = 0; i < MEMBERS; i++)
		sem_init(&come[i], 0, 0);
	for (int i = 0; i < MEMBERS; i++)
		bench_check(pthread_create(&td[i], &attr, hand_on,
		    &come[i]) == 0, "create");
	begin = bench_now();
	sem_post(&come[0]);
	wait_for(&last);
	took = bench_now() - begin;
	for (int i = 0; i < MEMBERS; i++)
		pthread_join(td[i], NULL);
	bench_report("ring-1000", "pthread", (double)took / (double)hops, "ns");
	bench_check(hops == n + MEMBERS, "%ld hops", hops);
	return (0);
}
