/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GNU Pth: how late a thread wakes that sleeps 1 ms.
 */
#include <pth.h>
#include "bench.h"

static struct bench_hist hist;

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 1000);
	int64_t begin;

	bench_check(pth_init(), "init");
	for (long i = 0; i < n; i++) {
		begin = bench_now();
		pth_nap(pth_time(0, 1000));
		bench_hist_add(&hist, bench_now() - begin - 1000000);
	}
	bench_report("timer-p50", "pth", bench_hist_us(&hist, 0.5), "us");
	bench_report("timer-p99", "pth", bench_hist_us(&hist, 0.99), "us");
	return (0);
}
