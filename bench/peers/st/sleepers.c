/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: 100,000 threads that sleep 1 to 100 ms again and again.
 *
 * It reads its clock once a turn of its scheduler, so a sleep may end a little
 * early; that much is let pass, and added to its lateness.
 */
#include <st.h>
#include "bench.h"

#define SLACK_US	1000

static struct bench_sleepers plan;

static void *
sleeper(void *arg)
{
	uint64_t rng = (uint64_t)(intptr_t)arg * 2654435761u + 1;
	int64_t asked_at, want;

	do {
		want = bench_sleeper_pick_ns(&rng) / 1000;
		asked_at = bench_now();
		st_usleep((st_utime_t)want);
	} while (bench_sleeper_woke(&plan, asked_at, (want - SLACK_US) * 1000));
	return (NULL);
}

int
main(int argc, char **argv)
{
	int n = (int)bench_arg(argc, argv, 1, 100000);
	st_thread_t *td = calloc((size_t)n, sizeof(st_thread_t));

	st_set_eventsys(ST_EVENTSYS_ALT);
	bench_check(st_init() == 0, "init");
	plan.begin = plan.end = INT64_MAX;
	for (int i = 0; i < n; i++) {
		td[i] = st_thread_create(sleeper, (void *)(intptr_t)i, 1,
		    BENCH_STACK);
		bench_check(td[i] != NULL, "create %d", i);
	}
	st_usleep(500000);
	plan.begin = bench_now();
	plan.end = plan.begin + SLEEPERS_WINDOW_NS;
	for (int i = 0; i < n; i++)
		st_thread_join(td[i], NULL);
	bench_sleepers_report(&plan, "st");
	return (0);
}
