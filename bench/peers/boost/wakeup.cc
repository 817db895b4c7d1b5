/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: two fibers take turns by mutex and condition variable.
 */
#include "common.h"

static long n, turn;
static fibers::mutex lock;
static fibers::condition_variable mine[2];

static void
player(int self)
{
	std::unique_lock<fibers::mutex> held(lock);

	for (long i = 0; i < n; i++) {
		while (turn % 2 != self)
			mine[self].wait(held);
		turn++;
		mine[!self].notify_one();
	}
}

int
main(int argc, char **argv)
{
	int64_t begin;

	n = bench_arg(argc, argv, 1, 1000000);
	begin = bench_now();
	fibers::fiber a = start(player, 0), b = start(player, 1);
	a.join();
	b.join();
	bench_report("block-wakeup", "boost",
	    (double)(bench_now() - begin) / (2.0 * (double)n), "ns");
	bench_check(turn == 2 * n, "%ld turns, not %ld", turn, 2 * n);
	return 0;
}
