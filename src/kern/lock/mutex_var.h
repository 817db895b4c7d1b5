/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The word of an everyday mutex, and its waiters.  THEORY and INVARIANTS are in
 * mutex.c.
 */
#ifndef LWKT_KERN_LOCK_MUTEX_VAR_H
#define LWKT_KERN_LOCK_MUTEX_VAR_H

#include <lwkt/sync.h>

#include "kern/lock/loud_var.h"
#include "kern/lock/park_var.h"

/*
 * Fields of mu_word.  MU_OWNER is the address of the holder (a thread, or
 * pthread_id of a pthread), 0: the mutex is free.  MU_CPU is the tag of the CPU
 * on which the holder took the mutex, 0: a pthread.  MU_BEST: see MU1.  MU_LATE
 * counts the unlocks in a row that notified no waiter although one was queued,
 * because MU_SLOW was clear.
 */
#define MU_SLOW		((uint64_t)0x1)	/* unlock under the bucket's lock */
#define MU_LATE		((uint64_t)0x3e)
#define MU_LATE_ONE	((uint64_t)0x2)	/* 1 in MU_LATE */
#define MU_OWNER	((uint64_t)0x0000ffffffffffc0)
#define MU_CPU		TAG_BITS
#define MU_BEST_SHIFT	57
#define MU_BEST		((uint64_t)0x3f << MU_BEST_SHIFT)
#define MU_BARGED	((uint64_t)1 << 63)	/* MU5 */
#define MU_HOLDER	(MU_OWNER | MU_CPU)

CTASSERT(NPRI < 0x3f, "MU_BEST");

/*
 * mutex_wait.c.  The caller is in a critical section, or is a pthread.
 */

/*
 * Make MU1, MU2 and MU4 true after the queue has changed.  The bucket is
 * locked.  Returns 1 if the mutex is held.  Returns 0 if it is free: unless the
 * queue is empty, MU2 then needs a waiter that was notified and will still try.
 * If there may be no such waiter, the caller must notify one or take the mutex
 * itself.
 */
int	mutex_settle(struct lwkt_mutex *mu, struct park_bucket *b,
	    struct lend_todo *lt);
/*
 * The caller was notified and must try to take the mutex, but gives up.  If the
 * mutex is free, notify the best queued waiter instead.
 */
void	mutex_pass_on(struct lwkt_mutex *mu);
/* lw_moved of a waiter for a mutex (lend_var.h). */
void	mutex_moved(struct lend_wait *lw, int pri, struct lend_todo *lt);
/*
 * If the mutex is free, take it for the caller, the waiter of pk, and return 1.
 * Else queue pk and return 0.
 */
int	mutex_queue(struct lwkt_mutex *mu, struct park *pk);
/*
 * Leave the queue after a timeout.  Returns PARK_NONE; or, if the record had
 * been taken, waits until the waker notifies it and returns PARK_NOTIFIED or
 * PARK_OWNER.
 */
uint32_t mutex_leave(struct lwkt_mutex *mu, struct park *pk);
/*
 * Release the mutex of td, the caller (NULL: a pthread): give it to the best
 * waiter, if park_deserves() says so, or make it free and notify the best
 * waiter, if there is one.  The bucket is locked; mutex_give() unlocks it.
 * lend_carry_out() has to follow.
 */
void	mutex_give(struct lwkt_mutex *mu, struct park_bucket *b,
	    lwkt_thread_t td, struct lend_todo *lt);

/* Return the priority of the best waiter in the word w (MU1); -1: no waiter. */
static inline int
best_of(uint64_t w)
{
	return (int)((w & MU_BEST) >> MU_BEST_SHIFT) - 1;
}

/* Return the bits MU_BEST for the best waiter `first` (NULL: none). */
static inline uint64_t
best_bits(const struct park *first)
{
	return first == NULL ? 0 :
	    (uint64_t)(first->pk_turn.tu_pri + 1) << MU_BEST_SHIFT;
}

#endif
