/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: one broadcast to all threads that wait on one condition variable,
 * until the last of them has run.
 */
#include "bench.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t next_round = PTHREAD_COND_INITIALIZER;
static pthread_cond_t all_ran = PTHREAD_COND_INITIALIZER;
static long nthreads, rounds, now, ran;

static void *
sleeper(void *arg)
{
	pthread_mutex_lock(&lock);
	for (long round = 0; ; round++) {
		if (++ran % nthreads == 0)
			pthread_cond_signal(&all_ran);
		if (round == rounds)
			break;
		while (now == round)
			pthread_cond_wait(&next_round, &lock);
	}
	pthread_mutex_unlock(&lock);
	return (arg);
}

int
main(int argc, char **argv)
{
	int64_t took = 0, begin;
	pthread_attr_t attr;
	pthread_t *td;
	long ncpus;
	char name[32];

	ncpus = bench_arg(argc, argv, 1, 1);
	nthreads = bench_arg(argc, argv, 2, 10000);
	rounds = bench_arg(argc, argv, 3, 5);
	td = calloc((size_t)nthreads, sizeof(*td));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, BENCH_STACK);
	for (long i = 0; i < nthreads; i++)
		bench_check(pthread_create(&td[i], &attr, sleeper, NULL) == 0,
		    "create %ld", i);
	pthread_mutex_lock(&lock);
	while (ran < nthreads)
		pthread_cond_wait(&all_ran, &lock);
	while (now < rounds) {
		begin = bench_now();
		now++;
		pthread_cond_broadcast(&next_round);
		while (ran < (now + 1) * nthreads)
			pthread_cond_wait(&all_ran, &lock);
		took += bench_now() - begin;
	}
	pthread_mutex_unlock(&lock);
	for (long i = 0; i < nthreads; i++)
		pthread_join(td[i], NULL);
	bench_check(ran == (rounds + 1) * nthreads, "%ld runs", ran);
	snprintf(name, sizeof(name), "wakeup-bcast-%ld", ncpus);
	bench_report(name, "pthread",
	    (double)took / (double)(rounds * nthreads), "ns");
	return (0);
}
