/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a side of a ring waits for the other side before it sleeps (gather.c).
 *
 *	struct gather ga = gather_begin(&pauses);
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
#include <stdint.h>

struct gather {
	uint32_t	*ga_word;	/* (a) the word of the side */
	uint32_t	 ga_pauses;	/* before each look of this wait */
	int		 ga_left;	/* pauses until the end of patience */
};

struct gather gather_begin(uint32_t *word);
/*
 * Pause, and return 1; the caller then looks.  Returns 0 if it should sleep
 * instead.  A thread is in no critical section; does deferred work.
 */
int	gather_pause(struct gather *ga);
/*
 * The look has found n elements, and the wait is over.  `enough` are so many
 * that it need not have been longer.
 */
void	gather_found(struct gather *ga, size_t n, size_t enough);

#endif
