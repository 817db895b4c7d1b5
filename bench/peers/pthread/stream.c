/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: values one way from core 0 to core 1 through a queue of 1024 under
 * a mutex with two condition variables: one value an acquisition, or 64.
 */
#include "bench.h"

#define DEPTH	1024

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
static uint64_t queue[DEPTH], head, tail;
static uint64_t n, sum, batch;

static void *
receiver(void *arg)
{
	bench_pin(1);
	for (uint64_t got = 0; got < n; got += batch) {
		pthread_mutex_lock(&lock);
		while (head - tail < batch)
			pthread_cond_wait(&not_empty, &lock);
		for (uint64_t i = 0; i < batch; i++)
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

	batch = (uint64_t)bench_arg(argc, argv, 1, 1);
	n = (uint64_t)bench_arg(argc, argv, 2, batch == 1 ? 2000000 : 400000) *
	    batch;
	bench_check(batch <= DEPTH, "at most %d values at once", DEPTH);
	bench_pin(0);
	begin = bench_now();
	bench_check(pthread_create(&td, NULL, receiver, NULL) == 0, "create");
	for (uint64_t sent = 0; sent < n;) {
		pthread_mutex_lock(&lock);
		while (head - tail > DEPTH - batch)
			pthread_cond_wait(&not_full, &lock);
		for (uint64_t i = 0; i < batch; i++)
			queue[head++ % DEPTH] = sent++;
		pthread_mutex_unlock(&lock);
		pthread_cond_signal(&not_empty);
	}
	pthread_join(td, NULL);
	bench_report(batch == 1 ? "stream-single" : "stream-batch", "pthread",
	    (double)n * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(sum == n * (n - 1) / 2, "lost values");
	return (0);
}
