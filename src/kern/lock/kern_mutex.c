/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mutexes with hand-off (mtx): the word, and the public functions.
 *
 * THEORY
 * While no thread waits, the word m_lock is the whole mutex (mtx_var.h): one
 * compare-and-set of the word takes or releases it.  Requests that must wait,
 * and everything that concerns waiters, are in mtx_wait.c.  The compare-and-set
 * of the last holder frees the word only if no WANTED bit is set.  If one is
 * set, the last holder does not change the word but calls mtx_hand_off(), which
 * gives the mutex to the next owner.
 *
 * INVARIANTS
 * MX1 If requests wait, the count is > 0: the word of a free mutex is 0.
 * MX2 m_owner is the exclusive holder.  It is stored after EXCLUSIVE is set (in
 *    a hand-off: before ml_state of the link becomes ML_ACQUIRED).  It is
 *    cleared before EXCLUSIVE is cleared.  While EXCLUSIVE and a WANTED bit are
 *    set and m_owner is NULL, the holder will store m_owner soon, without
 *    taking the spinlock (owner_of).
 *
 * Source: DragonFly kern_mutex.c.
 */
#include "kern/lock/lockorder.h"
#include "kern/lock/mtx_var.h"

#include <errno.h>
#include <string.h>

/* Thread context; never blocks. */
void
lwkt_mtx_init(lwkt_mtx_t m, const char *name)
{
	memset(m, 0, sizeof(*m));
	m->m_name = name;
	lwkt_spin_init(&m->m_spin, name);
}

/* Thread context; never blocks. */
void
lwkt_mtx_uninit(lwkt_mtx_t m)
{
	KASSERTF(atomic_load_32(&m->m_lock) == 0, "mtx \"%s\" is still held, "
	    "word %#x", m->m_name, m->m_lock);
}

/*
 * Try to take m exclusively for td, the caller; also if td already holds m
 * exclusively.  Return 1 if m was taken, else 0.
 */
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

/*
 * Try to take m shared for td, the caller.  If td is the exclusive holder, this
 * counts as one more exclusive taking.  Return 1 if m was taken, 0 if another
 * thread holds m exclusively or, unless td is the exclusive holder, a bit of
 * `mind` is set in the word.  `mind` is MTX_EXWANTED, or 0 to overtake
 * exclusive waiters.
 */
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
 * Try to take m: exclusively if kind is ML_EX, else shared.  A shared request
 * fails if exclusive requests wait, unless td is the exclusive holder.  Return
 * 1 if m was taken, else 0.
 */
static inline int
try_kind(lwkt_mtx_t m, lwkt_thread_t td, enum mtx_link_state kind)
{
	return kind == ML_EX ? try_ex(m, td) : try_sh(m, td, MTX_EXWANTED);
}

/*
 * Take m with the link: at once if possible, else by a request, and wait unless
 * the link is asynchronous.  flags and timeout_ns are only for the wait.
 * Returns 0; ENOLCK: aborted; EWOULDBLOCK; EINTR; EINPROGRESS: the link is
 * asynchronous and the request is queued.
 */
static int
lock_link(lwkt_mtx_t m, lwkt_mtx_link_t link, enum mtx_link_state kind,
    int flags, int64_t timeout_ns)
{
	lwkt_thread_t td = caller_thread();
	int error;

	if (try_kind(m, td, kind)) {
		if (atomic_cmpset_32(&link->ml_state, ML_IDLE, ML_ACQUIRED))
			return 0;
		lwkt_mtx_unlock(m);
		return ENOLCK;		/* aborted before the request */
	}
	error = mtx_request(m, link, kind);
	if (error != EINPROGRESS || link->ml_async)
		return error;
	return mtx_wait_link(m, link, flags, timeout_ns);
}

/*
 * Take m, after a first try has failed, with a link on this stack.  Returns 0,
 * EWOULDBLOCK or EINTR.
 */
static __lwkt_noinline int
lock_slow(lwkt_mtx_t m, enum mtx_link_state kind, int flags,
    int64_t timeout_ns)
{
	struct lwkt_mtx_link link;

	lwkt_mtx_link_init(&link);
	return lock_link(m, &link, kind, flags, timeout_ns);
}

/*
 * An attempt to take m has ended with `error`.  If it is 0, report to
 * lockorder.c that the caller has taken m.  Returns error.
 */
static inline int
tried(lwkt_mtx_t m, int error)
{
	if (error == 0)
		order_took(LK_MTX, m, m->m_name);
	return error;
}

/*
 * Take m within timeout_ns: exclusively if kind is ML_EX, else shared.  Returns
 * 0, EWOULDBLOCK or, with LWKT_PCATCH, EINTR.
 */
static inline int
lock(lwkt_mtx_t m, enum mtx_link_state kind, int flags, int64_t timeout_ns)
{
	if (limit_ns(timeout_ns) != 0)
		order_want(LK_MTX, m, m->m_name);
	return tried(m, likely(try_kind(m, caller_thread(), kind)) ? 0 :
	    lock_slow(m, kind, flags, timeout_ns));
}

/* Thread context; blocks while another thread holds m. */
void
lwkt_mtx_lock(lwkt_mtx_t m)
{
	(void)lock(m, ML_EX, 0, LWKT_FOREVER);
}

/* Thread context; blocks for at most timeout_ns. */
int
lwkt_mtx_lock_ex(lwkt_mtx_t m, int flags, int64_t timeout_ns)
{
	return lock(m, ML_EX, flags, timeout_ns);
}

/* Thread context; blocks for at most timeout_ns. */
int
lwkt_mtx_lock_sh(lwkt_mtx_t m, int flags, int64_t timeout_ns)
{
	return lock(m, ML_SH, flags, timeout_ns);
}

/* Thread or callback; never blocks. */
int
lwkt_mtx_lock_ex_try(lwkt_mtx_t m)
{
	return tried(m, try_ex(m, caller_thread()) ? 0 : EAGAIN);
}

/* Thread or callback; never blocks. */
int
lwkt_mtx_lock_sh_try(lwkt_mtx_t m)
{
	return tried(m, try_sh(m, caller_thread(), 0) ? 0 : EAGAIN);
}

/* Thread context; never blocks. */
void
lwkt_mtx_lock_sh_again(lwkt_mtx_t m)
{
	if ((atomic_load_32(&m->m_lock) & MTX_COUNT) == 0 ||
	    !try_sh(m, caller_thread(), 0))
		lwkt_panic("mtx \"%s\" is taken again by thread \"%s\", which "
		    "does not hold it", m->m_name, curthread->td_name);
	order_took(LK_MTX, m, m->m_name);
}

/*
 * Release one taking of the caller; c is a recent value of the word.
 *
 * The release of the last exclusive taking clears m_owner before the word
 * becomes free (MX2): a later store could overwrite the m_owner of the next
 * holder.  If the compare-and-set then fails, m_owner is restored: a request
 * may have set a WANTED bit, and owner_of() waits until m_owner is not NULL.
 */
static void
unlock(lwkt_mtx_t m, uint32_t c)
{
	lwkt_thread_t td = caller_thread();
	int last_ex;

	if (unlikely((c & MTX_COUNT) == 0 ||
	    ((c & MTX_EXCLUSIVE) != 0 && !mtx_owned(m, td))))
		lwkt_panic("mtx \"%s\" is unlocked by thread \"%s\", which "
		    "does not hold it, word %#x", m->m_name, td->td_name, c);
	order_drop(m);
	for (;;) {
		if ((c & MTX_COUNT) == 1 && (c & MTX_WANTED) != 0) {
			if (mtx_hand_off(m, 1))
				return;
			c = atomic_load_32(&m->m_lock);
			continue;
		}
		last_ex = (c & MTX_COUNT) == 1 && (c & MTX_EXCLUSIVE) != 0;
		if (last_ex)
			mtx_own(m, NULL);			/* MX2 */
		if (likely(atomic_fcmpset_32(&m->m_lock, &c,
		    (c & MTX_COUNT) == 1 ? 0 : c - 1)))
			return;
		if (last_ex)	/* a waiter looks for it: owner_of() */
			mtx_own(m, td);
	}
}

/* Thread or callback; never blocks. */
void
lwkt_mtx_unlock(lwkt_mtx_t m)
{
	unlock(m, atomic_load_32(&m->m_lock));
}

/* Thread or callback; never blocks. */
void
lwkt_mtx_unlock_ex(lwkt_mtx_t m)
{
	uint32_t c = atomic_load_32(&m->m_lock);

	KASSERTF(c & MTX_EXCLUSIVE, "mtx \"%s\" is not held exclusively, word "
	    "%#x", m->m_name, c);
	unlock(m, c);
}

/*
 * Thread or callback; never blocks.
 *
 * The exclusive holder may call this too: a shared request of the owner counts
 * as one more exclusive taking.
 */
void
lwkt_mtx_unlock_sh(lwkt_mtx_t m)
{
	unlock(m, atomic_load_32(&m->m_lock));
}

/* Thread context; never blocks. */
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

/* Thread context; blocks until m can be taken again as it was. */
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

/* Thread context; never blocks. */
int
lwkt_mtx_owned(lwkt_mtx_t m)
{
	return mtx_owned(m, curthread);
}

/* Thread context; never blocks. */
int
lwkt_mtx_islocked(lwkt_mtx_t m)
{
	return atomic_load_32(&m->m_lock) != 0;			/* MX1 */
}

/* Thread context; never blocks. */
int
lwkt_mtx_islocked_ex(lwkt_mtx_t m)
{
	return (atomic_load_32(&m->m_lock) & MTX_EXCLUSIVE) != 0;
}

/* Thread context; never blocks. */
unsigned
lwkt_mtx_lockrefs(lwkt_mtx_t m)
{
	return atomic_load_32(&m->m_lock) & MTX_COUNT;
}

/* Thread context; never blocks. */
void
lwkt_mtx_link_init(lwkt_mtx_link_t link)
{
	memset(link, 0, sizeof(*link));
}

/* Thread context; never blocks. */
void
lwkt_mtx_link_init_async(lwkt_mtx_link_t link, lwkt_mtx_callback_t callback,
    void *arg)
{
	lwkt_mtx_link_init(link);
	link->ml_async = 1;
	link->ml_callback = callback;
	link->ml_arg = arg;
}

/* Take m with a link that the program owns.  Returns as lock_link(). */
static int
lock_by_link(lwkt_mtx_t m, lwkt_mtx_link_t link, enum mtx_link_state kind,
    int flags, int64_t timeout_ns)
{
	if (!link->ml_async)
		order_want(LK_MTX, m, m->m_name);
	return tried(m, lock_link(m, link, kind, flags, timeout_ns));
}

/*
 * Thread context; blocks for at most timeout_ns.  With an asynchronous link
 * this never blocks, and flags and timeout_ns have no effect.
 */
int
lwkt_mtx_lock_ex_link(lwkt_mtx_t m, lwkt_mtx_link_t link, int flags,
    int64_t timeout_ns)
{
	return lock_by_link(m, link, ML_EX, flags, timeout_ns);
}

/*
 * Thread context; blocks for at most timeout_ns.  With an asynchronous link
 * this never blocks, and flags and timeout_ns have no effect.
 */
int
lwkt_mtx_lock_sh_link(lwkt_mtx_t m, lwkt_mtx_link_t link, int flags,
    int64_t timeout_ns)
{
	return lock_by_link(m, link, ML_SH, flags, timeout_ns);
}

/* Thread context; blocks for at most timeout_ns. */
int
lwkt_mtx_wait_link(lwkt_mtx_t m, lwkt_mtx_link_t link, int flags,
    int64_t timeout_ns)
{
	order_want(LK_MTX, m, m->m_name);
	return tried(m, mtx_wait_link(m, link, flags, timeout_ns));
}
