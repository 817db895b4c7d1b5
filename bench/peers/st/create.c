/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: create a thread that does nothing, join it.
 */
#include <st.h>
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
	long n = bench_arg(argc, argv, 1, 2000000), ran = 0;
	int64_t begin;
	st_thread_t td;

	bench_check(st_init() == 0, "init");
	begin = bench_now();
	for (long i = 0; i < n; i++) {
		td = st_thread_create(nothing, &ran, 1, BENCH_STACK);
		bench_check(td != NULL, "create");
		st_thread_join(td, NULL);
	}
	bench_report("create-join", "st",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(ran == n, "%ld of %ld ran", ran, n);
	return (0);
}
