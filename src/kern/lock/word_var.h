/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words that threads and pthreads wait on, for the semaphore, barrier, wait
 * group and once (count.c).
 *
 * A word holds a state, whose meaning is up to the lock, and the number of
 * threads and pthreads that wait on the word.  The state is changed by a locked
 * instruction, whose result says whether there are waiters to wake.  The wakeup
 * needs only the address of the word: the lock may have been freed by then.
 *
 * The semaphore has such a word and uses sync_enter() and sync_exit(), but
 * counts, queues and wakes its waiters itself (SE1, SE2 of count.c).
 */
#ifndef LWKT_KERN_LOCK_WORD_VAR_H
#define LWKT_KERN_LOCK_WORD_VAR_H

#include "kern/cpu/crit.h"
#include "kern/lock/lock_var.h"
#include "kern/lock/park_var.h"

#define SW_STATE	((uint64_t)0x0fffffff)	/* mask of the state */
#define SW_ONE		((uint64_t)1 << 28)	/* one waiter */
#define SW_WAITERS	(~SW_STATE)		/* mask of the number */

/* Return the state in the word w. */
static inline uint32_t
sync_state(uint64_t w)
{
	return (uint32_t)(w & SW_STATE);
}

/*
 * word.c.  If the state is still `state`, wait until woken.  Returns 0: woken,
 * perhaps spuriously, or the state differs; EWOULDBLOCK: the deadline has
 * passed.  If deadline is 0, returns EWOULDBLOCK whatever the state is.
 * deadline is a result of wait_deadline(); on a pthread it is 0 or
 * LWKT_FOREVER.  Blocks.
 */
int	sync_wait(uint64_t *word, uint32_t state, const char *wmesg,
	    int64_t deadline);
/*
 * Wake all waiters, if there are any in `old`, the value of the word before the
 * change.  Only the address of the word is used.
 */
void	sync_wake_all(uint64_t *word, uint64_t old);

/*
 * On a thread: enter a critical section and return the thread.  On a pthread:
 * return NULL.
 */
static inline lwkt_thread_t
sync_enter(void)
{
	lwkt_thread_t td = machine_oncpu() != NULL ? curthread : NULL;

	if (td != NULL)
		crit_enter_td(td);
	return td;
}

/* Leave the critical section of sync_enter(), whose result td is. */
static inline void
sync_exit(lwkt_thread_t td)
{
	if (td != NULL)
		crit_exit_td(td);
}

#endif
