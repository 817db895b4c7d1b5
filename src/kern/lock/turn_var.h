/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order in which the waiters of a lock have their turns (turn.c).
 *
 * A queue is a pointer to its best waiter, NULL when it is empty.  The caller
 * of each function here holds the lock of the queue, which also protects the
 * tickets.
 */
#ifndef LWKT_KERN_LOCK_TURN_VAR_H
#define LWKT_KERN_LOCK_TURN_VAR_H

#include <lwkt/mtx.h>

/* Insert a waiter, whose tu_pri and tu_ticket are set; remove one. */
void	turn_insert(struct lwkt_turn **queue, struct lwkt_turn *tu);
void	turn_remove(struct lwkt_turn **queue, struct lwkt_turn *tu);
/* The waiter after tu, or NULL. */
struct lwkt_turn *turn_next(struct lwkt_turn *queue, struct lwkt_turn *tu);
/* Count the waiters and check their order; for invariants builds. */
unsigned turn_count(struct lwkt_turn *queue);

/* Return the priority of the best waiter, or -1. */
static inline int
turn_best(const struct lwkt_turn *queue)
{
	return queue != NULL ? queue->tu_pri : -1;
}

#endif
