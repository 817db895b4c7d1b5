/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiters of the everyday mutex: the queue, what it lends to the holder, and
 * the hand-over.
 *
 * THEORY and INVARIANTS are in mutex.c.  The bucket of the mutex is locked
 * while the queue is used.
 */
#include "kern/sleep/synch_var.h"
#include "kern/lock/mutex_var.h"

COUNTER(handed, "lwkt.mutex_handoffs",
    "mutexes that threads handed to a waiter");

/*
 * Lend the priority of the best waiter in the word w to the holder in w,
 * instead of what mu_lent says (MU3).  If w has no waiter, or no thread as its
 * holder, only take back what is lent.  The bucket is locked.
 */
static void
lend(struct lwkt_mutex *mu, uint64_t w, struct lend_todo *lt)
{
	uint64_t was = mu->mu_lent, now = 0;
	lwkt_thread_t old, new;

	if ((w & MU_CPU) != 0 && best_of(w) >= 0)
		now = w & (MU_OWNER | MU_BEST);
	old = (lwkt_thread_t)(uintptr_t)(was & MU_OWNER);
	new = (lwkt_thread_t)(uintptr_t)(now & MU_OWNER);
	if (new != NULL)
		lend_change(lt, new, old == new ? best_of(was) : -1,
		    best_of(now));
	if (old != NULL && old != new)
		lend_change(lt, old, best_of(was), -1);
	mu->mu_lent = now;
}

/*
 * The caller has just set MU_SLOW in the word, which became w.  Make sure that
 * the holder will see the bit or call unlock_late(), and return 1 (MU6).
 * Return 0 if the holder has released the mutex.
 */
static int
holder_knows(struct lwkt_mutex *mu, uint64_t w)
{
	struct globaldata *gd = tag_cpu(w);

	if (gd == NULL || gd == gd_here())
		return 1;
	loud_make(gd);
	return atomic_load_64(&mu->mu_word) == w;		/* QO1 */
}

/*
 * Make MU1, MU2 and MU4 true (mutex_settle() of mutex_var.h).  `one` is 1 if lt
 * has room for only one more thread.  Then what is lent to a former holder
 * stays as it is, until unlock_late() of that holder takes it back (MU3).
 */
static int
settle(struct lwkt_mutex *mu, struct park_bucket *b, struct lend_todo *lt,
    int one)
{
	struct park *first = park_first(b, mu);
	uint64_t w = atomic_load_64(&mu->mu_word), to;

	for (;;) {
		to = (w & ~MU_BEST) | best_bits(first);
		if ((w & MU_OWNER) == 0 && first == NULL)
			to = 0;
		else if ((w & MU_OWNER) != 0 && first != NULL)
			to |= MU_SLOW;
		if (!atomic_fcmpset_64(&mu->mu_word, &w, to))
			continue;
		if ((to & MU_OWNER) == 0 || ((w ^ to) & MU_SLOW) == 0 ||
		    holder_knows(mu, to))
			break;
		w = atomic_load_64(&mu->mu_word);
	}
	if (!one || mu->mu_lent == 0 || ((mu->mu_lent ^ to) & MU_OWNER) == 0)
		lend(mu, to, lt);				/* MU3 */
	return (to & MU_OWNER) != 0;
}

/* Make MU1, MU2 and MU4 true, as mutex_var.h says. */
int
mutex_settle(struct lwkt_mutex *mu, struct park_bucket *b, struct lend_todo *lt)
{
	return settle(mu, b, lt, 0);
}

/*
 * If the mutex is free, take the best waiter off the queue and return it: the
 * caller must notify it.  Return NULL if the queue is empty or the mutex is
 * held; if it is held, settle() is called.  The bucket is locked.
 */
static struct park *
choose(struct lwkt_mutex *mu, struct park_bucket *b, struct lend_todo *lt)
{
	struct park *first = park_first(b, mu);
	uint64_t w = atomic_load_64(&mu->mu_word);
	struct lwkt_turn *next;

	if (first == NULL)
		return NULL;
	next = turn_next(&first->pk_turn, &first->pk_turn);
	do {
		if ((w & MU_OWNER) != 0) {
			(void)settle(mu, b, lt, 1);
			return NULL;
		}
	} while (!atomic_fcmpset_64(&mu->mu_word, &w,
	    best_bits(next != NULL ? park_of(next) : NULL)));
	park_take(b, first);					/* MU1 */
	return first;
}

/* If pk is not NULL, notify this waiter: it will try to take the mutex. */
static inline void
notify_if(struct park *pk)
{
	if (pk != NULL)
		park_notify(pk, PARK_NOTIFIED);
}

/*
 * The caller was notified and must try to take the mutex, but gives up.  Lock
 * the bucket and, if the mutex is free, notify the best queued waiter instead.
 * In a critical section.
 */
void
mutex_pass_on(struct lwkt_mutex *mu)
{
	struct lend_todo lt = { .lt_n = 0 };
	struct park_bucket *b = park_lock(mu);
	struct park *pk = NULL;

	if (!mutex_settle(mu, b, &lt))				/* MU2 */
		pk = choose(mu, b, &lt);
	park_unlock(b);
	notify_if(pk);
	lend_carry_out(&lt);
}

/*
 * Settle, and return 1 if the mutex is free and the caller must see to MU2.
 * Return 0 if the mutex is held, or if a former holder is still lent something.
 * This former holder has yet to call unlock_late().  That takes the loan back
 * (MU3) and, if the mutex is still free, notifies a waiter.  It does neither if
 * it finds no waiter queued.  So the caller must not take a waiter off the
 * queue before.
 */
static int
free_for_good(struct lwkt_mutex *mu, struct park_bucket *b,
    struct lend_todo *lt)
{
	return !settle(mu, b, lt, 1) && mu->mu_lent == 0;
}

/*
 * lw_moved of a waiter (lend_var.h): give its record the new priority `pri`.
 * If the mutex is free, one more waiter may have to be notified (MU2): this
 * waiter, if it rises to the head of the queue; or the best queued waiter, if
 * this one was notified and its priority falls.
 */
void
mutex_moved(struct lend_wait *lw, int pri, struct lend_todo *lt)
{
	struct park *pk = container_of(lw, struct park, pk_lend);
	struct park *chosen = NULL;
	struct lwkt_mutex *mu = (void *)(uintptr_t)pk->pk_ident;
	int rises = pri > pk->pk_turn.tu_pri;
	struct park_bucket *b;

	if (pri == pk->pk_turn.tu_pri)
		return;
	b = park_lock(mu);
	if (atomic_load_32(&pk->pk_state) == PARK_QUEUED) {
		park_move(b, pk, pri);
		if (free_for_good(mu, b, lt) && rises &&
		    park_first(b, mu) == pk)
			chosen = choose(mu, b, lt);
	} else {
		/* Off the queue: if pri falls, queued waiters may be better. */
		pk->pk_turn.tu_pri = pri;
		if (!rises && free_for_good(mu, b, lt))		/* MU2 */
			chosen = choose(mu, b, lt);
	}
	park_unlock(b);
	notify_if(chosen);
}

/*
 * The holder of mu has barged, and the holder's own priority is about to be
 * lowered: let the best waiter lend to the holder (MU4).
 */
void
mutex_barged(struct lwkt_mutex *mu)
{
	struct lend_todo lt = { .lt_n = 0 };
	struct park_bucket *b = park_lock(mu);

	(void)mutex_settle(mu, b, &lt);				/* MU4 */
	park_unlock(b);
	lend_carry_out(&lt);
}

/*
 * If the mutex is free, take it for the caller, the waiter of pk, and return 1.
 * Else queue pk and return 0.  The bucket is locked.
 */
static int
take_or_queue(struct lwkt_mutex *mu, struct park_bucket *b, struct park *pk,
    struct lend_todo *lt)
{
	uint64_t w = atomic_load_64(&mu->mu_word), to;

	for (;;) {
		if ((w & MU_OWNER) != 0) {
			/*
			 * mutex_settle() sets MU_SLOW only in a word with a
			 * holder, which then has to lock the bucket.  If the
			 * mutex became free first, mutex_settle() returns 0:
			 * try to take the mutex again.
			 */
			park_insert(b, pk);
			if (mutex_settle(mu, b, lt))
				return 0;
			park_remove(b, pk);
			w = atomic_load_64(&mu->mu_word);
			continue;
		}
		to = pk->pk_holder | best_bits(park_first(b, mu)) |
		    (park_first(b, mu) != NULL ? MU_SLOW : 0);
		if (!atomic_fcmpset_64(&mu->mu_word, &w, to))
			continue;
		lend(mu, to, lt);				/* MU4 */
		return 1;
	}
}

/*
 * Lock the bucket.  If the mutex is free, take it for the caller, the waiter of
 * pk, and return 1.  Else queue pk and return 0.
 */
int
mutex_queue(struct lwkt_mutex *mu, struct park *pk)
{
	struct lend_todo lt = { .lt_n = 0 };
	struct park_bucket *b = park_lock(mu);
	int got = take_or_queue(mu, b, pk, &lt);

	park_unlock(b);
	if (got && pk->pk_td != NULL)
		lend_wait_end(pk->pk_td);
	lend_carry_out(&lt);
	return got;
}

/* Leave the queue after a timeout, as mutex_var.h says. */
uint32_t
mutex_leave(struct lwkt_mutex *mu, struct park *pk)
{
	struct lend_todo lt = { .lt_n = 0 };
	struct park_bucket *b = park_lock(mu);
	int queued = atomic_load_32(&pk->pk_state) == PARK_QUEUED;

	if (queued) {
		park_remove(b, pk);
		(void)mutex_settle(mu, b, &lt);
	}
	park_unlock(b);
	lend_carry_out(&lt);
	if (queued)
		lend_wait_end(pk->pk_td);
	else
		(void)park_wait(pk, 0, mu->mu_name, LWKT_FOREVER);
	return park_state(pk);
}

/*
 * Release the mutex of the caller td (NULL: a pthread), whose word has MU_SLOW
 * or all bits of MU_LATE: give it to the best waiter, if park_deserves() says
 * so, or make it free and, if there is a waiter, notify the best one, which
 * tries to take it.  The word of a held mutex is changed only by its holder or
 * with the bucket locked, so a store without a locked instruction is enough.
 * The bucket is locked; unlocks it.
 */
void
mutex_give(struct lwkt_mutex *mu, struct park_bucket *b, lwkt_thread_t td,
    struct lend_todo *lt)
{
	struct park *first = park_first(b, mu), *next;
	enum park_state how = PARK_NOTIFIED;
	uint64_t to = 0;

	if (first != NULL) {
		park_take(b, first);
		next = park_first(b, mu);
		to = best_bits(next);				/* MU1 */
		if (park_deserves(first, td)) {
			how = PARK_OWNER;
			to |= first->pk_holder |
			    (next != NULL ? MU_SLOW : 0);	/* MU2 */
		}
	}
	lend(mu, to, lt);				/* MU3, MU4 */
	atomic_store_rel_64(&mu->mu_word, to);
	park_unlock(b);
	if (how == PARK_OWNER && td != NULL)
		counter_inc(mygd()->gd_cntbias, handed);
	if (first != NULL)
		park_notify(first, how);
}
