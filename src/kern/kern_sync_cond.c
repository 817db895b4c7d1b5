/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday condition variable.
 *
 * THEORY
 * Each waiter has a word of its own, on its stack, and stands in a queue from
 * before it releases the mutex.  A signal takes the first of the queue off and
 * changes the word of that one; so it lets exactly one waiter go, the one that
 * has waited longest, however late the wakeup comes through.  (With one word
 * for all, a wakeup on its way to another CPU can reach one who came after the
 * signal; he would have to pass it on to all, for he cannot know for whom it
 * was, and they again: two such wakeups chase each other for ever.)
 *
 * A waiter that gives up takes itself off.  If it has been taken off, it is
 * told: it waits for its word, which is about to change.
 *
 * INVARIANTS
 * CV1 cv_first, cv_last, cw_next, cw_queued: with cv_lock held; cv_waiters is
 *    changed with it held, and is how many are queued.
 * CV2 Who takes a waiter off the queue of another changes its word, after the
 *    lock has been released; until then the waiter is here, and so are the
 *    words it lies beside.  After that only addresses are used.
 *
 * The lock is held for a few instructions, also by pthreads, in a critical
 * section where there is one; an IPI would not do, for a pthread gets none.
 *
 * Source: Birrell, "Implementing Condition Variables with Semaphores" (2003),
 * whose private semaphore a waiter the word is.
 */
#include <lwkt/sync.h>

#include <errno.h>

#include "kern/sync_var.h"

enum { CW_WAITS, CW_TOLD };	/* states of cw_word */

struct lwkt_cond_waiter {
	struct lwkt_cond_waiter *cw_next;
	uint64_t	cw_word;	/* (a) */
	int		cw_queued;
};

/* The calling thread, in a critical section from now on; NULL: a pthread. */
static lwkt_thread_t
lock(struct lwkt_cond *cv)
{
	lwkt_thread_t td = machine_oncpu() != NULL ? curthread : NULL;
	unsigned turn = 0;

	if (td != NULL)
		crit_enter_td(td);
	/* Acquire: pairs with the release in unlock(). */
	while (atomic_load_32(&cv->cv_lock) != 0 ||
	    !atomic_cmpset_32(&cv->cv_lock, 0, 1))
		machine_pause(turn++);
	return td;
}

static inline void
unlock(struct lwkt_cond *cv, lwkt_thread_t td)
{
	atomic_store_rel_32(&cv->cv_lock, 0);
	if (td != NULL)
		crit_exit_td(td);
}

void
lwkt_cond_init(struct lwkt_cond *cv, const char *name)
{
	*cv = (struct lwkt_cond)LWKT_COND_INITIALIZER(name);
}

static void
enqueue(struct lwkt_cond *cv, struct lwkt_cond_waiter *cw)
{
	lwkt_thread_t td = lock(cv);

	*cw = (struct lwkt_cond_waiter){ .cw_queued = 1 };
	if (cv->cv_last != NULL)
		cv->cv_last->cw_next = cw;
	else
		cv->cv_first = cw;
	cv->cv_last = cw;
	atomic_store_32(&cv->cv_waiters, cv->cv_waiters + 1);
	unlock(cv, td);
}

/* 1, or 0: somebody else has taken it off, and will change its word. */
static int
give_up(struct lwkt_cond *cv, struct lwkt_cond_waiter *cw)
{
	lwkt_thread_t td = lock(cv);
	struct lwkt_cond_waiter *prev = NULL, *at = cv->cv_first;
	int queued = cw->cw_queued;

	if (queued) {
		for (; at != cw; at = at->cw_next)
			prev = at;
		if (prev != NULL)
			prev->cw_next = cw->cw_next;
		else
			cv->cv_first = cw->cw_next;
		if (cv->cv_last == cw)
			cv->cv_last = prev;
		atomic_store_32(&cv->cv_waiters, cv->cv_waiters - 1);
	}
	unlock(cv, td);
	return queued;
}

/* Until the word says so.  EWOULDBLOCK: it does not, in time. */
static int
wait_told(struct lwkt_cond *cv, struct lwkt_cond_waiter *cw, int64_t deadline)
{
	int error = 0;

	while (sync_state(atomic_load_acq_64(&cw->cw_word)) == CW_WAITS) {
		if (error != 0)
			return error;
		error = sync_wait(&cw->cw_word, CW_WAITS, cv->cv_name,
		    deadline);
	}
	return 0;
}

int
lwkt_cond_wait(struct lwkt_cond *cv, struct lwkt_mutex *mu,
    int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	struct lwkt_cond_waiter cw;
	int error;

	enqueue(cv, &cw);
	lwkt_mutex_unlock(mu);
	error = wait_told(cv, &cw, deadline);
	if (error != 0 && !give_up(cv, &cw))
		error = wait_told(cv, &cw, LWKT_FOREVER);
	lwkt_mutex_lock(mu);
	return error;
}

/* The waiter may be gone as soon as its word has changed (CV2). */
static void
tell(struct lwkt_cond_waiter *cw)
{
	uint64_t *word = &cw->cw_word;
	uint64_t old = atomic_fetchadd_64(word, CW_TOLD - CW_WAITS);

	if ((old & SW_WAITERS) != 0)
		sync_wake_one(word, old);
}

/* Take the first max waiters off; the first of them. */
static struct lwkt_cond_waiter *
take(struct lwkt_cond *cv, uint32_t max)
{
	struct lwkt_cond_waiter *first, *cw;
	lwkt_thread_t td;
	uint32_t n;

	/* Who has to be told is here since before the mutex was released. */
	if (atomic_load_32(&cv->cv_waiters) == 0)
		return NULL;
	td = lock(cv);
	first = cw = cv->cv_first;
	for (n = 0; n < max && cw != NULL; n++, cw = cw->cw_next)
		cw->cw_queued = 0;
	cv->cv_first = cw;
	if (cw == NULL)
		cv->cv_last = NULL;
	atomic_store_32(&cv->cv_waiters, cv->cv_waiters - n);
	unlock(cv, td);
	return first;
}

void
lwkt_cond_signal(struct lwkt_cond *cv)
{
	struct lwkt_cond_waiter *cw = take(cv, 1);

	if (cw != NULL)
		tell(cw);
}

void
lwkt_cond_broadcast(struct lwkt_cond *cv)
{
	struct lwkt_cond_waiter *cw = take(cv, UINT32_MAX), *next;

	for (; cw != NULL; cw = next) {
		next = cw->cw_next;
		tell(cw);
	}
}
