/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run queue: strict priority, FIFO among equals; schedule and deschedule.
 *
 * THEORY
 * Each CPU has 32 rings of threads, one for each priority, and a mask of the
 * rings that are not empty.  gd_rq[p] points at the ring's head, the thread
 * that runs next at priority p; head->td_rqprev is the tail.  The running
 * thread stays on its ring, so a yield among equals moves one pointer, and a
 * tick does the same.  A thread that blocks takes itself off by an explicit
 * deschedule.  The scheduler picks by find-last-set of the mask.
 *
 * Within a ring, threads with a higher td_upri are first.  All kernel threads
 * have td_upri 0, so they are inserted at the tail.  Only the user schedulers
 * use other values.
 *
 * When a thread is made runnable and is better than the running thread, it asks
 * the running thread to give way (AST_LWKT_RESCHED).  A thread with
 * TDF_NORESCHED does not ask.  It waits for the next switch, or for the tick,
 * which asks on behalf of any better thread.  The tick also runs while a
 * preemptible thread has the CPU and others wait: such a thread makes no call
 * in which it would see the request (lwkt_async.c).
 *
 * Threads belong to CPUs.  A CPU that schedules a thread of another CPU sends a
 * message to the owner.  The handler there checks the owner again, because the
 * thread may have moved.  A thread between two CPUs (TDF_MIGRATING) is not put
 * on a queue: it will arrive runnable, which is all that the caller wants.
 *
 * INVARIANTS
 * RQ1 TDF_RUNQ <=> on gd_rq[td_pri] of td_gd.
 * RQ2 gd_rqmask bit p <=> gd_rq[p] != NULL.
 * RQ3 gd_rqcount = number of threads with TDF_RUNQ on this CPU.
 *
 * Source: DragonFly's lwkt_thread.c for the meaning.  It has one sorted list,
 * whose insertion is linear in the worst case; the rings are ours.
 */
#include "kern/time/systimer_var.h"
#include "kern/sched/sched_var.h"

#include <lwkt/ipiq.h>

TRACEPOINT(enqueue, KTR_SCHED, "sched.enqueue", "td=%llu pri=%llu");
TRACEPOINT(dequeue, KTR_SCHED, "sched.dequeue", "td=%llu pri=%llu");
TRACEPOINT(tick, KTR_SCHED, "sched.tick", "td=%llu runnable=%llu");

COUNTER(remote, "lwkt.schedule_remote",
    "schedules and deschedules sent to another CPU");
COUNTER(rotated, "lwkt.tick_rotations", "ticks that gave the CPU to an equal");

/* Link td into a ring, in front of `before`. */
static inline void
ring_link(lwkt_thread_t td, lwkt_thread_t before)
{
	lwkt_thread_t prev = before->td_rqprev;

	td->td_rqnext = before;
	td->td_rqprev = prev;
	prev->td_rqnext = td;
	before->td_rqprev = td;
}

/* Insert td after all threads whose td_upri is at least its own. */
static __lwkt_noinline void
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
 * Insert td into its ring.  Return whether the ring has other threads: they
 * need a tick to take turns.
 */
static inline int
ring_insert(struct globaldata *gd, lwkt_thread_t td)
{
	unsigned pri = td->td_pri;
	lwkt_thread_t head = gd->gd_rq[pri];

	if (head == NULL) {
		td->td_rqnext = td->td_rqprev = td;
		gd->gd_rq[pri] = td;
		gd->gd_rqmask |= 1u << pri;			/* RQ2 */
		return 0;
	}
	if (likely(head->td_rqprev->td_upri >= td->td_upri))
		ring_link(td, head);
	else
		ring_insert_upri(gd, head, td);
	return 1;
}

static inline void
ring_remove(struct globaldata *gd, lwkt_thread_t td)
{
	unsigned pri = td->td_pri;
	lwkt_thread_t next = td->td_rqnext;

	if (next == td) {
		gd->gd_rq[pri] = NULL;
		gd->gd_rqmask &= ~(1u << pri);			/* RQ2 */
		return;
	}
	next->td_rqprev = td->td_rqprev;
	td->td_rqprev->td_rqnext = next;
	if (gd->gd_rq[pri] == td)
		gd->gd_rq[pri] = next;
}

/* Move td, which is on the queue of this CPU, after its equals. */
static void
ring_rotate(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t next = td->td_rqnext;

	if (likely(gd->gd_rq[td->td_pri] == td &&
	    td->td_rqprev->td_upri == td->td_upri)) {
		gd->gd_rq[td->td_pri] = next;
		return;
	}
	ring_remove(gd, td);
	(void)ring_insert(gd, td);
}

/*
 * Ask the running lwp to give way to td, which is better.  An lwp asks at once
 * only if its td_upri is higher; otherwise it waits for the tick.  Else two
 * lwps that exchange messages would give way to a third one at each message.
 */
static void
disturb_lwp(struct globaldata *gd, lwkt_thread_t cur, lwkt_thread_t td)
{
	if ((td->td_leave & TDL_LWP) && td->td_upri <= cur->td_upri)
		clock_need_tick(gd);
	else
		ast_raise(gd);
}

/* Do what an enqueue needs only rarely: trace, lwps, tick, preemption. */
static __lwkt_noinline void
enqueue_rare(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t cur = gd->gd_m.mc_curthread;

	ktr(gd, enqueue, td->td_id, td->td_pri);
	if ((cur->td_leave & TDL_LWP) && td->td_pri > cur->td_pri &&
	    (td->td_flags & TDF_NORESCHED) == 0)
		disturb_lwp(gd, cur, td);
	if (td->td_rqnext != td || (td->td_flags & TDF_NORESCHED) ||
	    (cur->td_flags & TDF_PREEMPTIBLE))
		clock_need_tick(gd);
	if ((td->td_flags & (TDF_PREEMPTS | TDF_NORESCHED)) == TDF_PREEMPTS)
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_PREEMPT);
}

/*
 * Refuse to enqueue a thread: it is runnable already, or will be when it
 * arrives, or is ending.  Panic if it is dead.
 */
static __lwkt_noinline void
enqueue_refused(lwkt_thread_t td)
{
	KASSERTF((td->td_flags & TDF_FREE) == 0, "a dead thread is scheduled"
	    " (it was \"%s\")", td->td_name);
}

/*
 * Make td runnable.  Every wake-up calls this, so the common path is written to
 * need no stack frame: the rare work is in tail calls.
 */
void
sched_enqueue(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t cur = gd->gd_m.mc_curthread; /* an lwp is preemptible */
	uint32_t flags = td->td_flags;
	int others;

	INVARIANT(gd == mygd() && td->td_gd == gd);		/* TD1 */
	if (unlikely(flags & (TDF_RUNQ | TDF_MIGRATING | TDF_EXITING |
	    TDF_FREE))) {
		enqueue_refused(td);
		return;
	}
	if (unlikely(gd->gd_stopping))
		return;
	others = ring_insert(gd, td);
	td->td_flags = flags | TDF_RUNQ | TDF_STARTED;		/* RQ1 */
	gd->gd_rqcount++;					/* RQ3 */
	if (td->td_pri > cur->td_pri && (flags & TDF_NORESCHED) == 0)
		gd->gd_ast |= AST_LWKT_RESCHED;
	if (unlikely((others & !gd->gd_tick_armed) |
	    (flags & (TDF_PREEMPTS | TDF_NORESCHED)) |
	    (cur->td_flags & TDF_PREEMPTIBLE) | (lwkt__ktr_mask & KTR_SCHED)))
		enqueue_rare(gd, td);
}

/* Take td off the run queue of this CPU, if it is on it. */
void
sched_dequeue(struct globaldata *gd, lwkt_thread_t td)
{
	INVARIANT(gd == mygd() && td->td_gd == gd);		/* TD1 */
	if ((td->td_flags & TDF_RUNQ) == 0)
		return;
	ring_remove(gd, td);
	td->td_flags &= ~TDF_RUNQ;				/* RQ1 */
	gd->gd_rqcount--;					/* RQ3 */
	ktr(gd, dequeue, td->td_id, td->td_pri);
}

/*
 * Serve the tick: move the running thread after its equals, and ask it to give
 * up the CPU if it has equals or a better thread is runnable.  The running
 * thread is not always the head of its ring, because the head may have been
 * passed over for a token.
 */
void
sched_clock(struct globaldata *gd)
{
	lwkt_thread_t td = curthread;

	ktr(gd, tick, td->td_id, gd->gd_rqcount);
	if ((td->td_flags & TDF_RUNQ) == 0)
		return;
	if (gd->gd_rqmask >> td->td_pri > 1) {
		gd->gd_ast |= AST_LWKT_RESCHED;
		preempt_ask(gd);
	}
	if (td->td_rqnext == td)
		return;
	/* td_upri is ignored, so that threads with a lower one get a turn. */
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
 * Call fn for td on the CPU of td: here, or by a message to that CPU.  The
 * handler checks td_gd again, because the thread may have moved.  The message
 * holds a reference, because the thread may end and be joined meanwhile.
 */
static inline void
on_owner(lwkt_thread_t td, void (*fn)(struct globaldata *, lwkt_thread_t),
    lwkt_ipifunc1_t again)
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd, *tgd;

	crit_enter_td(self);
	gd = mygd();
	tgd = (struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd);	/* thread_finish_migrate */
	if (likely(tgd == gd)) {
		fn(gd, td);
	} else {
		counter_inc(gd->gd_cntbias, remote);
		lwkt_hold(td);
		lwkt_send_ipiq(tgd->gd_m.mc_cpuid, again, td);
	}
	crit_exit_td(self);
}

static void
schedule_remote(void *arg)
{
	lwkt_schedule(arg);
	lwkt_rele(arg);
}

/* Any CPU context; never blocks. */
void
lwkt_schedule(lwkt_thread_t td)
{
	on_owner(td, sched_enqueue, schedule_remote);
}

static void
enqueue_noresched(struct globaldata *gd, lwkt_thread_t td)
{
	td->td_flags |= TDF_NORESCHED;
	sched_enqueue(gd, td);
	td->td_flags &= ~TDF_NORESCHED;
}

static void
schedule_noresched_remote(void *arg)
{
	lwkt_schedule_noresched(arg);
	lwkt_rele(arg);
}

/* Any CPU context; never blocks. */
void
lwkt_schedule_noresched(lwkt_thread_t td)
{
	on_owner(td, enqueue_noresched, schedule_noresched_remote);
}

/* Thread context; never blocks. */
void
lwkt_schedule_self(void)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	sched_enqueue(mygd(), self);
	crit_exit_td(self);
}

/* Thread context; never blocks: the caller runs on until lwkt_switch. */
void
lwkt_deschedule_self(void)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	sched_dequeue(mygd(), self);
	crit_exit_noyield(self);	/* CR2: no splz until it switched */
}

static void
deschedule_remote(void *arg)
{
	lwkt_deschedule(arg);
	lwkt_rele(arg);
}

/* Any CPU context; never blocks. */
void
lwkt_deschedule(lwkt_thread_t td)
{
	if (td == curthread)
		lwkt_deschedule_self();
	else
		on_owner(td, sched_dequeue, deschedule_remote);
}

/* Change the order of td among its equals. */
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

/* Change the priority of td; ask for a switch if a better thread waits. */
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

/* Do deferred work, outside critical sections. */
static inline void
yield_splz(lwkt_thread_t td)
{
	if (unlikely(atomic_peek_32(&mycpu_m()->mc_reqflags) & RQF_SPLZ) &&
	    td->td_critcount == 0)
		splz();
}

/* Thread context; lets runnable threads of equal priority run first. */
void
lwkt_yield(void)
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd;

	lwkt__choice(CHOICE_SWITCH);
	yield_splz(self);
	crit_enter_td(self);
	gd = mygd();
	if (likely(self->td_flags & TDF_RUNQ))
		ring_rotate(gd, self);
	switch_away();
	crit_exit_td(self);
}

/* Any CPU context; never blocks. */
int
lwkt_resched_wanted(void)
{
	lwkt__choice(CHOICE_SWITCH);
	yield_splz(curthread);
	return (mygd()->gd_ast & AST_LWKT_RESCHED) != 0;
}

/* Thread context; switches only if a better thread or the tick asked. */
void
lwkt_yield_quick(void)
{
	lwkt_thread_t self = caller_thread();

	lwkt__choice(CHOICE_SWITCH);
	yield_splz(self);
	if (unlikely(mygd()->gd_ast & AST_LWKT_RESCHED)) {
		crit_enter_td(self);
		switch_away();
		crit_exit_td(self);
	}
}

/* Thread context; as lwkt_yield_quick, also for the user scheduler. */
void
lwkt_user_yield(void)
{
	lwkt_thread_t self = caller_thread();

	lwkt__choice(CHOICE_SWITCH);
	yield_splz(self);
	if (unlikely(self->td_leave & TDL_LWP))
		lwkt__kern_ops.ko_lwp_yield(self);
	if (unlikely(mygd()->gd_ast & (AST_LWKT_RESCHED | AST_USER_RESCHED))) {
		crit_enter_td(self);
		switch_away();
		crit_exit_td(self);
	}
}
