/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting on a word, for threads and pthreads.
 *
 * THEORY
 * A waiter counts itself in the word, so that the thread or pthread that
 * changes the state sees the waiter.  If the state has not changed yet, the
 * waiter queues itself at the address of the word (park.c).
 *
 * INVARIANTS
 * WC1 The number in the word is the number of waiters between the two locked
 *    additions of sync_wait().  (A semaphore counts its waiters itself.)
 *
 * ORDER
 * A waiter counts itself by a locked instruction, and then tests the state with
 * the bucket locked.  A waker changes the state and reads the number by one
 * locked instruction, and then locks the bucket.  So either the waker sees that
 * it has to wake the waiter, or the waiter sees the new state (see park.c).
 *
 * Source: the futex of Linux.
 */
#include "kern/lock/word_var.h"

#include <errno.h>

/*
 * If the word still has the state `state`, wait until woken.  Returns 0: woken,
 * or the state differs; EWOULDBLOCK: the deadline has passed.  The caller is
 * counted in the word, and is in a critical section if it is a thread.
 */
static int
wait_changed(uint64_t *word, uint32_t state, const char *wmesg,
    int64_t deadline)
{
	struct park_bucket *b;
	struct park pk;
	int error, differs;

	park_init(&pk, word);
	b = park_lock(word);
	differs = sync_state(atomic_load_64(word)) != state;
	if (!differs)
		park_insert(b, &pk);
	park_unlock(b);
	if (differs)
		return 0;
	error = park_wait(&pk, 0, wmesg, deadline);
	if (error != 0 && park_leave(&pk, wmesg, NULL, 0) != PARK_NONE)
		error = 0;
	return error;
}

/*
 * If the state of the word is still `state`, wait until woken.  Returns 0:
 * woken, perhaps spuriously, or the state differs; EWOULDBLOCK: the deadline
 * has passed.  If deadline is 0, returns EWOULDBLOCK whatever the state is.
 * Blocks.
 */
int
sync_wait(uint64_t *word, uint32_t state, const char *wmesg,
    int64_t deadline)
{
	lwkt_thread_t td;
	int error;

	if (deadline == 0)
		return EWOULDBLOCK;
	td = sync_enter();
	(void)atomic_fetchadd_64(word, SW_ONE);			/* WC1 */
	error = wait_changed(word, state, wmesg, deadline);
	(void)atomic_fetchadd_64(word, -SW_ONE);
	sync_exit(td);
	return error;
}

/* Wake all waiters, if `old`, the word before the change, counts any. */
void
sync_wake_all(uint64_t *word, uint64_t old)
{
	if ((old & SW_WAITERS) != 0)
		park_wake(word, UINT32_MAX);
}
