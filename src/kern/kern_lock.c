/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lockmgr: shared and exclusive locks for long waits.
 *
 * THEORY
 * A spinlock protects plain fields; every request takes it, looks, and has the
 * lock, or counts itself as a waiter, queues itself for a wakeup, lets go of
 * the spinlock and sleeps, and looks again.  Nothing is handed over: a change
 * wakes those who could go on now (next()), and they compete with whoever
 * comes by.  Who leaves the waiters without the lock does the same, for it may
 * have been the one who was woken.
 *
 * There are three places to sleep, each the address of a field: &lk_exwait,
 * &lk_shwait and, for the one shared holder who waits to be alone, &lk_upgrade.
 *
 * INVARIANTS
 * L1 lk_excl > 0 => lk_shared == 0, and lk_owner holds it; else lk_owner is
 *    NULL.
 * L2 lk_upgrade => lk_shared > 0, one of them its.
 * L3 Where nobody is excluded any more somebody has been woken.
 *
 * ORDER
 * A waiter queues itself before it gives the spinlock back; a waker changes
 * the fields under the spinlock and wakes afterwards.
 *
 * Source: DragonFly kern_lock.c for the interface; 4.4BSD for what a failed
 * upgrade leaves.
 */
#include <lwkt/lock.h>

#include <errno.h>
#include <lwkt/synch.h>
#include <string.h>

#include "kern/lock_var.h"
#include "kern/lockorder.h"

TRACEPOINT(wait, KTR_SLEEP, "lock.wait", "td=%llu flags=%#llx");

COUNTER(contended, "lwkt.lock_contended", "sleeps for lockmgr locks");

/* One request. */
struct lock_req {
	lwkt_lock_t	rq_lock;
	lwkt_thread_t	rq_td;
	unsigned	rq_flags;
	int64_t		rq_deadline;
};

void
lwkt_lockinit(lwkt_lock_t lk, const char *name, int64_t timo_ns,
    unsigned flags)
{
	memset(lk, 0, sizeof(*lk));
	lwkt_spin_init(&lk->lk_spin, name);
	lk->lk_flags = flags & ~LWKT_LK_TYPE;
	lk->lk_timo = timo_ns;
}

void
lwkt_lockuninit(lwkt_lock_t lk)
{
	KASSERTF(lwkt_lockcount(lk) == 0, "lock \"%s\" is held",
	    lk->lk_spin.s_name);
}

static __lwkt_noreturn void
misuse(lwkt_lock_t lk, const char *what)
{
	lwkt_panic("lock \"%s\" %s by thread \"%s\"", lk->lk_spin.s_name, what,
	    curthread->td_name);
}

/* L1 and L2, in invariants builds; spinlock held. */
static void
lock_check(lwkt_lock_t lk)
{
	if (!config_invariants)
		return;
	KASSERTF((lk->lk_excl == 0 || lk->lk_shared == 0) &&
	    (lk->lk_excl != 0) == (lk->lk_owner != NULL) &&
	    lk->lk_upgrade <= 1 && (!lk->lk_upgrade || lk->lk_shared != 0),
	    "lock \"%s\": %u exclusive, %u shared takings, %u upgrades",
	    lk->lk_spin.s_name, lk->lk_excl, lk->lk_shared, lk->lk_upgrade);
}

/* Give back the spinlock, then wake who can go on. */
static void
next(lwkt_lock_t lk)
{
	const void *one = NULL, *all = NULL;

	lock_check(lk);
	if (lk->lk_upgrade) {
		if (lk->lk_shared == 1)
			one = &lk->lk_upgrade;
	} else if (lk->lk_excl == 0 && lk->lk_exwait != 0) {
		if (lk->lk_shared == 0)
			one = &lk->lk_exwait;
	} else if (lk->lk_excl == 0 && lk->lk_shwait != 0) {
		all = &lk->lk_shwait;
	}
	lwkt_spin_unlock(&lk->lk_spin);
	if (one != NULL)
		lwkt_wakeup_domain_one(one, PDOMAIN_LOCK);	/* L3 */
	else if (all != NULL)
		lwkt_wakeup_domain(all, PDOMAIN_LOCK);
}

static inline int
canceled(const struct lock_req *rq)
{
	return rq->rq_lock->lk_cancel && (rq->rq_flags & LWKT_LK_CANCELABLE);
}

/* Sleep on ident; the spinlock is held before and after. */
static int
sleep_on(const struct lock_req *rq, const void *ident)
{
	lwkt_lock_t lk = rq->rq_lock;
	int error;

	if (rq->rq_flags & LWKT_LK_NOWAIT)
		return EBUSY;
	if (canceled(rq))
		return ENOLCK;
	counter_inc(mygd()->gd_cntbias, contended);
	ktr(mygd(), wait, rq->rq_td->td_id, rq->rq_flags);
	lwkt_tsleep_interlock(ident, PDOMAIN_LOCK);
	lwkt_spin_unlock(&lk->lk_spin);
	wait_owner(&lk->lk_owner);
	error = lwkt_tsleep(ident, PDOMAIN_LOCK | LWKT_PINTERLOCKED |
	    (rq->rq_flags & LWKT_LK_PCATCH ? LWKT_PCATCH : 0),
	    lk->lk_spin.s_name, wait_left(rq->rq_deadline));
	wait_owner(NULL);
	lwkt_spin_lock(&lk->lk_spin);
	if (error == 0 && (canceled(rq) || (rq->rq_flags & LWKT_LK_SLEEPFAIL)))
		error = ENOLCK;
	return error;
}

static inline void
own(lwkt_lock_t lk, lwkt_thread_t td)
{
	INVARIANT(lk->lk_shared == 0);				/* L1 */
	lk->lk_owner = td;
	lk->lk_excl = 1;
}

/*
 * The operations: called with the spinlock, return without.
 */
static int
lock_shared(const struct lock_req *rq)
{
	lwkt_lock_t lk = rq->rq_lock;
	int error = 0;

	if (lk->lk_owner == rq->rq_td) {
		lk->lk_excl++;
		lwkt_spin_unlock(&lk->lk_spin);
		return 0;
	}
	lk->lk_shwait++;
	while (error == 0 &&
	    (lk->lk_excl != 0 || lk->lk_exwait != 0 || lk->lk_upgrade))
		error = sleep_on(rq, &lk->lk_shwait);
	lk->lk_shwait--;
	if (error == 0)
		lk->lk_shared++;
	lwkt_spin_unlock(&lk->lk_spin);
	return error;
}

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
			misuse(lk, "is taken again");
		lwkt_spin_unlock(&lk->lk_spin);
		return error;
	}
	lk->lk_exwait++;
	while (error == 0 && (lk->lk_excl != 0 || lk->lk_shared != 0))
		error = sleep_on(rq, &lk->lk_exwait);
	lk->lk_exwait--;
	if (error == 0)
		own(lk, rq->rq_td);
	next(lk);
	return error;
}

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
		misuse(lk, "is not shared and upgraded");
	if (lk->lk_upgrade) {
		/* One of the two has to make room for the other. */
		lk->lk_shared--;
		next(lk);
		if ((rq->rq_flags & LWKT_LK_TYPE) == LWKT_LK_EXCLUPGRADE)
			return EBUSY;
		lwkt_spin_lock(&lk->lk_spin);
		return lock_exclusive(rq);
	}
	lk->lk_upgrade = 1;					/* L2 */
	while (error == 0 && lk->lk_shared != 1)
		error = sleep_on(rq, &lk->lk_upgrade);
	lk->lk_upgrade = 0;
	lk->lk_shared--;
	if (error == 0)
		own(lk, rq->rq_td);
	next(lk);
	return error;
}

static int
lock_downgrade(const struct lock_req *rq)
{
	lwkt_lock_t lk = rq->rq_lock;

	if (lk->lk_owner != rq->rq_td)
		misuse(lk, "is not owned and downgraded");
	lk->lk_shared = lk->lk_excl;
	lk->lk_excl = 0;
	lk->lk_owner = NULL;
	next(lk);
	return 0;
}

static int
lock_release(const struct lock_req *rq)
{
	lwkt_lock_t lk = rq->rq_lock;

	if (lk->lk_owner == rq->rq_td) {
		if (--lk->lk_excl == 0)
			lk->lk_owner = NULL;
	} else if (lk->lk_shared != 0) {
		lk->lk_shared--;
	} else {
		misuse(lk, "is not held and released");
	}
	next(lk);
	return 0;
}

/* Waiters that allow it are sent away, and none may wait, until the end. */
static int
lock_cancel(const struct lock_req *rq, uint32_t on)
{
	lwkt_lock_t lk = rq->rq_lock;

	if (lk->lk_owner != rq->rq_td)
		misuse(lk, "is not owned and canceled");
	lk->lk_cancel = on;
	lwkt_spin_unlock(&lk->lk_spin);
	if (on) {
		lwkt_wakeup_domain(&lk->lk_exwait, PDOMAIN_LOCK);
		lwkt_wakeup_domain(&lk->lk_shwait, PDOMAIN_LOCK);
	}
	return 0;
}

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
	lwkt_panic("lock \"%s\": flags %#x", lk->lk_spin.s_name,
	    rq->rq_flags);
}

/* For kern_lockorder.c: what a request that is over changed. */
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

/* Take it, waiting as long as that takes, whatever it was made for. */
void
lock_again(lwkt_lock_t lk, unsigned type)
{
	struct lock_req rq = { lk, caller_thread(), type, LWKT_FOREVER };

	order_want(LK_LOCKMGR, lk, lk->lk_spin.s_name);
	(void)request(&rq);
	note(lk, type, 0);
}

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

int
lwkt_lockmgr_try(lwkt_lock_t lk, unsigned flags)
{
	return lwkt_lockmgr(lk, flags | LWKT_LK_NOWAIT);
}

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

int
lwkt_lockowned(lwkt_lock_t lk)
{
	return lwkt_lockstatus(lk, curthread) == LWKT_LK_EXCLUSIVE;
}

unsigned
lwkt_lockcount(lwkt_lock_t lk)
{
	unsigned n;

	lwkt_spin_lock_shared(&lk->lk_spin);
	n = lk->lk_excl + lk->lk_shared;
	lwkt_spin_unlock_shared(&lk->lk_spin);
	return n;
}
