/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting on a word, for threads and pthreads: the basis of the everyday locks.
 *
 * A word holds a state, which belongs to the lock, and the number of threads
 * and pthreads that wait on it.  A thread changes the state by a locked
 * instruction, whose result says whether there are waiters to wake.  The
 * wakeup needs only the address of the word: the lock may be gone by then.
 */
#ifndef LWKT_KERN_LOCK_WORD_VAR_H
#define LWKT_KERN_LOCK_WORD_VAR_H

#include "kern/cpu/crit.h"
#include "kern/lock/lock_var.h"
#include "kern/lock/park_var.h"

#define SW_STATE	((uint64_t)0x0fffffff)	/* the lock's */
#define SW_ONE		((uint64_t)1 << 28)	/* a waiter */
#define SW_WAITERS	(~SW_STATE)

/* Return the state in the word w. */
static inline uint32_t
sync_state(uint64_t w)
{
	return (uint32_t)(w & SW_STATE);
}

/*
 * word.c.  Wait until woken, if the state is still `state`; a wakeup may be
 * spurious.  Returns 0 or EWOULDBLOCK.  deadline is a result of
 * wait_deadline().
 */
int	sync_wait(uint64_t *word, uint32_t state, const char *wmesg,
	    int64_t deadline);
/* Wake all waiters.  `old`: the word before the change. */
void	sync_wake_all(uint64_t *word, uint64_t old);

/* Enter a critical section and return the caller; for a pthread only NULL. */
static inline lwkt_thread_t
sync_enter(void)
{
	lwkt_thread_t td = machine_oncpu() != NULL ? curthread : NULL;

	if (td != NULL)
		crit_enter_td(td);
	return td;
}

/* Leave the critical section of sync_enter(). */
static inline void
sync_exit(lwkt_thread_t td)
{
	if (td != NULL)
		crit_exit_td(td);
}

#endif
