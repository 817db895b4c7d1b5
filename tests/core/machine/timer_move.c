/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A signal that comes while the CPU sets its timer, and asks for another one,
 * does not make the CPU forget what the timer is set to.
 *
 * This program's timer_settime() lets the timer go off before it sets it, when
 * it is told to.
 */
#include <dlfcn.h>
#include <lwkt/systimer.h>
#include <time.h>

#include "core/util.h"

#define FAR_NS		(INT64_C(1000) * 1000 * MS)
#define PATIENCE_NS	(INT64_C(10) * 1000 * MS)

typedef int (*settime_t)(timer_t, int, const struct itimerspec *,
    struct itimerspec *);

static uint32_t trap, calls, fired;

/* Set it to a time that is past, until its handler has set it again. */
static void
go_off(settime_t settime, timer_t timer)
{
	static const struct itimerspec past = { .it_value = { 0, 1 } };
	uint32_t before = LOAD(calls);

	(void)settime(timer, TIMER_ABSTIME, &past, NULL);
	while (LOAD(calls) == before)
		;
}

int
timer_settime(timer_t timer, int flags, const struct itimerspec *new,
    struct itimerspec *old)
{
	static settime_t settime;

	if (settime == NULL)
		settime = (settime_t)dlsym(RTLD_NEXT, "timer_settime");
	ADD(calls, 1);
	if (LOAD(trap)) {
		STORE(trap, 0);
		go_off(settime, timer);
	}
	return settime(timer, flags, new, old);
}

static void
timer_fires(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	ADD(fired, 1);
}

/* Compute for some 10 us, where a thread can be interrupted. */
static void
compute(void)
{
	int i;

	for (i = 0; i < 30000 && LOAD(fired) == 0; i++)
		__asm__ __volatile__("" ::: "memory");
}

static void
sets_timers(void *arg)
{
	struct lwkt_systimer far, soon;
	int64_t until;

	(void)arg;
	STORE(fired, 0);
	STORE(trap, 1);
	lwkt_systimer_init_oneshot(&far, timer_fires, NULL, FAR_NS);
	check(LOAD(trap) == 0, "the host's timer was not set");
	lwkt_systimer_init_oneshot(&soon, timer_fires, NULL, 1 * MS);
	until = lwkt_time_ns() + PATIENCE_NS;
	while (LOAD(fired) == 0 && lwkt_time_ns() < until)
		compute();
	check(LOAD(fired) == 1, "a timer of 1 ms has not come in 10 s");
	lwkt_systimer_del(&far);
}

static int
signal_while_it_is_set(void *arg)
{
	(void)arg;
	join(spawn_pri(sets_timers, NULL, LWKT_PRI_USER_NORM, LWKT_PREEMPTIBLE,
	    lwkt_cpuid()));
	return 0;
}

int
main(void)
{
	struct sim_scenario ss = { .ss_name = "the timer goes off while it is "
	    "set to another time", .ss_body = signal_while_it_is_set,
	    .ss_ncpus = 1 };

	if (!TICKS_COME)
		skip_all("TSan keeps signals until the next call of libc");
	sim_explore_with(&ss);
	return tap_done();
}
