/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks: exclusive or shared, for a few instructions.
 *
 * Holding one implies a critical section; the holder must not block, yield or
 * call anybody who might.  A thread that waits does not give its CPU to other
 * threads.  For everything longer there are tokens and lwkt/sync.h.
 *
 * Context: thread, IPI or timer callback.  Not from foreign pthreads.
 */
#ifndef LWKT_SPINLOCK_H
#define LWKT_SPINLOCK_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

#define LWKT_MAXSPINS	16	/* held by one CPU at a time */

struct lwkt_spin {
	uint32_t	 s_lock;	/* holders and how; atomic */
	uint32_t	 s_exclwait;	/* CPUs that want it alone; atomic */
	uint32_t	 s_update;	/* odd: being changed; atomic */
	uint32_t	 s_rank;	/* for the checker; 0: none */
	const char	*s_name;
};
typedef struct lwkt_spin *lwkt_spin_t;

#define LWKT_SPIN_INITIALIZER(name)	{ 0, 0, 0, 0, (name) }

LWKT_API void lwkt_spin_init(lwkt_spin_t s, const char *name);
/* Nobody may hold it. */
LWKT_API void lwkt_spin_uninit(lwkt_spin_t s);
/*
 * In builds with invariants a CPU may take it only if its rank is above those
 * of all ranked locks that the CPU holds.
 */
LWKT_API void lwkt_spin_setrank(lwkt_spin_t s, unsigned rank);

/* Take it alone, or beside other shared holders. */
LWKT_API void lwkt_spin_lock(lwkt_spin_t s);
LWKT_API void lwkt_spin_unlock(lwkt_spin_t s);
LWKT_API void lwkt_spin_lock_shared(lwkt_spin_t s);
LWKT_API void lwkt_spin_unlock_shared(lwkt_spin_t s);
/* Give it back, in whichever way it is held. */
LWKT_API void lwkt_spin_unlock_any(lwkt_spin_t s);

/* The same for callers who are in a critical section and stay in it. */
LWKT_API void lwkt_spin_lock_quick(lwkt_spin_t s);
LWKT_API void lwkt_spin_unlock_quick(lwkt_spin_t s);
LWKT_API void lwkt_spin_lock_shared_quick(lwkt_spin_t s);
LWKT_API void lwkt_spin_unlock_shared_quick(lwkt_spin_t s);

/* Without waiting: 1 if it could be had, else 0. */
LWKT_API int lwkt_spin_trylock(lwkt_spin_t s);
/* The only shared holder becomes the exclusive one: 1, else 0. */
LWKT_API int lwkt_spin_lock_upgrade_try(lwkt_spin_t s);

/* Does the calling CPU hold it? */
LWKT_API int lwkt_spin_held(lwkt_spin_t s);

/*
 * Reading without a lock what rarely changes:
 *
 *	do {
 *		v = lwkt_spin_access_start(s);
 *		... copy, with atomic loads ...
 *	} while (lwkt_spin_access_end(s, v));
 *
 * The writer changes it between lwkt_spin_lock_update and
 * lwkt_spin_unlock_update.  A reader that starts during a change waits for the
 * lock, shared, and succeeds.  The _only forms never touch the lock: their
 * writers exclude each other by other means, and are in a critical section;
 * their reader asks lwkt_spin_access_inprog(v) if it wants to know before.
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
