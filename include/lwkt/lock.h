/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lockmgr locks: shared or exclusive, with upgrades, timeouts and cancellation.
 *
 * Waiters are served by priority; those of equal priority in order of arrival.
 * They get the lock directly, so a later thread cannot take it first.  Between
 * exclusive and shared waiters of equal priority turns alternate.  A new shared
 * request waits behind exclusive waiters of at least equal priority, and behind
 * any upgrade.  So a shared holder that takes the lock again may wait for
 * itself.  Holders get no lent priority (a mtx does that: lwkt/mtx.h).
 *
 * Context: thread; with LWKT_LK_NOWAIT, and to release, also in callbacks.  Not
 * from plain pthreads.  The program owns the memory of a lock.
 */
#ifndef LWKT_LOCK_H
#define LWKT_LOCK_H

#include <lwkt/mtx.h>
#include <lwkt/spinlock.h>
#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* What to do. */
#define LWKT_LK_SHARED		0x01u
#define LWKT_LK_EXCLUSIVE	0x02u
#define LWKT_LK_UPGRADE		0x03u	/* shared to exclusive */
#define LWKT_LK_EXCLUPGRADE	0x04u	/* the same; no writer in between */
#define LWKT_LK_DOWNGRADE	0x05u	/* exclusive to shared */
#define LWKT_LK_RELEASE		0x06u
#define LWKT_LK_CANCEL_BEG	0x07u	/* holder: end the waits of others */
#define LWKT_LK_CANCEL_END	0x08u
#define LWKT_LK_EXCLOTHER	0x09u	/* only from lwkt_lockstatus */
#define LWKT_LK_TYPE		0x0fu

/* How to do it.  The flags of lwkt_lockinit hold for every request. */
#define LWKT_LK_NOWAIT		0x010u	/* EBUSY instead of waiting */
#define LWKT_LK_SLEEPFAIL	0x020u	/* ENOLCK after a wait */
#define LWKT_LK_CANRECURSE	0x040u	/* exclusive takings are counted */
#define LWKT_LK_TIMELOCK	0x080u	/* the lock's timeout: EWOULDBLOCK */
#define LWKT_LK_PCATCH		0x100u	/* lwkt_interrupt(): EINTR */
#define LWKT_LK_CANCELABLE	0x200u	/* ENOLCK by LWKT_LK_CANCEL_BEG */

struct lwkt_lock {
	struct lwkt_spin lk_spin;	/* protects all fields but (i) */
	lwkt_thread_t	 lk_owner;	/* exclusive holder */
	uint32_t	 lk_excl;	/* its takings */
	uint32_t	 lk_shared;	/* shared takings */
	struct lwkt_turn *lk_ex;	/* best waiter for exclusive */
	struct lwkt_turn *lk_sh;	/* best waiter for shared */
	struct lwkt_turn *lk_upgrade;	/* shared holder that waits for it */
	uint64_t	 lk_tickets;	/* requests that had to wait */
	uint32_t	 lk_cancel;	/* 1: between CANCEL_BEG and _END */
	unsigned	 lk_flags;	/* (i) */
	int64_t		 lk_timo;	/* (i) ns, for LWKT_LK_TIMELOCK */
};
typedef struct lwkt_lock *lwkt_lock_t;

#define LWKT_LOCK_INITIALIZER(name, timo_ns, flags)			\
	{ LWKT_SPIN_INITIALIZER(name), NULL, 0, 0, NULL, NULL, NULL, 0,	\
	    0, (flags), (timo_ns) }

/*
 * Initialise a lock; name must stay.  timo_ns: the limit for LWKT_LK_TIMELOCK
 * in nanoseconds, 0: none.  flags: as above.
 */
LWKT_API void lwkt_lockinit(lwkt_lock_t lk, const char *name, int64_t timo_ns,
    unsigned flags);
/* Panic if a thread holds it; to be called before the memory goes away. */
LWKT_API void lwkt_lockuninit(lwkt_lock_t lk);

/*
 * Do one of the above.  An upgrade that fails releases the shared lock.
 * LWKT_LK_UPGRADE does so too while another upgrade waits, and then waits for
 * the lock: other threads may change the data in between.  Panics if the lock
 * is not held as the operation requires, or if its exclusive holder takes it
 * exclusively again without LWKT_LK_CANRECURSE and LWKT_LK_NOWAIT.
 * Blocks: taking and upgrading, without LWKT_LK_NOWAIT.
 * Returns: 0; EBUSY, ENOLCK, EWOULDBLOCK, EINTR: see the flags; EBUSY also:
 * LWKT_LK_EXCLUPGRADE, and another upgrade waits.
 */
LWKT_API int lwkt_lockmgr(lwkt_lock_t lk, unsigned flags);
/* The same with LWKT_LK_NOWAIT. */
LWKT_API int lwkt_lockmgr_try(lwkt_lock_t lk, unsigned flags);

/*
 * Return LWKT_LK_EXCLUSIVE: td holds it exclusively (NULL: any thread does);
 * LWKT_LK_EXCLOTHER: another thread does; LWKT_LK_SHARED: it is held shared, by
 * whichever threads; 0: it is not held.  Blocks: no.
 */
LWKT_API unsigned lwkt_lockstatus(lwkt_lock_t lk, lwkt_thread_t td);
/* Return 1 if the caller holds it exclusively, else 0. */
LWKT_API int lwkt_lockowned(lwkt_lock_t lk);
/* Return the number of takings of either kind. */
LWKT_API unsigned lwkt_lockcount(lwkt_lock_t lk);

LWKT_END_DECLS

#endif
