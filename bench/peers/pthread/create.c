/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: create a thread that does nothing, join it.
 */
#include "bench.h"

static void *
nothing(void *arg)
{
	++*(long *)arg;
	return (NULL);
}

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 20000), ran = 0;
	int64_t begin = bench_now();
	pthread_attr_t attr;
	pthread_t td;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, BENCH_STACK);
	for (long i = 0; i < n; i++) {
		bench_check(pthread_create(&td, &attr, nothing, &ran) == 0,
		    "create");
		pthread_join(td, NULL);
	}
	bench_report("create-join", "pthread",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(ran == n, "%ld of %ld ran", ran, n);
	return (0);
}
