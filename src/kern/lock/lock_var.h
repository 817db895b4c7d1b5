/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Common to the sleeping locks: domains of their idents, the owner word for the
 * report of deadlocks, and timeouts that cover several sleeps.  Also a function
 * of the spinlocks and one of lockmgr, which other files call.
 */
#ifndef LWKT_KERN_LOCK_LOCK_VAR_H
#define LWKT_KERN_LOCK_LOCK_VAR_H

#include "kern/sleep/synch_var.h"

/*
 * kern_spinlock.c: panic if the list of spinlocks that the CPU gd holds has an
 * invalid length, or a lock in it is free.
 */
void	spin_check(struct globaldata *gd);

/*
 * Domains of idents.  A wakeup in one domain does not wake a thread that sleeps
 * on the same address in another domain.
 */
#define PDOMAIN_MTX		0x00050000	/* waiters for a mtx */
#define PDOMAIN_XWAIT		0x00080000	/* sleepers of lwkt_xsleep() */

/*
 * kern_lock.c: take lk again after a sleep.  type is LWKT_LK_SHARED or
 * LWKT_LK_EXCLUSIVE, without flags.
 */
struct lwkt_lock;
void	lock_again(struct lwkt_lock *lk, unsigned type);

/* The bits of an owner word that are the address of the holder. */
#define LOCK_OWNER		((uintptr_t)0x0000ffffffffffc0)

/*
 * Note for the report of deadlocks that the caller waits for a lock.  *owner is
 * the word that names the exclusive holder of the lock, if it has one
 * (LOCK_OWNER).  If owner is NULL, the wait has ended.  On a plain pthread this
 * has no effect.
 */
static inline void
wait_owner(const void *owner)
{
	if (machine_oncpu() != NULL)
		curthread->td_cold->tc_waitowner = owner;
}

/*
 * Return the time in ns at which a wait that begins now has to end.  0: the
 * caller must not wait (timeout_ns is 0, or negative but not LWKT_FOREVER).
 * LWKT_FOREVER: no limit.
 */
static inline int64_t
wait_deadline(int64_t timeout_ns)
{
	int64_t now;

	if (timeout_ns <= 0)
		return limit_ns(timeout_ns);
	now = machine_time_ns();
	return timeout_ns < INT64_MAX - now ? now + timeout_ns : LWKT_FOREVER;
}

/*
 * Convert a result of wait_deadline() to a timeout for lwkt_tsleep(): the ns
 * that are left, 0 if none, or LWKT_FOREVER.
 */
static inline int64_t
wait_left(int64_t deadline)
{
	int64_t now;

	if (deadline <= 0)
		return deadline;
	now = machine_time_ns();
	return now < deadline ? deadline - now : 0;
}

#endif
