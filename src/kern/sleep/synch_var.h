/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocking and waking, for the files of kern/ that build other waits.
 *
 * Every wait is made of two calls.  The sleeper, in a critical section on its
 * CPU, tests its condition and calls block_self().  The waker, on the same CPU,
 * makes the condition true and calls wake_local(); because of the critical
 * section it never runs between the test and the switch.  A waker on another
 * CPU sends a message first.  The sleeper may send messages between the test
 * and the switch: a send executes no callback (IR3 of lwkt_ipiq_room.c).
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
 * Convert a caller's time limit: LWKT_FOREVER or nanoseconds.  Any other value
 * below 0 is a deadline that has passed; it becomes 0, which means do not wait.
 */
static inline int64_t
limit_ns(int64_t timeout_ns)
{
	return timeout_ns >= LWKT_FOREVER ? timeout_ns : 0;
}

/* Return the slot of an ident in a table of 2^log2 slots (kern_synch.c). */
static inline unsigned
sleepq_hash(const volatile void *ident, unsigned log2)
{
	return (unsigned)((uint64_t)machine_key(ident) * 0x9e3779b97f4a7c15u >>
	    (64 - log2));
}

/*
 * kern_delayed.c.  delay_wakeup: defer a wakeup and return 1, or return 0 if
 * the caller must do it now.  delayed_flush: do the deferred wakeups of td;
 * td calls it before it blocks, for no other thread would do them.
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
 * Give up the CPU until td, the caller, is scheduled; spurious returns are
 * possible.  TDF_BLOCKED and wmesg meanwhile tell why it does not run.
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

/* End the block_self of td, which belongs to this CPU. */
static inline void
wake_local(struct globaldata *gd, lwkt_thread_t td)
{
	sched_enqueue(gd, td);
}

/*
 * Interruptible waits.  intr_take() returns whether an interrupt is pending,
 * and clears it; intr_repost() sets it, also to put back one that ended no
 * wait.
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
