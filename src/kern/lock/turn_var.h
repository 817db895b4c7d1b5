/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order in which the waiters of a lock have their turns (turn.c).
 *
 * A queue is a pointer to its best waiter, NULL when it is empty.  Everything
 * here is called with the queue's own lock held, which also protects the
 * numbers.
 */
#ifndef LWKT_KERN_LOCK_TURN_VAR_H
#define LWKT_KERN_LOCK_TURN_VAR_H

#include <lwkt/mtx.h>

/* tu_pri and tu_ticket are set. */
void	turn_insert(struct lwkt_turn **queue, struct lwkt_turn *tu);
void	turn_remove(struct lwkt_turn **queue, struct lwkt_turn *tu);
/* The one behind tu, or NULL. */
struct lwkt_turn *turn_next(struct lwkt_turn *queue, struct lwkt_turn *tu);
/* Checks, for invariants builds. */
unsigned turn_count(struct lwkt_turn *queue);

/* The best waiter's priority, or -1. */
static inline int
turn_best(const struct lwkt_turn *queue)
{
	return queue != NULL ? queue->tu_pri : -1;
}

#endif
