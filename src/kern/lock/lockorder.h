/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the locks tell lockorder.c, in invariants builds.
 *
 * Called by public functions, or inlined into them, so that the return address
 * is a place in the program.
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

/* The caller will have the lock, and waits for it if need be. */
static inline void
order_want(enum lock_kind kind, const void *lock, const char *name)
{
	if (config_invariants)
		lockorder_want(kind, lock, name, __builtin_return_address(0));
}

/* The caller has it. */
static inline void
order_took(enum lock_kind kind, const void *lock, const char *name)
{
	if (config_invariants)
		lockorder_took(kind, lock, name, __builtin_return_address(0));
}

/* The caller is about to give it back, or has done so. */
static inline void
order_drop(const void *lock)
{
	if (config_invariants)
		lockorder_drop(lock);
}

#endif
