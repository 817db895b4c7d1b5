/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_resched_wanted: does another thread deserve this CPU?
 */
#include <lwkt/systimer.h>

#include "base/choice.h"
#include "core/util.h"

static uint32_t ran;
static int in_callback;

static void
runs(void *arg)
{
	(void)arg;
	ADD(ran, 1);
}

/* Nobody else is runnable when this returns. */
static void
quiet(void)
{
	settle(lwkt_cpuid(), LWKT_PRI_IDLE_WORK);
	lwkt_yield();
}

static int
for_a_better_thread(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(ran, 0);
	quiet();
	check(!lwkt_resched_wanted(), "nobody is there");
	td = spawn_pri(runs, NULL, LWKT_PRI_SOFT_NORM, 0, lwkt_cpuid());
	check(lwkt_resched_wanted(), "a better thread");
	check(lwkt_resched_wanted(), "asked again");
	check(LOAD(ran) == 0, "it was switched to");
	lwkt_yield_quick();
	check(LOAD(ran) == 1, "it did not run");
	check(!lwkt_resched_wanted(), "it has run");
	join(td);
	return 0;
}

static int
not_for_lesser_ones(void *arg)
{
	lwkt_thread_t td[3];

	(void)arg;
	STORE(ran, 0);
	quiet();
	td[0] = spawn_pri(runs, NULL, LWKT_PRI_USER_NORM, 0, lwkt_cpuid());
	td[1] = spawn_pri(runs, NULL, LWKT_PRI_SOFT_NORM, LWKT_NOSTART,
	    lwkt_cpuid());
	lwkt_crit_enter();		/* no tick */
	check(!lwkt_resched_wanted(), "a lesser thread");
	lwkt_schedule_noresched(td[1]);
	check(!lwkt_resched_wanted(), "one that can wait");
	lwkt_crit_exit();
	check(LOAD(ran) == 0, "one ran");
	join(td[0]);
	join(td[1]);
	return 0;
}

static void
looks(struct lwkt_systimer *st, void *arg)
{
	(void)st;
	lwkt_schedule(arg);
	STORE(in_callback, lwkt_resched_wanted());
}

/* What waits is served first, so a loop of nothing but the question ends. */
static int
serves_what_waits(void *arg)
{
	struct lwkt_systimer st;
	lwkt_thread_t td;
	unsigned turn;

	(void)arg;
	STORE(ran, 0);
	STORE(in_callback, -1);
	td = spawn_pri(runs, NULL, LWKT_PRI_SOFT_NORM, LWKT_NOSTART,
	    lwkt_cpuid());
	lwkt_systimer_init_oneshot(&st, looks, td, 1000);
	for (turn = 0; !lwkt_resched_wanted(); turn++)
		machine_pause(turn);
	check(LOAD(in_callback) == 1, "in a callback: %d", LOAD(in_callback));
	lwkt_yield_quick();
	check(LOAD(ran) == 1, "it did not run");
	join(td);
	return 0;
}

static void
equal(void *arg)
{
	while (!lwkt_resched_wanted())
		lwkt__choice(CHOICE_USER);
	ADD(*(uint32_t *)arg, 1);
}

static int
for_the_tick(void *arg)
{
	uint32_t asked = 0;
	lwkt_thread_t td[2];

	(void)arg;
	td[0] = spawn_pri(equal, &asked, LWKT_PRI_USER_NORM, 0, lwkt_cpuid());
	td[1] = spawn_pri(runs, NULL, LWKT_PRI_USER_NORM, 0, lwkt_cpuid());
	join_all(td, 2);
	check(asked == 1, "%u", asked);
	return 0;
}

int
main(void)
{
	sim_explore("a better thread is told of", for_a_better_thread, NULL,
	    50);
	sim_explore("a lesser one is not", not_for_lesser_ones, NULL, 50);
	if (TICKS_COME) {
		sim_explore("what waits is served", serves_what_waits, NULL,
		    50);
		sim_explore("the tick asks for an equal", for_the_tick, NULL,
		    20);
	}
	return tap_done();
}
