/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libevent: 10,000 timers are pending, all far away.  One of them is stopped
 * and started again with another time, and so on.
 */
#include <event2/event.h>
#include "bench.h"

static struct event *timer[TIMERS];
static long fired;

static void
expired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	fired++;
}

static void
start(int i, int64_t delay_ms)
{
	struct timeval tv = {
		.tv_sec = delay_ms / 1000,
		.tv_usec = delay_ms % 1000 * 1000,
	};

	bench_check(event_add(timer[i], &tv) == 0, "add");
}

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 1000000);
	struct event_base *base = event_base_new();
	uint64_t state = 1;
	int64_t delay_ms, begin;
	int i;

	bench_check(base != NULL, "init");
	for (i = 0; i < TIMERS; i++) {
		bench_timer_pick(&state, &delay_ms);
		timer[i] = evtimer_new(base, expired, NULL);
		bench_check(timer[i] != NULL, "no memory");
		start(i, delay_ms);
	}
	begin = bench_now();
	for (long k = 0; k < n; k++) {
		i = bench_timer_pick(&state, &delay_ms);
		event_del(timer[i]);
		start(i, delay_ms);
	}
	bench_report("timer-set", "event",
	    (double)(bench_now() - begin) / (double)n, "ns");
	event_del(timer[0]);
	start(0, 1);
	event_base_loop(base, EVLOOP_ONCE);
	bench_check(fired == 1, "%ld timers expired", fired);
	return (0);
}
