/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the locks report to lockorder.c, in invariants builds.
 *
 * Public functions call these functions, or contain them inline: so the return
 * address is a place in the program.
 */
#ifndef LWKT_KERN_LOCK_LOCKORDER_H
#define LWKT_KERN_LOCK_LOCKORDER_H

#include "base/config.h"
#include "kern/cpu/thread_var.h"

enum lock_kind { LK_SPIN, LK_MTX, LK_LOCKMGR, LK_SERIALIZER, LK_MUTEX };

void	lockorder_boot(void);
void	lockorder_want(enum lock_kind kind, const void *lock, const char *name,
	    const void *pc);
void	lockorder_took(enum lock_kind kind, const void *lock, const char *name,
	    const void *pc);
void	lockorder_drop(const void *lock);
void	lockorder_exit(lwkt_thread_t td);

/* Report that the caller requests the lock, and waits for it if necessary. */
static inline void
order_want(enum lock_kind kind, const void *lock, const char *name)
{
	if (config_invariants)
		lockorder_want(kind, lock, name, __builtin_return_address(0));
}

/* Report that the caller has taken the lock. */
static inline void
order_took(enum lock_kind kind, const void *lock, const char *name)
{
	if (config_invariants)
		lockorder_took(kind, lock, name, __builtin_return_address(0));
}

/* Report that the caller is about to release the lock, or has just done so. */
static inline void
order_drop(const void *lock)
{
	if (config_invariants)
		lockorder_drop(lock);
}

#endif
