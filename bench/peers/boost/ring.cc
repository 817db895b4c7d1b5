/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: a token goes round 1,000 fibers of one core, each with a
 * channel.  The last round ends them.
 */
#include <memory>
#include "common.h"

#define MEMBERS	1000

typedef fibers::buffered_channel<long> channel;

static std::vector<std::unique_ptr<channel>> ring;
static channel last(2);
static long n;

static void
hand_on(long self)
{
	long hops;

	do {
		ring[self]->pop(hops);
		hops++;
		if (hops == n + MEMBERS)
			last.push(hops);
		else
			ring[(self + 1) % MEMBERS]->push(hops);
	} while (hops <= n);
}

int
main(int argc, char **argv)
{
	std::vector<fibers::fiber> member;
	int64_t begin, took;
	long hops;

	n = bench_arg(argc, argv, 1, 1000000);
	for (long i = 0; i < MEMBERS; i++)
		ring.push_back(std::make_unique<channel>(2));
	for (long i = 0; i < MEMBERS; i++)
		member.push_back(start(hand_on, i));
	boost::this_fiber::yield();
	begin = bench_now();
	ring[0]->push(0);
	last.pop(hops);
	took = bench_now() - begin;
	for (auto &f : member)
		f.join();
	bench_report("ring-1000", "boost", (double)took / (double)hops, "ns");
	bench_check(hops == n + MEMBERS, "%ld hops", hops);
	return 0;
}
