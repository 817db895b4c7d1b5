/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: stop the threads that compute on the other CPUs, each by a signal
 * whose handler runs a function once all have come, and let them go on.
 */
#include <signal.h>
#include "bench.h"

#define CPUS_MAX	1024

static int ncpus;
static volatile int stop;
static int arrived, ran, go;	/* atomic; go: number of the round */
static __thread int self;
static pthread_barrier_t all_there;

static struct {
	_Alignas(64) long calls;
} cpu[CPUS_MAX];

static void
wait_for(int *word, int value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		continue;
}

static void
on_signal(int sig)
{
	int round = __atomic_load_n(&go, __ATOMIC_ACQUIRE);

	(void)sig;
	__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
	wait_for(&go, round + 1);
	cpu[self].calls++;
	__atomic_add_fetch(&ran, 1, __ATOMIC_ACQ_REL);
}

static void *
busy(void *arg)
{
	self = (int)(intptr_t)arg;
	bench_pin(self);
	pthread_barrier_wait(&all_there);
	while (!stop)
		continue;
	return (NULL);
}

static void
rendezvous(pthread_t *td)
{
	arrived = ran = 0;
	for (int i = 1; i < ncpus; i++)
		pthread_kill(td[i], SIGUSR1);
	wait_for(&arrived, ncpus - 1);
	__atomic_add_fetch(&go, 1, __ATOMIC_RELEASE);
	cpu[0].calls++;
	wait_for(&ran, ncpus - 1);
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	pthread_t td[CPUS_MAX];
	int64_t begin;
	char name[32];
	long n;

	ncpus = (int)bench_arg(argc, argv, 2, 2);
	n = bench_arg(argc, argv, 3, 50000);
	sigaction(SIGUSR1, &sa, NULL);
	pthread_barrier_init(&all_there, NULL, (unsigned)ncpus);
	bench_pin(0);
	for (intptr_t i = 1; i < ncpus; i++)
		bench_check(pthread_create(&td[i], NULL, busy, (void *)i) == 0,
		    "create");
	pthread_barrier_wait(&all_there);
	begin = bench_now();
	for (long i = 0; i < n; i++)
		rendezvous(td);
	snprintf(name, sizeof(name), "cpusync-%d", ncpus);
	bench_report(name, "pthread",
	    (double)(bench_now() - begin) / (double)n, "ns");
	stop = 1;
	for (int i = 1; i < ncpus; i++)
		pthread_join(td[i], NULL);
	for (int i = 0; i < ncpus; i++)
		bench_check(cpu[i].calls == n, "%ld calls on cpu %d",
		    cpu[i].calls, i);
	return (0);
}
