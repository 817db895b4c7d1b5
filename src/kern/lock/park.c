/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues of waiters for locks, found by the address of the lock.  A waiter is a
 * thread or a plain pthread.
 *
 * THEORY
 * The waiters of a lock are served by priority, those of equal priority in
 * order of arrival, on whichever CPU they are.  So they form one queue
 * (turn.c), made of records (struct park) on their stacks.  The queue is found
 * by the address of the lock, in one of many buckets, and needs no room in the
 * lock.  So a waker finds the queue without an access to the lock, which may
 * have been freed by then.  A bucket has a lock of its own.  This lock is held
 * for a short time, also by pthreads; on a CPU, in a critical section.
 *
 * A waker takes a record off the queue, and then notifies the waiter: it stores
 * the result in the record and makes the waiter runnable.  A waiter whose
 * record was taken waits until it is notified, even if its timeout expires
 * first: the waker still uses the record.
 *
 * A waiter that is a thread is notified by its own CPU, which stores the result
 * and makes the thread runnable in one critical section.  If another CPU did
 * so, the thread could see the result, continue and end before the other CPU
 * makes it runnable.  So a waker on another CPU sends a message to the CPU of
 * the thread.  A waker that is a pthread also leaves the notification to the
 * CPU of the thread, and waits in the host until that CPU has done it.
 *
 * A waiter that is a pthread waits in the host for a change of pk_state.
 *
 * If the priority of a thread changes while it waits, its record is moved in
 * the queue (struct lend_wait).
 *
 * INVARIANTS
 * PK1 pk_state is PARK_QUEUED <=> the record is in the queue of pk_ident.  The
 *     state PARK_QUEUED, the queue and the pk_chain of heads (PK4) change only
 *     with the bucket locked.  (kern_lock.c uses the records without a bucket:
 *     its spinlock replaces the lock of the bucket, and the record of an
 *     upgrade is in no queue.)
 * PK2 A record in state PARK_TAKEN belongs to the waker that took it, which
 *     soon notifies the waiter.
 * PK3 A waiter that is a thread stays on its CPU from before it is queued until
 *     it is notified or has removed its record.  It is in a critical section
 *     and blocks only in park_wait().
 * PK4 The best record of each queue is its head.  The heads of the queues of a
 *     bucket are linked by pk_chain.
 *
 * ORDER
 * A waiter tests its condition with the bucket locked and then, still with the
 * bucket locked, queues itself.  A waker changes the condition before it locks
 * the bucket, or with the bucket locked.  So either the waiter sees the change,
 * or the waker finds the waiter in the queue.
 *
 * Source: WebKit's ParkingLot (the table); BSD's turnstiles (the order).
 */
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"
#include "kern/sleep/synch_var.h"
#include "kern/lock/lock_var.h"
#include "kern/lock/park_var.h"

#include <errno.h>
#include <lwkt/ipiq.h>
#include <lwkt/synch.h>

COUNTER(waits, "lwkt.sync_waits", "waits of threads for a turn at a lock");

struct park_bucket lwkt__park_buckets[PARK_BUCKETS_MAX];

/* The rest of park_lock(), when another CPU or pthread holds the lock. */
__lwkt_noinline void
park_lock_slow(struct park_bucket *b)
{
	unsigned turn = 0;

	do
		machine_pause(turn++);
	while (atomic_load_32(&b->pb_lock) != 0 ||
	    !atomic_cmpset_32(&b->pb_lock, 0, 1));
}

/*
 * Find the queue of ident in the chain of heads.  Return the address of the
 * pointer that points to its head.  If there is no such queue, return the
 * address of the NULL at the end of the chain.  Bucket locked.
 */
static struct park **
find(struct park_bucket *b, const void *ident)
{
	struct park **headp = &b->pb_first;

	while (*headp != NULL && (*headp)->pk_ident != ident)
		headp = &(*headp)->pk_chain;
	return headp;
}

/* The rest of park_first(), when the first head is that of another queue. */
struct park *
park_find(struct park_bucket *b, const void *ident)
{
	return *find(b, ident);
}

/*
 * Replace the head *headp of a queue, or the NULL at the end of the chain, by
 * `head`.  If head is NULL, remove the queue from the chain.  `chain` is the
 * next head of the bucket.
 */
static inline void
new_head(struct park **headp, struct lwkt_turn *head, struct park *chain)
{
	if (head == NULL) {
		*headp = chain;
		return;
	}
	*headp = park_of(head);					/* PK4 */
	(*headp)->pk_chain = chain;
}

/* Put the record into the queue of pk_ident. */
static __lwkt_noinline void
insert_any(struct park_bucket *b, struct park *pk)
{
	struct park **headp = find(b, pk->pk_ident), *old = *headp;
	struct lwkt_turn *head = old != NULL ? &old->pk_turn : NULL;

	turn_insert(&head, &pk->pk_turn);
	new_head(headp, head, old != NULL ? old->pk_chain : NULL);
}

/* The same; the usual case, a bucket without waiters, is done inline. */
static inline void
insert(struct park_bucket *b, struct park *pk)
{
	if (unlikely(b->pb_first != NULL)) {
		insert_any(b, pk);
		return;
	}
	turn_first(&pk->pk_turn);
	pk->pk_chain = NULL;
	b->pb_first = pk;					/* PK4 */
}

/*
 * Queue the record.  Bucket locked.  A record that is queued again, after its
 * waiter was notified, keeps its ticket: it comes before records of equal
 * priority that arrived after its first arrival.
 */
void
park_insert(struct park_bucket *b, struct park *pk)
{
	if (pk->pk_turn.tu_ticket == 0)
		pk->pk_turn.tu_ticket = ++b->pb_tickets;
	atomic_store_32(&pk->pk_state, PARK_QUEUED);		/* PK1 */
	insert(b, pk);
	if (pk->pk_td != NULL)
		lend_wait_begin(pk->pk_td, &pk->pk_lend);
}

/* Unlink the record from its queue; pk_state is unchanged. */
static __lwkt_noinline void
unlink_any(struct park_bucket *b, struct park *pk)
{
	struct park **headp = find(b, pk->pk_ident), *old = *headp;
	struct lwkt_turn *head = &old->pk_turn;

	turn_remove(&head, &pk->pk_turn);
	if (head != &old->pk_turn)
		new_head(headp, head, old->pk_chain);
}

/* The same; the usual case, the only waiter of the bucket, is done inline. */
static inline void
unlink(struct park_bucket *b, struct park *pk)
{
	if (likely(b->pb_first == pk && pk->pk_chain == NULL &&
	    turn_alone(&pk->pk_turn)))
		b->pb_first = NULL;				/* PK4 */
	else
		unlink_any(b, pk);
}

/* Take the record off the queue; its waiter will not be notified. */
void
park_remove(struct park_bucket *b, struct park *pk)
{
	unlink(b, pk);
	atomic_store_32(&pk->pk_state, PARK_NONE);		/* PK1 */
}

/* Take the record off the queue.  The caller must then notify the waiter. */
void
park_take(struct park_bucket *b, struct park *pk)
{
	unlink(b, pk);
	atomic_store_32(&pk->pk_state, PARK_TAKEN);		/* PK1 */
}

/* Give a queued record another priority. */
void
park_move(struct park_bucket *b, struct park *pk, int pri)
{
	unlink(b, pk);
	pk->pk_turn.tu_pri = pri;
	insert(b, pk);
}

/*
 * lw_moved of a waiter (lend_var.h), unless the lock sets its own: give the
 * record the new priority `pri`, if it is still queued.
 */
static void
moved(struct lend_wait *lw, int pri, struct lend_todo *lt)
{
	struct park *pk = container_of(lw, struct park, pk_lend);
	struct park_bucket *b;

	(void)lt;
	if (pk->pk_turn.tu_pri == pri)
		return;
	b = park_lock(pk->pk_ident);
	if (atomic_load_32(&pk->pk_state) == PARK_QUEUED)
		park_move(b, pk, pri);
	park_unlock(b);
}

/*
 * Initialise the record of the caller, which will wait at ident.  The links and
 * pk_holder are not set here: they are written before they are read.
 */
void
park_init(struct park *pk, const void *ident)
{
	lwkt_thread_t td = machine_oncpu() != NULL ? curthread : NULL;

	pk->pk_turn.tu_pri = td != NULL ? lend_rank(td) : PARK_PTHREAD_PRI;
	pk->pk_turn.tu_ticket = 0;
	pk->pk_lend.lw_moved = moved;
	pk->pk_ident = ident;
	pk->pk_td = td;
	pk->pk_state = PARK_NONE;
	pk->pk_passed = 0;
}

/* Return whether the waiter was notified. */
static inline int
notified(const struct park *pk)
{
	return park_state(pk) >= PARK_NOTIFIED;
}

/* Callback of the timer of block_timed(): end the wait of the thread arg. */
static void
time_is_up(struct lwkt_systimer *st, void *arg)
{
	lwkt_thread_t td = arg;

	(void)st;
	td->td_flags |= TDF_TIMEOUT;
	wake_local(mygd(), td);
}

/*
 * Wait as a pthread, in the host, until notified; return 0.  If deadline is 0,
 * do not wait: return EWOULDBLOCK if not notified.  If deadline > 0, panic.
 */
static int
wait_pthread(struct park *pk, const char *wmesg, int64_t deadline)
{
	uint32_t state;

	if (deadline > 0)
		lwkt_panic("\"%s\": a pthread waits with a timeout; it may "
		    "only wait for ever, or try", wmesg);
	while ((state = park_state(pk)) < PARK_NOTIFIED) {
		if (deadline == 0)
			return EWOULDBLOCK;
		machine_foreign_wait(&pk->pk_state, state);
	}
	return 0;
}

/*
 * Block until notified.  Returns 0; EINTR: interrupted, with LWKT_PCATCH;
 * EWOULDBLOCK: the timer of block_timed() has fired.  In a critical section.
 */
static int
block(struct park *pk, int flags, const char *wmesg)
{
	lwkt_thread_t td = pk->pk_td;

	while (!notified(pk)) {
		if ((flags & LWKT_PCATCH) && intr_take(td))
			return EINTR;
		if (td->td_flags & TDF_TIMEOUT)
			return EWOULDBLOCK;
		td->td_flags |= flags & LWKT_PCATCH ? TDF_SINTR : 0;
		block_self(td, wmesg);
		td->td_flags &= ~TDF_SINTR;
	}
	return 0;
}

/* The same as block(), with a timer that ends the wait at `deadline`. */
static int
block_timed(struct park *pk, int flags, const char *wmesg, int64_t deadline)
{
	struct lwkt_systimer st;
	int error;

	st.st_fn = time_is_up;
	st.st_arg = pk->pk_td;
	st.st_period = 0;
	st.st_flags = 0;
	systimer_add(&st, deadline);
	error = block(pk, flags, wmesg);
	systimer_remove(&st);
	return error;
}

/*
 * Wait until notified, and return 0.  If not notified, return EWOULDBLOCK or
 * EINTR: the caller must then end the wait by park_leave(), or by what its lock
 * has instead (mutex_leave, give_up).
 */
int
park_wait(struct park *pk, int flags, const char *wmesg, int64_t deadline)
{
	lwkt_thread_t td = pk->pk_td;
	int error;

	if (td == NULL)
		return wait_pthread(pk, wmesg, deadline);
	INVARIANT(td->td_critcount > 0);			/* PK3 */
	counter_inc(mygd()->gd_cntbias, waits);
	delayed_flush_if(td);		/* before notified() is tested */
	td->td_flags &= ~TDF_TIMEOUT;
	if (deadline == 0)
		error = notified(pk) ? 0 : EWOULDBLOCK;
	else if (deadline > 0)
		error = block_timed(pk, flags, wmesg, deadline);
	else
		error = block(pk, flags, wmesg);
	if (error == 0)
		lend_wait_end(td);
	return error;
}

/*
 * End the wait after an error of park_wait().  If the record is still queued,
 * take it off the queue, subtract `one` from *word (word may be NULL), and
 * return PARK_NONE.  If a waker has taken the record, wait until the waker
 * notifies it (PK2), and return PARK_NOTIFIED or PARK_OWNER.
 */
uint32_t
park_leave(struct park *pk, const char *wmesg, uint64_t *word, uint64_t one)
{
	struct park_bucket *b = park_lock(pk->pk_ident);
	int queued = atomic_load_32(&pk->pk_state) == PARK_QUEUED;

	if (queued) {
		park_remove(b, pk);
		if (word != NULL)
			atomic_store_64(word, atomic_load_64(word) - one);
	}
	park_unlock(b);
	if (!queued)						/* PK2 */
		(void)park_wait(pk, 0, wmesg, LWKT_FOREVER);
	else if (pk->pk_td != NULL)
		lend_wait_end(pk->pk_td);
	return park_state(pk);
}

/*
 * Notifying a waiter of the result of its wait.
 */

/*
 * Notify a waiter that is a thread, on the thread's own CPU (PK3): store the
 * result `how` and make the thread runnable.  In a critical section.  So the
 * thread cannot run, and end, between the two steps.  The record is not used
 * after the store.
 */
static void
notify_here(void *arg, int how)
{
	struct park *pk = arg;
	lwkt_thread_t td = pk->pk_td;

	INVARIANT(td->td_gd == mygd());
	atomic_store_rel_32(&pk->pk_state, (uint32_t)how);
	wake_local(mygd(), td);
}

/*
 * Notify a waiter that was taken; its result is `how`.  The caller must not use
 * the record afterwards.  No bucket is locked.  A thread never blocks here.  A
 * plain pthread that notifies a thread waits in the host until the CPU of that
 * thread has called notify_here().
 */
void
park_notify(struct park *pk, enum park_state how)
{
	uint32_t *word = &pk->pk_state;
	lwkt_thread_t self;
	int cpu;

	if (pk->pk_td == NULL) {
		atomic_store_rel_32(word, how);
		machine_foreign_wake(word);
		return;
	}
	cpu = pk->pk_td->td_gd->gd_m.mc_cpuid;			/* PK3 */
	if (machine_oncpu() == NULL) {
		foreign_do(cpu, notify_here, pk, (int)how);
		return;
	}
	self = curthread;
	crit_enter_td(self);
	if (cpu == mycpuid)
		notify_here(pk, (int)how);
	else
		lwkt_send_ipiq2(cpu, notify_here, pk, (int)how);
	crit_exit_td(self);
}

/*
 * Take the best waiters, at most max.  Return them as a list in their order,
 * linked by pk_chain; NULL if there are none.  Bucket locked.
 */
struct park *
park_take_all(struct park_bucket *b, const void *ident, uint32_t max)
{
	struct park *pk, *first = NULL, **lastp = &first;

	for (; max > 0 && (pk = park_first(b, ident)) != NULL; max--) {
		park_take(b, pk);
		pk->pk_chain = NULL;
		*lastp = pk;
		lastp = &pk->pk_chain;
	}
	return first;
}

/* Notify every waiter of a list of park_take_all(). */
void
park_notify_all(struct park *pk, enum park_state how)
{
	struct park *next;

	for (; pk != NULL; pk = next) {
		next = pk->pk_chain;
		park_notify(pk, how);				/* PK2 */
	}
}

/* Take and notify the best waiters at ident, at most max. */
void
park_wake(const void *ident, uint32_t max)
{
	lwkt_thread_t td = machine_oncpu() != NULL ? curthread : NULL;
	struct park_bucket *b;
	struct park *list;

	if (td != NULL)
		crit_enter_td(td);
	b = park_lock(ident);
	list = park_take_all(b, ident, max);
	park_unlock(b);
	park_notify_all(list, PARK_NOTIFIED);
	if (td != NULL)
		crit_exit_td(td);
}

/* Return the number of waiters at ident.  Only on a CPU; never blocks. */
unsigned
park_count(const void *ident)
{
	struct park_bucket *b;
	struct park *first;
	unsigned n;

	crit_enter();
	b = park_lock(ident);
	first = park_first(b, ident);
	n = first != NULL ? turn_count(&first->pk_turn) : 0;
	park_unlock(b);
	crit_exit();
	return n;
}
