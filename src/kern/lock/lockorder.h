/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the locks report to lockorder.c, in invariants builds.
 *
 * Public functions of the locks, and functions that are inlined into them, call
 * order_want() and order_took().  So the return address that these pass on is
 * where the public function was called: in the program, or in the library if
 * one function of a lock calls another (rwlock.c, lock_again).  lock_by_link()
 * and read_slow() are not inlined; their address is the same if the compiler
 * ends the public function by a jump to them, else one in that function.
 */
#ifndef LWKT_KERN_LOCK_LOCKORDER_H
#define LWKT_KERN_LOCK_LOCKORDER_H

#include "base/config.h"
#include "kern/cpu/thread_var.h"

enum lock_kind { LK_SPIN, LK_MTX, LK_LOCKMGR, LK_SERIALIZER, LK_MUTEX };

/* lockorder.c; pc is that return address. */
void	lockorder_boot(void);
void	lockorder_want(enum lock_kind kind, const void *lock, const char *name,
	    const void *pc);
void	lockorder_took(enum lock_kind kind, const void *lock, const char *name,
	    const void *pc);
void	lockorder_drop(const void *lock);
void	lockorder_shared(const void *lock);
void	lockorder_owned(const void *lock);
void	lockorder_exit(lwkt_thread_t td);
uint32_t lockorder_count(lwkt_thread_t td);	/* of td's records; for tests */

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

/*
 * Report that all takings of the lock by the caller are shared ones now, which
 * any thread may release (lockmgr).
 */
static inline void
order_shared(const void *lock)
{
	if (config_invariants)
		lockorder_shared(lock);
}

/* Report that a shared taking of the lock is the caller's exclusive one now. */
static inline void
order_owned(const void *lock)
{
	if (config_invariants)
		lockorder_owned(lock);
}

#endif
