/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: a counter under a mutex that nobody else wants.  A second thread
 * exists, so that the C library cannot leave out the atomic operations.
 */
#include "bench.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile long counter;

static void *
idle(void *arg)
{
	pause();
	return (arg);
}

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 20000000);
	int64_t begin;
	pthread_t td;

	bench_check(pthread_create(&td, NULL, idle, NULL) == 0, "create");
	begin = bench_now();
	for (long i = 0; i < n; i++) {
		pthread_mutex_lock(&lock);
		counter = counter + 1;
		pthread_mutex_unlock(&lock);
	}
	bench_report("lock", "pthread",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(counter == n, "%ld, not %ld", counter, n);
	return (0);
}
