/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for a mtx: requests, hand-off, changes of priority, aborts.
 *
 * THEORY
 * The request of a waiter is a link in one of two queues (turn.c), which a
 * spinlock protects.  The word of the mtx (mtx_var.h) has a WANTED bit for each
 * queue, which says that the queue is not empty.  While such a bit is set, the
 * last holder can leave only with the spinlock held: it replaces the word by
 * that of the next owner in one step, so the mutex is never free in between.
 * So no thread can take the mutex before the waiter that comes next; when that
 * waiter wakes up it is already the owner.  (While the mutex is held shared,
 * some requests overtake exclusive waiters: better shared ones, tries, shared
 * takings of a thread that takes it again, and an upgrade of the only holder.)
 *
 * The next owner is the better of the best exclusive and the best shared
 * waiter.  If the two have equal priority, exclusive and shared owners
 * alternate: after an exclusive holder all shared waiters follow, except those
 * of lower priority than the best exclusive waiter; after shared holders one
 * exclusive waiter follows.  So neither kind starves, however many waiters of
 * equal priority the other kind has.  A new shared request does not wait for
 * exclusive waiters of lower priority.
 *
 * The best waiter lends its priority to the exclusive holder (lend.c).
 *
 * A waiter takes the spinlock when its sleep has ended, and tests its link: it
 * may have become the owner although the sleep ended by a timeout.
 *
 * Wakeups and callbacks happen only after the spinlock was released.  Until
 * then they are noted in a struct grants.  A link without a callback may be
 * freed as soon as its ml_state says that it was granted or aborted; after that
 * only its address is used.
 *
 * INVARIANTS
 * MW1 While the spinlock is free: EXWANTED <=> m_ex != NULL, and SHWANTED <=>
 *    m_sh != NULL.
 * MW2 Shared waiters wait only while EXCLUSIVE is set, or an exclusive waiter
 *    of at least equal priority waits.
 * MW3 m_lent is 1 + the priority counted in m_owner's tc_lend for this mutex,
 *    or 0 if none is.  While the spinlock is free and EXCLUSIVE is set, this is
 *    the priority of the best waiter.
 *
 * ORDER
 * MO1 The thread that grants a request stores the word, m_owner, and then
 *    ml_state (release).  The waiter reads ml_state (acquire).  Sleeping and
 *    waking: SO1 of kern_synch.c.
 *
 * Source: DragonFly kern_mutex.c, its rules and the counting of all shared
 * waiters before the first wakes (124e15f96b); its LINKSPIN bit is a spinlock
 * here.  The alternation: B. Brandenburg, J. Anderson, "Spin-Based
 * Reader-Writer Synchronization for Multiprocessor Real-Time Systems" (2010).
 */
#include "kern/sleep/synch_var.h"
#include "kern/lock/lend_var.h"
#include "kern/lock/mtx_var.h"
#include "kern/lock/turn_var.h"

#include <errno.h>
#include <lwkt/synch.h>

TRACEPOINT(wait, KTR_SLEEP, "mtx.wait", "td=%llu word=%#llx");
TRACEPOINT(give, KTR_SLEEP, "mtx.give", "from=%llu word=%#llx");

COUNTER(contended, "lwkt.mtx_contended", "requests for a mtx that had to wait");
COUNTER(handoffs, "lwkt.mtx_handoffs", "mtxs given to waiters");

/* Work that must wait until the spinlock was released (carry_out). */
struct grants {
	lwkt_mtx_link_t	g_wake;		/* ident to wake, or NULL */
	int		g_shared;	/* 1: wake all shared waiters */
	lwkt_mtx_link_t	g_async;	/* links with a callback to call */
	int		g_error;	/* error argument of the callbacks */
	struct lend_todo g_lend;	/* changes of lent priority */
};

/* A thread that waits for its link. */
struct mtx_wait {
	struct lend_wait mw_lend;
	lwkt_mtx_t	mw_mtx;
	lwkt_mtx_link_t	mw_link;
};

/* Return the link that contains tu. */
static inline lwkt_mtx_link_t
link_of(struct lwkt_turn *tu)
{
	return container_of(tu, struct lwkt_mtx_link, ml_turn);
}

/* Return the queue of exclusive (ex = 1) or shared waiters.  Spinlock held. */
static inline struct lwkt_turn **
queue_of(lwkt_mtx_t m, int ex)
{
	return ex ? &m->m_ex : &m->m_sh;
}

/* Return the number of shared waiters of priority >= pri.  Spinlock held. */
static uint32_t
count_shared(lwkt_mtx_t m, int pri)
{
	struct lwkt_turn *tu = m->m_sh;
	uint32_t n = 0;

	for (; tu != NULL && tu->tu_pri >= pri; tu = turn_next(m->m_sh, tu))
		n++;
	return n;
}

/*
 * Compute the WANTED bits (MW1) as they will be when `granted` shared waiters
 * have left the queue.  Spinlock held.
 */
static uint32_t
wanted(lwkt_mtx_t m, uint32_t granted)
{
	return (m->m_ex != NULL ? MTX_EXWANTED : 0) |
	    (count_shared(m, 0) > granted ? MTX_SHWANTED : 0);
}

/*
 * In invariants builds: panic unless MX1, MW1, MW2 and MW3 hold; tc_lend (MW3)
 * is not tested.  Spinlock held.
 */
static void
mtx_check(lwkt_mtx_t m)
{
	uint32_t c = atomic_peek_32(&m->m_lock);
	uint32_t wait = (m->m_ex != NULL ? MTX_EXWANTED : 0) |
	    (m->m_sh != NULL ? MTX_SHWANTED : 0);
	int best = turn_best(m->m_ex), sh = turn_best(m->m_sh);

	if (!config_invariants)
		return;
	KASSERTF((c & MTX_WANTED) == wait, "mtx \"%s\", word %#x: wrong WANTED "
	    "bits: %u exclusive and %u shared waiters", m->m_name, c,
	    turn_count(m->m_ex), turn_count(m->m_sh));		/* MW1 */
	KASSERTF(wait == 0 || (c & MTX_COUNT) != 0, "mtx \"%s\", word %#x: "
	    "waiters, but no holder", m->m_name, c);		/* MX1 */
	KASSERTF(m->m_sh == NULL || (c & MTX_EXCLUSIVE) != 0 || best >= sh,
	    "mtx \"%s\", word %#x: best waiters: exclusive %d, shared %d",
	    m->m_name, c, best, sh);				/* MW2 */
	KASSERTF((int)m->m_lent - 1 == ((c & MTX_EXCLUSIVE) == 0 ? -1 :
	    best > sh ? best : sh), "mtx \"%s\", word %#x: lends %u, not its "
	    "best waiter's priority", m->m_name, c, m->m_lent);	/* MW3 */
}

/*
 * Return the exclusive holder.  EXCLUSIVE is set.  Spinlock held.
 *
 * m_owner is NULL for a few instructions: after the compare-and-set that took
 * the mutex, and around one that failed to free it (unlock in kern_mutex.c).
 * The loop ends, because the holder stores m_owner without waiting for the
 * spinlock, which the caller holds.
 */
static lwkt_thread_t
owner_of(lwkt_mtx_t m)
{
	unsigned turn = 0;
	uintptr_t owner;

	while ((owner = atomic_load_acq_ptr(&m->m_owner)) == 0)	/* MX2 */
		machine_pause(turn++);
	return (lwkt_thread_t)owner;
}

/*
 * Make MW3 true after the queues or the owner have changed: lend the priority
 * of the best waiter to the exclusive holder.  Do nothing if there is no such
 * holder.  Spinlock held.
 */
static void
mtx_lend(lwkt_mtx_t m, struct lend_todo *lt)
{
	int ex = turn_best(m->m_ex), sh = turn_best(m->m_sh);
	int best = ex > sh ? ex : sh, old = (int)m->m_lent - 1;

	if ((atomic_load_32(&m->m_lock) & MTX_EXCLUSIVE) == 0 || best == old)
		return;
	lend_change(lt, owner_of(m), old, best);
	m->m_lent = (uint32_t)(best + 1);
}

/*
 * Take back what this mutex lends to td, which will stop being the exclusive
 * holder.  Spinlock held.
 */
static void
mtx_unlend(lwkt_mtx_t m, lwkt_thread_t td, struct lend_todo *lt)
{
	if (m->m_lent == 0)
		return;
	lend_change(lt, td, (int)m->m_lent - 1, -1);
	m->m_lent = 0;
}

/*
 * Give the mutex to the queued request `link`.  The word already counts the new
 * taking.  Spinlock held.
 */
static void
grant(lwkt_mtx_t m, lwkt_mtx_link_t link, struct grants *g)
{
	int ex = link->ml_state == ML_EX;

	turn_remove(queue_of(m, ex), &link->ml_turn);
	if (ex)
		mtx_own(m, link->ml_td);
	if (link->ml_callback != NULL) {
		atomic_store_32(&link->ml_state, ML_CALLEDBACK);
		link->ml_next = g->g_async;
		g->g_async = link;
		return;
	}
	if (ex)
		g->g_wake = link;
	else
		g->g_shared = 1;
	atomic_store_rel_32(&link->ml_state, ML_ACQUIRED);	/* MO1 */
}

/*
 * Give the mutex to the n best shared waiters.  The word already counts their
 * takings.  Spinlock held.
 */
static void
grant_shared(lwkt_mtx_t m, uint32_t n, struct grants *g)
{
	for (; n > 0; n--)
		grant(m, link_of(m->m_sh), g);
}

/*
 * Do the work that g notes: wakeups, callbacks, changes of lent priority.  The
 * spinlock was released.  If g->g_lend is not empty, the critical section in
 * which it was noted must not have ended.
 */
static void
carry_out(lwkt_mtx_t m, struct grants *g)
{
	lwkt_mtx_link_t link;

	no_unwind();
	lend_carry_out(&g->g_lend);
	if (g->g_wake != NULL)
		lwkt_wakeup_domain(g->g_wake, PDOMAIN_MTX);
	if (g->g_shared)
		lwkt_wakeup_domain(&m->m_sh, PDOMAIN_MTX);
	while ((link = g->g_async) != NULL) {
		g->g_async = link->ml_next;
		link->ml_callback(link, link->ml_arg, g->g_error);
	}
}

/*
 * Enter a critical section, which lasts until leave() ends it, and take the
 * spinlock.  Return the calling thread.
 */
static lwkt_thread_t
enter(lwkt_mtx_t m)
{
	lwkt_thread_t td = curthread;

	crit_enter_td(td);
	lwkt_spin_lock(&m->m_spin);
	return td;
}

/*
 * Update the loan of this mutex (mtx_lend), release the spinlock, do the work
 * that g notes, and leave the critical section of enter().
 */
static void
leave(lwkt_mtx_t m, lwkt_thread_t td, struct grants *g)
{
	mtx_lend(m, &g->g_lend);
	mtx_check(m);
	lwkt_spin_unlock(&m->m_spin);
	carry_out(m, g);
	crit_exit_td(td);
}

/*
 * Return whether an exclusive waiter comes next.  There is at least one.
 * was_ex: the holder that leaves is exclusive.  Spinlock held.
 */
static int
turn_is_ex(lwkt_mtx_t m, int was_ex)
{
	int ex = turn_best(m->m_ex), sh = turn_best(m->m_sh);

	return ex > sh || (ex == sh && !was_ex);
}

/*
 * Return the word for the time after the last holder has left: that of the next
 * owner or owners, or 0 without waiters.  was_ex: the last holder is exclusive.
 * Spinlock held.
 */
static uint32_t
next_word(lwkt_mtx_t m, int was_ex)
{
	struct lwkt_turn *ex = m->m_ex;
	uint32_t n;

	if (ex == NULL || !turn_is_ex(m, was_ex)) {
		n = count_shared(m, turn_best(ex));
		return n | wanted(m, n);
	}
	return MTX_EXCLUSIVE | 1 | (ex->tu_next != ex ? MTX_EXWANTED : 0) |
	    (m->m_sh != NULL ? MTX_SHWANTED : 0);		/* MW1 */
}

/*
 * Take the spinlock and release the caller's taking, for which the word counts
 * `last`: 1, or what it counts for the bias of a rwlock (rwlock.c).  Give the
 * mutex to the next owner, or to several shared ones.  If no request waits any
 * more, the mutex becomes free.  Returns 1.  If the caller's taking is not the
 * last one any more, because shared requests were granted, do nothing and
 * return 0.  The compare-and-set is in a loop because shared holders change the
 * count without the spinlock.
 */
int
mtx_hand_off(lwkt_mtx_t m, uint32_t last)
{
	struct grants g = { 0 };
	lwkt_thread_t td = enter(m);
	uint32_t c = atomic_load_32(&m->m_lock), to;

	if ((c & MTX_EXCLUSIVE) != 0) {
		mtx_unlend(m, td, &g.g_lend);
		mtx_own(m, NULL);				/* MX2 */
	}
	do {
		if ((c & MTX_COUNT) != last) {
			leave(m, td, &g);
			return 0;
		}
		to = next_word(m, (c & MTX_EXCLUSIVE) != 0);
	} while (!atomic_fcmpset_32(&m->m_lock, &c, to));
	ktr(mygd(), give, td->td_id, to);
	if (to != 0) {
		counter_inc(mygd()->gd_cntbias, handoffs);
		if (to & MTX_EXCLUSIVE)
			grant(m, link_of(m->m_ex), &g);
		else
			grant_shared(m, to & MTX_COUNT, &g);
	}
	leave(m, td, &g);
	return 1;
}

/*
 * Clear `bits` in the word, recompute the WANTED bits and, unless EXCLUSIVE is
 * still set, give the mutex to the shared waiters of priority >= pri.  Some
 * thread holds the mutex.  Spinlock held.
 */
static void
admit(lwkt_mtx_t m, uint32_t bits, int pri, struct grants *g)
{
	uint32_t c = atomic_load_32(&m->m_lock), to, n;

	do {
		to = c & ~(bits | MTX_WANTED);
		n = (to & MTX_EXCLUSIVE) ? 0 : count_shared(m, pri);
		to = (to | wanted(m, n)) + n;			/* MW1, MW2 */
	} while (!atomic_fcmpset_32(&m->m_lock, &c, to));
	grant_shared(m, n, g);
}

/*
 * Take a queued request out of its queue.  Shared requests that waited only for
 * it are granted.  Spinlock held.
 *
 * mtx_lend() comes before admit(), which clears the WANTED bit.  Until then the
 * holder cannot release the mutex without the spinlock, and so cannot end
 * (LD4 of lend.c).
 */
static void
withdraw(lwkt_mtx_t m, lwkt_mtx_link_t link, struct grants *g)
{
	turn_remove(queue_of(m, link->ml_state == ML_EX), &link->ml_turn);
	mtx_lend(m, &g->g_lend);	/* the word still keeps the owner */
	admit(m, 0, turn_best(m->m_ex) + 1, g);
}

/*
 * Return whether a new request can be granted while the word is c: an exclusive
 * (ex = 1) or a shared one of priority `pri`.  Spinlock held.
 */
static inline int
lets_in(lwkt_mtx_t m, uint32_t c, int ex, int pri)
{
	if (ex)
		return c == 0;
	return (c & MTX_EXCLUSIVE) == 0 && pri > turn_best(m->m_ex); /* MW2 */
}

/*
 * Queue a request of td with priority `pri`.  The word already has the WANTED
 * bit of that kind.  Spinlock held.
 */
static void
enqueue(lwkt_mtx_t m, lwkt_mtx_link_t link, enum mtx_link_state kind,
    lwkt_thread_t td, int pri)
{
	counter_inc(mygd()->gd_cntbias, contended);
	ktr(mygd(), wait, td->td_id, atomic_peek_32(&m->m_lock));
	link->ml_td = td;
	link->ml_turn.tu_pri = pri;
	link->ml_turn.tu_ticket = ++m->m_tickets;
	atomic_store_32(&link->ml_state, kind);
	turn_insert(queue_of(m, kind == ML_EX), &link->ml_turn); /* MW1 */
}

/*
 * Take the spinlock and make a request of the caller.  Returns 0: granted at
 * once; EINPROGRESS: queued; ENOLCK: the link was aborted before.
 */
int
mtx_request(lwkt_mtx_t m, lwkt_mtx_link_t link, enum mtx_link_state kind)
{
	struct grants g = { 0 };
	lwkt_thread_t td = enter(m);
	int ex = kind == ML_EX, pri = lend_rank(td), error = 0, got;
	uint32_t c = atomic_load_32(&m->m_lock), to;

	/*
	 * Testing the word and setting the WANTED bit are one compare-and-set:
	 * so a holder that leaves later sees the bit and takes the spinlock.
	 */
	do {
		got = lets_in(m, c, ex, pri);
		if (link->ml_state == ML_ABORTED) {
			error = ENOLCK;
			break;
		}
		to = got ? (ex ? MTX_EXCLUSIVE | 1 : c + 1) :
		    c | (ex ? MTX_EXWANTED : MTX_SHWANTED);
	} while (!atomic_fcmpset_32(&m->m_lock, &c, to));
	if (error == 0 && got) {
		if (ex)
			mtx_own(m, td);
		atomic_store_32(&link->ml_state, ML_ACQUIRED);
	} else if (error == 0) {
		enqueue(m, link, kind, td, pri);
		error = EINPROGRESS;
	}
	leave(m, td, &g);
	return error;
}

/*
 * Return the result of a wait: 0: granted; ENOLCK: aborted; else `error`, the
 * result of the sleep, and the request is taken out of its queue.  If error is
 * EINTR and is not returned, the interrupt is pending again.
 *
 * The spinlock is taken even if ml_state says that the request was granted.
 * The thread that granted it holds the spinlock until its last access to the
 * mtx.  So the caller may free the mtx as soon as the caller has released it.
 */
static int
wait_result(lwkt_mtx_t m, lwkt_mtx_link_t link, int error)
{
	struct grants g = { 0 };
	lwkt_thread_t td = enter(m);
	int interrupted = error == EINTR;

	switch (link->ml_state) {
	case ML_ACQUIRED:
		error = 0;
		break;
	case ML_ABORTED:
		error = ENOLCK;
		break;
	default:
		withdraw(m, link, &g);
		atomic_store_32(&link->ml_state, ML_IDLE);
		break;
	}
	leave(m, td, &g);
	if (interrupted && error != EINTR)
		intr_repost(curthread);
	return error;
}

/*
 * lw_moved of a waiter (lend_var.h): give its request the new priority `pri`,
 * if it is still queued, and grant shared requests that need not wait any more.
 * Changes of lent priority are added to *lt, for the caller to carry out.
 */
static void
moved(struct lend_wait *lw, int pri, struct lend_todo *lt)
{
	struct mtx_wait *mw = container_of(lw, struct mtx_wait, mw_lend);
	struct grants g = { .g_lend = *lt };
	lwkt_mtx_link_t link = mw->mw_link;
	lwkt_mtx_t m = mw->mw_mtx;
	struct lwkt_turn **queue;
	uint32_t state;

	lwkt_spin_lock(&m->m_spin);
	state = atomic_load_32(&link->ml_state);
	if ((state == ML_EX || state == ML_SH) &&
	    link->ml_turn.tu_pri != pri) {
		queue = queue_of(m, state == ML_EX);
		turn_remove(queue, &link->ml_turn);
		link->ml_turn.tu_pri = pri;
		turn_insert(queue, &link->ml_turn);
		admit(m, 0, turn_best(m->m_ex) + 1, &g);
	}
	mtx_lend(m, &g.g_lend);
	mtx_check(m);
	lwkt_spin_unlock(&m->m_spin);
	*lt = g.g_lend;
	g.g_lend.lt_n = 0;		/* the caller does this work */
	carry_out(m, &g);
}

/*
 * Begin the wait of td, the caller: from now on lend.c moves the request when
 * the priority of td changes.  If the priority has changed since the request
 * was made, move the request now.
 */
static void
wait_begin(lwkt_thread_t td, struct mtx_wait *mw)
{
	struct lend_todo lt = { .lt_n = 0 };

	crit_enter_td(td);
	lend_wait_begin(td, &mw->mw_lend);
	if (mw->mw_link->ml_turn.tu_pri != lend_rank(td)) {
		moved(&mw->mw_lend, lend_rank(td), &lt);
		lend_carry_out(&lt);
	}
	crit_exit_td(td);
}

/*
 * Sleep until the request is granted or aborted, or the wait fails.  Returns 0:
 * granted; ENOLCK: aborted; EWOULDBLOCK; EINTR, only with LWKT_PCATCH.  After
 * an error the request is over.  Blocks.
 */
int
mtx_wait_link(lwkt_mtx_t m, lwkt_mtx_link_t link, int flags, int64_t timeout_ns)
{
	struct mtx_wait mw = { { moved }, m, link };
	uint32_t state = atomic_load_acq_32(&link->ml_state);	/* MO1 */
	int64_t deadline = wait_deadline(timeout_ns);
	const void *ident = state == ML_SH ? (const void *)&m->m_sh : link;
	lwkt_thread_t td = curthread;
	int error = 0;

	KASSERTF(link->ml_callback == NULL, "mtx \"%s\": thread \"%s\" waits "
	    "for a link that has a callback", m->m_name, td->td_name);
	KASSERTF(state != ML_IDLE, "mtx \"%s\": thread \"%s\" waits for a link "
	    "that has no request", m->m_name, td->td_name);
	wait_owner(&m->m_owner);
	wait_begin(td, &mw);
	/*
	 * Enter the sleep queue before reading ml_state: a thread that stores
	 * ml_state after that read finds the sleeper and wakes it.
	 */
	while (error == 0) {
		lwkt_tsleep_interlock(ident, PDOMAIN_MTX);
		state = atomic_load_acq_32(&link->ml_state);	/* MO1 */
		if (state != ML_EX && state != ML_SH)
			break;
		error = lwkt_tsleep(ident, PDOMAIN_MTX | LWKT_PINTERLOCKED |
		    (flags & LWKT_PCATCH), m->m_name, wait_left(deadline));
	}
	lwkt_tsleep_remove();
	lend_wait_end(td);
	wait_owner(NULL);
	return wait_result(m, link, error);
}

/*
 * Make td, the caller and a shared holder, the exclusive holder, if there is no
 * other taking.  Returns 0: td is the exclusive holder now, or was it already;
 * EDEADLK: there are other takings; EAGAIN: the word has a bit of `refused`.
 */
static inline int
upgrade(lwkt_mtx_t m, lwkt_thread_t td, uint32_t refused)
{
	uint32_t c = atomic_load_32(&m->m_lock);

	do {
		if (c & MTX_EXCLUSIVE)
			return mtx_owned(m, td) ? 0 : EDEADLK;
		if ((c & MTX_COUNT) != 1)
			return EDEADLK;
		if (c & refused)
			return EAGAIN;
	} while (!atomic_fcmpset_32(&m->m_lock, &c, c | MTX_EXCLUSIVE));
	mtx_own(m, td);
	return 0;
}

/*
 * Thread context; never blocks.
 *
 * If requests wait, the upgrade is made with the spinlock held, so that leave()
 * can lend the priority of the best waiter to the new owner (MW3).
 */
int
lwkt_mtx_upgrade_try(lwkt_mtx_t m)
{
	struct grants g = { 0 };
	int error = upgrade(m, caller_thread(), MTX_WANTED);
	lwkt_thread_t td;

	if (error == EAGAIN) {
		td = enter(m);
		error = upgrade(m, td, 0);
		leave(m, td, &g);				/* MW3 */
	}
	return error;
}

/* Thread context; never blocks. */
void
lwkt_mtx_downgrade(lwkt_mtx_t m)
{
	struct grants g = { 0 };
	lwkt_thread_t td;

	if (!mtx_owned(m, caller_thread()))
		lwkt_panic("mtx \"%s\" is downgraded by thread \"%s\", which "
		    "does not own it", m->m_name, curthread->td_name);
	td = enter(m);
	mtx_unlend(m, td, &g.g_lend);
	mtx_own(m, NULL);					/* MX2 */
	admit(m, MTX_EXCLUSIVE, turn_best(m->m_ex), &g);
	leave(m, td, &g);
}

/* Any lwkt context; never blocks. */
void
lwkt_mtx_abort_link(lwkt_mtx_t m, lwkt_mtx_link_t link)
{
	struct grants g = { .g_error = 0 }, aborted = { .g_error = ENOLCK };
	lwkt_thread_t td = enter(m);
	uint32_t state;

	/* lock_link() changes ML_IDLE to ML_ACQUIRED without the spinlock. */
	state = atomic_load_32(&link->ml_state);
	if (state == ML_EX || state == ML_SH) {
		withdraw(m, link, &g);
		if (link->ml_callback != NULL) {
			link->ml_next = NULL;
			aborted.g_async = link;
		} else if (state == ML_EX) {
			aborted.g_wake = link;
		} else {
			aborted.g_shared = 1;
		}
		atomic_store_rel_32(&link->ml_state,
		    link->ml_callback != NULL ? ML_CALLEDBACK : ML_ABORTED);
	} else {
		(void)atomic_cmpset_32(&link->ml_state, ML_IDLE, ML_ABORTED);
	}
	leave(m, td, &g);
	carry_out(m, &aborted);
}
