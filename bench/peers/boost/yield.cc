/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: N fibers that yield.
 */
#include "common.h"

static int rounds, last;
static long handovers;

static void
yielder(int self)
{
	for (int i = 0; i < rounds; i++) {
		handovers += last != self;
		last = self;
		boost::this_fiber::yield();
	}
}

int
main(int argc, char **argv)
{
	int nthreads = (int)bench_arg(argc, argv, 1, 2);
	std::vector<fibers::fiber> fiber;
	int64_t begin, took;
	char name[32];

	rounds = (int)bench_arg(argc, argv, 2, 4000000) / nthreads;
	for (int i = 0; i < nthreads; i++)
		fiber.push_back(start(yielder, i));
	boost::this_fiber::yield();
	begin = bench_now();
	for (auto &f : fiber)
		f.join();
	took = bench_now() - begin;
	bench_check(handovers > (long)nthreads * rounds / 2,
	    "%ld switches in %ld yields", handovers, (long)nthreads * rounds);
	snprintf(name, sizeof(name), "yield-%d", nthreads);
	bench_report(name, "boost", (double)took / (double)handovers, "ns");
	return 0;
}
