/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: how late a thread wakes that sleeps 1 ms.
 */
#include <st.h>
#include "bench.h"

static struct bench_hist hist;

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 1000);
	int64_t begin;

	st_set_eventsys(ST_EVENTSYS_ALT);
	bench_check(st_init() == 0, "init");
	for (long i = 0; i < n; i++) {
		begin = bench_now();
		st_usleep(1000);
		bench_hist_add(&hist, bench_now() - begin - 1000000);
	}
	bench_report("timer-p50", "st", bench_hist_us(&hist, 0.5), "us");
	bench_report("timer-p99", "st", bench_hist_us(&hist, 0.99), "us");
	return (0);
}
