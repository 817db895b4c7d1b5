/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boost.Fiber: a question and its answer through two channels, between fibers
 * of one core or of two.
 */
#include <thread>
#include "common.h"

typedef fibers::buffered_channel<long> channel;

static void
serve(channel &questions, channel &answers)
{
	long value;

	while (questions.pop(value) == fibers::channel_op_status::success)
		answers.push(value + 1);
}

static void
measure(const char *name, channel &questions, channel &answers, long n)
{
	int64_t begin = bench_now();
	long value = 0;

	for (long i = 0; i < n; i++) {
		questions.push(value);
		answers.pop(value);
	}
	bench_report(name, "boost",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(value == n, "%ld answers, not %ld", value, n);
	questions.close();
}

int
main(int argc, char **argv)
{
	long ncpus = bench_arg(argc, argv, 1, 1);
	long n = bench_arg(argc, argv, 2, ncpus == 1 ? 1000000 : 10000);
	channel questions(2), answers(2);

	bench_pin(0);
	if (ncpus == 1) {
		fibers::fiber server = start([&] { serve(questions,
		    answers); });
		measure("msg-local", questions, answers, n);
		server.join();
	} else {
		std::thread server([&] { bench_pin(1); serve(questions,
		    answers); });
		measure("msg-cross", questions, answers, n);
		server.join();
	}
	return 0;
}
