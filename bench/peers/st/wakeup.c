/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: two threads take turns by condition variables.
 */
#include <st.h>
#include "bench.h"

static long n, turn;
static st_cond_t mine[2];

static void *
player(void *arg)
{
	int self = (int)(intptr_t)arg;

	for (long i = 0; i < n; i++) {
		while (turn % 2 != self)
			st_cond_wait(mine[self]);
		turn++;
		st_cond_signal(mine[!self]);
	}
	return (NULL);
}

int
main(int argc, char **argv)
{
	st_thread_t td[2];
	int64_t begin;

	n = bench_arg(argc, argv, 1, 5000000);
	bench_check(st_init() == 0, "init");
	for (intptr_t i = 0; i < 2; i++) {
		mine[i] = st_cond_new();
		td[i] = st_thread_create(player, (void *)i, 1, BENCH_STACK);
		bench_check(td[i] != NULL, "create");
	}
	begin = bench_now();
	for (int i = 0; i < 2; i++)
		st_thread_join(td[i], NULL);
	bench_report("block-wakeup", "st",
	    (double)(bench_now() - begin) / (2.0 * (double)n), "ns");
	bench_check(turn == 2 * n, "%ld turns, not %ld", turn, 2 * n);
	return (0);
}
