/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lockmgr: shared and exclusive locks for long waits.
 *
 * THEORY
 * A spinlock protects the fields of the lock; every request takes it.  A
 * request that must wait queues a record (turn.c), releases the spinlock and
 * blocks.  A thread that changes the lock or its queues gives the lock to the
 * waiters that can then have it (grant).  It counts their takings before it
 * makes them runnable.  So no later request can overtake them, and a lock with
 * waiters is never free.
 *
 * Waiters are served by priority, those of equal priority in order of arrival.
 * If the best exclusive and the best shared waiter have equal priority,
 * exclusive and shared holders alternate: after an exclusive holder all shared
 * waiters follow, except those of lower priority than the best exclusive
 * waiter; after shared holders one exclusive waiter follows.  While the lock is
 * held shared, a new shared request waits if an exclusive waiter has at least
 * equal priority, or if an upgrade waits.
 *
 * An upgrade is a request of a shared holder to become the exclusive one.  It
 * waits until the other shared holders have left.  At most one upgrade waits,
 * and it is served before all other waiters.
 *
 * Waiters do not lend their priority to the holders (lend.c).
 *
 * INVARIANTS
 * LK1 lk_excl > 0 => lk_shared == 0, and lk_owner is the thread that holds the
 *    lock.  lk_excl == 0 => lk_owner is NULL.
 * LK2 lk_upgrade != NULL => lk_shared > 1, and one of these takings is that of
 *    the thread that waits for the upgrade.
 * LK3 While the spinlock is free, no waiter could be given the lock: a lock
 *    that is not held has no waiters; a lock that is held shared, without an
 *    upgrade, has no shared waiter that is better than all exclusive waiters.
 * LK4 When a request that waits is granted, or fails (not by its timeout or an
 *    interrupt), its record leaves the queue and becomes PARK_TAKEN.  The
 *    waiter is notified (park_notify) after the spinlock was released, in the
 *    same critical section.
 *
 * Source: DragonFly kern_lock.c for the interface; 4.4BSD for what a failed
 * upgrade leaves; the order of service as in mtx_wait.c.
 */
#include "kern/sleep/synch_var.h"
#include "kern/lock/lock_var.h"
#include "kern/lock/lockorder.h"
#include "kern/lock/park_var.h"

#include <errno.h>
#include <lwkt/lock.h>
#include <lwkt/synch.h>
#include <string.h>

TRACEPOINT(wait, KTR_SLEEP, "lock.wait", "td=%llu flags=%#llx");

COUNTER(contended, "lwkt.lock_contended", "sleeps for lockmgr locks");

/* One request: the arguments of lwkt_lockmgr() or lock_again(). */
struct lock_req {
	lwkt_lock_t	rq_lock;
	lwkt_thread_t	rq_td;		/* the caller */
	unsigned	rq_flags;	/* LWKT_LK_*, with those of rq_lock */
	int64_t		rq_deadline;	/* result of wait_deadline() */
};

/* A request that waits. */
struct lock_wait {
	struct park	lw_park;	/* in no bucket; under lk_spin */
	const struct lock_req *lw_rq;
	struct lwkt_turn **lw_queue;	/* lk_ex or lk_sh; NULL: an upgrade */
	int		lw_error;	/* result, once notified: 0 or ENOLCK */
};

/* List of the records whose waiters must be notified, by pk_chain (LK4). */
struct granted {
	struct park	*gr_first;
	struct park	**gr_lastp;	/* the NULL at the end of the list */
};

/* Thread context; never blocks. */
void
lwkt_lockinit(lwkt_lock_t lk, const char *name, int64_t timo_ns,
    unsigned flags)
{
	memset(lk, 0, sizeof(*lk));
	lwkt_spin_init(&lk->lk_spin, name);
	lk->lk_flags = flags & ~LWKT_LK_TYPE;
	lk->lk_timo = timo_ns;
}

/* Thread context; never blocks. */
void
lwkt_lockuninit(lwkt_lock_t lk)
{
	KASSERTF(lwkt_lockcount(lk) == 0, "lock \"%s\" is still held",
	    lk->lk_spin.s_name);
}

/* Panic: the caller uses lk wrongly.  `what` says how, for the message. */
static __lwkt_noreturn void
misuse(lwkt_lock_t lk, const char *what)
{
	lwkt_panic("lock \"%s\" %s by thread \"%s\"", lk->lk_spin.s_name, what,
	    curthread->td_name);
}

/*
 * In invariants builds: panic unless the fields agree with LK1, LK2 and LK3 and
 * both queues are in order.  Which thread holds the lock is not tested.
 * Spinlock held.
 */
static void
lock_check(lwkt_lock_t lk)
{
	int ex = turn_best(lk->lk_ex), sh = turn_best(lk->lk_sh);

	if (!config_invariants)
		return;
	KASSERTF((lk->lk_excl == 0 || lk->lk_shared == 0) &&
	    (lk->lk_excl != 0) == (lk->lk_owner != NULL) &&
	    (lk->lk_upgrade == NULL || lk->lk_shared > 1),
	    "lock \"%s\": held %u times exclusive, %u times shared, upgrade %p",
	    lk->lk_spin.s_name, lk->lk_excl, lk->lk_shared,
	    (void *)lk->lk_upgrade);				/* LK1, LK2 */
	KASSERTF(lk->lk_excl != 0 || lk->lk_upgrade != NULL ||
	    (lk->lk_shared == 0 ? ex < 0 && sh < 0 : sh < 0 || ex >= sh),
	    "lock \"%s\": held %u times shared; best waiters: exclusive %d, "
	    "shared %d", lk->lk_spin.s_name, lk->lk_shared, ex, sh); /* LK3 */
	(void)turn_count(lk->lk_ex);
	(void)turn_count(lk->lk_sh);
}

/* Return the record that contains tu. */
static inline struct lock_wait *
wait_of(struct lwkt_turn *tu)
{
	return container_of(park_of(tu), struct lock_wait, lw_park);
}

/* Make td the exclusive holder of a lock that is not held.  Spinlock held. */
static inline void
own(lwkt_lock_t lk, lwkt_thread_t td)
{
	INVARIANT(lk->lk_shared == 0);				/* LK1 */
	lk->lk_owner = td;
	lk->lk_excl = 1;
}

/*
 * End the wait of lw with the result `error`: take the record off its queue and
 * append it to gr.  An upgrade (lw_queue is NULL) is in no queue.  Spinlock
 * held.
 */
static void
finish(struct lock_wait *lw, int error, struct granted *gr)
{
	struct park *pk = &lw->lw_park;

	if (lw->lw_queue != NULL)
		turn_remove(lw->lw_queue, &pk->pk_turn);
	atomic_store_32(&pk->pk_state, PARK_TAKEN);		/* LK4 */
	lw->lw_error = error;
	pk->pk_chain = NULL;
	*gr->gr_lastp = pk;
	gr->gr_lastp = &pk->pk_chain;
}

/*
 * Return the result of a waiting request that can now be granted: ENOLCK if the
 * waiter does not want the lock after a wait (LWKT_LK_SLEEPFAIL), else 0.
 */
static inline int
fails(const struct lock_wait *lw)
{
	return lw->lw_rq->rq_flags & LWKT_LK_SLEEPFAIL ? ENOLCK : 0;
}

/*
 * End the wait for an upgrade: its thread is now the only shared holder.  Make
 * it the exclusive holder.  With LWKT_LK_SLEEPFAIL the upgrade fails instead,
 * and the shared taking is released.  Spinlock held.
 */
static void
grant_upgrade(lwkt_lock_t lk, struct granted *gr)
{
	struct lock_wait *lw = wait_of(lk->lk_upgrade);
	int error = fails(lw);

	lk->lk_upgrade = NULL;
	lk->lk_shared = 0;
	if (error == 0)
		own(lk, lw->lw_rq->rq_td);
	finish(lw, error, gr);
}

/*
 * End the wait of the waiter tu, which comes next: give it the lock.  With
 * LWKT_LK_SLEEPFAIL the request fails instead.  Spinlock held.
 */
static void
grant_one(lwkt_lock_t lk, struct lwkt_turn *tu, struct granted *gr)
{
	struct lock_wait *lw = wait_of(tu);
	int error = fails(lw);

	if (error == 0 && lw->lw_queue == &lk->lk_sh)
		lk->lk_shared++;
	else if (error == 0)
		own(lk, lw->lw_rq->rq_td);
	finish(lw, error, gr);
}

/*
 * Grant waiting requests until LK3 is true, and append their records to gr.  A
 * request with LWKT_LK_SLEEPFAIL fails instead.  was_ex is 1 if an exclusive
 * holder has just released or downgraded the lock: then shared waiters are
 * served before exclusive ones of equal priority.  Spinlock held.
 */
static void
grant(lwkt_lock_t lk, int was_ex, struct granted *gr)
{
	int ex, sh, least;

	if (lk->lk_upgrade != NULL && lk->lk_shared == 1)
		grant_upgrade(lk, gr);
	while (lk->lk_excl == 0 && lk->lk_upgrade == NULL &&
	    (lk->lk_ex != NULL || lk->lk_sh != NULL)) {
		ex = turn_best(lk->lk_ex);
		sh = turn_best(lk->lk_sh);
		if (lk->lk_shared == 0 &&
		    (ex > sh || (ex == sh && !was_ex))) {
			grant_one(lk, lk->lk_ex, gr);
			continue;
		}
		least = lk->lk_shared == 0 || was_ex ? ex : ex + 1;
		while (lk->lk_sh != NULL && lk->lk_sh->tu_pri >= least)
			grant_one(lk, lk->lk_sh, gr);
		if (lk->lk_shared != 0)
			break;
	}
}

/*
 * Grant waiting requests (was_ex: see grant()), release the spinlock, and
 * notify the waiters of these requests.  Never blocks.
 */
static void
next(lwkt_lock_t lk, int was_ex)
{
	struct granted gr = { NULL, &gr.gr_first };
	lwkt_thread_t td = curthread;

	grant(lk, was_ex, &gr);
	lock_check(lk);
	crit_enter_td(td);
	lwkt_spin_unlock(&lk->lk_spin);
	park_notify_all(gr.gr_first, PARK_NOTIFIED);		/* LK4 */
	crit_exit_td(td);
}

/*
 * lw_moved of a waiter (lend_var.h): give its record the new priority `pri`, if
 * the request still waits.  Then grant what the new order allows.
 */
static void
moved(struct lend_wait *le, int pri, struct lend_todo *lt)
{
	struct park *pk = container_of(le, struct park, pk_lend);
	struct lock_wait *lw = container_of(pk, struct lock_wait, lw_park);
	lwkt_lock_t lk = lw->lw_rq->rq_lock;

	(void)lt;
	lwkt_spin_lock(&lk->lk_spin);
	if (atomic_load_32(&pk->pk_state) == PARK_QUEUED) {
		if (lw->lw_queue != NULL)
			turn_remove(lw->lw_queue, &pk->pk_turn);
		pk->pk_turn.tu_pri = pri;
		if (lw->lw_queue != NULL)
			turn_insert(lw->lw_queue, &pk->pk_turn);
	}
	next(lk, 0);
}

/*
 * Return whether a cancellation is in progress (lock_cancel) and this request
 * can be canceled (LWKT_LK_CANCELABLE).  Spinlock held.
 */
static inline int
canceled(const struct lock_req *rq)
{
	return rq->rq_lock->lk_cancel && (rq->rq_flags & LWKT_LK_CANCELABLE);
}

/*
 * The request cannot be granted now.  Return 0 if it may wait, EBUSY if its
 * flags forbid that, ENOLCK if it is canceled.
 */
static int
refused(const struct lock_req *rq)
{
	if (rq->rq_flags & LWKT_LK_NOWAIT)
		return EBUSY;
	return canceled(rq) ? ENOLCK : 0;
}

/*
 * End a wait early and return `error`, the result of park_wait(); an upgrade
 * loses its shared taking.  If the request was granted or failed meanwhile,
 * wait until this thread is notified, and return that result (lw_error)
 * instead; if error is EINTR, the interrupt is then pending again.  In a
 * critical section, without the spinlock.
 */
static int
give_up(struct lock_wait *lw, int error)
{
	lwkt_lock_t lk = lw->lw_rq->rq_lock;
	struct park *pk = &lw->lw_park;

	lwkt_spin_lock(&lk->lk_spin);
	if (atomic_load_32(&pk->pk_state) != PARK_QUEUED) {
		lwkt_spin_unlock(&lk->lk_spin);
		(void)park_wait(pk, 0, lk->lk_spin.s_name, LWKT_FOREVER);
		if (error == EINTR && lw->lw_error != EINTR)
			intr_repost(pk->pk_td);
		return lw->lw_error;
	}
	atomic_store_32(&pk->pk_state, PARK_NONE);
	lend_wait_end(pk->pk_td);
	if (lw->lw_queue != NULL) {
		turn_remove(lw->lw_queue, &pk->pk_turn);
	} else {
		lk->lk_upgrade = NULL;
		lk->lk_shared--;
	}
	next(lk, 0);
	return error;
}

/*
 * Queue the request in `queue`, or as the upgrade if queue is NULL, and wait.
 * Called with the spinlock, returns without; blocks.  Returns 0: granted;
 * ENOLCK: failed (LWKT_LK_SLEEPFAIL or a cancellation); EWOULDBLOCK; EINTR.
 */
static int
wait_turn(const struct lock_req *rq, struct lwkt_turn **queue)
{
	lwkt_lock_t lk = rq->rq_lock;
	struct lock_wait lw = { .lw_rq = rq, .lw_queue = queue };
	struct park *pk = &lw.lw_park;
	int error;

	crit_enter_td(rq->rq_td);
	counter_inc(mygd()->gd_cntbias, contended);
	ktr(mygd(), wait, rq->rq_td->td_id, rq->rq_flags);
	park_init(pk, lk);
	pk->pk_lend.lw_moved = moved;
	pk->pk_turn.tu_ticket = ++lk->lk_tickets;
	atomic_store_32(&pk->pk_state, PARK_QUEUED);
	if (queue != NULL)
		turn_insert(queue, &pk->pk_turn);
	else
		lk->lk_upgrade = &pk->pk_turn;			/* LK2 */
	lend_wait_begin(rq->rq_td, &pk->pk_lend);
	lock_check(lk);
	lwkt_spin_unlock(&lk->lk_spin);
	wait_owner(&lk->lk_owner);
	error = park_wait(pk, rq->rq_flags & LWKT_LK_PCATCH ? LWKT_PCATCH : 0,
	    lk->lk_spin.s_name, rq->rq_deadline);
	error = error != 0 ? give_up(&lw, error) : lw.lw_error;
	wait_owner(NULL);
	crit_exit_td(rq->rq_td);
	return error;
}

/*
 * The operations of lwkt_lockmgr().  Each is called with the spinlock and
 * returns without it.  Each returns 0 or an error: EBUSY, if LWKT_LK_NOWAIT
 * forbids to wait (see also lock_upgrade); ENOLCK, for a request with
 * LWKT_LK_CANCELABLE during a cancellation; or an error of wait_turn().
 */

/*
 * Take the lock shared.  If the caller is the exclusive holder, this counts as
 * one more exclusive taking.  Else wait for an exclusive holder, an upgrade,
 * and exclusive waiters of at least equal priority.
 */
static int
lock_shared(const struct lock_req *rq)
{
	lwkt_lock_t lk = rq->rq_lock;
	int error = 0;

	if (lk->lk_owner == rq->rq_td) {
		lk->lk_excl++;
	} else if (lk->lk_excl != 0 || lk->lk_upgrade != NULL ||
	    lend_rank(rq->rq_td) <= turn_best(lk->lk_ex)) {
		if ((error = refused(rq)) == 0)
			return wait_turn(rq, &lk->lk_sh);
	} else {
		lk->lk_shared++;
	}
	lwkt_spin_unlock(&lk->lk_spin);
	return error;
}

/*
 * Take the lock exclusively.  Waits for all holders.  If the caller is already
 * the exclusive holder: with LWKT_LK_CANRECURSE count one more taking, else
 * with LWKT_LK_NOWAIT return EBUSY, else panic.
 */
static int
lock_exclusive(const struct lock_req *rq)
{
	lwkt_lock_t lk = rq->rq_lock;
	int error = 0;

	if (lk->lk_owner == rq->rq_td) {
		if (rq->rq_flags & LWKT_LK_CANRECURSE)
			lk->lk_excl++;
		else if (rq->rq_flags & LWKT_LK_NOWAIT)
			error = EBUSY;
		else
			misuse(lk, "is taken again, without "
			    "LWKT_LK_CANRECURSE,");
	} else if (lk->lk_excl != 0 || lk->lk_shared != 0) {
		if ((error = refused(rq)) == 0)
			return wait_turn(rq, &lk->lk_ex);
	} else {
		own(lk, rq->rq_td);
	}
	lwkt_spin_unlock(&lk->lk_spin);
	return error;
}

/*
 * Turn one shared taking into an exclusive one; waits for all other shared
 * holders.  If the caller is the exclusive holder, this has no effect.  Panics
 * if nobody holds the lock shared.  After an error the shared taking of the
 * caller is released.  If another upgrade waits: LWKT_LK_EXCLUPGRADE fails with
 * EBUSY;
 * LWKT_LK_UPGRADE releases the shared taking and requests the lock exclusively,
 * so other threads may hold the lock before the upgrade returns.
 */
static int
lock_upgrade(const struct lock_req *rq)
{
	lwkt_lock_t lk = rq->rq_lock;
	int error = 0;

	if (lk->lk_owner == rq->rq_td) {
		lwkt_spin_unlock(&lk->lk_spin);
		return 0;
	}
	if (lk->lk_shared == 0)
		misuse(lk, "is upgraded, though not held shared,");
	if (lk->lk_upgrade != NULL) {
		/*
		 * Two upgrades would wait for each other's shared taking for
		 * ever.  So the second one releases its own.
		 */
		lk->lk_shared--;
		next(lk, 0);
		if ((rq->rq_flags & LWKT_LK_TYPE) == LWKT_LK_EXCLUPGRADE)
			return EBUSY;
		lwkt_spin_lock(&lk->lk_spin);
		return lock_exclusive(rq);
	}
	if (lk->lk_shared != 1 && (error = refused(rq)) == 0)
		return wait_turn(rq, NULL);
	lk->lk_shared--;
	if (error == 0)
		own(lk, rq->rq_td);
	next(lk, 0);
	return error;
}

/* Turn all exclusive takings into shared ones; panic if there are none. */
static int
lock_downgrade(const struct lock_req *rq)
{
	lwkt_lock_t lk = rq->rq_lock;

	if (lk->lk_owner != rq->rq_td)
		misuse(lk, "is downgraded, though not held exclusively,");
	lk->lk_shared = lk->lk_excl;
	lk->lk_excl = 0;
	lk->lk_owner = NULL;
	next(lk, 1);
	return 0;
}

/*
 * Release one taking: an exclusive one if the caller is the exclusive holder,
 * else a shared one, of whichever thread.  Panic if there is neither.
 */
static int
lock_release(const struct lock_req *rq)
{
	lwkt_lock_t lk = rq->rq_lock;

	if (lk->lk_owner == rq->rq_td) {
		if (--lk->lk_excl == 0)
			lk->lk_owner = NULL;
		next(lk, 1);
		return 0;
	}
	if (lk->lk_shared == 0)
		misuse(lk, "is released, though not held,");
	lk->lk_shared--;
	next(lk, 0);
	return 0;
}

/*
 * If a cancellation is in progress, make the requests in the queue that can be
 * canceled fail with ENOLCK.  Their records are appended to gr.
 */
static void
cancel_queue(struct lwkt_turn **queue, struct granted *gr)
{
	struct lwkt_turn *tu = *queue, *next;

	for (; tu != NULL; tu = next) {
		next = turn_next(*queue, tu);
		if (canceled(wait_of(tu)->lw_rq))
			finish(wait_of(tu), ENOLCK, gr);
	}
}

/*
 * Begin (on = 1) or end (on = 0) a cancellation.  At the beginning all waiting
 * requests with LWKT_LK_CANCELABLE fail with ENOLCK.  Until the end new ones
 * fail instead of waiting.  The caller holds the lock exclusively.
 */
static int
lock_cancel(const struct lock_req *rq, uint32_t on)
{
	struct granted gr = { NULL, &gr.gr_first };
	lwkt_lock_t lk = rq->rq_lock;

	if (lk->lk_owner != rq->rq_td)
		misuse(lk, "is canceled, though not held exclusively,");
	lk->lk_cancel = on;
	cancel_queue(&lk->lk_ex, &gr);
	cancel_queue(&lk->lk_sh, &gr);
	crit_enter_td(rq->rq_td);
	lwkt_spin_unlock(&lk->lk_spin);
	park_notify_all(gr.gr_first, PARK_NOTIFIED);		/* LK4 */
	crit_exit_td(rq->rq_td);
	return 0;
}

/*
 * Execute the operation that rq_flags names.  Returns the result of that
 * operation.  Panics if the flags name none.
 */
static int
request(struct lock_req *rq)
{
	lwkt_lock_t lk = rq->rq_lock;

	lwkt_spin_lock(&lk->lk_spin);
	switch (rq->rq_flags & LWKT_LK_TYPE) {
	case LWKT_LK_SHARED:
		return lock_shared(rq);
	case LWKT_LK_EXCLUSIVE:
		return lock_exclusive(rq);
	case LWKT_LK_UPGRADE:
	case LWKT_LK_EXCLUPGRADE:
		return lock_upgrade(rq);
	case LWKT_LK_DOWNGRADE:
		return lock_downgrade(rq);
	case LWKT_LK_RELEASE:
		return lock_release(rq);
	case LWKT_LK_CANCEL_BEG:
		return lock_cancel(rq, 1);
	case LWKT_LK_CANCEL_END:
		return lock_cancel(rq, 0);
	}
	lwkt_panic("lock \"%s\": no operation in flags %#x (lwkt_lockmgr(3))",
	    lk->lk_spin.s_name, rq->rq_flags);
}

/*
 * A request of `type` has ended with `error`.  Report to lockorder.c if the
 * caller has taken the lock or changed how it holds it, or has dropped a taking
 * (failed upgrade).  A release was reported before the request.  lk_excl is
 * read without the spinlock: it stays 0, or not 0, while the caller holds the
 * lock.
 */
static inline void
note(lwkt_lock_t lk, unsigned type, int error)
{
	int upgrade = type == LWKT_LK_UPGRADE || type == LWKT_LK_EXCLUPGRADE;

	if (error != 0) {
		if (upgrade)
			order_drop(lk);
		return;
	}
	if (type == LWKT_LK_SHARED || type == LWKT_LK_EXCLUSIVE)
		order_took(LK_LOCKMGR, lk, lk->lk_spin.s_name);
	if (upgrade)
		order_owned(lk);
	if (type == LWKT_LK_DOWNGRADE ||
	    (type == LWKT_LK_SHARED && config_invariants && lk->lk_excl == 0))
		order_shared(lk);
}

/*
 * Take the lock shared or exclusively; always succeeds.  Blocks until the lock
 * can be taken, without a time limit.  The flags and the timeout that were
 * given to lwkt_lockinit() do not apply.
 */
void
lock_again(lwkt_lock_t lk, unsigned type)
{
	struct lock_req rq = { lk, caller_thread(), type, LWKT_FOREVER };

	order_want(LK_LOCKMGR, lk, lk->lk_spin.s_name);
	(void)request(&rq);
	note(lk, type, 0);
}

/*
 * Thread context; taking and upgrading may block.  A callback may only make
 * calls with LWKT_LK_NOWAIT, and calls that release: they never block.
 */
int
lwkt_lockmgr(lwkt_lock_t lk, unsigned flags)
{
	struct lock_req rq = { lk, caller_thread(), flags | lk->lk_flags,
	    LWKT_FOREVER };
	unsigned type = flags & LWKT_LK_TYPE;
	int error;

	if ((rq.rq_flags & LWKT_LK_TIMELOCK) && lk->lk_timo > 0)
		rq.rq_deadline = wait_deadline(lk->lk_timo);
	if ((rq.rq_flags & LWKT_LK_NOWAIT) == 0 &&
	    (type == LWKT_LK_SHARED || type == LWKT_LK_EXCLUSIVE))
		order_want(LK_LOCKMGR, lk, lk->lk_spin.s_name);
	if (type == LWKT_LK_RELEASE)
		order_drop(lk);
	error = request(&rq);
	note(lk, type, error);
	return error;
}

/* Thread or callback; never blocks. */
int
lwkt_lockmgr_try(lwkt_lock_t lk, unsigned flags)
{
	return lwkt_lockmgr(lk, flags | LWKT_LK_NOWAIT);
}

/* Thread context; never blocks. */
unsigned
lwkt_lockstatus(lwkt_lock_t lk, lwkt_thread_t td)
{
	unsigned status = 0;

	lwkt_spin_lock_shared(&lk->lk_spin);
	if (lk->lk_excl != 0)
		status = td == NULL || lk->lk_owner == td ?
		    LWKT_LK_EXCLUSIVE : LWKT_LK_EXCLOTHER;
	else if (lk->lk_shared != 0)
		status = LWKT_LK_SHARED;
	lwkt_spin_unlock_shared(&lk->lk_spin);
	return status;
}

/* Thread context; never blocks. */
int
lwkt_lockowned(lwkt_lock_t lk)
{
	return lwkt_lockstatus(lk, curthread) == LWKT_LK_EXCLUSIVE;
}

/* Thread context; never blocks. */
unsigned
lwkt_lockcount(lwkt_lock_t lk)
{
	unsigned n;

	lwkt_spin_lock_shared(&lk->lk_spin);
	n = lk->lk_excl + lk->lk_shared;
	lwkt_spin_unlock_shared(&lk->lk_spin);
	return n;
}
