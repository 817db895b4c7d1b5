/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: values one way from core 0 to core 1 through a channel of 1024:
 * one value an element, or 64.
 */
#include <array>
#include <thread>
#include "common.h"

template <size_t BATCH>
static void
stream(const char *name, uint64_t n)
{
	typedef std::array<uint64_t, BATCH> parcel;
	fibers::buffered_channel<parcel> channel(1024);
	uint64_t sum = 0, sent = 0;
	parcel out;
	int64_t begin = bench_now();

	std::thread receiver([&] {
		parcel in;

		bench_pin(1);
		while (channel.pop(in) == fibers::channel_op_status::success)
			for (uint64_t value : in)
				sum += value;
	});
	while (sent < n) {
		for (auto &value : out)
			value = sent++;
		channel.push(out);
	}
	channel.close();
	receiver.join();
	bench_report(name, "boost",
	    (double)n * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(sum == n * (n - 1) / 2, "lost values");
}

int
main(int argc, char **argv)
{
	long batch = bench_arg(argc, argv, 1, 1);
	uint64_t n = (uint64_t)bench_arg(argc, argv, 2, 2000000);

	bench_pin(0);
	if (batch == 1)
		stream<1>("stream-single", n);
	else
		stream<64>("stream-batch", n * 64);
	return 0;
}
