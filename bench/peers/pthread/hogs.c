/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: how late a thread wakes that sleeps 1 ms, on a CPU with two others
 * that only compute.
 */
#include "bench.h"

#define HOGS		2		/* of a CPU */
#define MAXCPUS		64

static struct bench_hist hist[MAXCPUS];
static volatile int over;
static long n;

static void *
hog(void *arg)
{
	bench_pin((int)(intptr_t)arg);
	while (!over)
		continue;
	return (NULL);
}

static void *
sleeper(void *arg)
{
	struct timespec ts = { .tv_nsec = 1000000 };
	int cpu = (int)(intptr_t)arg;
	int64_t begin;

	bench_pin(cpu);
	for (long i = 0; i < n; i++) {
		begin = bench_now();
		while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL) != 0)
			continue;
		bench_hist_add(&hist[cpu], bench_now() - begin - ts.tv_nsec);
	}
	return (NULL);
}

static pthread_t
start(void *(*fn)(void *), int cpu)
{
	pthread_t pt;

	bench_check(pthread_create(&pt, NULL, fn, (void *)(intptr_t)cpu) == 0,
	    "no thread");
	return (pt);
}

int
main(int argc, char **argv)
{
	int ncpus = CPU_COUNT(&bench_cpus), cpu, i;
	pthread_t hogs[MAXCPUS * HOGS], sleepers[MAXCPUS];

	n = bench_arg(argc, argv, 1, 2000);
	ncpus = ncpus < MAXCPUS ? ncpus : MAXCPUS;
	for (cpu = 0; cpu < ncpus; cpu++) {
		sleepers[cpu] = start(sleeper, cpu);
		for (i = 0; i < HOGS; i++)
			hogs[cpu * HOGS + i] = start(hog, cpu);
	}
	for (cpu = 0; cpu < ncpus; cpu++)
		pthread_join(sleepers[cpu], NULL);
	over = 1;
	for (i = 0; i < ncpus * HOGS; i++)
		pthread_join(hogs[i], NULL);
	bench_hist_merge(hist, ncpus);
	bench_report("hogs-p50", "pthread", bench_hist_us(hist, 0.5), "us");
	bench_report("hogs-p99", "pthread", bench_hist_us(hist, 0.99), "us");
	return (0);
}
