/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: one fiber puts, one gets, through a channel of 1024, on one
 * core or two.
 */
#include <thread>
#include "common.h"

static fibers::buffered_channel<uint64_t> queue(1024);
static uint64_t sum;

static void
getter()
{
	uint64_t item;

	while (queue.pop(item) == fibers::channel_op_status::success)
		sum += item;
}

static void
put_all(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		queue.push(i);
	queue.close();
}

int
main(int argc, char **argv)
{
	long ncpus = bench_arg(argc, argv, 1, 1);
	uint64_t n = (uint64_t)bench_arg(argc, argv, 2, 2000000);
	int64_t begin;

	bench_pin(0);
	begin = bench_now();
	if (ncpus == 1) {
		fibers::fiber fiber = start(getter);
		put_all(n);
		fiber.join();
	} else {
		std::thread thread([] { bench_pin(1); getter(); });
		put_all(n);
		thread.join();
	}
	bench_report(ncpus == 1 ? "queue-1" : "queue-2", "boost",
	    (double)n * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(sum == n * (n - 1) / 2, "lost items");
	return 0;
}
