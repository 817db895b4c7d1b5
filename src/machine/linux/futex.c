/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wait on a word by futex(2), and wake its waiters.
 *
 * THEORY
 * Linux compares the word and puts the caller to sleep in one atomic step with
 * respect to wakers of that word.  So a host thread that first changes the word
 * and then wakes never misses a sleeper.  Linux may treat the words as private
 * to the process even if they are in shared memory, because no other process
 * waits on these words or wakes their waiters.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine/linux/host.h"

#define NS_PER_S	1000000000

int
lwkt__futex_wait(uint32_t *word, uint32_t val, int64_t timeout_ns)
{
	struct timespec ts, *tsp = NULL;

	if (timeout_ns >= 0) {
		ts.tv_sec = timeout_ns / NS_PER_S;
		ts.tv_nsec = timeout_ns % NS_PER_S;
		tsp = &ts;
	}
	if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, val, tsp, NULL,
	    0) == 0)
		return 0;
	return errno;
}

void
lwkt__futex_wake(uint32_t *word, int n)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

void
machine_foreign_wait(uint32_t *word, uint32_t val)
{
	int saved = errno;

	while (atomic_load_acq_32(word) == val) {
		if (lwkt__futex_wait(word, val, -1) != EINTR)
			break;
	}
	errno = saved;
}

void
machine_foreign_wake(uint32_t *word)
{
	int saved = errno;

	lwkt__futex_wake(word, INT_MAX);
	errno = saved;
}
