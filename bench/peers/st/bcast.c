/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: one broadcast to all threads that wait on one condition
 * variable, until the last of them has run.
 */
#include <st.h>
#include "bench.h"

static st_cond_t next_round, all_ran;
static long nthreads, rounds, now, ran;

static void *
sleeper(void *arg)
{
	for (long round = 0; ; round++) {
		if (++ran % nthreads == 0)
			st_cond_signal(all_ran);
		if (round == rounds)
			break;
		while (now == round)
			st_cond_wait(next_round);
	}
	return (arg);
}

int
main(int argc, char **argv)
{
	int64_t took = 0, begin;
	st_thread_t *td;

	nthreads = bench_arg(argc, argv, 2, 10000);
	rounds = bench_arg(argc, argv, 3, 50);
	td = calloc((size_t)nthreads, sizeof(*td));
	bench_check(st_init() == 0, "init");
	next_round = st_cond_new();
	all_ran = st_cond_new();
	for (long i = 0; i < nthreads; i++) {
		td[i] = st_thread_create(sleeper, NULL, 1, BENCH_STACK);
		bench_check(td[i] != NULL, "create %ld", i);
	}
	while (ran < nthreads)
		st_cond_wait(all_ran);
	while (now < rounds) {
		begin = bench_now();
		now++;
		st_cond_broadcast(next_round);
		while (ran < (now + 1) * nthreads)
			st_cond_wait(all_ran);
		took += bench_now() - begin;
	}
	for (long i = 0; i < nthreads; i++)
		st_thread_join(td[i], NULL);
	bench_check(ran == (rounds + 1) * nthreads, "%ld runs", ran);
	bench_report("wakeup-bcast-1", "st",
	    (double)took / (double)(rounds * nthreads), "ns");
	return (0);
}
