/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt threads take the CPU from the thread that runs.
 *
 * THEORY
 * A thread made with LWKT_INTERRUPT, when it becomes runnable, asks for the CPU
 * by RQF_PREEMPT; the next moment at which the running thread is in no critical
 * section (splz), it is switched to directly.  The running thread is not
 * descheduled and makes no scheduling decision: it lends the CPU.  When the
 * interrupt thread blocks, yields or ends, the CPU goes straight back to the
 * lender, whatever else is runnable; the interrupt thread, if it is runnable
 * still, goes on later as a thread like any other.
 *
 * The lender keeps its tokens.  If the interrupt thread needs one of them, it
 * waits for it in the usual way, which gives the CPU back to the lender.
 *
 *	lender				interrupt thread
 *	crit_exit: splz: preempt  --->	runs
 *	(PREEMPT_LOCK)			blocks, yields, ends
 *	goes on			  <---	preempt_return: PREEMPT_DONE
 *
 * INVARIANTS
 * PR1 TDL_PREEMPTING <=> td_preempted is the lender, which has PREEMPT_LOCK and
 *    is on the run queue of this CPU.
 * PR2 The chain of lenders has strictly falling priorities and at most
 *    PREEMPT_MAX links, none of them the idle thread.
 * PR3 A lender runs again only through preempt_return.
 *
 * Source: DragonFly's lwkt_preempt; its callbacks preempt inside, ours at the
 * critical exit behind them.
 */
#include "kern/time/systimer_var.h"
#include "kern/sched/sched_var.h"

TRACEPOINT(preempt, KTR_SCHED, "preempt.begin", "lender=%llu by=%llu");
TRACEPOINT(return, KTR_SCHED, "preempt.end", "lender=%llu by=%llu");

COUNTER(hit, "lwkt.preempt_hit", "preemptions");
COUNTER(miss, "lwkt.preempt_miss", "preemptions refused");
COUNTER(weird, "lwkt.preempt_weird", "refused as well: preempting or "
    "preempted");

TUNABLE_INT(preempt_enable, "lwkt.preempt_enable", 1, 0, 1,
    "1: interrupt threads take the CPU at once; 0: in their turn");

#define PREEMPT_MAX	2

/* May ntd take the CPU from td, which leaves its last critical section? */
static int
preempt_refused(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	if ((td->td_flags | ntd->td_flags) & TDF_PREEMPT_LOCK ||
	    (ntd->td_leave & TDL_PREEMPTING)) {
		counter_inc(gd->gd_cntbias, weird);
		return 1;
	}
	if (!preempt_enable || ntd == td || ntd->td_pri <= td->td_pri ||
	    td->td_critcount > 1 || gd->gd_cscount != 0 ||
	    gd->gd_intr_nesting != 0 || ntd->td_ntoks != 0 ||
	    gd->gd_spinlocks != 0 || gd->gd_preempt_depth >= PREEMPT_MAX) {
		counter_inc(gd->gd_cntbias, miss);
		return 1;
	}
	return 0;
}

/* The best interrupt thread that is better than td. */
static lwkt_thread_t
preempt_best(struct globaldata *gd, lwkt_thread_t td)
{
	uint32_t mask = gd->gd_rqmask & ~((2u << td->td_pri) - 1);
	lwkt_thread_t ntd, head;
	int pri;

	for (; mask != 0; mask &= ~(1u << pri)) {
		pri = 31 - __builtin_clz(mask);
		ntd = head = gd->gd_rq[pri];
		do {
			if (ntd->td_flags & TDF_PREEMPTS)
				return ntd;
			ntd = ntd->td_rqnext;
		} while (ntd != head);
	}
	return NULL;
}

/*
 * RQF_PREEMPT.  The running thread, in the critical section of splz.
 */
void
preempt_pending(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t ntd;

	if (td->td_flags & TDF_IDLE)
		return;		/* it is about to switch anyway */
	while ((ntd = preempt_best(gd, td)) != NULL &&
	    !preempt_refused(gd, td, ntd)) {
		counter_inc(gd->gd_cntbias, hit);
		ktr(gd, preempt, td->td_id, ntd->td_id);
		td->td_flags |= TDF_PREEMPT_LOCK;		/* PR1 */
		ntd->td_preempted = td;
		ntd->td_leave |= TDL_PREEMPTING;
		gd->gd_preempt_depth++;				/* PR2 */
		switch_to_thread(ntd);
		KASSERTF(td->td_flags & TDF_PREEMPT_DONE, "thread \"%s\" was "
		    "preempted and runs before the CPU is returned, flags %#x",
		    td->td_name, td->td_flags);			/* PR3 */
		td->td_flags &= ~(TDF_PREEMPT_LOCK | TDF_PREEMPT_DONE);
		ast_raise(gd);		/* the others may have cleared it */
	}
}

/*
 * The tick: an interrupt thread that did not ask when it was made runnable, or
 * was no better than the runner then, may be to preempt now.
 */
void
preempt_ask(struct globaldata *gd)
{
	if (preempt_best(gd, gd->gd_m.mc_curthread) != NULL)
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_PREEMPT);
}

/* The interrupt thread td leaves the CPU: back to the lender. */
lwkt_thread_t
preempt_return(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t lender = td->td_preempted;

	ktr(gd, return, lender->td_id, td->td_id);
	td->td_preempted = NULL;
	td->td_leave &= (uint8_t)~TDL_PREEMPTING;
	gd->gd_preempt_depth--;
	lender->td_flags |= TDF_PREEMPT_DONE;			/* PR3 */
	if (gd->gd_rqmask >> lender->td_pri > 1) {
		gd->gd_ast |= AST_LWKT_RESCHED;
		if (lender->td_flags & TDF_PREEMPTIBLE)
			clock_need_tick(gd);
	}
	return lender;
}

/* PR1 and PR2, of the chain that ends with the running thread. */
void
preempt_check(struct globaldata *gd)
{
	lwkt_thread_t td = gd->gd_m.mc_curthread, lender;
	int depth = 0;

	for (; td->td_leave & TDL_PREEMPTING; td = lender) {
		lender = td->td_preempted;
		KASSERTF(++depth <= gd->gd_preempt_depth &&
		    lender->td_gd == gd &&
		    (lender->td_flags & TDF_PREEMPT_LOCK),
		    "thread \"%s\" preempts \"%s\", flags %#x, depth %d",
		    td->td_name, lender->td_name, lender->td_flags, depth);
	}
	KASSERTF(depth == gd->gd_preempt_depth, "cpu %d: %d threads have lent "
	    "the CPU, but the depth is %d", gd->gd_m.mc_cpuid, depth,
	    gd->gd_preempt_depth);
}

lwkt_thread_t
lwkt_preempted_proc(void)
{
	lwkt_thread_t td = caller_thread();

	while (td->td_leave & TDL_PREEMPTING)
		td = td->td_preempted;
	return td;
}
