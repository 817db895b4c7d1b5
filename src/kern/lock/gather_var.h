/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings of slots between two sides: how a side waits for the other one before
 * it sleeps (gather.c), and how it fetches slots from the other one's cache.
 *
 *	struct gather ga = gather_begin(&pauses, patience, deadline);
 *	while (gather_pause(&ga))
 *		if ((n = number of elements that can be moved now) > 0)
 *			gather_found(&ga, n, enough), and move them
 *	sleep
 *
 * `pauses` is a word of the side, 0 at first, which only calls of this side
 * use.
 */
#ifndef LWKT_KERN_LOCK_GATHER_VAR_H
#define LWKT_KERN_LOCK_GATHER_VAR_H

#include <stddef.h>

#include "base/compiler.h"

struct gather {
	uint32_t	*ga_word;	/* (a) the word of the side */
	int64_t		 ga_deadline;	/* of the wait, if > 0 */
	uint32_t	 ga_pauses;	/* before each look, less 1 */
	uint32_t	 ga_turn;	/* pauses so far */
	uint32_t	 ga_most;	/* most pauses of this wait */
};

/*
 * Begin to wait for at most `patience` times lwkt.pipe_spin pauses, and not
 * beyond the deadline, a result of wait_deadline().
 */
struct gather gather_begin(uint32_t *word, int patience, int64_t deadline);
/*
 * Pause, and return 1; the caller then looks.  Returns 0 if the caller should
 * sleep instead.  A thread is in no critical section, and does deferred work
 * here.
 */
int	gather_pause(struct gather *ga);
/*
 * The look has found n elements, and the wait is over.  `enough` elements keep
 * the side busy for a while, so that the next wait may have shorter pauses.
 */
void	gather_found(struct gather *ga, size_t n, size_t enough);

#define RING_LINE	64	/* bytes of a cache line */
#define RING_AHEAD	512	/* bytes from a slot to what is fetched */

/* Return whether the slot `at`, of size bytes, is the last of a cache line. */
static inline int
ring_ends_line(const void *slots, size_t size, size_t at)
{
	uintptr_t slot = (uintptr_t)slots + at * size;

	return ((slot ^ (slot + size)) & ~(uintptr_t)(RING_LINE - 1)) != 0;
}

/*
 * Fetch the line RING_AHEAD bytes after slot `at`, if it is among the next
 * `left` slots, which the side may use.  The lines of a ring are in the other
 * side's cache.  If they are fetched one by one, each takes as long as many
 * elements.
 */
static inline void
ring_fetch(const void *slots, size_t size, size_t nslots, size_t at,
    size_t left, int write)
{
	size_t to = at * size + RING_AHEAD;

	if (left * size <= RING_AHEAD + RING_LINE)
		return;
	if (to >= nslots * size)
		to -= nslots * size;
	if (write)
		prefetch_write((const char *)slots + to);
	else
		__builtin_prefetch((const char *)slots + to);
}

#endif
