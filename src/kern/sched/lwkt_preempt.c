/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt threads take the CPU from the thread that runs.
 *
 * THEORY
 * An interrupt thread asks for the CPU by RQF_PREEMPT when it becomes runnable.
 * As soon as the running thread is in no critical section (splz), and if the
 * interrupt thread is better, the CPU switches directly to it, unless
 * preempt_refused() finds that it must take its turn.  The running
 * thread is not descheduled and makes no scheduling decision: it lends the CPU.
 * When the interrupt thread blocks, yields or ends, the CPU goes straight back
 * to the lender, whatever else is runnable.  If the interrupt thread is still
 * runnable and better, because it only yielded, the lender lends it the CPU
 * again at once.  (In DragonFly the lender goes on: there only a wakeup lends.
 * But a thread that is better keeps a CPU here when it yields.)  If this second
 * loan is refused, because the interrupt thread has tokens for example, the
 * interrupt thread continues later as any other thread does.
 *
 * The lender keeps its tokens.  If the interrupt thread needs one of them, it
 * waits for that token as usual, and so gives the CPU back to the lender.
 *
 *	lender				interrupt thread
 *	crit_exit: splz: preempt  --->	runs
 *	(PREEMPT_LOCK)			blocks, yields, ends
 *	continues		  <---	preempt_return: PREEMPT_DONE
 *
 * INVARIANTS
 * PR1 TDL_PREEMPTING <=> td_preempted is the lender, which has PREEMPT_LOCK and
 *    belongs to this CPU.  (It is on the run queue, unless it was taken off by
 *    lwkt_deschedule().)
 * PR2 The chain of lenders has at most PREEMPT_MAX of them, and none of them is
 *    the idle thread.  When a thread took the CPU, its priority was higher than
 *    that of its lender.  (Both may have changed since, by lwkt_setpri() or by
 *    a loan.)
 * PR3 A lender runs again only through preempt_return.
 *
 * Source: DragonFly's lwkt_preempt.  There a callback that schedules an
 * interrupt thread is preempted at once; here the preemption is at the critical
 * exit after the callback.
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

#define PREEMPT_MAX	2	/* most lenders at a time on one CPU */

/*
 * Return 1, and count the refusal, if the runnable thread ntd must not take the
 * CPU from td, the running thread.  td is in the critical section of splz, so
 * td_critcount > 1 means that td is in another one too.
 */
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

/* Return the best runnable interrupt thread that is better than td, or NULL. */
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
 * Serve RQF_PREEMPT: lend the CPU of td, the running thread, to each interrupt
 * thread that is better than td, one after the other.  Return when there is no
 * such thread or the next one is refused.  Called by splz in its critical
 * section.
 */
void
preempt_pending(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t ntd;

	if (td->td_flags & TDF_IDLE)
		return;		/* the idle loop switches after splz */
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
		ast_raise(gd);	/* splz of ntd may have cleared RQF_LWP */
	}
}

/*
 * Set RQF_PREEMPT if a runnable interrupt thread is better than the running
 * thread, and the running thread is not descheduled.  Called at the tick,
 * because the interrupt thread may not have asked when it was made runnable
 * (TDF_NORESCHED), or was not better then.
 */
void
preempt_ask(struct globaldata *gd)
{
	lwkt_thread_t td = gd->gd_m.mc_curthread;

	if ((td->td_flags & TDF_RUNQ) && preempt_best(gd, td) != NULL)
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_PREEMPT);
}

/*
 * End the loan of the CPU to the interrupt thread td.  Return the lender, to
 * which the caller switches.  If a runnable thread is better than the lender,
 * ask the lender to give way.
 */
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

/*
 * Check PR1 for the lenders of the running thread, PR2 except for what it says
 * about the past, and that gd_preempt_depth is their number; else panic.
 */
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
		KASSERTF(depth <= PREEMPT_MAX &&
		    (lender->td_flags & TDF_IDLE) == 0, "thread \"%s\" "
		    "preempts \"%s\", lender %d, flags %#x", td->td_name,
		    lender->td_name, depth, lender->td_flags);	/* PR2 */
	}
	KASSERTF(depth == gd->gd_preempt_depth, "cpu %d: %d threads have lent "
	    "the CPU, but the depth is %d", gd->gd_m.mc_cpuid, depth,
	    gd->gd_preempt_depth);
}

/*
 * Return the caller if it has not borrowed the CPU.  Else follow td_preempted
 * to the lender that has not borrowed it, and return that thread.  Any CPU
 * context; never blocks.
 */
lwkt_thread_t
lwkt_preempted_proc(void)
{
	lwkt_thread_t td = caller_thread();

	while (td->td_leave & TDL_PREEMPTING)
		td = td->td_preempted;
	return td;
}
