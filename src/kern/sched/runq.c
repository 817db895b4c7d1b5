/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run queue of a CPU: strict priority, FIFO among threads of equal
 * priority.
 *
 * THEORY
 * Each CPU has 32 rings of threads, one for each priority, and a mask of the
 * rings that are not empty.  gd_rq[p] points at the ring's head, the thread
 * that runs next at priority p unless a token is refused to it; head->td_rqprev
 * is the tail.  The running thread stays on its ring, so a yield to a thread of
 * equal priority moves one pointer, and a tick does the same.  A thread that
 * blocks takes itself off by an explicit deschedule.  The scheduler picks the
 * head of the best ring, which is the highest bit of the mask.
 *
 * A thread is inserted into its ring in front of threads with a lower td_upri.
 * Threads that are no lwps have td_upri 0, so in a ring without lwps they are
 * inserted at the tail.  A tick moves the running thread to the tail whatever
 * its td_upri is.
 *
 * When a thread is made runnable and is better than the running thread, the
 * running thread is asked to give way (AST_LWKT_RESCHED).  With TDF_NORESCHED
 * it is not asked: the better thread waits for the next switch, or for the
 * tick, which asks on behalf of any better thread.  The tick also runs while a
 * preemptible thread has the CPU and others wait: such a thread may make no
 * call in which it would see the request (lwkt_async.c).
 *
 * A thread between two CPUs (TDF_MIGRATING) is not put on a queue.  The new CPU
 * makes it runnable when it arrives, so a wake-up in between is not lost.  (A
 * thread of lwkt_acquire() arrives blocked; until then it must not be woken.)
 *
 * INVARIANTS
 * RQ1 TDF_RUNQ <=> the thread is on the ring gd_rq[td_pri] of its CPU, td_gd.
 * RQ2 gd_rqmask bit p <=> gd_rq[p] != NULL.
 * RQ3 gd_rqcount = number of threads with TDF_RUNQ on this CPU.
 *
 * Source: DragonFly's lwkt_thread.c for the meaning.  It has one sorted list,
 * whose insertion is linear in the worst case; the rings are ours.
 */
#include "kern/time/systimer_var.h"
#include "kern/sched/runq.h"

TRACEPOINT_SHARED(enqueue, KTR_SCHED, "sched.enqueue", "td=%llu pri=%llu");
TRACEPOINT_SHARED(dequeue, KTR_SCHED, "sched.dequeue", "td=%llu pri=%llu");
TRACEPOINT(tick, KTR_SCHED, "sched.tick", "td=%llu runnable=%llu");

COUNTER(rotated, "lwkt.tick_rotations", "ticks that gave the CPU to an equal");

/*
 * Insert td after the last thread of the ring whose td_upri is at least that of
 * td; if there is none, td becomes the head.  The td_upri of the ring's tail is
 * lower than that of td.
 */
void
ring_insert_upri(struct globaldata *gd, lwkt_thread_t head, lwkt_thread_t td)
{
	lwkt_thread_t at = head;

	while (at->td_rqprev->td_upri < td->td_upri) {
		at = at->td_rqprev;
		if (at == head)
			break;
	}
	ring_link(td, at);
	if (at == head && head->td_upri < td->td_upri)
		gd->gd_rq[td->td_pri] = td;
}

/*
 * The rare cases of runq_rotate: td is not the head of its ring, or the tail
 * has another td_upri.  Insert td again, after threads of at least its td_upri.
 */
void
runq_rotate_slow(struct globaldata *gd, lwkt_thread_t td)
{
	ring_remove(gd, td);
	(void)ring_insert(gd, td);
}

/* Trace the enqueue and the dequeue that runq_replace() stands for. */
void
runq_replaced(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	ktr(gd, enqueue, ntd->td_id, ntd->td_pri);
	ktr(gd, dequeue, td->td_id, td->td_pri);
}

/*
 * Ask cur, the running lwp, to give way to td, which is better.  If td is an
 * lwp too and its td_upri is not higher than that of cur, only the tick asks.
 * If this function asked then, two lwps that exchange messages would give way
 * to a third one at each message.
 */
static void
disturb_lwp(struct globaldata *gd, lwkt_thread_t cur, lwkt_thread_t td)
{
	if ((td->td_leave & TDL_LWP) && td->td_upri <= cur->td_upri)
		clock_need_tick(gd);
	else
		ast_raise(gd);
}

/*
 * sched_enqueue() refuses td: td is runnable already, is between two CPUs, or
 * is ending.  Panic if td is dead (TDF_FREE).
 */
static __lwkt_noinline void
enqueue_refused(lwkt_thread_t td)
{
	KASSERTF((td->td_flags & TDF_FREE) == 0, "a dead thread is scheduled"
	    " (it was \"%s\")", td->td_name);
}

/*
 * Make td, which belongs to this CPU, runnable.  No effect if td is runnable
 * already, is between two CPUs or is ending, or if the CPU shuts down; panics
 * if td is dead (enqueue_refused).  Every lwp has TDF_PREEMPTIBLE, so the test
 * of that flag also finds a running lwp.
 */
void
sched_enqueue(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t cur = gd->gd_m.mc_curthread;
	uint32_t flags = td->td_flags;
	int others;

	INVARIANT(gd == mygd() && td->td_gd == gd);		/* TD1 */
	if (unlikely(flags & TDF_NOT_ENQUEUED)) {
		enqueue_refused(td);
		return;
	}
	if (unlikely(cpu_stops(gd)))
		return;
	others = ring_insert(gd, td);
	td->td_flags = flags | TDF_RUNQ | TDF_STARTED;		/* RQ1 */
	gd->gd_rqcount++;					/* RQ3 */
	ktr(gd, enqueue, td->td_id, td->td_pri);
	if (td->td_pri > cur->td_pri && (flags & TDF_NORESCHED) == 0) {
		gd->gd_ast |= AST_LWKT_RESCHED;
		if (cur->td_leave & TDL_LWP)
			disturb_lwp(gd, cur, td);
	}
	if (others || (flags & TDF_NORESCHED) ||
	    (cur->td_flags & TDF_PREEMPTIBLE))
		clock_need_tick(gd);
	if ((flags & (TDF_PREEMPTS | TDF_NORESCHED)) == TDF_PREEMPTS)
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_PREEMPT);
}

/* Take td off the run queue of this CPU; no effect if td is not runnable. */
void
sched_dequeue(struct globaldata *gd, lwkt_thread_t td)
{
	if (td->td_flags & TDF_RUNQ)
		dequeue_queued(gd, td);
}

/*
 * Serve the tick: move the running thread to the tail of its ring, and ask it
 * to give up the CPU if another thread of equal or higher priority is runnable.
 * No effect if the running thread is descheduled or idle.  It is not always the
 * head of its ring: a token may have been refused to the head (SW4).
 */
void
sched_clock(struct globaldata *gd)
{
	lwkt_thread_t td = curthread;

	ktr(gd, tick, td->td_id, gd->gd_rqcount);
	if ((td->td_flags & TDF_RUNQ) == 0)
		return;
	if (gd->gd_rqmask >> td->td_pri > 1)
		gd->gd_ast |= AST_LWKT_RESCHED;
	if (td->td_rqnext == td)
		return;
	/* td_upri is ignored, so that threads with a lower td_upri run too. */
	if (gd->gd_rq[td->td_pri] == td) {
		gd->gd_rq[td->td_pri] = td->td_rqnext;
	} else {
		ring_remove(gd, td);
		ring_link(td, gd->gd_rq[td->td_pri]);
	}
	counter_inc(gd->gd_cntbias, rotated);
	gd->gd_ast |= AST_LWKT_RESCHED;
}

/*
 * Set td_upri of td, which belongs to this CPU.  If td is runnable, insert it
 * again at its new place in its ring.
 */
void
sched_setupri(lwkt_thread_t td, int upri)
{
	struct globaldata *gd = mygd();

	INVARIANT(td->td_gd == gd);
	if (td->td_flags & TDF_RUNQ) {
		ring_remove(gd, td);
		td->td_upri = upri;
		(void)ring_insert(gd, td);
	} else {
		td->td_upri = upri;
	}
}

/*
 * Change the priority of td, which belongs to this CPU.  If a runnable thread
 * is then better than the running one, ask for a switch.
 */
void
sched_setpri(struct globaldata *gd, lwkt_thread_t td, int pri)
{
	INVARIANT(gd == mygd() && td->td_gd == gd);
	if (td->td_pri == pri)
		return;
	if (td->td_flags & TDF_RUNQ) {
		ring_remove(gd, td);
		td->td_pri = (uint8_t)pri;
		if (ring_insert(gd, td))
			clock_need_tick(gd);
	} else {
		td->td_pri = (uint8_t)pri;
	}
	/* The running thread may now be worse than another runnable thread. */
	if (gd->gd_rqmask >> curthread->td_pri > 1) {
		gd->gd_ast |= AST_LWKT_RESCHED;
		clock_need_tick(gd);
	}
}
