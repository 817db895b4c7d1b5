/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mutexes with hand-off: shared or exclusive, recursive, held across calls
 * that block.
 *
 * Waiters have their turns by priority, equal ones in order of arrival: the
 * last unlock gives the mutex to the best of them.  Between exclusive and
 * shared waiters of equal priority the turns alternate: after an exclusive
 * holder the shared waiters go, all together, after them an exclusive one.  A
 * waiter that wants to be exclusive keeps away new shared holders that are not
 * better than it.  The exclusive holder runs with the priority of the best
 * waiter, if that is better than its own.
 *
 * Context: thread; the _try forms and unlock also in callbacks.  Not from
 * foreign pthreads.  A timeout is LWKT_FOREVER or nanoseconds; the only flag
 * is LWKT_PCATCH: lwkt_interrupt() ends the wait.
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

/* A request, of its maker until it is granted or aborted. */
struct lwkt_mtx_link {
	struct lwkt_turn ml_turn;	/* in m_ex or m_sh, spinlock held */
	struct lwkt_mtx_link *ml_next;	/* granted together */
	lwkt_thread_t	 ml_td;		/* who will be the owner */
	uint32_t	 ml_state;	/* atomic */
	int		 ml_async;	/* the request does not wait */
	lwkt_mtx_callback_t ml_callback;
	void		*ml_arg;
};
typedef struct lwkt_mtx_link *lwkt_mtx_link_t;

struct lwkt_mtx {
	uint32_t	 m_lock;	/* holders, wishes; atomic */
	uintptr_t	 m_owner;	/* exclusive holder; atomic */
	const char	*m_name;
	struct lwkt_spin m_spin;	/* of what follows */
	struct lwkt_turn *m_ex;		/* the best waiter of its kind */
	struct lwkt_turn *m_sh;
	uint64_t	 m_tickets;	/* requests that had to wait */
	uint32_t	 m_lent;	/* 1 + priority lent to m_owner; or 0 */
};
typedef struct lwkt_mtx *lwkt_mtx_t;

#define LWKT_MTX_INITIALIZER(name)					\
	{ 0, 0, (name), LWKT_SPIN_INITIALIZER(name), NULL, NULL, 0, 0 }

LWKT_API void lwkt_mtx_init(lwkt_mtx_t m, const char *name);
LWKT_API void lwkt_mtx_uninit(lwkt_mtx_t m);

/* Take it, exclusively, for ever. */
LWKT_API void lwkt_mtx_lock(lwkt_mtx_t m);
/* Returns: 0, EWOULDBLOCK, EINTR. */
LWKT_API int lwkt_mtx_lock_ex(lwkt_mtx_t m, int flags, int64_t timeout_ns);
LWKT_API int lwkt_mtx_lock_sh(lwkt_mtx_t m, int flags, int64_t timeout_ns);
/* At once: 0 or EAGAIN.  The shared one ignores waiters. */
LWKT_API int lwkt_mtx_lock_ex_try(lwkt_mtx_t m);
LWKT_API int lwkt_mtx_lock_sh_try(lwkt_mtx_t m);
/* One more for who holds it already: waiters are ignored. */
LWKT_API void lwkt_mtx_lock_sh_again(lwkt_mtx_t m);

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
 * Exclusively, as a spinlock: all that lwkt/spinlock.h says of holding and
 * waiting for one.  Recursive.  A mtx that is taken in this way is never taken
 * in another one beside it (panic).  The _try form: 0 or EAGAIN.
 * Context: thread, IPI or timer callback.
 */
LWKT_API void lwkt_mtx_spinlock(lwkt_mtx_t m);
LWKT_API int lwkt_mtx_spinlock_try(lwkt_mtx_t m);
LWKT_API void lwkt_mtx_spinunlock(lwkt_mtx_t m);

/* The only shared holder becomes the exclusive one: 0, or EDEADLK. */
LWKT_API int lwkt_mtx_upgrade_try(lwkt_mtx_t m);
/* All takings of the exclusive holder become shared ones. */
LWKT_API void lwkt_mtx_downgrade(lwkt_mtx_t m);

/* Give it up whole, and have it again as it was. */
LWKT_API unsigned lwkt_mtx_lock_temp_release(lwkt_mtx_t m);
LWKT_API void lwkt_mtx_lock_temp_restore(lwkt_mtx_t m, unsigned state);

/* Exclusively the caller's?  Anybody's?  Somebody's exclusively?  Takings? */
LWKT_API int lwkt_mtx_owned(lwkt_mtx_t m);
LWKT_API int lwkt_mtx_islocked(lwkt_mtx_t m);
LWKT_API int lwkt_mtx_islocked_ex(lwkt_mtx_t m);
LWKT_API unsigned lwkt_mtx_lockrefs(lwkt_mtx_t m);

/*
 * Requests that others may abort, or that do not wait.  Init a link anew for
 * each request.  An async request that cannot be granted at once returns
 * EINPROGRESS; later the callback is called (error 0, or ENOLCK when aborted)
 * by whoever grants or aborts it, or, without a callback, lwkt_mtx_wait_link
 * says so.  The owner is the thread that made the request.
 */
LWKT_API void lwkt_mtx_link_init(lwkt_mtx_link_t link);
LWKT_API void lwkt_mtx_link_init_async(lwkt_mtx_link_t link,
    lwkt_mtx_callback_t callback, void *arg);
/* Returns: as lwkt_mtx_lock_ex, ENOLCK when aborted, EINPROGRESS. */
LWKT_API int lwkt_mtx_lock_ex_link(lwkt_mtx_t m, lwkt_mtx_link_t link,
    int flags, int64_t timeout_ns);
LWKT_API int lwkt_mtx_lock_sh_link(lwkt_mtx_t m, lwkt_mtx_link_t link,
    int flags, int64_t timeout_ns);
/* An error but ENOLCK leaves no request behind. */
LWKT_API int lwkt_mtx_wait_link(lwkt_mtx_t m, lwkt_mtx_link_t link,
    int flags, int64_t timeout_ns);
/* Any lwkt context.  One that has been granted stays so. */
LWKT_API void lwkt_mtx_abort_link(lwkt_mtx_t m, lwkt_mtx_link_t link);

LWKT_END_DECLS

#endif
