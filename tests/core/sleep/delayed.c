/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wakeups put off.
 */
#include "core/util.h"

static int idents[3];
static uint32_t ready[3];
static uint32_t woken[3];
static int64_t ticks;

/* A tick does what was put off: then nothing can be said. */
static int
put_off(int i)
{
	return LOAD(woken[i]) == 0 || counter("lwkt.ticks") != ticks;
}

static void
sleeper(void *arg)
{
	int i = (int)(intptr_t)arg;

	for (;;) {
		lwkt_tsleep_interlock(&idents[i], 0);
		if (LOAD(ready[i]))
			break;
		lwkt_tsleep(&idents[i], LWKT_PINTERLOCKED, "test",
		    LWKT_FOREVER);
	}
	lwkt_tsleep_remove();
	ADD(woken[i], 1);
}

static void
start(lwkt_thread_t td[3])
{
	int i;

	for (i = 0; i < 3; i++) {
		STORE(ready[i], 0);
		STORE(woken[i], 0);
		td[i] = spawn(sleeper, (void *)(intptr_t)i, 0, lwkt_cpuid());
	}
	settle(lwkt_cpuid(), LWKT_PRI_KERN_USER);
	ticks = counter("lwkt.ticks");
}

static void
change(int i)
{
	STORE(ready[i], 1);
	lwkt_wakeup(&idents[i]);
}

static void
all_run(void)
{
	settle(lwkt_cpuid(), LWKT_PRI_KERN_USER);
}

/* The end does them; several of one ident are one. */
static int
merged(void *arg)
{
	int64_t before = counter("lwkt.wakeups_merged");
	lwkt_thread_t td[3];

	(void)arg;
	start(td);
	lwkt_wakeup_start_delayed();
	change(0);
	change(1);
	change(0);
	change(1);
	lwkt_yield();
	check(put_off(0) && put_off(1), "not put off");
	check(counter("lwkt.wakeups_merged") - before == 2 ||
	    counter("lwkt.ticks") != ticks, "not merged");
	lwkt_wakeup_end_delayed();
	change(2);
	all_run();
	check(woken[0] == 1 && woken[1] == 1 && woken[2] == 1, "%u %u %u",
	    woken[0], woken[1], woken[2]);
	join_all(td, 3);
	return 0;
}

/* Race 24 of the history: the oldest one goes, or it would starve. */
static int
third_pushes_oldest(void *arg)
{
	lwkt_thread_t td[3];

	(void)arg;
	start(td);
	lwkt_wakeup_start_delayed();
	change(0);
	change(1);
	change(2);
	lwkt_yield();
	check(woken[0] == 1 && put_off(1) && put_off(2), "%u %u %u",
	    woken[0], woken[1], woken[2]);
	lwkt_wakeup_end_delayed();
	join_all(td, 3);
	return 0;
}

static uint32_t answer;

static void
answers(void *arg)
{
	(void)arg;
	await_asleep(&ready[0], 1);
	STORE(answer, 1);
	lwkt_wakeup(&answer);
}

static void
nap(void)
{
	lwkt_sleep_ns(MS);
}

static void
cheap_sleep(void)
{
	while (LOAD(answer) == 0)
		(void)lwkt_sleep("test", 0);
}

static void
tsleeps(void)
{
	await_asleep(&answer, 1);
}

static void
wakes_sleeper(void *arg)
{
	answers(NULL);
	lwkt_schedule(arg);
}

/* Who sleeps for an answer does not keep the question. */
static int
sleeping_flushes(void *arg)
{
	void (*const *sleep)(void) = arg;
	lwkt_thread_t td;

	STORE(ready[0], 0);
	STORE(answer, 0);
	td = *sleep == cheap_sleep ?
	    spawn(wakes_sleeper, lwkt_self(), 0, other_cpu()) :
	    spawn(answers, NULL, 0, other_cpu());
	lwkt_yield();
	lwkt_wakeup_start_delayed();
	STORE(ready[0], 1);
	lwkt_wakeup(&ready[0]);
	while (LOAD(answer) == 0)
		(*sleep)();
	lwkt_wakeup_end_delayed();
	join(td);
	return 0;
}

/* The same of a join, and of the end of the thread. */
static void
ends_with_delay(void *arg)
{
	lwkt_thread_t td;

	td = spawn(answers, NULL, 0, other_cpu());
	lwkt_yield();
	lwkt_wakeup_start_delayed();
	STORE(ready[0], 1);
	lwkt_wakeup(&ready[0]);
	if (arg != NULL)
		join(td);
	else
		lwkt_wakeup(&idents[0]);
}

static int
ending_flushes(void *arg)
{
	STORE(ready[0], 0);
	STORE(answer, 0);
	join(spawn(ends_with_delay, arg, 0, lwkt_cpuid()));
	await_asleep(&answer, 1);
	return 0;
}

static void
wake_in_callback(void *arg)
{
	(void)arg;
	change(0);
}

/* The wakeup of a callback is not the thread's. */
static int
callbacks_do_not_delay(void *arg)
{
	lwkt_thread_t td[3];

	(void)arg;
	start(td);
	lwkt_wakeup_start_delayed();
	lwkt_send_ipiq(lwkt_cpuid(), wake_in_callback, NULL);
	lwkt_yield();
	check(woken[0] == 1, "a callback's wakeup was put off");
	change(1);
	change(2);
	lwkt_wakeup_end_delayed();
	join_all(td, 3);
	return 0;
}

static int
twice_body(void *arg)
{
	(void)arg;
	lwkt_wakeup_start_delayed();
	lwkt_wakeup_start_delayed();
	return 0;
}

static int
end_body(void *arg)
{
	(void)arg;
	lwkt_wakeup_end_delayed();
	return 0;
}

/*
 * No tick of the new CPU would do them: the tick was armed on the old one.  The
 * yields do not.
 */
static int
moving_flushes(void *arg)
{
	lwkt_thread_t td[3];

	(void)arg;
	start(td);
	lwkt_wakeup_start_delayed();
	change(0);
	lwkt_migratecpu(other_cpu());
	await(&woken[0], 1);
	lwkt_wakeup_end_delayed();
	change(1);
	change(2);
	join_all(td, 3);
	return 0;
}

static uint32_t resumes;

/* Sleeps until woken, and then schedules the thread that has woken it. */
static void
resume(void *arg)
{
	await_asleep(&resumes, 1);
	lwkt_schedule(arg);
}

/* The thread waits for one that it has yet to wake. */
static int
switching_flushes(void *arg)
{
	lwkt_thread_t td;

	STORE(resumes, 0);
	td = spawn(resume, lwkt_self(), 0, other_cpu());
	lwkt_sleep_ns(MS);
	lwkt_wakeup_start_delayed();
	STORE(resumes, 1);
	lwkt_wakeup(&resumes);
	lwkt_deschedule_self();
	if (arg == NULL)
		lwkt_switch();
	else
		lwkt_yield();
	lwkt_wakeup_end_delayed();
	join(td);
	return 0;
}

int
main(void)
{
	static void (*sleeps[])(void) = { nap, cheap_sleep, tsleeps };

	panics("to begin twice panics", twice_body, "delayed wakeups are "
	    "already started by thread");
	panics("an end without a beginning panics", end_body,
	    "ends delayed wakeups that it has not started");
	sim_explore("wakeups are put off and become one", merged, NULL, 100);
	sim_explore("a third ident pushes out the oldest",
	    third_pushes_oldest, NULL, 100);
	sim_explore("lwkt_sleep_ns does what was put off", sleeping_flushes,
	    &sleeps[0], 100);
	sim_explore("so does lwkt_sleep", sleeping_flushes, &sleeps[1], 100);
	sim_explore("so does lwkt_tsleep", sleeping_flushes, &sleeps[2], 100);
	sim_explore("so does a join", ending_flushes, &sleeps, 100);
	sim_explore("so does the end of the thread", ending_flushes, NULL,
	    100);
	sim_explore("so does a move to another CPU", moving_flushes, NULL, 100);
	sim_explore("so does a switch of one that has descheduled itself",
	    switching_flushes, NULL, 100);
	sim_explore("and a yield of one", switching_flushes, &answer, 100);
	sim_explore("a callback's wakeup is not put off",
	    callbacks_do_not_delay, NULL, 50);
	return tap_done();
}
