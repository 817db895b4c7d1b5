/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: one broadcast to all fibers that wait on one condition
 * variable, until the last of them has run.
 */
#include "common.h"

static long nfibers, rounds, now, ran;
static fibers::mutex lock;
static fibers::condition_variable next_round, all_ran;

static void
sleeper()
{
	std::unique_lock<fibers::mutex> held(lock);

	for (long round = 0; ; round++) {
		if (++ran % nfibers == 0)
			all_ran.notify_one();
		if (round == rounds)
			break;
		while (now == round)
			next_round.wait(held);
	}
}

int
main(int argc, char **argv)
{
	int64_t took = 0, begin;

	nfibers = bench_arg(argc, argv, 2, 10000);
	rounds = bench_arg(argc, argv, 3, 50);
	std::vector<fibers::fiber> fiber(nfibers);
	for (auto &f : fiber)
		f = start(sleeper);
	std::unique_lock<fibers::mutex> held(lock);
	while (ran < nfibers)
		all_ran.wait(held);
	while (now < rounds) {
		begin = bench_now();
		now++;
		next_round.notify_all();
		while (ran < (now + 1) * nfibers)
			all_ran.wait(held);
		took += bench_now() - begin;
	}
	held.unlock();
	for (auto &f : fiber)
		f.join();
	bench_check(ran == (rounds + 1) * nfibers, "%ld runs", ran);
	bench_report("wakeup-bcast-1", "boost",
	    (double)took / (double)(rounds * nfibers), "ns");
	return 0;
}
