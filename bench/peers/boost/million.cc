/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: a million fibers at once, each blocked on one condition
 * variable, then woken and joined.
 */
#include "common.h"

static long blocked, finished;
static bool open_gate;
static fibers::mutex lock;
static fibers::condition_variable gate;

static void
waiter()
{
	std::unique_lock<fibers::mutex> held(lock);

	blocked++;
	while (!open_gate)
		gate.wait(held);
	finished++;
}

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 1000000);
	std::vector<fibers::fiber> fiber(n);
	int64_t before, bytes, begin, took;

	before = bench_memory();
	begin = bench_now();
	for (auto &f : fiber)
		f = start(waiter);
	while (blocked < n)
		boost::this_fiber::yield();
	took = bench_now() - begin;
	bytes = bench_memory() - before;
	begin = bench_now();
	lock.lock();
	open_gate = true;
	lock.unlock();
	gate.notify_all();
	for (auto &f : fiber)
		f.join();
	took += bench_now() - begin;
	bench_check(finished == n, "%ld of %ld finished", finished, n);
	bench_report("million-time", "boost", (double)took / (double)n, "ns");
	bench_report("million-bytes", "boost", (double)bytes / (double)n, "B");
	return 0;
}
