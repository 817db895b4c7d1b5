/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * splz: run what was asked for while the CPU was in a critical section.
 *
 * THEORY
 * Called when the last critical section ends and a bit of mc_reqflags is set,
 * from the yields and from the idle loop.  It serves messages first, then
 * timers, then host completions, each with its bit cleared before the look, so
 * that what comes during the look sets it again.  That is left for the next
 * exit: a CPU that gets messages faster than it can serve them still goes on
 * with its threads in between.  A preemptible thread may compute and have no
 * next exit: for it a signal is asked for (AS3 of lwkt_async.c).  The work runs
 * in a critical section of its own with gd_intr_nesting raised: callbacks
 * cannot block, and their own critical exits never come back here, so splz does
 * not recurse.
 *
 * What was deferred in the section that ends here (lwkt_ipiq_room.c) are
 * messages that come first.  After them this CPU pays its debt: if it has sent
 * far more than others have executed, it goes on with messages for a while.
 *
 * RQF_LWP comes last: the lwp that runs is about to go back to its own code and
 * looks whether it may (usched/usched_return.c).  There it may wait for its
 * turn, and go on elsewhere.  For other threads the bit means nothing.
 *
 * A hard section is marked as a callback is, by gd_intr_nesting: whatever must
 * not happen in a callback must not happen there.  gd_hard tells them apart.
 *
 * Source: DragonFly's splz; the order of sources is its order.
 */
#include "kern/cpu/token_var.h"
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"

#include <lwkt/thread2.h>

CTASSERT(offsetof(struct lwkt_thread, td_critcount) == LWKT_TD_CRITCOUNT,
    "lwkt/thread2.h");
CTASSERT(offsetof(struct mcpu, mc_curthread) == LWKT_CPU_CURTHREAD,
    "lwkt/thread2.h");
CTASSERT(offsetof(struct mcpu, mc_reqflags) == LWKT_CPU_REQFLAGS,
    "lwkt/thread2.h");
CTASSERT(RQF_SPLZ == LWKT_REQ_SPLZ, "lwkt/thread2.h");

COUNTER(splz, "lwkt.splz", "times that deferred work was done");

void
splz(void)
{
	lwkt_thread_t td = curthread;
	struct globaldata *gd;
	uint32_t flags;
	int lwp = 0;

	no_unwind();
	KASSERT(td->td_critcount == 0);
	crit_enter_td(td);
	gd = mygd();	/* callbacks do not switch: it stays ours */
	gd->gd_intr_nesting++;
	gd->gd_served = 1;
	counter_inc(gd->gd_cntbias, splz);
	flags = atomic_load_32(&gd->gd_m.mc_reqflags);
	if (flags & RQF_IPIQ) {
		ipiq_process(gd);
		if (unlikely(gd->gd_debt))
			ipiq_pay(gd);
	}
	if (flags & RQF_TIMER) {
		atomic_clear_32(&gd->gd_m.mc_reqflags, RQF_TIMER);
		systimer_intr(gd);
	}
	if (flags & RQF_INTPEND) {
		atomic_clear_32(&gd->gd_m.mc_reqflags, RQF_INTPEND);
		if (lwkt__kern_ops.ko_poll != NULL)
			lwkt__kern_ops.ko_poll(gd);
	}
	if (unlikely(flags & RQF_TOKEN))
		tokens_nudged(gd);
	gd->gd_intr_nesting--;
	flags = atomic_load_32(&gd->gd_m.mc_reqflags);
	if (unlikely(flags & RQF_SHUTDOWN) && gd->gd_stopping &&
	    (td->td_flags & TDF_IDLE) == 0)
		stop_thread(gd, td);
	if (unlikely(flags & RQF_LWP)) {
		atomic_clear_32(&gd->gd_m.mc_reqflags, RQF_LWP);
		lwp = td->td_leave & TDL_LWP;
	}
	if (flags & RQF_PREEMPT) {
		atomic_clear_32(&gd->gd_m.mc_reqflags, RQF_PREEMPT);
		preempt_pending(gd, td);
	}
	if (unlikely(flags & RQF_PREEMPTIBLE))
		async_arrive(gd);
	crit_exit_noyield(td);
	if (unlikely(lwp))
		lwkt__kern_ops.ko_lwp_return(td);
}

void
lwkt_crit_enter(void)
{
	crit_enter_td(caller_thread());
}

void
lwkt_crit_exit(void)
{
	crit_exit_td(caller_thread());
}

void
lwkt_crit_replay(void)
{
	lwkt_thread_t td = caller_thread();

	if (td->td_critcount < 0)
		crit_underflow(td);
	if (td->td_critcount == 0)
		splz();
}

void
lwkt_crit_exit_noyield(void)
{
	crit_exit_noyield(caller_thread());
}

int
lwkt_crit_test(lwkt_thread_t td)
{
	return crit_test(td);
}

void
lwkt_crit_enter_hard(void)
{
	struct globaldata *gd;

	crit_enter_td(caller_thread());
	gd = mygd();
	gd->gd_intr_nesting++;
	gd->gd_hard++;
}

void
lwkt_crit_exit_hard(void)
{
	struct globaldata *gd = mygd();

	if (unlikely(gd->gd_hard == 0))
		lwkt_panic("thread \"%s\" on cpu %d leaves a hard section, "
		    "but is in none", curthread->td_name, gd->gd_m.mc_cpuid);
	gd->gd_hard--;
	gd->gd_intr_nesting--;
	crit_exit();
}

void
lwkt_splz(void)
{
	lwkt_thread_t td = caller_thread();

	lwkt__choice(CHOICE_CRIT);
	if ((atomic_peek_32(&mycpu_m()->mc_reqflags) & RQF_SPLZ) != 0 &&
	    td->td_critcount == 0)
		splz();
}
