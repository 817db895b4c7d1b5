/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's clock: a periodic timer that runs only while it has work.
 *
 * THEORY
 * A tick lets equals take turns and picks up what nobody signalled: passive
 * messages, and host completions that a busy thread keeps waiting.  A CPU whose
 * only thread computes, or that idles, needs none of it, so the tick is started
 * by whoever makes it necessary (clock_need_tick) and stops itself at the
 * first tick that finds no reason.  An lwp needs it as long as it runs: its
 * time is counted, and its slice ends.  Ticks fall on multiples of the period,
 * so the CPUs of a process wake together.
 *
 * INVARIANTS
 * H1 gd_tick_armed <=> gd_hardclock is on this CPU's timer queue or being
 *    called.
 *
 * Source: DragonFly kern_clock.c, hardclock(); that the tick stops is ours.
 */
#include "kern/kern_var.h"

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

void
clock_need_tick(struct globaldata *gd)
{
	struct lwkt_systimer *st = &gd->gd_hardclock;
	int64_t period = NS_PER_SEC / hz, now;

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
