/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lockmgr locks: shared or exclusive, with upgrades, timeouts and a way to
 * send waiters away.
 *
 * Waiters have their turns by priority, equal ones in order of arrival, and the
 * lock is given to them: no later thread gets it first.  Between exclusive and
 * shared waiters of equal priority the turns alternate.  A waiter that wants to
 * be exclusive keeps away new shared holders that are not better than it, one
 * that waits for its upgrade all.  Nothing is lent to the holders (see
 * lwkt/mtx.h for a lock that does).
 *
 * Context: thread; with LWKT_LK_NOWAIT, and to release, also in callbacks.
 * Not from foreign pthreads.
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
#define LWKT_LK_EXCLUPGRADE	0x04u	/* the same, with nobody in between */
#define LWKT_LK_DOWNGRADE	0x05u	/* exclusive to shared */
#define LWKT_LK_RELEASE		0x06u
#define LWKT_LK_CANCEL_BEG	0x07u	/* holder: send waiters away */
#define LWKT_LK_CANCEL_END	0x08u
#define LWKT_LK_EXCLOTHER	0x09u	/* only from lwkt_lockstatus */
#define LWKT_LK_TYPE		0x0fu

/* How; those of lwkt_lockinit hold for every request. */
#define LWKT_LK_NOWAIT		0x010u	/* EBUSY instead of waiting */
#define LWKT_LK_SLEEPFAIL	0x020u	/* ENOLCK after a wait */
#define LWKT_LK_CANRECURSE	0x040u	/* exclusive takings are counted */
#define LWKT_LK_TIMELOCK	0x080u	/* the lock's timeout: EWOULDBLOCK */
#define LWKT_LK_PCATCH		0x100u	/* lwkt_interrupt(): EINTR */
#define LWKT_LK_CANCELABLE	0x200u	/* ENOLCK by LWKT_LK_CANCEL_BEG */

struct lwkt_lock {
	struct lwkt_spin lk_spin;	/* of all fields but (i) */
	lwkt_thread_t	 lk_owner;	/* exclusive holder */
	uint32_t	 lk_excl;	/* its takings */
	uint32_t	 lk_shared;	/* shared takings */
	struct lwkt_turn *lk_ex;	/* best waiter for exclusive */
	struct lwkt_turn *lk_sh;	/* best waiter for shared */
	struct lwkt_turn *lk_upgrade;	/* a shared holder, waits */
	uint64_t	 lk_tickets;	/* requests that had to wait */
	uint32_t	 lk_cancel;	/* 1: between CANCEL_BEG and _END */
	unsigned	 lk_flags;	/* (i) */
	int64_t		 lk_timo;	/* (i) ns, for LWKT_LK_TIMELOCK */
};
typedef struct lwkt_lock *lwkt_lock_t;

#define LWKT_LOCK_INITIALIZER(name, timo_ns, flags)			\
	{ LWKT_SPIN_INITIALIZER(name), NULL, 0, 0, NULL, NULL, NULL, 0,	\
	    0, (flags), (timo_ns) }

LWKT_API void lwkt_lockinit(lwkt_lock_t lk, const char *name, int64_t timo_ns,
    unsigned flags);
LWKT_API void lwkt_lockuninit(lwkt_lock_t lk);

/*
 * Do one of the above.  Returns: 0, EBUSY, ENOLCK, EWOULDBLOCK, EINTR.  An
 * upgrade that fails has given the shared lock up.
 */
LWKT_API int lwkt_lockmgr(lwkt_lock_t lk, unsigned flags);
/* The same with LWKT_LK_NOWAIT. */
LWKT_API int lwkt_lockmgr_try(lwkt_lock_t lk, unsigned flags);

/*
 * LWKT_LK_EXCLUSIVE, if td (NULL: anybody) holds it so; LWKT_LK_EXCLOTHER, if
 * another one does; LWKT_LK_SHARED, or 0.
 */
LWKT_API unsigned lwkt_lockstatus(lwkt_lock_t lk, lwkt_thread_t td);
/* Exclusively the caller's? */
LWKT_API int lwkt_lockowned(lwkt_lock_t lk);
/* Takings, of either kind. */
LWKT_API unsigned lwkt_lockcount(lwkt_lock_t lk);

LWKT_END_DECLS

#endif
