/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: four threads send, each to a queue of 256 of its own, and one
 * takes from all four.  The queues are under one mutex.  The receiver has a
 * condition variable and each sender has one.
 */
#include "bench.h"

#define SENDERS	4
#define DEPTH	256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static struct sender {
	pthread_cond_t	not_full;
	uint64_t	queue[DEPTH], head, tail;
	pthread_t	td;
} sender[SENDERS];
static uint64_t n;
static int senders_cpu;

static void *
send_all(void *arg)
{
	struct sender *self = arg;

	bench_pin(senders_cpu);
	for (uint64_t i = 0; i < n; i++) {
		pthread_mutex_lock(&lock);
		while (self->head - self->tail == DEPTH)
			pthread_cond_wait(&self->not_full, &lock);
		self->queue[self->head++ % DEPTH] = i;
		pthread_mutex_unlock(&lock);
		pthread_cond_signal(&not_empty);
	}
	return (NULL);
}

/* The first queue that has something.  The lock is held. */
static struct sender *
find(void)
{
	for (int i = 0; i < SENDERS; i++)
		if (sender[i].head != sender[i].tail)
			return (&sender[i]);
	return (NULL);
}

static uint64_t
receive_all(void)
{
	struct sender *from;
	uint64_t sum = 0;

	for (uint64_t got = 0; got < SENDERS * n; got++) {
		pthread_mutex_lock(&lock);
		while ((from = find()) == NULL)
			pthread_cond_wait(&not_empty, &lock);
		sum += from->queue[from->tail++ % DEPTH];
		pthread_mutex_unlock(&lock);
		pthread_cond_signal(&from->not_full);
	}
	return (sum);
}

int
main(int argc, char **argv)
{
	int64_t begin;
	uint64_t sum;

	senders_cpu = (int)bench_arg(argc, argv, 1, 1) - 1;
	n = (uint64_t)bench_arg(argc, argv, 2, 250000);
	bench_pin(0);
	begin = bench_now();
	for (int i = 0; i < SENDERS; i++) {
		pthread_cond_init(&sender[i].not_full, NULL);
		bench_check(pthread_create(&sender[i].td, NULL, send_all,
		    &sender[i]) == 0, "create");
	}
	sum = receive_all();
	for (int i = 0; i < SENDERS; i++)
		pthread_join(sender[i].td, NULL);
	bench_report(senders_cpu == 0 ? "select-4" : "select-4-2", "pthread",
	    (double)(SENDERS * n) * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(sum == SENDERS * (n * (n - 1) / 2), "lost messages");
	return (0);
}
