/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's clock: a periodic timer that runs only while it has work.
 *
 * THEORY
 * Somebody waits, so somebody has to look.  Most waiters are signalled: a bit
 * of mc_reqflags is set, which the CPU sees at its next critical exit.  The
 * others rely on the tick.  Each place that leaves such a waiter behind calls
 * clock_need_tick(), and the tick looks for all of them:
 *
 * - equals of the running thread (sched_enqueue, sched_setpri): they take
 *   turns;
 * - a better thread whose waker did not ask the running one to make way
 *   (lwkt_schedule_noresched), or asked a preemptible one, which makes no
 *   call in which it would see that (sched_enqueue, sched_setpri,
 *   preempt_return);
 * - an interrupt thread that was not better than the runner when it was
 *   made runnable, and is now: the runner may never yield (sched_setpri);
 * - a thread passed over because of a token (pick_with_tokens): once the
 *   token is free it is to run;
 * - the lwp that runs (lwp_return): its time is counted, its slice ends;
 * - wakeups that the running thread has put off (delay_wakeup);
 * - passive messages, on both sides: of other CPUs to this one, and those
 *   this CPU has sent, which become active (send_passive, ipiq_push);
 * - host completions that a busy thread keeps waiting.
 *
 * A CPU whose only thread computes, or that idles, needs none of it, so the
 * tick stops itself when it finds no reason to go on.  Ticks fall on multiples
 * of the period, so the CPUs of a process wake together.
 *
 * INVARIANTS
 * H1 gd_tick_armed <=> gd_hardclock is on this CPU's timer queue or being
 *    called.
 * H2 As long as such a waiter is there, gd_tick_armed is set.
 *
 * Source: DragonFly kern_clock.c, hardclock(); that the tick stops is ours.
 */
#include "kern/sleep/synch_var.h"

TUNABLE_INT(hz, "lwkt.hz", 100, 1, 10000, "scheduler clock, ticks a second");

COUNTER(ticks, "lwkt.ticks", "scheduler clock ticks");

#define NS_PER_SEC	1000000000

static inline int
tick_needed(struct globaldata *gd, uint32_t reqflags)
{
	return gd->gd_rqcount > 1 || (reqflags & RQF_INTPEND) != 0 ||
	    (gd->gd_m.mc_curthread->td_leave & TDL_LWP) != 0;
}

static void
hardclock(struct lwkt_systimer *st, void *arg)
{
	struct globaldata *gd = arg;
	uint32_t reqflags = atomic_load_32(&gd->gd_m.mc_reqflags);

	counter_inc(gd->gd_cntbias, ticks);
	ipiq_push(gd);
	delayed_tick(gd->gd_m.mc_curthread);
	if ((reqflags & RQF_IPIQ) == 0 && ipiq_pending(gd))
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_IPIQ);
	if (tick_needed(gd, reqflags)) {
		sched_clock(gd);
		if (lwkt__kern_ops.ko_lwp_clock != NULL)
			lwkt__kern_ops.ko_lwp_clock(gd, st->st_period);
		ast_raise(gd);
	} else {
		systimer_remove(st);				/* H1 */
		gd->gd_tick_armed = 0;
	}
}

int64_t
clock_period(void)
{
	return NS_PER_SEC / hz;
}

void
clock_need_tick(struct globaldata *gd)
{
	struct lwkt_systimer *st = &gd->gd_hardclock;
	int64_t period = clock_period(), now;

	if (gd->gd_tick_armed)
		return;
	gd->gd_tick_armed = 1;					/* H1 */
	now = machine_time_ns();
	st->st_fn = hardclock;
	st->st_arg = gd;
	st->st_period = period;
	st->st_flags = 0;
	systimer_add(st, now - now % period + period);
}
