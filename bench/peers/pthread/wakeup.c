/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: two threads of one core take turns, first by mutex and condition
 * variable, then by semaphore.
 */
#include <semaphore.h>
#include "bench.h"

static long n, turn;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t mine[2] = {
	PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER
};
static sem_t go[2];

static void *
by_cond(void *arg)
{
	int self = (int)(intptr_t)arg;

	pthread_mutex_lock(&lock);
	for (long i = 0; i < n; i++) {
		while (turn % 2 != self)
			pthread_cond_wait(&mine[self], &lock);
		turn++;
		pthread_cond_signal(&mine[!self]);
	}
	pthread_mutex_unlock(&lock);
	return (NULL);
}

static void *
by_sem(void *arg)
{
	int self = (int)(intptr_t)arg;

	for (long i = 0; i < n; i++) {
		while (sem_wait(&go[self]) != 0)
			continue;
		turn++;
		sem_post(&go[!self]);
	}
	return (NULL);
}

static void
play(const char *name, void *(*fn)(void *))
{
	int64_t begin = bench_now();
	pthread_t td[2];

	turn = 0;
	for (intptr_t i = 0; i < 2; i++)
		bench_check(pthread_create(&td[i], NULL, fn, (void *)i) == 0,
		    "create");
	for (int i = 0; i < 2; i++)
		pthread_join(td[i], NULL);
	bench_report(name, "pthread",
	    (double)(bench_now() - begin) / (2.0 * (double)n), "ns");
	bench_check(turn == 2 * n, "%ld turns, not %ld", turn, 2 * n);
}

int
main(int argc, char **argv)
{
	n = bench_arg(argc, argv, 1, 100000);
	play("block-wakeup", by_cond);
	sem_init(&go[0], 0, 1);
	sem_init(&go[1], 0, 0);
	play("block-schedule", by_sem);
	return (0);
}
