/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hardclock: what the tick of a CPU does.
 *
 * THEORY
 * time/tick.c lists the work that needs the tick, and says why the tick stops.
 * hardclock makes passive messages active, those that this CPU has sent and
 * those sent to it, and does the running thread's deferred wakeups.  Then it
 * checks for the other work of the list, and stops the tick if there is none.
 *
 * Source: DragonFly kern_clock.c, hardclock().
 */
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"

COUNTER(ticks, "lwkt.ticks", "scheduler clock ticks");

/*
 * Return whether there may be work for the next tick: several threads are on
 * the run queue, host completions are pending, or the running thread is an lwp.
 */
static inline int
tick_needed(struct globaldata *gd, uint32_t reqflags)
{
	return gd->gd_rqcount > 1 || (reqflags & RQF_INTPEND) != 0 ||
	    (gd->gd_m.mc_curthread->td_leave & TDL_LWP) != 0;
}

/*
 * The function of the tick's timer (st is gd_hardclock): serve the tick of this
 * CPU, whose globaldata is arg.  Context: timer callback.
 */
void
hardclock(struct lwkt_systimer *st, void *arg)
{
	struct globaldata *gd = arg;
	lwkt_thread_t td = gd->gd_m.mc_curthread;
	uint32_t reqflags = atomic_load_32(&gd->gd_m.mc_reqflags);

	counter_inc(gd->gd_cntbias, ticks);
	ipiq_push(gd);
	if (td->td_cold->tc_delayed[0] != NULL)		/* DW3 */
		lwkt__kern_hooks.kh_delayed_flush(td);
	if ((reqflags & RQF_IPIQ) == 0 && ipiq_pending(gd))
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_IPIQ);
	if (tick_needed(gd, reqflags)) {			/* TI2 */
		sched_clock(gd);
		preempt_ask(gd);
		if (lwkt__kern_ops.ko_lwp_clock != NULL)
			lwkt__kern_ops.ko_lwp_clock(gd, st->st_period);
		ast_raise(gd);
	} else {
		clock_stop(gd);
	}
}
