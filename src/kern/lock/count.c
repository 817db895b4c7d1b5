/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday semaphore, barrier, wait group and once: a count and its waiters.
 *
 * THEORY
 * Each lock has one word, which holds a state and a number of waiters
 * (word_var.h).  The state of a semaphore is its number of units, of a wait
 * group the number of jobs that are not done, of a barrier the number of times
 * it has opened (modulo 2^28), of a once NEW, RUNNING or DONE.
 *
 * In a barrier, wait group or once, one locked instruction changes the state so
 * that the waiters may return.  This instruction is the caller's last access to
 * the lock, because the last waiter may free the lock at once.  The wakeup that
 * follows uses only the address of the word.
 *
 * A post to a semaphore gives its units directly to the waiters, the best
 * waiter first.  Only units that are left over are added to the word.  So no
 * other thread can take a unit that was given to a waiter which has not run
 * yet, and each unit that is posted while waiters are queued ends the wait of
 * one of them.  A waiter that was notified does not access the semaphore again.
 *
 * INVARIANTS
 * SE1 While the bucket is not locked, the number in the word of a semaphore is
 *    that of its queued waiters, and there are no units if it is not 0.
 * SE2 While that number is not 0, the word changes only with the bucket locked:
 *    there is no unit to take, and a post sees the number.  So the word may
 *    then be changed by plain stores.
 * SE3 A waiter that was notified (park.c) has got one unit.
 */
#include "kern/lock/word_var.h"

#include <errno.h>
#include <lwkt/sync.h>

enum once_state { ONCE_NEW, ONCE_RUNNING, ONCE_DONE };

/* Thread or plain pthread; never blocks. */
void
lwkt_sem_init(struct lwkt_sem *se, unsigned n, const char *name)
{
	KASSERTF(n <= LWKT_SEM_MAX, "semaphore \"%s\" of %u units: more than "
	    "LWKT_SEM_MAX", name, n);
	*se = (struct lwkt_sem)LWKT_SEM_INITIALIZER(n, name);
}

/*
 * Take a unit and return 1, or return 0 if there is none.  w is a recent value
 * of *word.
 */
static inline int
take(uint64_t *word, uint64_t w)
{
	while (sync_state(w) != 0)
		if (atomic_fcmpset_64(word, &w, w - 1))
			return 1;
	return 0;
}

/*
 * With the bucket locked: take a unit and return 1, or, if there is none, count
 * the waiter of pk, queue it and return 0.
 */
static inline int
take_or_queue(struct lwkt_sem *se, struct park_bucket *b, struct park *pk)
{
	uint64_t w = atomic_load_64(&se->se_word);

	do
		if (take(&se->se_word, w))
			return 1;
	while (!atomic_fcmpset_64(&se->se_word, &w, w + SW_ONE));
	park_insert(b, pk);					/* SE1 */
	return 0;
}

/*
 * Thread; plain pthread with timeout 0 or LWKT_FOREVER.  Blocks for at most
 * timeout_ns.  Returns 0 or EWOULDBLOCK.
 */
int
lwkt_sem_wait(struct lwkt_sem *se, int64_t timeout_ns)
{
	int64_t deadline;
	struct park_bucket *b;
	struct park pk;
	lwkt_thread_t td;
	int error, got;

	if (take(&se->se_word, atomic_load_64(&se->se_word)))
		return 0;
	if ((deadline = wait_deadline(timeout_ns)) == 0)
		return EWOULDBLOCK;
	td = sync_enter();
	park_init(&pk, se);
	b = park_lock(se);
	got = take_or_queue(se, b, &pk);
	park_unlock(b);
	error = got ? 0 : park_wait(&pk, 0, se->se_name, deadline);
	if (unlikely(error != 0) &&
	    park_leave(&pk, se->se_name, &se->se_word, SW_ONE) != PARK_NONE)
		error = 0;					/* SE3 */
	sync_exit(td);
	return error;
}

/* Panic if n more units than in w would be more than LWKT_SEM_MAX. */
static void
check_max(struct lwkt_sem *se, uint64_t w, uint32_t n)
{
	KASSERTF(n <= LWKT_SEM_MAX - sync_state(w), "semaphore \"%s\": "
	    "%u units and %u more are above LWKT_SEM_MAX", se->se_name,
	    sync_state(w), n);
}

/*
 * Post n units after the word has counted waiters.  With the bucket locked,
 * take the n best waiters off the queue (all, if there are fewer), and add the
 * units that are left over to the word.  Then notify the waiters.
 */
static __lwkt_noinline void
post_slow(struct lwkt_sem *se, uint32_t n)
{
	lwkt_thread_t td = sync_enter();
	struct park *list, *pk;
	struct park_bucket *b;
	uint64_t w;

	b = park_lock(se);
	w = atomic_load_64(&se->se_word);
	list = park_take_all(b, se, n);
	for (pk = list; pk != NULL; pk = pk->pk_chain, n--)
		w -= SW_ONE;
	if (list != NULL) {
		check_max(se, w, n);
		atomic_store_64(&se->se_word, w + n);		/* SE2 */
	} else {
		while (n > 0) {
			check_max(se, w, n);
			if (atomic_fcmpset_64(&se->se_word, &w, w + n))
				break;
		}
	}
	park_unlock(b);
	park_notify_all(list, PARK_NOTIFIED);			/* SE3 */
	sync_exit(td);
}

/*
 * Thread, callback or plain pthread; never blocks a thread.  A plain pthread
 * that wakes a thread waits in the host for the CPU of that thread
 * (park_notify).
 */
void
lwkt_sem_post(struct lwkt_sem *se, unsigned n)
{
	uint64_t w = atomic_load_64(&se->se_word);

	if (n == 0)
		return;
	while ((w & SW_WAITERS) == 0) {
		check_max(se, w, n);
		if (atomic_fcmpset_64(&se->se_word, &w, w + n))
			return;
	}
	post_slow(se, n);
}

/* Thread or plain pthread; never blocks. */
unsigned
lwkt_sem_value(struct lwkt_sem *se)
{
	return sync_state(atomic_load_64(&se->se_word));
}

/* Thread or plain pthread; never blocks. */
void
lwkt_barrier_init(struct lwkt_barrier *ba, unsigned n, const char *name)
{
	KASSERTF(n > 0, "barrier \"%s\" is for no thread", name);
	*ba = (struct lwkt_barrier)LWKT_BARRIER_INITIALIZER(n, name);
}

/*
 * Thread or plain pthread; blocks until the last party has arrived.  Returns 1
 * to the last party, which does not block, and 0 to the others.  If the last
 * party is a plain pthread, it waits in the host for the CPU of each thread
 * that it wakes (park_notify).
 */
int
lwkt_barrier_wait(struct lwkt_barrier *ba)
{
	uint64_t *word = &ba->ba_word;
	uint64_t w = atomic_load_64(word);
	uint32_t opened = sync_state(w);

	if (atomic_fetchadd_32(&ba->ba_arrived, 1) + 1 < ba->ba_parties) {
		do
			(void)sync_wait(word, opened, ba->ba_name,
			    LWKT_FOREVER);
		while (sync_state(atomic_load_acq_64(word)) == opened);
		return 0;
	}
	/* All parties are here; no other thread may use the barrier. */
	atomic_store_32(&ba->ba_arrived, 0);
	w = atomic_load_64(word);
	while (!atomic_fcmpset_64(word, &w,
	    (w & ~SW_STATE) | ((w + 1) & SW_STATE)))
		continue;
	if ((w & SW_WAITERS) != 0)
		sync_wake_all(word, w);
	return 1;
}

/* Thread or plain pthread; never blocks. */
void
lwkt_waitgroup_init(struct lwkt_waitgroup *wg, unsigned n, const char *name)
{
	KASSERTF(n <= LWKT_SEM_MAX, "wait group \"%s\" of %u: more than "
	    "LWKT_SEM_MAX", name, n);
	*wg = (struct lwkt_waitgroup)LWKT_WAITGROUP_INITIALIZER(n, name);
}

/*
 * Thread, callback or plain pthread; never blocks a thread.  A plain pthread
 * that makes the count 0 waits in the host for the CPU of each thread that it
 * wakes (park_notify).
 */
void
lwkt_waitgroup_add(struct lwkt_waitgroup *wg, int n)
{
	uint64_t *word = &wg->wg_word;
	uint64_t w = atomic_load_64(word);
	int64_t to;

	do {
		to = (int64_t)sync_state(w) + n;
		KASSERTF(to >= 0 && to <= LWKT_SEM_MAX, "wait group \"%s\": %u "
		    "and %d more are below 0 or above LWKT_SEM_MAX",
		    wg->wg_name, sync_state(w), n);
	} while (!atomic_fcmpset_64(word, &w,
	    (w & ~SW_STATE) | (uint64_t)to));
	if (to == 0 && (w & SW_WAITERS) != 0)
		sync_wake_all(word, w);
}

/* Contexts and blocking are those of lwkt_waitgroup_add(). */
void
lwkt_waitgroup_done(struct lwkt_waitgroup *wg)
{
	lwkt_waitgroup_add(wg, -1);
}

/*
 * Thread; plain pthread with timeout 0 or LWKT_FOREVER.  Blocks for at most
 * timeout_ns.  Returns 0 or EWOULDBLOCK; 0 if the count is 0 at the end.
 */
int
lwkt_waitgroup_wait(struct lwkt_waitgroup *wg, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	int error = 0;
	uint32_t left;

	while ((left = sync_state(atomic_load_acq_64(&wg->wg_word))) != 0 &&
	    error == 0)
		error = sync_wait(&wg->wg_word, left, wg->wg_name, deadline);
	return left == 0 ? 0 : error;
}

/*
 * Thread or plain pthread; blocks while another caller runs fn.  A plain
 * pthread that has run fn waits in the host for the CPU of each thread that it
 * wakes (park_notify).  The word stays ONCE_RUNNING until fn returns.  So a C++
 * exception must not leave fn: no_unwind() makes it end the program.
 */
void
lwkt_once(struct lwkt_once *on, void (*fn)(void *), void *arg)
{
	uint64_t w = atomic_load_acq_64(&on->on_word);

	no_unwind();		/* it would stay ONCE_RUNNING for ever */
	while (sync_state(w) != ONCE_DONE) {
		if (sync_state(w) == ONCE_RUNNING) {
			(void)sync_wait(&on->on_word, ONCE_RUNNING, "once",
			    LWKT_FOREVER);
			w = atomic_load_acq_64(&on->on_word);
			continue;
		}
		if (!atomic_fcmpset_64(&on->on_word, &w, w | ONCE_RUNNING))
			continue;
		fn(arg);
		w = atomic_fetchadd_64(&on->on_word, ONCE_DONE - ONCE_RUNNING);
		if ((w & SW_WAITERS) != 0)
			sync_wake_all(&on->on_word, w);
		return;
	}
}
