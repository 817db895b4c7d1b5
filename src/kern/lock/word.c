/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting on a word, for threads and pthreads.
 *
 * THEORY
 * A waiter counts itself in the word, so that a thread that changes the state
 * sees the waiter.  It parks at the address of the word if the state has not
 * changed yet (park.c).
 *
 * INVARIANTS
 * WC1 The number in the word is that of the waiters between their first and
 *    their last instruction in sync_wait().
 *
 * ORDER
 * Waiter: counts itself (locked), then looks at the state with the bucket
 * locked.  Waker: changes the state (locked), looks at the number in the same
 * word, then locks the bucket.  See park.c.
 *
 * Source: the futex of Linux.
 */
#include "kern/lock/word_var.h"

#include <errno.h>

/*
 * Park if the word still has that state.  The caller is counted in the word and
 * in a critical section.
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
	if (error != 0 && park_leave(&pk, wmesg, NULL) != PARK_NONE)
		error = 0;
	return error;
}

/* Wait until woken, if the state of the word is still `state`. */
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

/* Wake the waiters that `old` counts. */
void
sync_wake_all(uint64_t *word, uint64_t old)
{
	if ((old & SW_WAITERS) != 0)
		park_wake(word, UINT32_MAX);
}
