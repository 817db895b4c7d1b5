/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: one thread puts, one gets, through a queue of 1024 under a mutex
 * with two condition variables, on one core or two.
 */
#include "bench.h"

#define DEPTH	1024

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
static uint64_t queue[DEPTH], head, tail, n, sum;
static int getter_cpu;

static void *
getter(void *arg)
{
	bench_pin(getter_cpu);
	for (uint64_t got = 0; got < n; got++) {
		pthread_mutex_lock(&lock);
		while (head == tail)
			pthread_cond_wait(&not_empty, &lock);
		sum += queue[tail++ % DEPTH];
		pthread_mutex_unlock(&lock);
		pthread_cond_signal(&not_full);
	}
	return (arg);
}

int
main(int argc, char **argv)
{
	int64_t begin;
	pthread_t td;

	getter_cpu = (int)bench_arg(argc, argv, 1, 1) - 1;
	n = (uint64_t)bench_arg(argc, argv, 2, 2000000);
	bench_pin(0);
	begin = bench_now();
	bench_check(pthread_create(&td, NULL, getter, NULL) == 0, "create");
	for (uint64_t i = 0; i < n; i++) {
		pthread_mutex_lock(&lock);
		while (head - tail == DEPTH)
			pthread_cond_wait(&not_full, &lock);
		queue[head++ % DEPTH] = i;
		pthread_mutex_unlock(&lock);
		pthread_cond_signal(&not_empty);
	}
	pthread_join(td, NULL);
	bench_report(getter_cpu == 0 ? "queue-1" : "queue-2", "pthread",
	    (double)n * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(sum == n * (n - 1) / 2, "lost items");
	return (0);
}
