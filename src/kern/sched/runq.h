/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rings of the run queue, and its fast paths, inline.
 *
 * The theory and the invariants (RQ) are those of runq.c.
 */
#ifndef LWKT_KERN_SCHED_RUNQ_H
#define LWKT_KERN_SCHED_RUNQ_H

#include "kern/time/systimer_var.h"
#include "kern/sched/sched_var.h"

TRACEPOINT_EXTERN(enqueue, KTR_SCHED);
TRACEPOINT_EXTERN(dequeue, KTR_SCHED);

/* A thread with one of these flags is not put on the run queue. */
#define TDF_NOT_ENQUEUED	(TDF_RUNQ | TDF_MIGRATING | TDF_EXITING | \
				TDF_FREE)

/* runq.c: the rare cases of ring_insert() and of runq_rotate(). */
void	ring_insert_upri(struct globaldata *gd, lwkt_thread_t head,
	    lwkt_thread_t td);
void	runq_rotate_slow(struct globaldata *gd, lwkt_thread_t td);
/* runq.c: trace runq_replace(). */
void	runq_replaced(struct globaldata *gd, lwkt_thread_t td,
	    lwkt_thread_t ntd);

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

/* Make td the only thread of its ring. */
static inline void
ring_begin(struct globaldata *gd, lwkt_thread_t td)
{
	td->td_rqnext = td->td_rqprev = td;
	gd->gd_rq[td->td_pri] = td;
	gd->gd_rqmask |= 1u << td->td_pri;			/* RQ2 */
}

/*
 * Insert td into its ring.  Return whether the ring has other threads: they
 * need a tick to take turns.
 */
static inline int
ring_insert(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t head = gd->gd_rq[td->td_pri];

	if (head == NULL)
		ring_begin(gd, td);
	else if (likely(head->td_rqprev->td_upri >= td->td_upri))
		ring_link(td, head);
	else
		ring_insert_upri(gd, head, td);
	return head != NULL;
}

static inline void
ring_remove(struct globaldata *gd, lwkt_thread_t td)
{
	unsigned pri = td->td_pri;
	lwkt_thread_t next = td->td_rqnext;

	if (unlikely(next == td)) {
		gd->gd_rq[pri] = NULL;
		gd->gd_rqmask &= ~(1u << pri);			/* RQ2 */
		return;
	}
	next->td_rqprev = td->td_rqprev;
	td->td_rqprev->td_rqnext = next;
	if (gd->gd_rq[pri] == td)
		gd->gd_rq[pri] = next;
}

/*
 * Move td, which is on the run queue of this CPU, after the threads of the same
 * priority whose td_upri is not lower.
 */
static inline void
runq_rotate(struct globaldata *gd, lwkt_thread_t td)
{
	if (likely(gd->gd_rq[td->td_pri] == td &&
	    td->td_rqprev->td_upri == td->td_upri))
		gd->gd_rq[td->td_pri] = td->td_rqnext;
	else
		runq_rotate_slow(gd, td);
}

/*
 * As sched_enqueue().  The usual case is done here: the thread is asleep, it
 * takes its turn at the tail of its ring, and the tick need not be started.
 * Any other case is left to sched_enqueue().
 */
static inline void
enqueue_fast(struct globaldata *gd, lwkt_thread_t td)
{
	uint32_t flags = td->td_flags;
	lwkt_thread_t head = gd->gd_rq[td->td_pri];

	if (unlikely((flags & (TDF_NOT_ENQUEUED | TDF_PREEMPTS |
	    TDF_NORESCHED)) | gd->gd_unusual) ||
	    (head != NULL && unlikely(head->td_rqprev->td_upri < td->td_upri ||
	    !gd->gd_tick_armed))) {
		sched_enqueue(gd, td);
		return;
	}
	INVARIANT(gd == mygd() && td->td_gd == gd);		/* TD1 */
	if (head == NULL)
		ring_begin(gd, td);
	else
		ring_link(td, head);
	td->td_flags = flags | TDF_RUNQ | TDF_STARTED;		/* RQ1 */
	gd->gd_rqcount++;					/* RQ3 */
	ktr(gd, enqueue, td->td_id, td->td_pri);
	if (td->td_pri > gd->gd_m.mc_curthread->td_pri)
		gd->gd_ast |= AST_LWKT_RESCHED;
}

/* As sched_dequeue(), for a thread that is on the run queue. */
static inline void
dequeue_queued(struct globaldata *gd, lwkt_thread_t td)
{
	INVARIANT(gd == mygd() && td->td_gd == gd);		/* TD1 */
	ring_remove(gd, td);
	td->td_flags &= ~TDF_RUNQ;				/* RQ1 */
	gd->gd_rqcount--;					/* RQ3 */
	ktr(gd, dequeue, td->td_id, td->td_pri);
}

/*
 * As enqueue_fast() of ntd and then dequeue_queued() of td, for a td that is
 * alone in its ring and an ntd of the same priority: ntd, which would have
 * entered behind td, takes its place.
 */
static inline void
runq_replace(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	INVARIANT(gd == mygd() && ntd->td_gd == gd);		/* TD1 */
	ntd->td_rqnext = ntd->td_rqprev = ntd;
	gd->gd_rq[ntd->td_pri] = ntd;				/* RQ2 RQ3 */
	td->td_flags &= ~TDF_RUNQ;				/* RQ1 */
	ntd->td_flags |= TDF_RUNQ | TDF_STARTED;		/* RQ1 */
	if (ktr_wanted(KTR_SCHED))
		runq_replaced(gd, td, ntd);
}

#endif
