/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * splz: do the work that was deferred while the CPU was in a critical section.
 *
 * THEORY
 * splz is called if a bit of RQF_SPLZ is set: at the end of the outermost
 * section, by the yields and by the idle loop.  It serves messages first, then
 * timers, then host completions, then released tokens.  Each bit is cleared
 * before its source is read, so that an event during the read sets the bit
 * again.  That event is left for the next exit: a CPU that gets messages faster
 * than it can serve them still runs its threads in between.  A preemptible
 * thread may compute and have no next exit, so splz asks for a signal (AS2 of
 * lwkt_async.c).  The work runs in a critical section with gd_intr_nesting
 * raised.  So callbacks cannot block, and their critical exits never call splz:
 * it does not recurse.
 *
 * Then gd_intr_nesting is lowered again, and splz lends the CPU to interrupt
 * threads (RQF_PREEMPT).  At shutdown it instead abandons the running thread,
 * unless that is the idle thread: it switches to the idle thread and does not
 * return (RQF_SHUTDOWN).
 *
 * Of the messages, those that were deferred in the section that ends here
 * (lwkt_ipiq_room.c) are executed first.  If this CPU has sent far more
 * messages than their receivers have executed (gd_debt), it then executes
 * messages for a while, until the receivers have caught up (ipiq_pay).
 *
 * RQF_LWP comes last: the running lwp is about to return to user mode, and asks
 * its user scheduler whether it may (usched/usched_return.c).  It may wait
 * there until the scheduler lets it run, and continue on another CPU.  For
 * other threads the bit means nothing.
 *
 * A hard section raises gd_intr_nesting as a callback does: what must not
 * happen in a callback must not happen in a hard section either.  gd_hard
 * counts the hard sections in gd_intr_nesting.
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
CTASSERT(offsetof(struct mcpu, mc_reqflags) == MCPU_REQFLAGS,
    "machine/machine.h");

COUNTER(splz, "lwkt.splz", "times that deferred work was done");

/*
 * Leave td, the running thread, at shutdown: switch to the idle thread and
 * never return.  td stays as it is; its tokens are released when all CPUs have
 * stopped (shutdown.c).
 */
static __lwkt_noinline __lwkt_noreturn void
stop_thread(struct globaldata *gd, lwkt_thread_t td)
{
	gd->gd_abandoned = td;
	gd->gd_preempt_depth = 0;	/* its lenders never run again either */
	switch_to_thread(&gd->gd_idlethread);
	lwkt_panic("thread \"%s\" runs again after shutdown", td->td_name);
}

/*
 * Do deferred work.  Context: thread, outside critical sections; at its end it
 * may lend the CPU to interrupt threads, and an lwp may wait in its user
 * scheduler.  At shutdown it may not return (stop_thread).
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
	gd = mygd();	/* callbacks do not switch, so gd stays valid */
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
	if (unlikely(flags & RQF_SHUTDOWN) && cpu_stops(gd) &&
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

void *
splz_with(void *value)
{
	if (curthread->td_critcount == 0)
		splz();
	return value;
}

/* Enter a critical section.  Any CPU context; never blocks. */
void
lwkt_crit_enter(void)
{
	crit_enter_td(caller_thread());
}

/*
 * Leave a critical section.  The outermost exit does deferred work: it runs
 * callbacks and interrupt threads, and an lwp may wait in its user scheduler.
 * Any CPU context; blocks only in that work.
 */
void
lwkt_crit_exit(void)
{
	crit_exit_td(caller_thread());
}

/*
 * The rare half of the inline critical exit of <lwkt/thread2.h>, after the
 * count is lowered: panic if the count is below 0; do deferred work if it is 0.
 * Any CPU context.
 */
void
lwkt_crit_replay(void)
{
	lwkt_thread_t td = caller_thread();

	if (td->td_critcount < 0)
		crit_underflow(td);
	if (td->td_critcount == 0)
		splz();
}

/*
 * Leave a critical section without doing deferred work.  Any CPU context; never
 * blocks.
 */
void
lwkt_crit_exit_noyield(void)
{
	crit_exit_noyield(caller_thread());
}

/*
 * Return whether td is in a critical section.  Any CPU context; never blocks.
 */
int
lwkt_crit_test(lwkt_thread_t td)
{
	return crit_test(td);
}

/*
 * Enter a hard section, which is also a critical section.  Any CPU context;
 * never blocks.
 */
void
lwkt_crit_enter_hard(void)
{
	struct globaldata *gd;

	crit_enter_td(caller_thread());
	gd = mygd();
	gd->gd_intr_nesting++;
	gd->gd_hard++;
}

/*
 * Leave a hard section; panic if the CPU is in none.  Any CPU context; blocks
 * only as lwkt_crit_exit(): the outermost exit does deferred work.
 */
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

/*
 * Do deferred work; no effect in a critical section.  Any CPU context; runs
 * callbacks and interrupt threads, and an lwp may wait, as in lwkt_crit_exit.
 */
void
lwkt_splz(void)
{
	lwkt_thread_t td = caller_thread();

	lwkt__choice(CHOICE_CRIT);
	if ((atomic_peek_32(&mycpu_m()->mc_reqflags) & RQF_SPLZ) != 0 &&
	    td->td_critcount == 0)
		splz();
}
