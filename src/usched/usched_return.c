/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lwps leave user mode for the library, and return to it.
 * USES no other file of the layer: it calls a scheduler by its table.
 *
 * THEORY
 * When an lwp calls the library, its scheduler is not notified, so the call has
 * no extra cost.  The lwp is released only when it is switched away inside the
 * library: because it blocks, or because its scheduler wants the CPU for
 * another lwp.  Then the priority of the released lwp rises to
 * LWKT_PRI_KERN_USER, and it is no longer the current lwp of its CPU, so that
 * another lwp can become current (passive release).  Inside the library the lwp
 * continues without being current.
 *
 * An lwp returns to user mode at the end of its outermost critical section
 * (splz).  If RQF_LWP is set, splz calls lwp_return().  RQF_LWP is set when an
 * lwp is switched in, or gets the CPU back from an interrupt thread, or its
 * loan of priority ends.  The tick, a wake-up of a better thread, a token that
 * became free and a request of a scheduler set it too.  lwp_return() first lets
 * better threads run.  Then it calls the scheduler's acquire function, which
 * returns when the lwp is the current one of the CPU that it is then on.
 *
 * A critical section also ends in the middle of functions of the library, and
 * lwp_return() cannot tell such an end from a return to user mode.  Therefore:
 *
 *	- An lwp that holds a token is not made to wait: it would lose the
 *	  token although it calls nothing that is documented to block.
 *	- An lwp that is lent priority is not made to wait: a better thread
 *	  waits for a lock that the lwp holds.  The lwp continues, and
 *	  lwp_return() is called again when the loan ends (lend.c).
 *	- An lwp on a sleep queue that is made to wait leaves that queue.  Its
 *	  sleep then returns at once, as after any wake-up.
 *	- A function of the library that must stay on its CPU must be in a
 *	  critical section.
 *
 * An lwp that does not call the library is interrupted between two instructions
 * of user mode (kern/sched/lwkt_async.c), and the interrupt calls splz for it.
 * So a slice ends there as well.  The registers of such an lwp may hold
 * addresses that are valid on this host thread only.  So the lwp must continue
 * on this CPU, even if its mask no longer has this CPU.
 *
 * An lwp in its scheduler's queue still belongs to the CPU that it left.  It is
 * marked TDF_MIGRATING, so that no wake-up makes it runnable.  Its successor
 * puts the lwp in the queue, because before the switch the lwp still uses its
 * stack.  (lwkt_lwp_start() queues a new lwp.)  A CPU that chooses the lwp
 * sends a message to the lwp's CPU.  Only that CPU may give the lwp away,
 * because wakeups and messages for the lwp arrive there until then.
 *
 *	NEW ------start-----> QUEUED --arrive--> USER --leave--> KERN
 *	                        ^                 |  ^             |
 *	                        +-----requeue-----+  +---return----+
 *	                        +-------------requeue--------------+
 *
 * INVARIANTS
 * UR1 LWKT_LWP_NEW or LWKT_LWP_QUEUED <=> TDF_MIGRATING and no td_migrate_gd.
 *    Such an lwp is neither running nor runnable, once its last switch is over.
 * UR2 In user mode an lwp is LWKT_LWP_USER and has its user priority.
 *    Exception: an lwp that was not made to wait because it held a token or was
 *    lent priority, until it asks its scheduler again.
 *    LWKT_LWP_KERN <=> priority LWKT_PRI_KERN_USER.  (Both are base priorities.
 *    A lent priority may be better.)
 * UR3 An lwp that has descheduled itself is not made to wait for its scheduler
 *    before it has switched.
 * UR4 An lwp with TDF_INTERRUPTED is given to no other CPU.
 *
 * Source: DragonFly's passive release (lwkt_passive_release, userret, userexit
 * of its trap.c).  There the CPU that takes an lwp waits until no CPU runs the
 * lwp.  Here the CPU that owns the lwp gives it away.
 */
#include "usched/usched_var.h"

#include <lwkt/ipiq.h>

#include "kern/time/systimer_var.h"
#include "kern/lock/lend_var.h"
#include "kern/sleep/synch_var.h"

TRACEPOINT(release, KTR_SCHED, "lwp.release", "td=%llu blocked=%llu");
TRACEPOINT(queue, KTR_SCHED, "lwp.queue", "td=%llu cpu=%llu");
TRACEPOINT(arrive, KTR_SCHED, "lwp.arrive", "td=%llu from=%llu");

COUNTER(releases, "lwkt.lwp_releases", "lwps that gave up being current");
COUNTER(returns, "lwkt.lwp_returns", "times that an lwp asked its user "
    "scheduler before user mode");
COUNTER(deferred, "lwkt.lwp_deferred",
    "of these deferred: tokens held, or priority lent");
COUNTER(queued, "lwkt.lwp_queued", "lwps that had to wait for their turn");
COUNTER(moved, "lwkt.lwp_moved", "lwps that were given to another CPU");

/* Return the priority that lp has in user mode, from its class. */
int
lwp_user_pri(const struct lwkt_lwp *lp)
{
	static const int pri[] = {
		[LWKT_RTP_REALTIME] = LWKT_PRI_USER_REAL,
		[LWKT_RTP_NORMAL] = LWKT_PRI_USER_NORM,
		[LWKT_RTP_IDLE] = LWKT_PRI_USER_IDLE,
	};

	return pri[lp->lp_rtclass];
}

/*
 * ko_lwp_leave: td, an lwp, is about to be switched away.  If td is
 * LWKT_LWP_USER, release it if it blocks or its scheduler wants the CPU.  If td
 * is ending, tell its scheduler.  CPU of td, critical section; never blocks.
 */
void
lwp_leave(lwkt_thread_t td)
{
	struct globaldata *gd = mygd();
	lwkt_lwp_t lp = td->td_lwp;
	lwkt_usched_t us = lp->lp_usched;

	if (lp->lp_mode == LWKT_LWP_USER && ((td->td_flags & TDF_RUNQ) == 0 ||
	    (gd->gd_ast & AST_USER_RESCHED))) {
		counter_inc(gd->gd_cntbias, releases);
		ktr(gd, release, td->td_id, (td->td_flags & TDF_RUNQ) == 0);
		lp->lp_mode = LWKT_LWP_KERN;			/* UR2 */
		lend_setpri(gd, td, LWKT_PRI_KERN_USER);
		us->us_release_curproc(lp);
	}
	if (unlikely(td->td_flags & TDF_EXITING) &&
	    us->us_heuristic_exiting != NULL)
		us->us_heuristic_exiting(lp);
}

/*
 * ko_lwp_return, called by splz: wait until the caller, td, may run in user
 * mode.  Returns earlier if td has descheduled itself, holds tokens, or is lent
 * priority.  In the last two cases td asks its scheduler later.
 */
void
lwp_return(lwkt_thread_t td)
{
	lwkt_lwp_t lp = td->td_lwp;

	if ((td->td_flags & TDF_RUNQ) == 0)			/* UR3 */
		return;
	crit_enter_td(td);
	counter_inc(mygd()->gd_cntbias, returns);
	clock_need_tick(mygd());	/* td may have to ask again later */
	if (unlikely(td->td_ntoks != 0)) {
		counter_inc(mygd()->gd_cntbias, deferred);
		crit_exit_noyield(td);
		return;
	}
	atomic_store_32(&lp->lp_stay, td->td_flags & TDF_INTERRUPTED ?
	    (uint32_t)mycpuid + 1 : 0);				/* UR4 */
	/* us_acquire_curproc may block; then check again for better threads. */
	do {
		if (mygd()->gd_ast & AST_LWKT_RESCHED)
			switch_away();
		if (unlikely(td->td_lent != 0)) {	/* LD5 */
			counter_inc(mygd()->gd_cntbias, deferred);
			break;
		}
		lp->lp_usched->us_acquire_curproc(lp);
		lp->lp_mode = LWKT_LWP_USER;
		lend_setpri(mygd(), td, lwp_user_pri(lp));
	} while (mygd()->gd_ast & AST_LWKT_RESCHED);
	clock_need_tick(mygd());
	crit_exit_noyield(td);
}

/*
 * ko_lwp_yield: make td, the caller, ask its scheduler, so that other lwps can
 * run.  The scheduler may have its own function for that.
 */
void
lwp_yield(lwkt_thread_t td)
{
	lwkt_lwp_t lp = td->td_lwp;

	crit_enter_td(td);
	if (lp->lp_usched->us_yield != NULL)
		lp->lp_usched->us_yield(lp);
	else
		lwkt_usched_resched(mycpuid);
	crit_exit_noyield(td);
}

/*
 * ko_lwp_queue, called by the successor of td: td no longer uses its stack, so
 * give it to its scheduler.
 */
void
lwp_queue(lwkt_thread_t td)
{
	lwkt_lwp_t lp = td->td_lwp;
	struct globaldata *gd = mygd();

	INVARIANT(lp->lp_mode == LWKT_LWP_QUEUED && td->td_gd == gd);
	counter_inc(gd->gd_cntbias, queued);
	ktr(gd, queue, td->td_id, gd->gd_m.mc_cpuid);
	lp->lp_usched->us_setrunqueue(lp);
}

/*
 * Queue the calling lwp, and return when its scheduler has chosen it, perhaps
 * on another CPU.
 * The lwp itself, in a critical section, from us_acquire_curproc; blocks.
 */
void
lwkt_usched_requeue(lwkt_lwp_t lp)
{
	lwkt_thread_t td = lp->lp_thread;
	struct globaldata *gd = mygd();

	KASSERTF(td == curthread && td->td_critcount > 0, "thread \"%s\" "
	    "queues lwp \"%s\"; only the lwp itself may, in a critical section",
	    curthread->td_name, td->td_name);
	delayed_flush_if(td);
	synch_leave_queue(td);
	sched_dequeue(gd, td);
	lend_setpri(gd, td, lwp_user_pri(lp));
	lp->lp_mode = LWKT_LWP_QUEUED;				/* UR1 */
	td->td_migrate_gd = NULL;
	td->td_flags |= TDF_MIGRATING;
	td->td_wmesg = "usched";
	switch_away();
	td->td_wmesg = NULL;
}

/* Make lp, which was given to this CPU, runnable.  Also an IPI callback. */
static void
arrive(void *arg)
{
	lwkt_lwp_t lp = arg;
	lwkt_thread_t td = lp->lp_thread;
	struct globaldata *gd = mygd();

	INVARIANT(td->td_gd == gd && lp->lp_mode == LWKT_LWP_QUEUED);
	lp->lp_mode = LWKT_LWP_USER;
	td->td_flags &= ~TDF_MIGRATING;
	lend_arrived(td);
	sched_enqueue(gd, td);
}

/*
 * Give lp to cpu, which may be this one.  Runs on the CPU that owns lp; also an
 * IPI callback.
 */
static void
give(void *arg, int cpu)
{
	lwkt_lwp_t lp = arg;
	lwkt_thread_t td = lp->lp_thread;
	struct globaldata *gd = mygd();

	INVARIANT(td->td_gd == gd &&
	    (td->td_flags & (TDF_MIGRATING | TDF_RUNNING)) == TDF_MIGRATING);
	ktr(gd, arrive, td->td_id, gd->gd_m.mc_cpuid);
	if (cpu == gd->gd_m.mc_cpuid) {
		arrive(lp);
		return;
	}
	counter_inc(gd->gd_cntbias, moved);
	/*
	 * Release: as in thread_finish_migrate().  A CPU that sees the new
	 * owner also sees all that this one wrote to the thread.
	 */
	atomic_store_rel_ptr((uintptr_t *)&td->td_gd,
	    (uintptr_t)gd_find(cpu));
	lwkt_send_ipiq(cpu, arrive, lp);
}

/*
 * Have lp, which its scheduler has taken off the queue, given to this CPU.  lp
 * may arrive after the return.  Any CPU context; never blocks.
 */
void
lwkt_usched_dispatch(lwkt_lwp_t lp)
{
	lwkt_thread_t self = caller_thread();
	int owner, cpu;

	crit_enter_td(self);
	cpu = mycpuid;
	owner = lwkt_getcpu(lp->lp_thread);
	if (owner == cpu)
		give(lp, cpu);
	else
		lwkt_send_ipiq2(owner, give, lp, cpu);
	crit_exit_td(self);
}

/*
 * Set the request of lwkt_usched_resched() on this CPU.  Also an IPI callback.
 */
static void
resched_here(void *arg)
{
	struct globaldata *gd = mygd();

	(void)arg;
	gd->gd_ast |= AST_USER_RESCHED;
	ast_raise(gd);
}

/*
 * Request that the lwp that runs on cpu calls us_acquire_curproc soon.  If no
 * lwp runs there, the next lwp that does is asked.  Any CPU context; never
 * blocks.
 */
void
lwkt_usched_resched(int cpu)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	if (cpu == mycpuid)
		resched_here(NULL);
	else
		lwkt_send_ipiq(cpu, resched_here, NULL);
	crit_exit_td(self);
}

/*
 * Return 1 if lwkt_usched_resched() was called for this CPU, and clear that
 * request; else return 0.
 * CPU, critical section; never blocks.
 */
int
lwkt_usched_wanted(void)
{
	struct globaldata *gd = mygd();
	int wanted = (gd->gd_ast & AST_USER_RESCHED) != 0;

	gd->gd_ast &= ~AST_USER_RESCHED;
	return wanted;
}

/*
 * Set td_upri of lp's thread, which orders threads of equal priority: higher
 * runs first.  The CPU of lp, critical section; never blocks.
 */
void
lwkt_usched_setupri(lwkt_lwp_t lp, int upri)
{
	if (lp->lp_thread->td_upri != upri)
		sched_setupri(lp->lp_thread, upri);
}

/*
 * ko_lwp_check: td, an lwp, is about to be switched away.  Panic if its mode
 * disagrees with its flags (UR1), or LWKT_LWP_KERN with its priority (UR2), or
 * us_check finds a fault.
 */
void
lwp_check(lwkt_thread_t td)
{
	lwkt_lwp_t lp = td->td_lwp;

	KASSERTF((lp->lp_mode == LWKT_LWP_QUEUED) ==		/* UR1 */
	    ((td->td_flags & TDF_MIGRATING) != 0 &&
	    td->td_migrate_gd == NULL), "lwp \"%s\": mode %d and flags %#x "
	    "disagree", td->td_name, lp->lp_mode, td->td_flags);
	KASSERTF((lp->lp_mode == LWKT_LWP_KERN) ==		/* UR2 */
	    (lend_ownpri(td) == LWKT_PRI_KERN_USER), "lwp \"%s\": mode "
	    "%d and priority %d disagree", td->td_name, lp->lp_mode,
	    lend_ownpri(td));
	if (lp->lp_usched->us_check != NULL)
		lp->lp_usched->us_check(mycpuid);
}
