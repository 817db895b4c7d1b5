/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: a million threads at once, each blocked on one condition
 * variable, then woken and joined.
 */
#include <st.h>
#include "bench.h"

static long blocked, finished;
static int open_gate;
static st_cond_t gate;

static void *
waiter(void *arg)
{
	blocked++;
	while (!open_gate)
		st_cond_wait(gate);
	finished++;
	return (arg);
}

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 1000000);
	st_thread_t *td = malloc((size_t)n * sizeof(st_thread_t));
	int64_t before, bytes, begin, took;

	bench_check(st_init() == 0, "init");
	gate = st_cond_new();
	memset(td, 1, (size_t)n * sizeof(st_thread_t));
	before = bench_memory();
	begin = bench_now();
	for (long i = 0; i < n; i++) {
		td[i] = st_thread_create(waiter, NULL, 1, BENCH_STACK);
		bench_check(td[i] != NULL, "create %ld", i);
	}
	while (blocked < n)
		st_usleep(0);
	took = bench_now() - begin;
	bytes = bench_memory() - before;
	begin = bench_now();
	open_gate = 1;
	st_cond_broadcast(gate);
	for (long i = 0; i < n; i++)
		st_thread_join(td[i], NULL);
	took += bench_now() - begin;
	bench_check(finished == n, "%ld of %ld finished", finished, n);
	bench_report("million-time", "st", (double)took / (double)n, "ns");
	bench_report("million-bytes", "st", (double)bytes / (double)n, "B");
	return (0);
}
