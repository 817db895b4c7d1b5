/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An lwp leaves its own code for the library, and comes back to it.
 *
 * THEORY
 * To enter the library costs an lwp nothing and tells nobody.  Only when it is
 * switched away there, because it blocks or because its scheduler wants it to
 * come by, is it released: its priority rises to that of the library's work and
 * it gives up being the current lwp of its CPU, so that the next one may run
 * (passive release).  To go on inside the library it needs nobody's leave.
 *
 * The way back is its last critical exit (splz).  RQF_LWP makes that exit come
 * here: it is set whenever an lwp is switched in, by the tick, by whoever wakes
 * somebody better, and when a scheduler asks.  There the better threads run
 * first; then the scheduler's acquire returns as soon as the lwp is the current
 * one of the CPU that it is on by then.
 *
 * A critical exit in the middle of a function of the library is a way back as
 * well.  That is why only an lwp without tokens is held up (a token would be
 * lost between two calls that do not wait), and none that is lent priority (a
 * better thread waits for a lock of it: it goes on, and comes here again when
 * the loan ends, lend.c), why one that is on a sleep queue
 * leaves it (its sleep will return at once, as after any wakeup), and why a
 * function of the library that needs to stay on its CPU must be in a critical
 * section.
 *
 * An lwp that calls nothing is interrupted between two instructions of its own
 * code (kern/sched/lwkt_async.c), which calls splz in its name: so a slice ends
 * there as well.  It may have addresses of this host thread's in its registers,
 * so it waits for its turn on this CPU, whatever its mask says by then.
 *
 * An lwp in its scheduler's queue belongs to the CPU that it left, marked
 * TDF_MIGRATING, so that nobody makes it runnable.  The successor puts it into
 * the queue: before that it stands on its stack.  The CPU that chooses it asks
 * the CPU that it belongs to, which alone may give it away: wakeups and
 * messages for it arrive there meanwhile.
 *
 *	NEW ------start-----> QUEUED --arrive--> USER --leave--> KERN
 *	                        ^                 |  ^             |
 *	                        +-----requeue-----+  +---return----+
 *	                        +-------------requeue--------------+
 *
 * INVARIANTS
 * UR1 LWKT_LWP_QUEUED <=> TDF_MIGRATING and no td_migrate_gd: neither running
 *    nor runnable, once its last switch is over.
 * UR2 In its own code an lwp has user priority and is USER; KERN <=> priority
 *    LWKT_PRI_KERN_USER.  (Of its own; what it is lent comes on top.)
 * UR3 A thread that descheduled itself is not held up before it has switched.
 * UR4 An lwp with TDF_INTERRUPTED is given to no other CPU.
 *
 * Source: DragonFly's passive release (lwkt_passive_release, userret, userexit
 * of its trap.c).  There who pulls an lwp waits until it stands nowhere; that
 * its owner gives it away is ours.
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
COUNTER(put_off, "lwkt.lwp_put_off",
    "of these deferred: tokens held, or priority lent");
COUNTER(queued, "lwkt.lwp_queued", "lwps that had to wait for their turn");
COUNTER(moved, "lwkt.lwp_moved", "lwps that were given to another CPU");

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

/* ko_lwp_leave */
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

/* ko_lwp_return */
void
lwp_return(lwkt_thread_t td)
{
	lwkt_lwp_t lp = td->td_lwp;

	if ((td->td_flags & TDF_RUNQ) == 0)			/* UR3 */
		return;
	crit_enter_td(td);
	counter_inc(mygd()->gd_cntbias, returns);
	clock_need_tick(mygd());	/* it asks again if we are put off */
	if (unlikely(td->td_ntoks != 0)) {
		counter_inc(mygd()->gd_cntbias, put_off);
		crit_exit_noyield(td);
		return;
	}
	atomic_store_32(&lp->lp_stay, td->td_flags & TDF_INTERRUPTED ?
	    (uint32_t)mycpuid + 1 : 0);				/* UR4 */
	do {
		if (mygd()->gd_ast & AST_LWKT_RESCHED)
			switch_away();
		if (unlikely(td->td_lent != 0)) {	/* LD5 */
			counter_inc(mygd()->gd_cntbias, put_off);
			break;
		}
		lp->lp_usched->us_acquire_curproc(lp);
		lp->lp_mode = LWKT_LWP_USER;
		lend_setpri(mygd(), td, lwp_user_pri(lp));
	} while (mygd()->gd_ast & AST_LWKT_RESCHED);
	clock_need_tick(mygd());
	crit_exit_noyield(td);
}

/* ko_lwp_yield */
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

/* ko_lwp_queue: td has left its stack. */
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

/* On the CPU to which it was given. */
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

/* On the CPU that it belongs to: it goes to another, or comes here. */
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
	/* Release: as in thread_finish_migrate(). */
	atomic_store_rel_ptr((uintptr_t *)&td->td_gd,
	    (uintptr_t)gd_find(cpu));
	lwkt_send_ipiq(cpu, arrive, lp);
}

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

static void
resched_here(void *arg)
{
	struct globaldata *gd = mygd();

	(void)arg;
	gd->gd_ast |= AST_USER_RESCHED;
	ast_raise(gd);
}

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

int
lwkt_usched_wanted(void)
{
	struct globaldata *gd = mygd();
	int wanted = (gd->gd_ast & AST_USER_RESCHED) != 0;

	gd->gd_ast &= ~AST_USER_RESCHED;
	return wanted;
}

void
lwkt_usched_setupri(lwkt_lwp_t lp, int upri)
{
	if (lp->lp_thread->td_upri != upri)
		sched_setupri(lp->lp_thread, upri);
}

/* Of the lwp that is about to leave this CPU. */
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
