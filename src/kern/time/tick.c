/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's clock: a periodic timer that runs only while it has work.
 *
 * THEORY
 * Work that waits must be noticed.  Most waiters are signalled: a bit of
 * mc_reqflags is set, which the CPU sees at its next critical exit.  The others
 * rely on the tick.  Each place that leaves such a waiter calls
 * clock_need_tick(), and the tick looks for all of them:
 *
 * - threads of the running thread's priority (sched_enqueue, sched_setpri):
 *   they run round-robin;
 * - a better thread whose waker did not ask the running thread to yield
 *   (lwkt_schedule_noresched), or asked a preemptible one, which makes no call
 *   in which it would see that (sched_enqueue, sched_setpri, preempt_return);
 * - an interrupt thread that was not better than the running thread when it was
 *   made runnable, and is now: the running thread may never yield
 *   (sched_setpri);
 * - a thread passed over because of a token (pick_with_tokens): it must run
 *   once the token is free;
 * - the running lwp (lwp_return): its time is counted and its slice ends;
 * - wakeups that the running thread has deferred (delay_wakeup);
 * - passive messages, on both sides: those of other CPUs to this one, and those
 *   this CPU has sent, which become active (send_passive, ipiq_push);
 * - host completions that wait because a thread keeps the CPU busy.
 *
 * A CPU whose only thread computes, or that is idle, needs none of this, so the
 * tick stops itself when it finds no reason to continue.  Ticks fall on
 * multiples of the period, so the CPUs of a process wake at the same time.
 *
 * INVARIANTS
 * TI1 gd_tick_armed <=> gd_hardclock is on this CPU's timer queue or being
 *     called.
 * TI2 While such a waiter exists, gd_tick_armed is set.
 *
 * Source: DragonFly kern_clock.c, hardclock(); that the tick stops is ours.
 */
#include "kern/time/systimer_var.h"

TUNABLE_INT(hz, "lwkt.hz", 100, 1, 10000, "scheduler clock, ticks a second");

#define NS_PER_SEC	1000000000

int64_t
clock_period(void)
{
	return NS_PER_SEC / hz;
}

/* Prepare the tick of a CPU, which will call fn.  Boot. */
void
clock_place(struct globaldata *gd, lwkt_systimer_fn_t fn)
{
	struct lwkt_systimer *st = &gd->gd_hardclock;

	st->st_fn = fn;
	st->st_arg = gd;
	st->st_period = clock_period();
	st->st_flags = 0;
}

/* Start the tick unless it runs.  Own CPU, in a critical section. */
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

/* Stop the tick.  Own CPU, in the tick's function, when nothing needs it. */
void
clock_stop(struct globaldata *gd)
{
	systimer_remove(&gd->gd_hardclock);			/* TI1 */
	gd->gd_tick_armed = 0;
}
