/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: 100,000 fibers that sleep 1 to 100 ms again and again.
 */
#include "common.h"

static struct bench_sleepers plan;

static void
sleeper(int number)
{
	uint64_t rng = (uint64_t)number * 2654435761u + 1;
	int64_t asked_at, want;

	do {
		want = bench_sleeper_pick_ns(&rng);
		asked_at = bench_now();
		boost::this_fiber::sleep_for(std::chrono::nanoseconds(want));
	} while (bench_sleeper_woke(&plan, asked_at, want));
}

int
main(int argc, char **argv)
{
	int n = (int)bench_arg(argc, argv, 1, 100000);
	std::vector<fibers::fiber> fiber;

	plan.begin = plan.end = INT64_MAX;
	for (int i = 0; i < n; i++)
		fiber.push_back(start(sleeper, i));
	boost::this_fiber::sleep_for(std::chrono::milliseconds(500));
	plan.begin = bench_now();
	plan.end = plan.begin + SLEEPERS_WINDOW_NS;
	for (auto &f : fiber)
		f.join();
	bench_sleepers_report(&plan, "boost");
	return 0;
}
