/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday condition variable.
 *
 * THEORY
 * A waiter queues its record at the address of the variable (park.c) before it
 * releases the mutex.  A signal takes the record of the best waiter off the
 * queue and notifies that waiter.  So a signal ends the wait of one waiter that
 * is queued at that moment, and never of a waiter that arrives later.  If no
 * waiter is queued, a signal has no effect.  A waiter whose timeout expires
 * takes its record off the queue.  If a signal has already taken the record,
 * the wait succeeds.
 *
 * INVARIANTS
 * CV1 cv_waiters is the number of queued waiters.  It changes only with the
 *    bucket locked.  A waiter is counted before it releases the mutex.  So a
 *    thread that has changed the condition under the mutex and then signals
 *    may read the number without the bucket: if the number is 0, no waiter is
 *    missed.
 * CV2 A signal that has taken records off the queue uses only these records
 *    from then on: the variable may be freed as soon as one waiter is notified.
 *
 * Source: Birrell, "Implementing Condition Variables with Semaphores" (2003),
 * for what a signal promises.
 */
#include "kern/lock/word_var.h"

#include <errno.h>
#include <lwkt/sync.h>

/* Thread or plain pthread; never blocks. */
void
lwkt_cond_init(struct lwkt_cond *cv, const char *name)
{
	*cv = (struct lwkt_cond)LWKT_COND_INITIALIZER(name);
}

/*
 * Thread; plain pthread with timeout 0 or LWKT_FOREVER.  Blocks for at most
 * timeout_ns until a signal, and then until mu is free.  Returns 0 or
 * EWOULDBLOCK; the caller holds mu in both cases.  A plain pthread that wakes a
 * thread by releasing mu, or lends to a thread when it takes mu again, waits in
 * the host for the CPU of that thread (park_notify, lend_carry_out).
 */
int
lwkt_cond_wait(struct lwkt_cond *cv, struct lwkt_mutex *mu,
    int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	lwkt_thread_t td = sync_enter();
	struct park_bucket *b;
	struct park pk;
	int error;

	park_init(&pk, cv);
	b = park_lock(cv);
	park_insert(b, &pk);
	atomic_store_64(&cv->cv_waiters, cv->cv_waiters + 1);	/* CV1 */
	park_unlock(b);
	lwkt_mutex_unlock(mu);
	error = park_wait(&pk, 0, cv->cv_name, deadline);
	if (error != 0 &&
	    park_leave(&pk, cv->cv_name, &cv->cv_waiters, 1) != PARK_NONE)
		error = 0;
	sync_exit(td);
	lwkt_mutex_lock(mu);
	return error;
}

/* Take the best waiters, at most max, off the queue and notify them. */
static void
notify(struct lwkt_cond *cv, uint32_t max)
{
	struct park_bucket *b;
	struct park *list;
	lwkt_thread_t td;
	uint32_t n;

	if (atomic_load_64(&cv->cv_waiters) == 0)		/* CV1 */
		return;
	td = sync_enter();
	b = park_lock(cv);
	n = cv->cv_waiters < max ? (uint32_t)cv->cv_waiters : max;
	list = park_take_all(b, cv, n);
	atomic_store_64(&cv->cv_waiters, cv->cv_waiters - n);	/* CV1 */
	park_unlock(b);
	park_notify_all(list, PARK_NOTIFIED);			/* CV2 */
	sync_exit(td);
}

/*
 * Thread or plain pthread; never blocks a thread.  A plain pthread that wakes a
 * thread waits in the host for the CPU of that thread (park_notify).
 */
void
lwkt_cond_signal(struct lwkt_cond *cv)
{
	notify(cv, 1);
}

/*
 * Thread or plain pthread; never blocks a thread.  A plain pthread that wakes a
 * thread waits in the host for the CPU of that thread (park_notify).
 */
void
lwkt_cond_broadcast(struct lwkt_cond *cv)
{
	notify(cv, UINT32_MAX);
}
