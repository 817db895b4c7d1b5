/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocking and waking, for the files of kern/ that build other waits.
 *
 * Two calls make a wait.  The sleeper, in a critical section on its CPU, tests
 * its condition and calls block_self().  The waker, on the same CPU, makes the
 * condition true and calls wake_local(); because of the critical section it
 * never runs between the test and the switch.  A waker on another CPU sends a
 * message whose callback does this.  The sleeper may send messages between the
 * test and the switch: in a section a send executes no message to this CPU (IR3
 * of lwkt_ipiq_room.c).  lwkt_tsleep() does the same with flags of its own.
 */
#ifndef LWKT_KERN_SLEEP_SYNCH_VAR_H
#define LWKT_KERN_SLEEP_SYNCH_VAR_H

#include "kern/sched/runq.h"
#include "kern/sched/switch.h"

/*
 * sleepq.c.  synch_bytes: the size, in bytes, of the sleep tables of all CPUs.
 * synch_place: use mem, of that size, for them.  Both at boot.
 * synch_leave_queue: take td off its sleep queue, if it is on one.
 * sleepq_check: panic if td has TDF_TSLEEPQ, but is not on its ident's queue.
 */
size_t	synch_bytes(int ncpus);
void	synch_place(void *mem, int ncpus);
void	synch_leave_queue(lwkt_thread_t td);
void	sleepq_check(lwkt_thread_t td);

/*
 * Return a caller's time limit in ns, or LWKT_FOREVER, unchanged.  Any other
 * value below 0 is the rest of a time that is over; return 0, which means do
 * not wait.
 */
static inline int64_t
limit_ns(int64_t timeout_ns)
{
	return timeout_ns >= LWKT_FOREVER ? timeout_ns : 0;
}

/* Return the slot of an ident in a table of 2^log2 slots (sleepq.h). */
static inline unsigned
sleepq_hash(const volatile void *ident, unsigned log2)
{
	return (unsigned)((uint64_t)machine_key(ident) * 0x9e3779b97f4a7c15u >>
	    (64 - log2));
}

/*
 * kern_delayed.c.  delay_wakeup: defer a wakeup of ident and return 1, or
 * return 0 if the caller must do it now.  delayed_flush: do the deferred
 * wakeups of td, which runs, in a critical section.  td calls delayed_flush()
 * before it blocks, because nothing does them while td is blocked.  The switch
 * (SW6) and the tick call it too.
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
 * What a thread does before and after the switch by which it blocks.
 * TDF_BLOCKED and td_wmesg tell meanwhile why it does not run.
 */
static inline void
block_begin(struct globaldata *gd, lwkt_thread_t td, const char *wmesg)
{
	td->td_wmesg = wmesg;
	td->td_flags |= TDF_BLOCKED;
	if (likely(td->td_flags & TDF_RUNQ))
		dequeue_queued(gd, td);
}

static inline void
block_end(lwkt_thread_t td)
{
	td->td_flags &= ~TDF_BLOCKED;
	td->td_wmesg = NULL;
}

/*
 * Do the deferred wakeups of td, the caller, and block it until it is
 * scheduled.  Any lwkt_schedule() of td ends the wait, so the caller tests its
 * condition again.  Context: thread, critical section.
 */
static inline void
block_self(lwkt_thread_t td, const char *wmesg)
{
	struct globaldata *gd = mygd();

	delayed_flush_if(td);
	block_begin(gd, td, wmesg);
	switch_fast(gd, td);
	block_end(td);
}

/*
 * Make next runnable as wake_local() does, unless next is NULL.  Then block td,
 * the caller, as block_self() does; td is on the run queue and has no deferred
 * wakeups.  Context: leaf section.
 */
static inline void
block_pass(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t next,
    const char *wmesg)
{
	lwkt_thread_t ntd = NULL;

	if (next != NULL && (ntd = pick_in_place(gd, td, next)) == NULL)
		enqueue_fast(gd, next);
	if (ntd == NULL) {
		dequeue_queued(gd, td);
		ntd = pick_usual(gd, td);
	}
	td->td_flags |= TDF_BLOCKED;
	td->td_wmesg = wmesg;
	if (likely(ntd != NULL))
		switch_picked(gd, td, ntd);
	else
		switch_counted();				/* CR3 */
	block_end(td);
}

/*
 * End the wait of td, which belongs to this CPU.  No effect if td is runnable,
 * migrates or is ending.  Context: critical or leaf section.
 */
static inline void
wake_local(struct globaldata *gd, lwkt_thread_t td)
{
	enqueue_fast(gd, td);
}

/*
 * Interruptible waits: lwkt_interrupt(td) sets TDF_MP_INTR.  intr_take() clears
 * the bit and returns 1 if it was set, else 0.  intr_repost() sets the bit: for
 * lwkt_interrupt(), and for a caller that has cleared it by intr_take() but
 * returns no EINTR, so that the next interruptible wait returns EINTR.
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
