/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GNU Pth: two threads take turns by mutex and condition variable.
 */
#include <pth.h>
#include "bench.h"

static long n, turn;
static pth_mutex_t lock = PTH_MUTEX_INIT;
static pth_cond_t mine[2] = { PTH_COND_INIT, PTH_COND_INIT };

static void *
player(void *arg)
{
	int self = (int)(intptr_t)arg;

	pth_mutex_acquire(&lock, FALSE, NULL);
	for (long i = 0; i < n; i++) {
		while (turn % 2 != self)
			pth_cond_await(&mine[self], &lock, NULL);
		turn++;
		pth_cond_notify(&mine[!self], FALSE);
	}
	pth_mutex_release(&lock);
	return (NULL);
}

int
main(int argc, char **argv)
{
	int64_t begin;
	pth_t td[2];

	n = bench_arg(argc, argv, 1, 50000);
	bench_check(pth_init(), "init");
	begin = bench_now();
	for (intptr_t i = 0; i < 2; i++)
		td[i] = pth_spawn(PTH_ATTR_DEFAULT, player, (void *)i);
	for (int i = 0; i < 2; i++)
		pth_join(td[i], NULL);
	bench_report("block-wakeup", "pth",
	    (double)(bench_now() - begin) / (2.0 * (double)n), "ns");
	bench_check(turn == 2 * n, "%ld turns, not %ld", turn, 2 * n);
	return (0);
}
