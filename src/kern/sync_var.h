/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting on a word, for threads and pthreads: what the everyday locks are
 * made of.
 *
 * A word holds a state, which belongs to the lock, and the numbers of threads
 * and of pthreads that wait on it.  Whoever changes the state by a locked
 * instruction learns from its result whether to wake anybody, and does that by
 * the word's address alone: the lock may be gone by then.
 */
#ifndef LWKT_KERN_SYNC_VAR_H
#define LWKT_KERN_SYNC_VAR_H

#include "kern/lock_var.h"

#define SW_STATE	((uint64_t)0x0fffffff)	/* the lock's */
#define SW_PTH		((uint64_t)1 << 28)	/* 12 bits: waiting pthreads */
#define SW_TD		((uint64_t)1 << 40)	/* 24 bits: waiting threads */
#define SW_PTHMASK	(SW_TD - SW_PTH)
#define SW_WAITERS	(~SW_STATE)

static inline uint32_t
sync_state(uint64_t w)
{
	return (uint32_t)(w & SW_STATE);
}

/*
 * kern_sync.c.  Wait until woken, if the state is (still) `state`; may return
 * early.  0, or EWOULDBLOCK.  deadline: of wait_deadline().
 */
int	sync_wait(uint64_t *word, uint32_t state, const char *wmesg,
	    int64_t deadline);
/* `old`: the word before the change.  One thread (and all pthreads), or all. */
void	sync_wake_one(uint64_t *word, uint64_t old);
void	sync_wake_all(uint64_t *word, uint64_t old);
/* An address that is the calling pthread's own. */
uintptr_t sync_pthread(void);

/* Who calls. */
static inline uintptr_t
sync_self(void)
{
	struct mcpu *mc = machine_oncpu();

	return likely(mc != NULL) ? (uintptr_t)mc->mc_curthread :
	    sync_pthread();
}

#endif
