/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's clock: a periodic timer that runs only while it has work.
 *
 * THEORY
 * A CPU must notice work that waits for it.  Most work sets a bit of
 * mc_reqflags, which the CPU sees at its next critical exit.  Other work is
 * noticed only by the tick.  The code that leaves such work behind calls
 * clock_need_tick(), and the function of the tick (hardclock, kern_clock.c)
 * checks for it:
 *
 * - threads of equal priority (sched_enqueue, sched_setpri): they run
 *   round-robin;
 * - a better thread whose waker did not ask the running thread to yield
 *   (lwkt_schedule_noresched; disturb_lwp), or asked a preemptible thread,
 *   which may make no call in which it would notice (sched_enqueue,
 *   sched_setpri, preempt_return);
 * - an interrupt thread that was not better than the running thread when it was
 *   made runnable, and is now: the running thread may never yield
 *   (sched_setpri);
 * - a thread that is refused a token while a worse thread runs that is not the
 *   idle thread (pick_with_tokens): it must run once the token is free;
 * - the running lwp (lwp_return): its time is counted and its slice ends;
 * - wakeups that the running thread has deferred (delay_wakeup);
 * - passive messages that this CPU has sent (send_passive): the tick makes them
 *   active, and interrupts a target that runs a preemptible thread (ipiq_push).
 *
 * Two more things concern only a tick that runs already.  It serves the passive
 * messages that other CPUs have sent to this one.  It does not stop while
 * completions of the host wait to be reaped (RQF_INTPEND).
 *
 * A CPU that is idle, or whose only runnable thread computes and is no lwp,
 * usually has none of this work.  So the tick stops itself when it finds none.
 * Ticks fall on multiples of the period, so the CPUs of a process wake at the
 * same time.
 *
 * INVARIANTS
 * TI1 gd_tick_armed <=> gd_hardclock is in this CPU's wheel, or its function is
 *     being called and has not called clock_stop().
 * TI2 While work of the list waits, gd_tick_armed is set.
 *
 * Source: DragonFly kern_clock.c, hardclock(); that the tick stops is ours.
 */
#include "kern/time/systimer_var.h"

TUNABLE_INT(hz, "lwkt.hz", 100, 1, 10000, "scheduler clock, ticks a second");

#define NS_PER_SEC	1000000000

/* Return the time from tick to tick, in ns. */
int64_t
clock_period(void)
{
	return NS_PER_SEC / hz;
}

/* Prepare the timer of the tick: each tick calls fn(timer, gd).  At boot. */
void
clock_place(struct globaldata *gd, lwkt_systimer_fn_t fn)
{
	struct lwkt_systimer *st = &gd->gd_hardclock;

	st->st_fn = fn;
	st->st_arg = gd;
	st->st_period = clock_period();
	st->st_flags = 0;
}

/*
 * Start the tick unless it runs.  The first tick comes at the next multiple of
 * the period.  Own CPU, in a critical section; never blocks.
 */
void
clock_need_tick(struct globaldata *gd)
{
	struct lwkt_systimer *st = &gd->gd_hardclock;
	int64_t period = clock_period(), now;

	if (gd->gd_tick_armed)
		return;
	gd->gd_tick_armed = 1;					/* TI1 */
	now = machine_time_ns();
	systimer_add(st, now - now % period + period);
}

/* Stop the tick.  Called by the tick's function when it finds no work. */
void
clock_stop(struct globaldata *gd)
{
	systimer_remove(&gd->gd_hardclock);			/* TI1 */
	gd->gd_tick_armed = 0;
}
