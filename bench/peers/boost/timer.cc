/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: how late a fiber wakes that sleeps 1 ms.
 */
#include "common.h"

static struct bench_hist hist;

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 1000);
	int64_t begin;

	for (long i = 0; i < n; i++) {
		begin = bench_now();
		boost::this_fiber::sleep_for(std::chrono::milliseconds(1));
		bench_hist_add(&hist, bench_now() - begin - 1000000);
	}
	bench_report("timer-p50", "boost", bench_hist_us(&hist, 0.5), "us");
	bench_report("timer-p99", "boost", bench_hist_us(&hist, 0.99), "us");
	return 0;
}
