/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mtx: locks with direct hand-off, shared or exclusive, recursive, held across
 * calls that block.
 *
 * Waiters are served by priority; those of equal priority in order of arrival.
 * The last unlock gives the mtx directly to the best waiter.  Between exclusive
 * and shared waiters of equal priority turns alternate: after an exclusive
 * holder all shared waiters follow that are not worse than the best exclusive
 * one, after them one exclusive waiter.  A new shared request waits behind
 * exclusive waiters of at least equal priority.  The exclusive holder runs with
 * the priority of the best waiter if that is better than its own.
 *
 * Context: thread; the _try forms and the unlocks also in callbacks.  Not from
 * plain pthreads.  A timeout is LWKT_FOREVER or nanoseconds.  The only flag is
 * LWKT_PCATCH: lwkt_interrupt() ends the wait.  The program owns the memory of
 * a mtx, and must not free it before all unlocks have returned.
 */
#ifndef LWKT_MTX_H
#define LWKT_MTX_H

#include <lwkt/spinlock.h>
#include <lwkt/types.h>

LWKT_BEGIN_DECLS

struct lwkt_mtx_link;
typedef void (*lwkt_mtx_callback_t)(struct lwkt_mtx_link *link, void *arg,
    int error);

/* A place in the queue of a lock: by priority, then by arrival. */
struct lwkt_turn {
	struct lwkt_turn *tu_next;	/* ring of all, in order */
	struct lwkt_turn *tu_prev;
	struct lwkt_turn *tu_level;	/* the first of lesser priority */
	struct lwkt_turn *tu_better;	/* or of greater; firsts only */
	uint64_t	 tu_ticket;
	int		 tu_pri;
};

/* A request; it must stay until it is granted or aborted. */
struct lwkt_mtx_link {
	struct lwkt_turn ml_turn;	/* in m_ex or m_sh, spinlock held */
	struct lwkt_mtx_link *ml_next;	/* granted together */
	lwkt_thread_t	 ml_td;		/* the thread that will own it */
	uint32_t	 ml_state;	/* atomic */
	int		 ml_async;	/* the request does not wait */
	lwkt_mtx_callback_t ml_callback;
	void		*ml_arg;
};
typedef struct lwkt_mtx_link *lwkt_mtx_link_t;

struct lwkt_mtx {
	uint32_t	 m_lock;	/* holders, requests; atomic */
	uintptr_t	 m_owner;	/* exclusive holder; atomic */
	const char	*m_name;
	struct lwkt_spin m_spin;	/* protects what follows */
	struct lwkt_turn *m_ex;		/* the best waiter of its kind */
	struct lwkt_turn *m_sh;
	uint64_t	 m_tickets;	/* requests that had to wait */
	uint32_t	 m_lent;	/* 1 + priority lent to m_owner; or 0 */
};
typedef struct lwkt_mtx *lwkt_mtx_t;

#define LWKT_MTX_INITIALIZER(name)					\
	{ 0, 0, (name), LWKT_SPIN_INITIALIZER(name), NULL, NULL, 0, 0 }

/* Initialise a mtx; name must stay. */
LWKT_API void lwkt_mtx_init(lwkt_mtx_t m, const char *name);
/* Panic if a thread holds it; to be called before the memory goes away. */
LWKT_API void lwkt_mtx_uninit(lwkt_mtx_t m);

/*
 * Take it exclusively; once more, if the caller holds it exclusively.  Blocks:
 * while another thread holds it.
 */
LWKT_API void lwkt_mtx_lock(lwkt_mtx_t m);
/*
 * Take it exclusively; shared.  For the exclusive holder both count as one more
 * exclusive taking.
 * Blocks: for at most timeout_ns.
 * Returns: 0; EWOULDBLOCK: not in time; EINTR: interrupted, with LWKT_PCATCH.
 */
LWKT_API int lwkt_mtx_lock_ex(lwkt_mtx_t m, int flags, int64_t timeout_ns);
LWKT_API int lwkt_mtx_lock_sh(lwkt_mtx_t m, int flags, int64_t timeout_ns);
/*
 * Take it without waiting.  Returns 0 or EAGAIN.  The shared form does
 * not wait behind exclusive requests.
 */
LWKT_API int lwkt_mtx_lock_ex_try(lwkt_mtx_t m);
LWKT_API int lwkt_mtx_lock_sh_try(lwkt_mtx_t m);
/*
 * Take it once more as a holder; ahead of all waiters.  (As a waiter a shared
 * holder might wait for itself.)  Blocks: no.
 */
LWKT_API void lwkt_mtx_lock_sh_again(lwkt_mtx_t m);

/*
 * Give back one taking: of either kind; exclusive; shared.  Panics if it is not
 * held, or held exclusively by another thread.  Blocks: no.
 */
LWKT_API void lwkt_mtx_unlock(lwkt_mtx_t m);
LWKT_API void lwkt_mtx_unlock_ex(lwkt_mtx_t m);
LWKT_API void lwkt_mtx_unlock_sh(lwkt_mtx_t m);

/* The forms without a result. */
static inline void
lwkt_mtx_lock_ex_quick(lwkt_mtx_t m)
{
	lwkt_mtx_lock(m);
}

static inline void
lwkt_mtx_lock_sh_quick(lwkt_mtx_t m)
{
	(void)lwkt_mtx_lock_sh(m, 0, LWKT_FOREVER);
}

/*
 * Take it exclusively as a spinlock; the rules of lwkt/spinlock.h hold.
 * Recursive.  The _try form returns 0 or EAGAIN.  Panics if the mtx is taken in
 * another way at the same time.
 * Context: thread, IPI or timer callback.  Blocks: no, the CPU spins.
 */
LWKT_API void lwkt_mtx_spinlock(lwkt_mtx_t m);
LWKT_API int lwkt_mtx_spinlock_try(lwkt_mtx_t m);
LWKT_API void lwkt_mtx_spinunlock(lwkt_mtx_t m);

/*
 * Make the only shared holder, which is the caller, the exclusive one.  Returns
 * 0; EDEADLK: there are other takings.
 * Blocks: no.
 */
LWKT_API int lwkt_mtx_upgrade_try(lwkt_mtx_t m);
/* Make all takings of the caller, the exclusive holder, shared.  Blocks: no. */
LWKT_API void lwkt_mtx_downgrade(lwkt_mtx_t m);

/*
 * Release all exclusive takings, or one shared taking; take them again with the
 * returned state.  Blocks: _restore, while it is held.
 */
LWKT_API unsigned lwkt_mtx_lock_temp_release(lwkt_mtx_t m);
LWKT_API void lwkt_mtx_lock_temp_restore(lwkt_mtx_t m, unsigned state);

/*
 * Tell whether the caller holds it exclusively; whether anybody holds it;
 * whether anybody holds it exclusively; and how many takings there are.
 */
LWKT_API int lwkt_mtx_owned(lwkt_mtx_t m);
LWKT_API int lwkt_mtx_islocked(lwkt_mtx_t m);
LWKT_API int lwkt_mtx_islocked_ex(lwkt_mtx_t m);
LWKT_API unsigned lwkt_mtx_lockrefs(lwkt_mtx_t m);

/*
 * Requests that another thread may abort, and asynchronous requests, which do
 * not wait.  Initialise the link for each request; it belongs to the caller and
 * must stay until the request is granted or aborted.
 *
 * An asynchronous request that cannot be granted at once returns EINPROGRESS.
 * The thread that later grants or aborts it calls callback(link, arg, error),
 * which must not block: error is 0, or ENOLCK if aborted.  If callback is NULL,
 * the thread of the request calls lwkt_mtx_wait_link.  That thread is the owner
 * of the mtx.
 */
LWKT_API void lwkt_mtx_link_init(lwkt_mtx_link_t link);
LWKT_API void lwkt_mtx_link_init_async(lwkt_mtx_link_t link,
    lwkt_mtx_callback_t callback, void *arg);
/*
 * lwkt_mtx_lock_ex, lwkt_mtx_lock_sh with a link.
 * Returns: as these; ENOLCK: aborted; EINPROGRESS.
 */
LWKT_API int lwkt_mtx_lock_ex_link(lwkt_mtx_t m, lwkt_mtx_link_t link,
    int flags, int64_t timeout_ns);
LWKT_API int lwkt_mtx_lock_sh_link(lwkt_mtx_t m, lwkt_mtx_link_t link,
    int flags, int64_t timeout_ns);
/*
 * Wait for an asynchronous request; a link with a callback, or without a
 * request, panics.
 * Blocks: for at most timeout_ns.
 * Returns: 0; ENOLCK: aborted; EWOULDBLOCK, EINTR: as lwkt_mtx_lock_ex.  After
 * an error the request is over.
 */
LWKT_API int lwkt_mtx_wait_link(lwkt_mtx_t m, lwkt_mtx_link_t link,
    int flags, int64_t timeout_ns);
/*
 * Abort a request, also one that has not been made yet; one that has been
 * granted stays granted.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_mtx_abort_link(lwkt_mtx_t m, lwkt_mtx_link_t link);

LWKT_END_DECLS

#endif
