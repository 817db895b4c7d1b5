/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocking and waking, for the files of kern/ that build waits of their own.
 *
 * The pair every wait is made of: the sleeper, in a critical section on its
 * CPU, tests its condition and calls block_self(); the waker, on the same CPU
 * and so never in between, makes the condition true and calls wake_local().  A
 * waker on another CPU sends a message first.  Sends between the test and the
 * switch are harmless: they execute nothing (IR3 of lwkt_ipiq_room.c).
 */
#ifndef LWKT_KERN_SLEEP_SYNCH_VAR_H
#define LWKT_KERN_SLEEP_SYNCH_VAR_H

#include "kern/sched/sched_var.h"

/* kern_synch.c. */
size_t	synch_bytes(int ncpus);			/* tables, boot storage */
void	synch_place(void *mem, int ncpus);
void	synch_leave_queue(lwkt_thread_t td);	/* off any sleep queue */
void	sleepq_check(lwkt_thread_t td);		/* panics: damaged */

/*
 * A limit as a caller gave it: LWKT_FOREVER or nanoseconds.  Anything below 0
 * but LWKT_FOREVER is a deadline that has passed: it means 0, do not wait.
 */
static inline int64_t
limit_ns(int64_t timeout_ns)
{
	return timeout_ns >= LWKT_FOREVER ? timeout_ns : 0;
}

/* The slot of an ident in a sleep table of 2^log2 slots (kern_synch.c). */
static inline unsigned
sleepq_hash(const volatile void *ident, unsigned log2)
{
	return (unsigned)((uint64_t)machine_key(ident) * 0x9e3779b97f4a7c15u >>
	    (64 - log2));
}

/*
 * kern_delayed.c.  Put a wakeup off: 1, or 0 if it must be done.  Before td
 * blocks, do those that were put off (nobody else would).
 */
int	delay_wakeup(lwkt_thread_t td, const volatile void *ident);
void	delayed_flush(lwkt_thread_t td);

static inline void
delayed_flush_if(lwkt_thread_t td)
{
	if (unlikely(td->td_flags & TDF_DELAYED_WAKEUP))
		delayed_flush(td);
}

/*
 * Give up the CPU until somebody schedules the thread; spurious returns are
 * possible.  TDF_BLOCKED and wmesg say meanwhile why it does not run.
 */
static inline void
block_self(lwkt_thread_t td, const char *wmesg)
{
	delayed_flush_if(td);
	td->td_wmesg = wmesg;
	td->td_flags |= TDF_BLOCKED;
	sched_dequeue(mygd(), td);
	switch_away();
	td->td_flags &= ~TDF_BLOCKED;
	td->td_wmesg = NULL;
}

static inline void
wake_local(struct globaldata *gd, lwkt_thread_t td)
{
	sched_enqueue(gd, td);
}

/*
 * Interruptible waits: intr_take() says whether an interrupt is pending and
 * takes it; intr_repost() puts back one that ended nothing.
 */
static inline int
intr_take(lwkt_thread_t td)
{
	if (likely((atomic_load_32(&td->td_mpflags) & TDF_MP_INTR) == 0))
		return 0;
	return (atomic_fetchand_32(&td->td_mpflags, ~TDF_MP_INTR) &
	    TDF_MP_INTR) != 0;
}

static inline void
intr_repost(lwkt_thread_t td)
{
	atomic_set_32(&td->td_mpflags, TDF_MP_INTR);
}

#endif
