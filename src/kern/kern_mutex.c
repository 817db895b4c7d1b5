/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mutexes with hand-off.
 *
 * THEORY
 * While nobody waits, one word is the whole mutex, and every operation is one
 * compare-and-set of it.  A waiter's request is a link in one of two rings,
 * which a spinlock protects; a bit in the word for each ring says that it is
 * not empty.  With such a bit set nobody but the holder of the spinlock can
 * take the last holder's place: the word goes from one owner to the next in
 * one step, with the new owner's count, and is never free in between.  So a
 * waiter whose turn it is cannot be overtaken; it wakes up as the owner.
 *
 * A sleeper that is told of a timeout or an interrupt takes the spinlock and
 * looks at its link: it may have become the owner meanwhile.
 *
 * Nobody is woken, and no callback called, with the spinlock held: what is to
 * be done afterwards is noted in a struct grants.  As soon as a link without
 * callback is marked as granted it may be gone; only its address is used then.
 *
 * INVARIANTS
 * M1 EXWANTED <=> m_exlink != NULL, SHWANTED <=> m_shlink != NULL (spinlock
 *    not held).
 * M2 Waiters <=> count > 0: a word without holders is 0.
 * M3 m_owner is the exclusive holder; stored after EXCLUSIVE is set (by hand-
 *    off: before the link says so) and cleared before it is given up.
 * M4 Shared waiters wait only for EXCLUSIVE or EXWANTED.
 *
 * ORDER
 * G1 granter: word, m_owner, then ml_state by release; the waiter's look at
 *    ml_state acquires.  Sleeping and waking: Z1 of kern_synch.c.
 *
 * Source: DragonFly kern_mutex.c, its rules and the counting of all shared
 * waiters before the first wakes (124e15f96b); its LINKSPIN bit is a spinlock
 * here.
 */
#include <errno.h>
#include <lwkt/synch.h>
#include <string.h>

#include "kern/lockorder.h"
#include "kern/mtx_var.h"
#include "kern/synch_var.h"

TRACEPOINT(wait, KTR_SLEEP, "mtx.wait", "td=%llu word=%#llx");
TRACEPOINT(give, KTR_SLEEP, "mtx.give", "from=%llu word=%#llx");

COUNTER(contended, "lwkt.mtx_contended", "requests for a mtx that had to wait");
COUNTER(handoffs, "lwkt.mtx_handoffs", "mtxs given to waiters");

enum mtx_link_state {
	ML_IDLE,		/* no request yet */
	ML_EX,			/* in the ring of its kind */
	ML_SH,
	ML_ACQUIRED,
	ML_CALLEDBACK,		/* granted or aborted; the callback knows */
	ML_ABORTED
};

/* What has to be done without the spinlock. */
struct grants {
	lwkt_mtx_link_t	g_wake;		/* an address */
	int		g_shared;	/* wake all shared waiters */
	lwkt_mtx_link_t	g_async;	/* callbacks to call, by ml_next */
	int		g_error;	/* their argument */
};

void
lwkt_mtx_init(lwkt_mtx_t m, const char *name)
{
	memset(m, 0, sizeof(*m));
	m->m_name = name;
	lwkt_spin_init(&m->m_spin, name);
}

void
lwkt_mtx_uninit(lwkt_mtx_t m)
{
	KASSERTF(atomic_load_32(&m->m_lock) == 0, "mtx \"%s\" is held, word "
	    "%#x", m->m_name, m->m_lock);
}

/*
 * The rings; spinlock held.
 */
static void
ring_add(lwkt_mtx_link_t *ring, lwkt_mtx_link_t link)
{
	lwkt_mtx_link_t first = *ring;

	if (first == NULL) {
		*ring = link->ml_next = link->ml_prev = link;
		return;
	}
	link->ml_next = first;
	link->ml_prev = first->ml_prev;
	first->ml_prev->ml_next = link;
	first->ml_prev = link;
}

static void
ring_del(lwkt_mtx_link_t *ring, lwkt_mtx_link_t link)
{
	if (link->ml_next == link) {
		*ring = NULL;
		return;
	}
	link->ml_next->ml_prev = link->ml_prev;
	link->ml_prev->ml_next = link->ml_next;
	if (*ring == link)
		*ring = link->ml_next;
}

static unsigned
ring_len(lwkt_mtx_link_t first)
{
	lwkt_mtx_link_t link = first;
	unsigned n = 0;

	if (first == NULL)
		return 0;
	do {
		n++;
		link = link->ml_next;
	} while (link != first);
	return n;
}

/* In invariants builds; spinlock held. */
static void
mtx_check(lwkt_mtx_t m)
{
	uint32_t c = atomic_peek_32(&m->m_lock);
	uint32_t wait = (m->m_exlink != NULL ? MTX_EXWANTED : 0) |
	    (m->m_shlink != NULL ? MTX_SHWANTED : 0);

	if (!config_invariants)
		return;
	KASSERTF((c & MTX_WANTED) == wait, "mtx \"%s\", word %#x: %u wait to "
	    "be exclusive, %u to share", m->m_name, c, ring_len(m->m_exlink),
	    ring_len(m->m_shlink));				/* M1 */
	KASSERTF(wait == 0 || (c & MTX_COUNT) != 0, "mtx \"%s\", word %#x",
	    m->m_name, c);					/* M2 */
	KASSERTF(m->m_shlink == NULL ||
	    (c & (MTX_EXCLUSIVE | MTX_EXWANTED)) != 0, "mtx \"%s\", word %#x",
	    m->m_name, c);					/* M4 */
}

/* One try. */
static inline int
try_ex(lwkt_mtx_t m, lwkt_thread_t td)
{
	uint32_t c = 0;

	if (likely(atomic_fcmpset_32(&m->m_lock, &c, MTX_EXCLUSIVE | 1))) {
		mtx_own(m, td);
		return 1;
	}
	if ((c & MTX_EXCLUSIVE) == 0 || !mtx_owned(m, td))
		return 0;
	(void)atomic_fetchadd_32(&m->m_lock, 1);
	return 1;
}

/* What of the word keeps a shared one away: MTX_EXWANTED, or 0. */
static inline int
try_sh(lwkt_mtx_t m, lwkt_thread_t td, uint32_t mind)
{
	uint32_t c = atomic_load_32(&m->m_lock);

	do {
		if (c & MTX_EXCLUSIVE) {
			if (!mtx_owned(m, td))
				return 0;
		} else if (c & mind) {
			return 0;
		}
	} while (!atomic_fcmpset_32(&m->m_lock, &c, c + 1));
	return 1;
}

/*
 * Granting.
 */

/* The word counts this link in already; spinlock held. */
static void
grant(lwkt_mtx_t m, lwkt_mtx_link_t link, struct grants *g)
{
	int ex = link->ml_state == ML_EX;

	ring_del(ex ? &m->m_exlink : &m->m_shlink, link);
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
	atomic_store_rel_32(&link->ml_state, ML_ACQUIRED);	/* G1 */
}

static void
grant_shared(lwkt_mtx_t m, struct grants *g)
{
	while (m->m_shlink != NULL)
		grant(m, m->m_shlink, g);
}

/* Without the spinlock. */
static void
carry_out(lwkt_mtx_t m, struct grants *g)
{
	lwkt_mtx_link_t link;

	no_unwind();
	if (g->g_wake != NULL)
		lwkt_wakeup_domain(g->g_wake, PDOMAIN_MTX);
	if (g->g_shared)
		lwkt_wakeup_domain(&m->m_shlink, PDOMAIN_MTX);
	while ((link = g->g_async) != NULL) {
		g->g_async = link->ml_next;
		link->ml_callback(link, link->ml_arg, g->g_error);
	}
}

/* The word after its last holder, who is going.  Spinlock held. */
static uint32_t
next_word(lwkt_mtx_t m)
{
	lwkt_mtx_link_t ex = m->m_exlink;

	if (ex == NULL)
		return ring_len(m->m_shlink);
	return MTX_EXCLUSIVE | 1 | (ex->ml_next != ex ? MTX_EXWANTED : 0) |
	    (m->m_shlink != NULL ? MTX_SHWANTED : 0);		/* M1 */
}

/* The caller, maybe the last holder, goes, and somebody waits. */
static __lwkt_noinline void
hand_off(lwkt_mtx_t m)
{
	struct grants g = { 0 };
	uint32_t c, to;
	int last;

	lwkt_spin_lock(&m->m_spin);
	c = atomic_load_32(&m->m_lock);
	do {
		last = (c & MTX_COUNT) == 1;
		to = last ? next_word(m) : c - 1;
	} while (!atomic_fcmpset_32(&m->m_lock, &c, to));
	ktr(mygd(), give, curthread->td_id, to);
	if (last && to != 0) {
		counter_inc(mygd()->gd_cntbias, handoffs);
		if (to & MTX_EXCLUSIVE)
			grant(m, m->m_exlink, &g);
		else
			grant_shared(m, &g);
	}
	mtx_check(m);
	lwkt_spin_unlock(&m->m_spin);
	carry_out(m, &g);
}

/*
 * Clear bits of the word; if nothing keeps the shared waiters away then, count
 * them in.  Held, spinlock held.
 */
static void
clear_and_admit(lwkt_mtx_t m, uint32_t bits, struct grants *g)
{
	uint32_t c = atomic_load_32(&m->m_lock), to;
	int admit;

	do {
		to = c & ~bits;
		admit = (to & (MTX_EXCLUSIVE | MTX_EXWANTED)) == 0;	/* M4 */
		if (admit)
			to = (to & ~MTX_SHWANTED) + ring_len(m->m_shlink);
	} while (!atomic_fcmpset_32(&m->m_lock, &c, to));
	if (admit)
		grant_shared(m, g);
}

/* A request ends ungranted.  Spinlock held. */
static void
withdraw(lwkt_mtx_t m, lwkt_mtx_link_t link, struct grants *g)
{
	int ex = link->ml_state == ML_EX;
	lwkt_mtx_link_t *ring = ex ? &m->m_exlink : &m->m_shlink;

	ring_del(ring, link);
	if (*ring == NULL)
		clear_and_admit(m, ex ? MTX_EXWANTED : MTX_SHWANTED,
		    g);						/* M1 */
}

/*
 * Waiting.
 */

/* 0: it could be had after all; EINPROGRESS: in a ring; ENOLCK: aborted. */
static int
request(lwkt_mtx_t m, lwkt_mtx_link_t link, enum mtx_link_state kind)
{
	int ex = kind == ML_EX, error = 0, got;
	uint32_t c, to;

	lwkt_spin_lock(&m->m_spin);
	c = atomic_load_32(&m->m_lock);
	do {
		got = ex ? c == 0 : (c & (MTX_EXCLUSIVE | MTX_EXWANTED)) == 0;
		if (link->ml_state == ML_ABORTED) {
			error = ENOLCK;
			break;
		}
		to = got ? (ex ? MTX_EXCLUSIVE | 1 : c + 1) :
		    c | (ex ? MTX_EXWANTED : MTX_SHWANTED);
	} while (!atomic_fcmpset_32(&m->m_lock, &c, to));
	if (error == 0 && got) {
		if (ex)
			mtx_own(m, curthread);
		atomic_store_32(&link->ml_state, ML_ACQUIRED);
	} else if (error == 0) {
		counter_inc(mygd()->gd_cntbias, contended);
		ktr(mygd(), wait, curthread->td_id, c);
		link->ml_td = curthread;
		atomic_store_32(&link->ml_state, kind);
		ring_add(ex ? &m->m_exlink : &m->m_shlink, link); /* M1 */
		error = EINPROGRESS;
	}
	mtx_check(m);
	lwkt_spin_unlock(&m->m_spin);
	return error;
}

/* The wait is over, by `error` or because of the link's state. */
static int
wait_result(lwkt_mtx_t m, lwkt_mtx_link_t link, int error)
{
	struct grants g = { 0 };
	int interrupted = error == EINTR;

	lwkt_spin_lock(&m->m_spin);
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
	mtx_check(m);
	lwkt_spin_unlock(&m->m_spin);
	carry_out(m, &g);
	if (interrupted && error != EINTR)
		intr_repost(curthread);
	return error;
}

static int
wait_link(lwkt_mtx_t m, lwkt_mtx_link_t link, int flags, int64_t timeout_ns)
{
	uint32_t state = atomic_load_acq_32(&link->ml_state);	/* G1 */
	int64_t deadline = wait_deadline(timeout_ns);
	const void *ident = state == ML_SH ? (const void *)&m->m_shlink : link;
	int error = 0;

	KASSERTF(link->ml_callback == NULL, "mtx \"%s\": thread \"%s\" waits "
	    "for a link with a callback", m->m_name, curthread->td_name);
	KASSERTF(state != ML_IDLE, "mtx \"%s\": thread \"%s\" waits for a link "
	    "without a request", m->m_name, curthread->td_name);
	wait_owner(&m->m_owner);
	while (error == 0) {
		lwkt_tsleep_interlock(ident, PDOMAIN_MTX);
		state = atomic_load_acq_32(&link->ml_state);	/* G1 */
		if (state != ML_EX && state != ML_SH)
			break;
		error = lwkt_tsleep(ident, PDOMAIN_MTX | LWKT_PINTERLOCKED |
		    (flags & LWKT_PCATCH), m->m_name, wait_left(deadline));
	}
	lwkt_tsleep_remove();
	wait_owner(NULL);
	if (error != 0 || state != ML_ACQUIRED)
		error = wait_result(m, link, error);
	return error;
}

static int
lock_link(lwkt_mtx_t m, lwkt_mtx_link_t link, enum mtx_link_state kind,
    int flags, int64_t timeout_ns)
{
	lwkt_thread_t td = caller_thread();
	int error;

	if (kind == ML_EX ? try_ex(m, td) : try_sh(m, td, MTX_EXWANTED)) {
		if (atomic_cmpset_32(&link->ml_state, ML_IDLE, ML_ACQUIRED))
			return 0;
		lwkt_mtx_unlock(m);
		return ENOLCK;				/* aborted early */
	}
	error = request(m, link, kind);
	if (error != EINPROGRESS || link->ml_async)
		return error;
	return wait_link(m, link, flags, timeout_ns);
}

static __lwkt_noinline int
lock_slow(lwkt_mtx_t m, enum mtx_link_state kind, int flags,
    int64_t timeout_ns)
{
	struct lwkt_mtx_link link;

	lwkt_mtx_link_init(&link);
	return lock_link(m, &link, kind, flags, timeout_ns);
}

/*
 * Callers' side.
 */

/* The end of an attempt, for kern_lockorder.c. */
static inline int
tried(lwkt_mtx_t m, int error)
{
	if (error == 0)
		order_took(LK_MTX, m, m->m_name);
	return error;
}

void
lwkt_mtx_lock(lwkt_mtx_t m)
{
	order_want(LK_MTX, m, m->m_name);
	if (unlikely(!try_ex(m, caller_thread())))
		(void)lock_slow(m, ML_EX, 0, LWKT_FOREVER);
	order_took(LK_MTX, m, m->m_name);
}

int
lwkt_mtx_lock_ex(lwkt_mtx_t m, int flags, int64_t timeout_ns)
{
	if (timeout_ns != 0)
		order_want(LK_MTX, m, m->m_name);
	return tried(m, likely(try_ex(m, caller_thread())) ? 0 :
	    lock_slow(m, ML_EX, flags, timeout_ns));
}

int
lwkt_mtx_lock_sh(lwkt_mtx_t m, int flags, int64_t timeout_ns)
{
	if (timeout_ns != 0)
		order_want(LK_MTX, m, m->m_name);
	return tried(m, likely(try_sh(m, caller_thread(), MTX_EXWANTED)) ? 0 :
	    lock_slow(m, ML_SH, flags, timeout_ns));
}

int
lwkt_mtx_lock_ex_try(lwkt_mtx_t m)
{
	return tried(m, try_ex(m, caller_thread()) ? 0 : EAGAIN);
}

int
lwkt_mtx_lock_sh_try(lwkt_mtx_t m)
{
	return tried(m, try_sh(m, caller_thread(), 0) ? 0 : EAGAIN);
}

void
lwkt_mtx_lock_sh_again(lwkt_mtx_t m)
{
	if ((atomic_load_32(&m->m_lock) & MTX_COUNT) == 0 ||
	    !try_sh(m, caller_thread(), 0))
		lwkt_panic("mtx \"%s\" is not thread \"%s\"'s to take again",
		    m->m_name, curthread->td_name);
	order_took(LK_MTX, m, m->m_name);
}

static void
unlock(lwkt_mtx_t m, uint32_t c)
{
	lwkt_thread_t td = caller_thread();

	if (unlikely((c & MTX_COUNT) == 0 ||
	    ((c & MTX_EXCLUSIVE) != 0 && !mtx_owned(m, td))))
		lwkt_panic("mtx \"%s\" is unlocked by thread \"%s\", which "
		    "does not hold it, word %#x", m->m_name, td->td_name, c);
	order_drop(m);
	do {
		if ((c & MTX_COUNT) == 1 && (c & MTX_EXCLUSIVE) != 0)
			mtx_own(m, NULL);				/* M3 */
		if ((c & MTX_COUNT) == 1 && (c & MTX_WANTED) != 0) {
			hand_off(m);
			return;
		}
	} while (!atomic_fcmpset_32(&m->m_lock, &c,
	    (c & MTX_COUNT) == 1 ? 0 : c - 1));
}

void
lwkt_mtx_unlock(lwkt_mtx_t m)
{
	unlock(m, atomic_load_32(&m->m_lock));
}

void
lwkt_mtx_unlock_ex(lwkt_mtx_t m)
{
	uint32_t c = atomic_load_32(&m->m_lock);

	KASSERTF(c & MTX_EXCLUSIVE, "mtx \"%s\", word %#x", m->m_name, c);
	unlock(m, c);
}

/* Exclusive too: the owner's shared taking counts as another of that kind. */
void
lwkt_mtx_unlock_sh(lwkt_mtx_t m)
{
	unlock(m, atomic_load_32(&m->m_lock));
}

int
lwkt_mtx_upgrade_try(lwkt_mtx_t m)
{
	lwkt_thread_t td = caller_thread();
	uint32_t c = atomic_load_32(&m->m_lock);

	do {
		if (c & MTX_EXCLUSIVE)
			return mtx_owned(m, td) ? 0 : EDEADLK;
		if ((c & MTX_COUNT) != 1)
			return EDEADLK;
	} while (!atomic_fcmpset_32(&m->m_lock, &c, c | MTX_EXCLUSIVE));
	mtx_own(m, td);
	return 0;
}

void
lwkt_mtx_downgrade(lwkt_mtx_t m)
{
	struct grants g = { 0 };

	if (!mtx_owned(m, curthread))
		lwkt_panic("mtx \"%s\" is downgraded by thread \"%s\", which "
		    "does not own it", m->m_name, curthread->td_name);
	mtx_own(m, NULL);						/* M3 */
	lwkt_spin_lock(&m->m_spin);
	clear_and_admit(m, MTX_EXCLUSIVE, &g);
	mtx_check(m);
	lwkt_spin_unlock(&m->m_spin);
	carry_out(m, &g);
}

unsigned
lwkt_mtx_lock_temp_release(lwkt_mtx_t m)
{
	uint32_t c = atomic_load_32(&m->m_lock);
	unsigned n = c & MTX_COUNT;

	if ((c & MTX_EXCLUSIVE) == 0) {
		unlock(m, c);
		return 1;
	}
	for (; n > 0; n--)
		lwkt_mtx_unlock(m);
	return MTX_EXCLUSIVE | (c & MTX_COUNT);
}

void
lwkt_mtx_lock_temp_restore(lwkt_mtx_t m, unsigned state)
{
	unsigned n;

	if ((state & MTX_EXCLUSIVE) == 0)
		(void)lwkt_mtx_lock_sh(m, 0, LWKT_FOREVER);
	else
		for (n = state & MTX_COUNT; n > 0; n--)
			lwkt_mtx_lock(m);
}

int
lwkt_mtx_owned(lwkt_mtx_t m)
{
	return mtx_owned(m, curthread);
}

int
lwkt_mtx_islocked(lwkt_mtx_t m)
{
	return atomic_load_32(&m->m_lock) != 0;			/* M2 */
}

int
lwkt_mtx_islocked_ex(lwkt_mtx_t m)
{
	return (atomic_load_32(&m->m_lock) & MTX_EXCLUSIVE) != 0;
}

unsigned
lwkt_mtx_lockrefs(lwkt_mtx_t m)
{
	return atomic_load_32(&m->m_lock) & MTX_COUNT;
}

void
lwkt_mtx_link_init(lwkt_mtx_link_t link)
{
	memset(link, 0, sizeof(*link));
}

void
lwkt_mtx_link_init_async(lwkt_mtx_link_t link, lwkt_mtx_callback_t callback,
    void *arg)
{
	lwkt_mtx_link_init(link);
	link->ml_async = 1;
	link->ml_callback = callback;
	link->ml_arg = arg;
}

int
lwkt_mtx_lock_ex_link(lwkt_mtx_t m, lwkt_mtx_link_t link, int flags,
    int64_t timeout_ns)
{
	if (!link->ml_async)
		order_want(LK_MTX, m, m->m_name);
	return tried(m, lock_link(m, link, ML_EX, flags, timeout_ns));
}

int
lwkt_mtx_lock_sh_link(lwkt_mtx_t m, lwkt_mtx_link_t link, int flags,
    int64_t timeout_ns)
{
	if (!link->ml_async)
		order_want(LK_MTX, m, m->m_name);
	return tried(m, lock_link(m, link, ML_SH, flags, timeout_ns));
}

int
lwkt_mtx_wait_link(lwkt_mtx_t m, lwkt_mtx_link_t link, int flags,
    int64_t timeout_ns)
{
	order_want(LK_MTX, m, m->m_name);
	return tried(m, wait_link(m, link, flags, timeout_ns));
}

void
lwkt_mtx_abort_link(lwkt_mtx_t m, lwkt_mtx_link_t link)
{
	struct grants g = { .g_error = 0 }, aborted = { .g_error = ENOLCK };
	uint32_t state;

	lwkt_spin_lock(&m->m_spin);
	state = atomic_load_32(&link->ml_state);	/* see lock_link */
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
	mtx_check(m);
	lwkt_spin_unlock(&m->m_spin);
	carry_out(m, &g);
	carry_out(m, &aborted);
}
