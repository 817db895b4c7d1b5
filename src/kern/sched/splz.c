/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * splz: do the work that was deferred while the CPU was in a critical section.
 *
 * THEORY
 * splz is called at the end of the outermost critical section if a bit of
 * mc_reqflags is set, by the yields and by the idle loop.  It serves messages
 * first, then timers, then host completions.  Each bit is cleared before its
 * source is read, so that an event during the read sets the bit again.  That
 * event is left for the next exit: a CPU that gets messages faster than it can
 * serve them still runs its threads in between.  A preemptible thread may
 * compute and have no next exit, so a signal is asked for (AS2 of
 * lwkt_async.c).  The work runs in a critical section with gd_intr_nesting
 * raised.  So callbacks cannot block, and their critical exits never call splz:
 * it does not recurse.
 *
 * Messages that were deferred in the section that ends here (lwkt_ipiq_room.c)
 * come first.  After them this CPU waits for its receivers: if it has sent far
 * more messages than they have executed, it executes messages for a while.
 *
 * RQF_LWP comes last: the running lwp is about to return to user mode, and asks
 * whether it may (usched/usched_return.c).  There it may wait for its turn, and
 * continue on another CPU.  For other threads the bit means nothing.
 *
 * A hard section raises gd_intr_nesting as a callback does: what must not
 * happen in a callback must not happen there either.  gd_hard tells them apart.
 *
 * Source: DragonFly's splz; the order of sources is its order.
 */
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

/* Leave td at shutdown: switch to the idle thread and never come back. */
static __lwkt_noinline __lwkt_noreturn void
stop_thread(struct globaldata *gd, lwkt_thread_t td)
{
	gd->gd_abandoned = td;
	gd->gd_preempt_depth = 0;	/* its lenders are, too */
	switch_to_thread(&gd->gd_idlethread);
	lwkt_panic("thread \"%s\" runs again after shutdown", td->td_name);
}

/*
 * Do deferred work.  Context: thread, outside critical sections; may lend the
 * CPU, or wait in the user scheduler, at its end.
 */
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

/* Any CPU context; never blocks. */
void
lwkt_crit_enter(void)
{
	crit_enter_td(caller_thread());
}

/* Any CPU context; never blocks; the outermost exit runs callbacks. */
void
lwkt_crit_exit(void)
{
	crit_exit_td(caller_thread());
}

/* Any CPU context: the slow half of an inline critical exit. */
void
lwkt_crit_replay(void)
{
	lwkt_thread_t td = caller_thread();

	if (td->td_critcount < 0)
		crit_underflow(td);
	if (td->td_critcount == 0)
		splz();
}

/* Any CPU context; never blocks. */
void
lwkt_crit_exit_noyield(void)
{
	crit_exit_noyield(caller_thread());
}

/* Any CPU context; never blocks. */
int
lwkt_crit_test(lwkt_thread_t td)
{
	return crit_test(td);
}

/* Any CPU context; never blocks. */
void
lwkt_crit_enter_hard(void)
{
	struct globaldata *gd;

	crit_enter_td(caller_thread());
	gd = mygd();
	gd->gd_intr_nesting++;
	gd->gd_hard++;
}

/* Any CPU context; never blocks; the outermost exit runs callbacks. */
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

/* Any CPU context; never blocks; nothing in a critical section. */
void
lwkt_splz(void)
{
	lwkt_thread_t td = caller_thread();

	lwkt__choice(CHOICE_CRIT);
	if ((atomic_peek_32(&mycpu_m()->mc_reqflags) & RQF_SPLZ) != 0 &&
	    td->td_critcount == 0)
		splz();
}
