/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libuv: 10,000 timers are pending, all far away.  One of them is stopped and
 * started again with another time, and so on.
 */
#include <uv.h>
#include "bench.h"

static uv_timer_t timer[TIMERS];
static long fired;

static void
expired(uv_timer_t *t)
{
	(void)t;
	fired++;
}

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 1000000);
	uv_loop_t *loop = uv_default_loop();
	uint64_t state = 1;
	int64_t delay_ms, begin;
	int i;

	for (i = 0; i < TIMERS; i++) {
		bench_timer_pick(&state, &delay_ms);
		uv_timer_init(loop, &timer[i]);
		uv_timer_start(&timer[i], expired, (uint64_t)delay_ms, 0);
	}
	begin = bench_now();
	for (long k = 0; k < n; k++) {
		i = bench_timer_pick(&state, &delay_ms);
		uv_timer_stop(&timer[i]);
		uv_timer_start(&timer[i], expired, (uint64_t)delay_ms, 0);
	}
	bench_report("timer-set", "uv",
	    (double)(bench_now() - begin) / (double)n, "ns");
	uv_timer_stop(&timer[0]);
	uv_timer_start(&timer[0], expired, 1, 0);
	while (fired == 0)
		uv_run(loop, UV_RUN_NOWAIT);
	bench_check(fired == 1, "%ld timers expired", fired);
	return (0);
}
