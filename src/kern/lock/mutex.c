/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday mutex.
 *
 * THEORY
 * The word mu_word names the holder and its CPU.  So one locked instruction
 * takes a free mutex.  On a quiet CPU a plain store releases a mutex without
 * waiters (loud.c).  If a thread finds that the mutex is held by a pthread or
 * by a thread of another CPU, it tries a few more times, because the holder may
 * release the mutex soon.  If that fails, or if the holder is on the same CPU
 * (which cannot run it meanwhile), the thread queues itself at the address of
 * the mutex and blocks (park.c).  A pthread does the same, without these tries
 * if the holder is a pthread too.
 *
 * The queue and the holder are consistent while the bucket of the mutex is
 * locked.  A waiter that queues itself sets the bit MU_SLOW of the word before
 * it unlocks the bucket, and makes the CPU of the holder loud, if that is
 * another CPU.  The bit makes the holder lock the bucket to release the mutex.
 * The holder takes the best waiter off the queue (mutex_give):
 *
 * - If this waiter is better than the thread that unlocks, or was passed too
 *   often (park_deserves), it is handed the mutex: the word goes from one
 *   holder to the next in one step.  So no worse thread can take the mutex
 *   before this waiter.
 * - Else the mutex becomes free and the waiter is notified, and tries to take
 *   it.  A running thread may take it first (it barges): so a mutex in constant
 *   use does not have to wait until a thread is switched in.  A waiter that
 *   finds the mutex taken (it was passed) goes back to its place in the queue.
 *
 * A waiter that was notified has at least the priority of the queued waiters.
 * MU_SLOW is clear at first, and while it is clear an unlock notifies no other
 * waiter.  But every 32nd such unlock notifies one nevertheless, because the
 * CPU of the first waiter may be busy with better threads.  MU_SLOW is set
 * again when the waiter that was notified takes the mutex and others are
 * queued; when a waiter enters, leaves or moves in the queue while the mutex is
 * held; and by a thread that barges and needs a loan (see below), or a pthread
 * that barges.
 *
 * A release by a plain store may overwrite MU_SLOW, which a waiter sets at the
 * same time.  The holder then finds that its CPU has become loud.  By then the
 * mutex may be free, or taken by another thread, or its memory may be freed.
 * The holder locks the bucket and looks for a waiter of the mutex
 * (unlock_late).  If there is one, the mutex exists, as it may not be freed
 * while a thread waits for it.  If the mutex is still free, the holder takes it
 * again, and releases it to the waiter.  Else the waiter's bit is set again,
 * for the new holder.
 *
 * The best waiter lends its priority to the holder (lend.c).  A thread that
 * barges needs no loan if its own priority is at least that of the waiters.  It
 * only notes the mutex (MU_BARGED, tc_barged), in case its own priority is
 * lowered before it unlocks.  It can note one mutex at a time.
 *
 * INVARIANTS
 * With the bucket locked, unless a holder has yet to call unlock_late() after a
 * plain store (MU3 holds in any case):
 * MU1 MU_BEST is 1 + the priority of the best waiter in the queue, or 0 if the
 *    queue is empty.
 * MU2 MU_SLOW is set, or the queue is empty, or a waiter that was notified has
 *    not tried yet and has at least the priority of all queued waiters.  Its
 *    try ends in lock_notified() in one of three ways: the waiter takes the
 *    mutex and sets MU_SLOW if others are queued; or queues itself again; or
 *    gives up because of its timeout, and notifies another waiter if need be
 *    (mutex_pass_on).
 * MU3 mu_lent names a thread and a priority (MU_OWNER, MU_BEST), which is
 *    counted in the tc_lend of this thread for this mutex; or it is 0.  The
 *    thread is the holder, or has yet to call unlock_late().  In both cases it
 *    locks the bucket before its unlock returns.
 * MU4 If the holder is a thread and the queue is not empty: mu_lent names the
 *    holder and the number in MU_BEST, or MU_BARGED is set and the holder's own
 *    priority (lend_ownrank) is at least that of the best waiter.
 * MU5 MU_BARGED is set <=> tc_barged of the holder is this mutex.
 * MU6 If MU_SLOW is set in the word of a holder, this holder locks the bucket
 *    before its unlock returns: the holder has set the bit itself, or became
 *    the holder with the bit set, or a waiter has set the bit and made sure
 *    that the holder will see it (holder_knows).
 *
 * Source: Go's sync.Mutex and Linux's mutex for barging with an end to it;
 * BSD's adaptive mutexes for the spin before a sleep.
 */
#include "kern/sleep/synch_var.h"
#include "kern/lock/lockorder.h"
#include "kern/lock/mutex_var.h"
#include "kern/lock/word_var.h"

#include <errno.h>

TUNABLE_INT(mutex_spin, "lwkt.mutex_spin", 100, 0, 100000,
    "pauses for a mutex held on another CPU before the thread sleeps");

#define SPIN_MOST	32		/* most pauses between two tests */

/* One for each pthread; its address in MU_OWNER names the pthread. */
static __thread struct {
	LWKT_CACHEALIGN char pi_id;
} pthread_id;

/* Thread or plain pthread; never blocks. */
void
lwkt_mutex_init(struct lwkt_mutex *mu, const char *name)
{
	*mu = (struct lwkt_mutex)LWKT_MUTEX_INITIALIZER(name);
}

/* Return MU_OWNER and MU_CPU for the caller as the holder. */
static inline uint64_t
me(void)
{
	struct globaldata *gd = gd_here();

	return likely(gd != NULL) ?
	    (uintptr_t)gd->gd_m.mc_curthread | gd->gd_tag :
	    (uintptr_t)&pthread_id;
}

/*
 * Taking a mutex.
 */

/*
 * Take a mutex that may have waiters.  *w is a recent value of its word.  If
 * the word names no holder, take the mutex and return 1.  Else return 0; *w is
 * then the value of the word.  `notified`: the caller is a waiter that was
 * notified.  A pthread is lent nothing, and leaves what mu still lends to a
 * former holder to unlock_late() of that holder (MU3): so the pthread never
 * waits here for a CPU that applies a loan.
 */
static __lwkt_noinline int
try_past(struct lwkt_mutex *mu, uint64_t self, uint64_t *w, int notified)
{
	struct lend_todo lt = { .lt_n = 0 };
	lwkt_thread_t td = sync_enter();
	struct park_bucket *b;
	int best, barge;
	uint64_t to;

	do {
		if ((*w & MU_OWNER) != 0) {
			sync_exit(td);
			return 0;
		}
		best = best_of(*w);
		barge = td != NULL && td->td_cold->tc_barged == NULL &&
		    lend_ownrank(td) >= best;			/* MU4 */
		to = best < 0 ? self : self | (*w & ~MU_SLOW) |
		    (notified || !barge ? MU_SLOW : 0) |
		    (barge ? MU_BARGED : 0);
	} while (!atomic_fcmpset_64(&mu->mu_word, w, to));
	if (best >= 0 && barge) {
		td->td_cold->tc_barged = mu;			/* MU5 */
	} else if (best >= 0 && td != NULL) {
		b = park_lock(mu);
		(void)mutex_settle(mu, b, &lt);			/* MU4 */
		park_unlock(b);
		lend_carry_out(&lt);
	}
	sync_exit(td);
	return 1;
}

/*
 * *w is a recent value of the word.  If the mutex is free, take it and return
 * 1.  Else return 0; *w is then the value that made the attempt fail.
 */
static inline int
try(struct lwkt_mutex *mu, uint64_t self, uint64_t *w)
{
	while (likely(*w == 0))
		if (likely(atomic_fcmpset_64(&mu->mu_word, w, self)))
			return 1;
	return (*w & MU_OWNER) == 0 && try_past(mu, self, w, 0);
}

/*
 * Take the mutex for the caller, a thread, if the word is 0: the usual case.
 * Return 0 if that fails or the caller is a pthread; then try() is needed.
 */
static inline int
take(struct lwkt_mutex *mu)
{
	struct globaldata *gd = gd_here();

	return likely(gd != NULL) && atomic_cmpset_64(&mu->mu_word, 0,
	    (uintptr_t)gd->gd_m.mc_curthread | gd->gd_tag);
}

/*
 * Try to take the mutex a few more times, while its holder is not on the CPU of
 * the caller.  (Pthreads count as threads of one CPU.)  Return 1 if it was
 * taken, else 0; *w is then a recent value of the word.  Each test takes the
 * cache line from the holder, so the pauses between tests grow.
 */
static int
spin(struct lwkt_mutex *mu, uint64_t self, uint64_t *w)
{
	int left = mutex_spin, pauses = 1, i;

	for (; left > 0 && (*w & MU_CPU) != (self & MU_CPU); left -= pauses) {
		for (i = 0; i < pauses; i++)
			machine_pause(0);
		if (pauses < SPIN_MOST)
			pauses *= 2;
		*w = atomic_load_64(&mu->mu_word);
		if (try(mu, self, w))
			return 1;
	}
	return 0;
}

/*
 * A wait of the caller has ended with `state`.  PARK_OWNER: the caller has got
 * the mutex.  PARK_NOTIFIED: the caller must try to take it.  PARK_NONE: the
 * timeout has expired; try once more.  *error is the error of the wait.
 *
 * Returns 1 if the caller is done: *error is then 0 if the caller has the
 * mutex, else EWOULDBLOCK.  If the caller has timed out, was notified all the
 * same, and fails to take the mutex, the wakeup is passed on before the return
 * (mutex_pass_on).  Returns 0 if the caller must queue itself again.
 */
static int
lock_notified(struct lwkt_mutex *mu, struct park *pk, uint32_t state,
    int *error)
{
	uint64_t w = atomic_load_64(&mu->mu_word);

	if (state == PARK_OWNER) {
		*error = 0;
	} else if (state == PARK_NONE) {
		if (try(mu, pk->pk_holder, &w))
			*error = 0;
	} else if (try_past(mu, pk->pk_holder, &w, 1)) {
		*error = 0;
	} else if (*error != 0) {
		mutex_pass_on(mu);				/* MU2 */
	} else {
		pk->pk_passed++;
		return 0;
	}
	return 1;
}

/*
 * Take a mutex that take() did not take.  Returns 0: taken; EWOULDBLOCK.
 * Panics if the caller holds the mutex.  Blocks, unless
 * limit_ns(timeout_ns) is 0.
 */
static __lwkt_noinline int
lock_slow(struct lwkt_mutex *mu, int64_t timeout_ns)
{
	uint64_t self = me(), w = atomic_load_64(&mu->mu_word);
	int64_t deadline = wait_deadline(timeout_ns);
	struct park pk;
	lwkt_thread_t td;
	uint32_t state;
	int error = 0;

	if (try(mu, self, &w))
		return 0;
	if (((w ^ self) & MU_OWNER) == 0)
		lwkt_panic("mutex \"%s\" is locked again by its holder",
		    mu->mu_name);
	if (limit_ns(timeout_ns) == 0)
		return EWOULDBLOCK;
	if (spin(mu, self, &w))
		return 0;
	td = sync_enter();
	park_init(&pk, mu);
	pk.pk_lend.lw_moved = mutex_moved;
	pk.pk_holder = self;
	wait_owner(&mu->mu_word);
	while (!mutex_queue(mu, &pk)) {
		error = park_wait(&pk, 0, mu->mu_name, deadline);
		state = error != 0 ? mutex_leave(mu, &pk) : park_state(&pk);
		if (lock_notified(mu, &pk, state, &error))
			break;
	}
	wait_owner(NULL);
	sync_exit(td);
	return error;
}

/*
 * Thread or plain pthread; blocks while another one holds mu.  A plain pthread
 * that lends to a thread waits in the host for the CPU of that thread
 * (lend_carry_out).
 */
void
lwkt_mutex_lock(struct lwkt_mutex *mu)
{
	order_want(LK_MUTEX, mu, mu->mu_name);
	if (unlikely(!take(mu)))
		(void)lock_slow(mu, LWKT_FOREVER);
	order_took(LK_MUTEX, mu, mu->mu_name);
}

/*
 * Thread; plain pthread with timeout 0 or LWKT_FOREVER.  Blocks for at most
 * timeout_ns.  Returns 0 or EWOULDBLOCK.  A plain pthread that lends to a
 * thread waits in the host for the CPU of that thread (lend_carry_out).
 */
int
lwkt_mutex_timedlock(struct lwkt_mutex *mu, int64_t timeout_ns)
{
	if (limit_ns(timeout_ns) != 0)
		order_want(LK_MUTEX, mu, mu->mu_name);
	if (unlikely(!take(mu)) && lock_slow(mu, timeout_ns) != 0)
		return EWOULDBLOCK;
	order_took(LK_MUTEX, mu, mu->mu_name);
	return 0;
}

/* Thread or plain pthread; never blocks, and never waits for a CPU. */
int
lwkt_mutex_trylock(struct lwkt_mutex *mu)
{
	uint64_t w;

	if (unlikely(!take(mu))) {
		w = atomic_load_64(&mu->mu_word);
		if (!try(mu, me(), &w))
			return EBUSY;
	}
	order_took(LK_MUTEX, mu, mu->mu_name);
	return 0;
}

/*
 * Releasing a mutex.
 */

/*
 * Release the caller's mutex, when its word has more than MU_HOLDER, or the
 * caller has moved to another CPU, or is on a loud CPU, or is a pthread.  If
 * MU_SLOW is set, mutex_give() releases the mutex.  Else a locked instruction
 * makes it free and no waiter is notified; but every 32nd such unlock of a
 * mutex with waiters is left to mutex_give().  Panics if the caller does not
 * hold the mutex.
 */
static __lwkt_noinline void
unlock_slow(struct lwkt_mutex *mu)
{
	struct lend_todo lt = { .lt_n = 0 };
	lwkt_thread_t td = sync_enter();
	uint64_t w = atomic_load_64(&mu->mu_word), to;

	if (unlikely(((w ^ me()) & MU_OWNER) != 0))
		lwkt_panic("mutex \"%s\" is unlocked by a thread that does "
		    "not hold it", mu->mu_name);
	do {
		if ((w & MU_BARGED) != 0)
			td->td_cold->tc_barged = NULL;		/* MU5 */
		if ((w & MU_SLOW) != 0 || (w & MU_LATE) == MU_LATE) {
			mutex_give(mu, park_lock(mu), td, &lt);
			break;
		}
		to = best_of(w) < 0 ? 0 :
		    (w & MU_BEST) | ((w & MU_LATE) + MU_LATE_ONE);
	} while (!atomic_fcmpset_64(&mu->mu_word, &w, to));
	lend_carry_out(&lt);
	if (td != NULL)
		loud_note(mygd(), (w & ~MU_HOLDER) != 0);
	sync_exit(td);
}

/*
 * Take a mutex that the caller has released, if it is still free.  Return 1 if
 * it was taken, else 0.  The bucket is locked, and a waiter is queued.
 */
static int
retake(struct lwkt_mutex *mu)
{
	uint64_t w = atomic_load_64(&mu->mu_word);

	while ((w & MU_OWNER) == 0)
		if (atomic_fcmpset_64(&mu->mu_word, &w, me() | MU_SLOW))
			return 1;
	return 0;
}

/*
 * The caller has released the mutex by a plain store, and its CPU was not quiet
 * any more after the store: look for waiters (QO1).  Only if the queue of this
 * address, whose bucket is locked here, has a waiter for a mutex (lw_moved),
 * there still is a mutex at the address.
 */
static __lwkt_noinline void
unlock_late(struct lwkt_mutex *mu)
{
	struct lend_todo lt = { .lt_n = 0 };
	lwkt_thread_t td = sync_enter();
	struct park_bucket *b = park_lock(mu);
	struct park *first = park_first(b, mu);
	int ours = 0;

	if (first != NULL && first->pk_lend.lw_moved == mutex_moved)
		while (!(ours = retake(mu)) && !mutex_settle(mu, b, &lt))
			continue;
	if (ours)
		mutex_give(mu, b, td, &lt);
	else
		park_unlock(b);
	lend_carry_out(&lt);
	sync_exit(td);
}

/* What release() leaves to be done. */
enum left { NOTHING, UNLOCK_SLOW, UNLOCK_LATE };

/*
 * Release the caller's mutex by a plain store, if its word has only the caller
 * and the tag of gd, the CPU of the caller, and this CPU is quiet (loud.c).
 * The mutex is not used after the store: it may have been freed.
 */
static inline enum left
release(struct globaldata *gd, struct lwkt_mutex *mu)
{
	lwkt_thread_t td = gd->gd_m.mc_curthread;
	enum left left = UNLOCK_SLOW;
	uint64_t tag;

	leaf_enter(td);
	tag = quiet_tag(gd);
	if (likely(atomic_load_64(&mu->mu_word) == ((uintptr_t)td | tag))) {
		/* Release: pairs with the locked instruction of try(). */
		atomic_store_rel_64(&mu->mu_word, 0);
		cc_fence();					/* QO1 */
		left = likely(quiet_tag(gd) == tag) ? NOTHING : UNLOCK_LATE;
	}
	leaf_leave(td);
	return left;
}

/*
 * Thread or plain pthread; never blocks a thread.  A plain pthread that wakes a
 * thread waits in the host for the CPU of that thread (park_notify,
 * lend_carry_out).
 */
void
lwkt_mutex_unlock(struct lwkt_mutex *mu)
{
	struct globaldata *gd = gd_here();
	enum left left;

	order_drop(mu);
	left = likely(gd != NULL) ? release(gd, mu) : UNLOCK_SLOW;
	if (unlikely(left == UNLOCK_SLOW))
		unlock_slow(mu);
	else if (unlikely(left == UNLOCK_LATE))
		unlock_late(mu);
}

/*
 * The rest of lwkt_mutex_unlock_quick(), after the store that has released the
 * mutex.  Thread; never blocks.
 */
void
lwkt_mutex_unlock_late_(struct lwkt_mutex *mu)
{
	unlock_late(mu);
}

/* Thread or plain pthread; never blocks. */
int
lwkt_mutex_owned(struct lwkt_mutex *mu)
{
	return ((atomic_load_64(&mu->mu_word) ^ me()) & MU_OWNER) == 0;
}
