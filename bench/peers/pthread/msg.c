/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: a question and its answer, by two semaphores, on one core or two.
 */
#include <semaphore.h>
#include "bench.h"

static sem_t asked, answered;
static long value, n;
static int server_cpu;

static void
wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		continue;
}

static void *
server(void *arg)
{
	bench_pin(server_cpu);
	for (long i = 0; i < n; i++) {
		wait_for(&asked);
		value++;
		sem_post(&answered);
	}
	return (arg);
}

int
main(int argc, char **argv)
{
	int64_t begin;
	pthread_t td;

	server_cpu = (int)bench_arg(argc, argv, 1, 1) - 1;
	n = bench_arg(argc, argv, 2, server_cpu == 0 ? 100000 : 20000);
	sem_init(&asked, 0, 0);
	sem_init(&answered, 0, 0);
	bench_pin(0);
	bench_check(pthread_create(&td, NULL, server, NULL) == 0, "create");
	begin = bench_now();
	for (long i = 0; i < n; i++) {
		sem_post(&asked);
		wait_for(&answered);
	}
	bench_report(server_cpu == 0 ? "msg-local" : "msg-cross", "pthread",
	    (double)(bench_now() - begin) / (double)n, "ns");
	pthread_join(td, NULL);
	bench_check(value == n, "%ld answers, not %ld", value, n);
	return (0);
}
