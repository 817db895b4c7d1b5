/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: pairs of threads, all at once.  Each pair has a semaphore for
 * questions and one for answers.  1,000 pairs, not 10,000.
 */
#include <semaphore.h>
#include "bench.h"

struct pair {
	sem_t		asked, answered;
	long		value;
	pthread_t	server, client;
};

static pthread_barrier_t start;
static pthread_attr_t attr;
static long trips;

static void
wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		continue;
}

static void *
server(void *arg)
{
	struct pair *pair = arg;

	pthread_barrier_wait(&start);
	for (long i = 0; i < trips; i++) {
		wait_for(&pair->asked);
		pair->value++;
		sem_post(&pair->answered);
	}
	return (NULL);
}

static void *
client(void *arg)
{
	struct pair *pair = arg;

	pthread_barrier_wait(&start);
	for (long i = 0; i < trips; i++) {
		sem_post(&pair->asked);
		wait_for(&pair->answered);
	}
	return (NULL);
}

static void
create(struct pair *pair)
{
	sem_init(&pair->asked, 0, 0);
	sem_init(&pair->answered, 0, 0);
	bench_check(pthread_create(&pair->server, &attr, server, pair) == 0 &&
	    pthread_create(&pair->client, &attr, client, pair) == 0, "create");
}

int
main(int argc, char **argv)
{
	long npairs = bench_arg(argc, argv, 1, 1000);
	struct pair *pair = calloc((size_t)npairs, sizeof(*pair));
	int64_t begin;

	trips = bench_arg(argc, argv, 2, 100);
	bench_check(pair != NULL, "no memory");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, BENCH_STACK);
	pthread_barrier_init(&start, NULL, (unsigned int)(2 * npairs + 1));
	for (long i = 0; i < npairs; i++)
		create(&pair[i]);
	begin = bench_now();
	pthread_barrier_wait(&start);
	for (long i = 0; i < npairs; i++) {
		pthread_join(pair[i].client, NULL);
		pthread_join(pair[i].server, NULL);
		bench_check(pair[i].value == trips, "only %ld trips",
		    pair[i].value);
	}
	bench_report("pairs-10000", "pthread", (double)(bench_now() - begin) /
	    (double)(npairs * trips), "ns");
	return (0);
}
