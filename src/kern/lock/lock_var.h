/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the sleeping locks share: domains of their idents, and timeouts that
 * cover several sleeps.
 */
#ifndef LWKT_KERN_LOCK_LOCK_VAR_H
#define LWKT_KERN_LOCK_LOCK_VAR_H

#include "kern/sleep/synch_var.h"

void	spin_check(struct globaldata *gd);	/* kern_spinlock.c; panics */

/* Domains of idents: other sleepers are not in them. */
#define PDOMAIN_MTX		0x00050000
#define PDOMAIN_XWAIT		0x00080000

/* kern_lock.c: type is LWKT_LK_SHARED or _EXCLUSIVE, without flags. */
struct lwkt_lock;
void	lock_again(struct lwkt_lock *lk, unsigned type);

/*
 * For the report of deadlocks: the caller waits until the thread in *owner
 * releases its lock.  Bits outside LOCK_OWNER of that word mean something else.
 * NULL ends the wait.
 */
#define LOCK_OWNER		((uintptr_t)0x0000ffffffffffc0)


static inline void
wait_owner(const void *owner)
{
	if (machine_oncpu() != NULL)
		curthread->td_cold->tc_waitowner = owner;
}

/*
 * Return the time at which a wait that begins now has to end; LWKT_FOREVER
 * stays as it is.
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

/* Return what is left of a deadline, for lwkt_tsleep. */
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
