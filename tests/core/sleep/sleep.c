/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping without an ident: lwkt_sleep, until scheduled, and lwkt_sleep_ns,
 * for a time.
 */
#include "core/util.h"

static uint32_t cond, woken;

static void
scheduled(void *arg)
{
	uint32_t *flag = arg;

	lwkt_crit_enter();
	while (LOAD(*flag) == 0)
		lwkt_sleep("test", 0);
	lwkt_crit_exit();
}

static int
schedule_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(cond, 0);
	td = spawn_on(1, scheduled, &cond);
	lwkt_schedule(td);		/* for nothing: it sleeps again */
	STORE(cond, 1);
	lwkt_schedule(td);
	join(td);
	return 0;
}

static void
timed(void *arg)
{
	int64_t ns = *(int64_t *)arg, start = lwkt_time_ns();

	check(lwkt_sleep_ns(ns) == 0, "result");
	check(lwkt_time_ns() - start >= ns, "too early");
	ADD(woken, 1);
}

static int
sleep_ns_body(void *arg)
{
	static int64_t ns[20];
	lwkt_thread_t td[20];
	int i;

	(void)arg;
	STORE(woken, 0);
	for (i = 0; i < 20; i++) {
		ns[i] = (20 - i) * MS / 10;
		td[i] = spawn_on(i, timed, &ns[i]);
	}
	join_all(td, 20);
	check(lwkt_sleep_ns(0) == 0 && lwkt_sleep_ns(-5) == 0, "no time");
	check(woken == 20, "%u", woken);
	return 0;
}

static void
sleep_ns_scheduled(void *arg)
{
	int64_t start = lwkt_time_ns();

	(void)arg;
	lwkt_sleep_ns(MS);
	check(lwkt_time_ns() - start >= MS, "ended by lwkt_schedule");
}

static int
sleep_ns_spurious_body(void *arg)
{
	lwkt_thread_t td = spawn_on(1, sleep_ns_scheduled, NULL);
	int i;

	(void)arg;
	for (i = 0; i < 5; i++) {
		lwkt_schedule(td);
		lwkt_sleep_ns(MS / 10);
	}
	join(td);
	return 0;
}

int
main(void)
{
	sim_explore("lwkt_schedule ends lwkt_sleep", schedule_body, NULL, 100);
	sim_explore("lwkt_sleep_ns takes its time", sleep_ns_body, NULL, 50);
	sim_explore("lwkt_sleep_ns is not ended by others",
	    sleep_ns_spurious_body, NULL, 50);
	return tap_done();
}
