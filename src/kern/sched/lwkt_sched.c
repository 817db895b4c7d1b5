/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run queue: strict priority, FIFO among equals, and who is on it.
 *
 * THEORY
 * Each CPU has 32 rings of threads, one a priority, and a mask of those that
 * are not empty.  gd_rq[p] points at the ring's head, the thread that runs
 * next at p; head->td_rqprev is the tail.  The running thread stays on its
 * ring, so a yield among equals moves one pointer and a tick does the same;
 * blocking is an explicit deschedule.  Picking is find-last-set of the mask.
 *
 * Within a ring threads with a higher td_upri stand first.  Kernel threads all
 * have 0, so that insertion is at the tail; only the user schedulers use it.
 *
 * A thread that is made runnable and better than the running one asks it to
 * give way (AST_LWKT_RESCHED).  With TDF_NORESCHED it does not: it waits for
 * the next switch, or for the tick, which asks on behalf of whoever is better.
 * The tick also runs while a preemptible thread has the CPU and others wait: it
 * makes no call in which it would see that it was asked (lwkt_async.c).
 *
 * Threads belong to CPUs: another CPU that wants one scheduled sends a message
 * to its owner, and the handler there looks again, for the thread may have
 * moved.  A thread between two CPUs (TDF_MIGRATING) is not put on a queue: it
 * arrives runnable, which is all that the caller wanted.
 *
 * INVARIANTS
 * RQ1 TDF_RUNQ <=> on gd_rq[td_pri] of td_gd.
 * RQ2 gd_rqmask bit p <=> gd_rq[p] != NULL.
 * RQ3 gd_rqcount = number of threads with TDF_RUNQ on this CPU.
 *
 * Source: DragonFly's lwkt_thread.c for the meaning; the rings instead of its
 * one sorted list are ours (its insertion is linear in the worst case).
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

static inline void
ring_link(lwkt_thread_t td, lwkt_thread_t before)
{
	lwkt_thread_t prev = before->td_rqprev;

	td->td_rqnext = before;
	td->td_rqprev = prev;
	prev->td_rqnext = td;
	before->td_rqprev = td;
}

/* Not at the tail: behind all with at least its td_upri. */
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

/* Whether there are others in the ring: they need a tick to take turns. */
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

/* td goes behind its equals; it is on the queue of this CPU. */
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
 * td is better than the lwp that runs.  Only a better lwp disturbs another at
 * once; equals wait for the tick: two that talk to each other would change
 * places with a third at each message.
 */
static void
disturb_lwp(struct globaldata *gd, lwkt_thread_t cur, lwkt_thread_t td)
{
	if ((td->td_leave & TDL_LWP) && td->td_upri <= cur->td_upri)
		clock_need_tick(gd);
	else
		ast_raise(gd);
}

/* What an enqueue rarely has to do besides. */
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

/* It runs already, or will when it has arrived, or never again. */
static __lwkt_noinline void
enqueue_refused(lwkt_thread_t td)
{
	KASSERTF((td->td_flags & TDF_FREE) == 0, "a dead thread is scheduled"
	    " (it was \"%s\")", td->td_name);
}

/*
 * Every wake-up comes through here, so it is written to need no frame: what is
 * rare goes by a jump at the end.
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
 * The tick: the running thread goes behind its equals, and is asked to give
 * the CPU up if another thread deserves it.  The running thread is not always
 * the head of its ring: the head may have been passed over for a token.
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
	/* Ignoring td_upri, so that the worse ones are not starved. */
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
 * Do fn to td on its own CPU: here, or by a message there, which looks again,
 * for the thread may have moved.  The message holds the thread: it may end, and
 * be joined, meanwhile.
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

void
lwkt_schedule_noresched(lwkt_thread_t td)
{
	on_owner(td, enqueue_noresched, schedule_noresched_remote);
}

void
lwkt_schedule_self(void)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	sched_enqueue(mygd(), self);
	crit_exit_td(self);
}

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

void
lwkt_deschedule(lwkt_thread_t td)
{
	if (td == curthread)
		lwkt_deschedule_self();
	else
		on_owner(td, sched_dequeue, deschedule_remote);
}

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
	/* It or the runner may now be worse than somebody who waits. */
	if (gd->gd_rqmask >> curthread->td_pri > 1) {
		gd->gd_ast |= AST_LWKT_RESCHED;
		clock_need_tick(gd);
	}
}

static inline void
yield_splz(lwkt_thread_t td)
{
	if (unlikely(atomic_peek_32(&mycpu_m()->mc_reqflags) & RQF_SPLZ) &&
	    td->td_critcount == 0)
		splz();
}

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

int
lwkt_resched_wanted(void)
{
	lwkt__choice(CHOICE_SWITCH);
	yield_splz(curthread);
	return (mygd()->gd_ast & AST_LWKT_RESCHED) != 0;
}

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
