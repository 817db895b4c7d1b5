/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks: exclusive or shared, for a few instructions.
 *
 * The holder is in a critical section.  It must not block, yield, or call a
 * function that may.  A thread that waits for a spinlock keeps its CPU busy.  A
 * CPU that holds a lock shared may take it shared again.  In any other case a
 * CPU that would wait for a lock that it holds itself panics.  A lock is
 * released on the CPU and by the thread that took it, in any order.  For longer
 * work use tokens or lwkt/sync.h.
 *
 * Context: thread, IPI or timer callback.  Not from plain pthreads.  Blocks:
 * no; the CPU spins.  The program owns the memory of a spinlock.
 */
#ifndef LWKT_SPINLOCK_H
#define LWKT_SPINLOCK_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

#define LWKT_MAXSPINS	16	/* most that one CPU may hold */

struct lwkt_spin {
	uint32_t	 s_lock;	/* holders and how; atomic */
	uint32_t	 s_exclwait;	/* CPUs that wait for it exclusively */
	uint32_t	 s_update;	/* odd: being changed; atomic */
	uint32_t	 s_rank;	/* for the checker; 0: none */
	const char	*s_name;
};
typedef struct lwkt_spin *lwkt_spin_t;

#define LWKT_SPIN_INITIALIZER(name)	{ 0, 0, 0, 0, (name) }

/* Initialise a spinlock; name must stay. */
LWKT_API void lwkt_spin_init(lwkt_spin_t s, const char *name);
/* Panic if a CPU holds it; to be called before the memory goes away. */
LWKT_API void lwkt_spin_uninit(lwkt_spin_t s);
/*
 * Give it a rank greater than 0.  Then a CPU may take it only if all ranked
 * locks that the CPU holds have lower ranks.  Builds with invariants check
 * this.
 */
LWKT_API void lwkt_spin_setrank(lwkt_spin_t s, unsigned rank);

/* Take and release it: exclusively; beside other shared holders. */
LWKT_API void lwkt_spin_lock(lwkt_spin_t s);
LWKT_API void lwkt_spin_unlock(lwkt_spin_t s);
LWKT_API void lwkt_spin_lock_shared(lwkt_spin_t s);
LWKT_API void lwkt_spin_unlock_shared(lwkt_spin_t s);
/* Release it, in whichever way it is held. */
LWKT_API void lwkt_spin_unlock_any(lwkt_spin_t s);

/* The same for callers that are in a critical section, and stay in it. */
LWKT_API void lwkt_spin_lock_quick(lwkt_spin_t s);
LWKT_API void lwkt_spin_unlock_quick(lwkt_spin_t s);
LWKT_API void lwkt_spin_lock_shared_quick(lwkt_spin_t s);
LWKT_API void lwkt_spin_unlock_shared_quick(lwkt_spin_t s);

/* Take it exclusively without waiting.  Returns 1, or 0 if it is held. */
LWKT_API int lwkt_spin_trylock(lwkt_spin_t s);
/*
 * Make the caller, which holds it shared, the exclusive holder.  Returns 1; or
 * 0 if there are other holders: the caller still holds it shared.
 */
LWKT_API int lwkt_spin_lock_upgrade_try(lwkt_spin_t s);

/* Return 1 if the calling CPU holds it in any way, else 0. */
LWKT_API int lwkt_spin_held(lwkt_spin_t s);

/*
 * Read data that rarely changes, without a lock:
 *
 *	do {
 *		v = lwkt_spin_access_start(s);
 *		... copy, with atomic loads ...
 *	} while (lwkt_spin_access_end(s, v));
 *
 * lwkt_spin_access_end returns 0 if the copy is valid, 1 if it must be made
 * again.  Until it has returned 0, the reader must not block and must not use
 * the copy.  The writer changes the data between lwkt_spin_lock_update and
 * lwkt_spin_unlock_update.  A reader that starts during a change takes the lock
 * shared until the end, and succeeds.
 *
 * The _only forms use the counter without the lock.  Their writers exclude each
 * other by other means, and are in a critical section.  Their readers do not
 * wait; lwkt_spin_access_inprog(v) tells whether a change was in progress.
 */
LWKT_API unsigned lwkt_spin_access_start(lwkt_spin_t s);
LWKT_API int lwkt_spin_access_end(lwkt_spin_t s, unsigned v);
LWKT_API void lwkt_spin_lock_update(lwkt_spin_t s);
LWKT_API void lwkt_spin_unlock_update(lwkt_spin_t s);
LWKT_API unsigned lwkt_spin_access_start_only(lwkt_spin_t s);
LWKT_API int lwkt_spin_access_inprog(unsigned v);
LWKT_API int lwkt_spin_access_end_only(lwkt_spin_t s, unsigned v);
LWKT_API void lwkt_spin_lock_update_only(lwkt_spin_t s);
LWKT_API void lwkt_spin_unlock_update_only(lwkt_spin_t s);

LWKT_END_DECLS

#endif
