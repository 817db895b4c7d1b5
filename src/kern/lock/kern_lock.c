/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lockmgr: shared and exclusive locks for long waits.
 *
 * THEORY
 * A spinlock protects plain fields; every request takes it and reads them.  A
 * request that cannot have the lock queues a record (turn.c), releases the
 * spinlock and sleeps.  A thread that changes the lock gives it to the waiters
 * whose turn it is (grant).  Their takings are counted before they wake up, so
 * no later request can be faster, and a lock with waiters is never free.
 *
 * Turns go by priority, those of equal priority in order of arrival.  If the
 * best exclusive and the best shared waiter have equal priority, the phases
 * alternate.  After an exclusive holder all shared waiters follow, except those
 * of lower priority than the best exclusive one; after shared holders one
 * exclusive waiter follows.  A new shared request waits for the exclusive
 * waiters of at least equal priority.  The one shared holder that waits to be
 * the only one (an upgrade) comes before all waiters.
 *
 * Nothing is lent to the holders.
 *
 * INVARIANTS
 * LK1 lk_excl > 0 => lk_shared == 0, and lk_owner holds it; else lk_owner is
 *    NULL.
 * LK2 lk_upgrade != NULL => lk_shared > 1, and one of these takings belongs to
 *    the upgrade.
 * LK3 With the spinlock free no waiter could be granted: a free lock has no
 *    waiters; a shared one without an upgrade has no shared waiter that is
 *    better than all exclusive ones.
 * LK4 A record that was granted or refused is off the queue and PARK_TAKEN.  It
 *    is notified (park_tell) after the spinlock was released, in the same
 *    critical section.
 *
 * Source: DragonFly kern_lock.c for the interface; 4.4BSD for what a failed
 * upgrade leaves; the phases as in mtx_wait.c.
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

/* One request. */
struct lock_req {
	lwkt_lock_t	rq_lock;
	lwkt_thread_t	rq_td;
	unsigned	rq_flags;
	int64_t		rq_deadline;
};

/* A request that waits. */
struct lock_wait {
	struct park	lw_park;	/* of no bucket: spinlock held */
	const struct lock_req *lw_rq;
	struct lwkt_turn **lw_queue;	/* lk_ex or lk_sh; NULL: an upgrade */
	int		lw_error;	/* what it is told */
};

/* Records to notify after the spinlock was released. */
struct granted {
	struct park	*gr_first;
	struct park	**gr_lastp;
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

/* Panic because of a wrong use of the lock. */
static __lwkt_noreturn void
misuse(lwkt_lock_t lk, const char *what)
{
	lwkt_panic("lock \"%s\" %s by thread \"%s\"", lk->lk_spin.s_name, what,
	    curthread->td_name);
}

/* Check LK1, LK2 and LK3, in invariants builds.  Spinlock held. */
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

/* Make td the exclusive holder. */
static inline void
own(lwkt_lock_t lk, lwkt_thread_t td)
{
	INVARIANT(lk->lk_shared == 0);				/* LK1 */
	lk->lk_owner = td;
	lk->lk_excl = 1;
}

/* Take the record off its queue and note that it is to be notified. */
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
 * Return the error of a request whose turn it is: ENOLCK if its flags refuse
 * the lock after a wait (LWKT_LK_SLEEPFAIL), else 0.
 */
static inline int
fails(const struct lock_wait *lw)
{
	return lw->lw_rq->rq_flags & LWKT_LK_SLEEPFAIL ? ENOLCK : 0;
}

/* Give the lock to the upgrade, now the only shared holder. */
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

/* Give the lock to this waiter. */
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
 * Grant requests until LK3 is true.  If an exclusive holder has just left,
 * was_ex is 1.
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

/* Grant requests, release the spinlock, and notify the granted waiters. */
static void
next(lwkt_lock_t lk, int was_ex)
{
	struct granted gr = { NULL, &gr.gr_first };
	lwkt_thread_t td = curthread;

	grant(lk, was_ex, &gr);
	lock_check(lk);
	crit_enter_td(td);
	lwkt_spin_unlock(&lk->lk_spin);
	park_tell_all(gr.gr_first, PARK_TOLD);			/* LK4 */
	crit_exit_td(td);
}

/* lw_moved of a record: give it the new priority. */
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

/* Tell whether the lock cancels waits and this request allows it. */
static inline int
canceled(const struct lock_req *rq)
{
	return rq->rq_lock->lk_cancel && (rq->rq_flags & LWKT_LK_CANCELABLE);
}

/*
 * Return the error of a request that cannot be granted and must not wait, or 0
 * if it may wait.
 */
static int
refused(const struct lock_req *rq)
{
	if (rq->rq_flags & LWKT_LK_NOWAIT)
		return EBUSY;
	return canceled(rq) ? ENOLCK : 0;
}

/*
 * End a wait early.  If the record was taken meanwhile, wait until it is
 * notified and return that result instead.
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
 * Wait for a turn in that queue, or for the upgrade (queue is NULL).  Called
 * with the spinlock, returns without.
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
 * The operations.  Each is called with the spinlock and returns without it.
 */

/* Take the lock shared; for the exclusive holder, exclusively once more. */
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

/* Take the lock exclusively. */
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

/* Turn one shared taking into an exclusive one. */
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
		 * Two upgrades would wait for each other's shared taking: the
		 * second one gives up its own.
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

/* Turn all exclusive takings into shared ones. */
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

/* Release one taking. */
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

/* End the waits of a queue that can be canceled. */
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
 * Begin (on = 1) or end (0) a cancellation: cancelable requests that wait fail,
 * and no new one waits until the end.
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
	park_tell_all(gr.gr_first, PARK_TOLD);			/* LK4 */
	crit_exit_td(rq->rq_td);
	return 0;
}

/* Do what the flags of the request say. */
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

/* Note for lockorder.c what a request that has ended changed. */
static inline void
note(lwkt_lock_t lk, unsigned type, int error)
{
	if (error == 0 &&
	    (type == LWKT_LK_SHARED || type == LWKT_LK_EXCLUSIVE))
		order_took(LK_LOCKMGR, lk, lk->lk_spin.s_name);
	else if (type == LWKT_LK_RELEASE || (error != 0 &&
	    (type == LWKT_LK_UPGRADE || type == LWKT_LK_EXCLUPGRADE)))
		order_drop(lk);
}

/*
 * Take the lock and wait without limit; the flags of lwkt_lockinit do not
 * apply.
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
 * Thread context; taking and upgrading may block.  With LWKT_LK_NOWAIT, and to
 * release, also in a callback; then it never blocks.
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
