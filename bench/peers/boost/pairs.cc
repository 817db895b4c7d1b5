/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: 10,000 pairs of fibers of one core, all at once.  Each pair has
 * a channel for questions and one for answers.
 */
#include <memory>
#include "common.h"

typedef fibers::buffered_channel<long> channel;

struct pair {
	channel		questions{2}, answers{2};
	fibers::fiber	server, client;
};

static long trips;

static void
serve(pair *p)
{
	long value;

	for (long i = 0; i < trips; i++) {
		p->questions.pop(value);
		p->answers.push(value + 1);
	}
}

static void
ask(pair *p)
{
	long value = 0;

	for (long i = 0; i < trips; i++) {
		p->questions.push(value);
		p->answers.pop(value);
	}
	bench_check(value == trips, "%ld answers, not %ld", value, trips);
}

int
main(int argc, char **argv)
{
	long npairs = bench_arg(argc, argv, 1, 10000);
	std::unique_ptr<pair[]> pairs(new pair[npairs]);
	int64_t begin;

	trips = bench_arg(argc, argv, 2, 50);
	for (long i = 0; i < npairs; i++) {
		pairs[i].server = start(serve, &pairs[i]);
		pairs[i].client = start(ask, &pairs[i]);
	}
	begin = bench_now();
	for (long i = 0; i < npairs; i++) {
		pairs[i].server.join();
		pairs[i].client.join();
	}
	bench_report("pairs-10000", "boost", (double)(bench_now() - begin) /
	    (double)(npairs * trips), "ns");
	return 0;
}
