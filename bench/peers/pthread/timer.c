/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: how late a thread wakes that sleeps 1 ms, as the process is.
 */
#include "bench.h"

static struct bench_hist hist;

int
main(int argc, char **argv)
{
	struct timespec ts = { .tv_nsec = 1000000 };
	long n = bench_arg(argc, argv, 1, 1000);
	int64_t begin;

	for (long i = 0; i < n; i++) {
		begin = bench_now();
		while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL) != 0)
			continue;
		bench_hist_add(&hist, bench_now() - begin - ts.tv_nsec);
	}
	bench_report("timer-p50", "pthread", bench_hist_us(&hist, 0.5), "us");
	bench_report("timer-p99", "pthread", bench_hist_us(&hist, 0.99), "us");
	return (0);
}
