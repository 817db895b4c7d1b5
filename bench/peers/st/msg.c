/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: a question and its answer, by two condition variables.
 */
#include <st.h>
#include "bench.h"

static st_cond_t asked, answered;
static int question, reply;	/* one is there */
static long value, n;

static void *
server(void *arg)
{
	for (long i = 0; i < n; i++) {
		while (!question)
			st_cond_wait(asked);
		question = 0;
		value++;
		reply = 1;
		st_cond_signal(answered);
	}
	return (arg);
}

int
main(int argc, char **argv)
{
	int64_t begin;
	st_thread_t td;

	n = bench_arg(argc, argv, 2, 5000000);
	bench_check(st_init() == 0, "init");
	asked = st_cond_new();
	answered = st_cond_new();
	td = st_thread_create(server, NULL, 1, BENCH_STACK);
	bench_check(td != NULL, "create");
	begin = bench_now();
	for (long i = 0; i < n; i++) {
		question = 1;
		st_cond_signal(asked);
		while (!reply)
			st_cond_wait(answered);
		reply = 0;
	}
	bench_report("msg-local", "st",
	    (double)(bench_now() - begin) / (double)n, "ns");
	st_thread_join(td, NULL);
	bench_check(value == n, "%ld answers, not %ld", value, n);
	return (0);
}
