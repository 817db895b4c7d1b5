/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: N threads at once, each blocked in pthread_cond_wait(), then
 * woken and joined.  The kernel's share of a thread is not in the bytes.
 */
#include "bench.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate = PTHREAD_COND_INITIALIZER;
static long blocked, finished;
static int open_gate;

static void *
waiter(void *arg)
{
	pthread_mutex_lock(&lock);
	blocked++;
	while (!open_gate)
		pthread_cond_wait(&gate, &lock);
	finished++;
	pthread_mutex_unlock(&lock);
	return (arg);
}

static void
wait_until_blocked(long n)
{
	long now;

	do {
		sched_yield();
		pthread_mutex_lock(&lock);
		now = blocked;
		pthread_mutex_unlock(&lock);
	} while (now < n);
}

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 30000);
	pthread_t *td = malloc((size_t)n * sizeof(*td));
	int64_t before, bytes, begin, took;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, BENCH_STACK);
	memset(td, 1, (size_t)n * sizeof(*td));
	before = bench_memory();
	begin = bench_now();
	for (long i = 0; i < n; i++)
		bench_check(pthread_create(&td[i], &attr, waiter, NULL) == 0,
		    "create %ld", i);
	wait_until_blocked(n);
	took = bench_now() - begin;
	bytes = bench_memory() - before;
	begin = bench_now();
	pthread_mutex_lock(&lock);
	open_gate = 1;
	pthread_cond_broadcast(&gate);
	pthread_mutex_unlock(&lock);
	for (long i = 0; i < n; i++)
		pthread_join(td[i], NULL);
	took += bench_now() - begin;
	bench_check(finished == n, "%ld of %ld finished", finished, n);
	bench_report("million-time", "pthread", (double)took / (double)n, "ns");
	bench_report("million-bytes", "pthread", (double)bytes / (double)n,
	    "B");
	return (0);
}
