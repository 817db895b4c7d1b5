/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday condition variable.
 *
 * THEORY
 * A waiter parks at the address of the variable before it releases the mutex.
 * A signal takes the waiter that is the best at that moment off the queue and
 * tells it.  So it lets exactly one waiter go, and none that arrived later.  A
 * waiter that gives up takes itself off the queue; if a signal has already
 * taken it, it counts as told.
 *
 * INVARIANTS
 * CV1 cv_waiters is how many waiters are queued, and changes with the bucket
 *    locked.  A waiter that must be told has been counted since before the
 *    mutex was released, so a signal looks at the number first.
 * CV2 After the waiters are taken off only their records are used: the
 *    variable may be gone as soon as one of them is told.
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
 * timeout_ns, and then while mu is held.
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
	atomic_store_32(&cv->cv_waiters, cv->cv_waiters + 1);	/* CV1 */
	park_unlock(b);
	lwkt_mutex_unlock(mu);
	error = park_wait(&pk, 0, cv->cv_name, deadline);
	if (error != 0 &&
	    park_leave(&pk, cv->cv_name, &cv->cv_waiters) != PARK_NONE)
		error = 0;
	sync_exit(td);
	lwkt_mutex_lock(mu);
	return error;
}

/* Take the best max waiters off the queue and tell them. */
static void
tell(struct lwkt_cond *cv, uint32_t max)
{
	struct park_bucket *b;
	struct park *list;
	lwkt_thread_t td;
	uint32_t n;

	if (atomic_load_32(&cv->cv_waiters) == 0)		/* CV1 */
		return;
	td = sync_enter();
	b = park_lock(cv);
	n = cv->cv_waiters < max ? cv->cv_waiters : max;
	list = park_take_all(b, cv, n);
	atomic_store_32(&cv->cv_waiters, cv->cv_waiters - n);	/* CV1 */
	park_unlock(b);
	park_tell_all(list, PARK_TOLD);				/* CV2 */
	sync_exit(td);
}

/* Thread or plain pthread; never blocks. */
void
lwkt_cond_signal(struct lwkt_cond *cv)
{
	tell(cv, 1);
}

/* Thread or plain pthread; never blocks. */
void
lwkt_cond_broadcast(struct lwkt_cond *cv)
{
	tell(cv, UINT32_MAX);
}
