/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues of the waiters of a lock, in the order in which they are served: by
 * priority, those of equal priority by their tickets (turn.c).  The caller
 * gives out the tickets in order of arrival.
 *
 * A queue is a pointer to its best waiter, NULL when it is empty.  The caller
 * of each function here holds the lock that protects the queue.
 */
#ifndef LWKT_KERN_LOCK_TURN_VAR_H
#define LWKT_KERN_LOCK_TURN_VAR_H

#include <lwkt/mtx.h>

/* Insert a waiter, whose tu_pri and tu_ticket are set; remove a waiter. */
void	turn_insert(struct lwkt_turn **queue, struct lwkt_turn *tu);
void	turn_remove(struct lwkt_turn **queue, struct lwkt_turn *tu);
/* Return the waiter after tu, or NULL if tu is the last one. */
struct lwkt_turn *turn_next(struct lwkt_turn *queue, struct lwkt_turn *tu);
/* Return the number of waiters; panic if their order is wrong (TU1). */
unsigned turn_count(struct lwkt_turn *queue);

/* Make tu the only waiter of a queue; the caller points the queue at it. */
static inline void
turn_first(struct lwkt_turn *tu)
{
	tu->tu_next = tu->tu_prev = tu->tu_level = tu->tu_better = tu;
}

/* Return whether tu, a waiter of a queue, is its only one. */
static inline int
turn_alone(const struct lwkt_turn *tu)
{
	return tu->tu_next == tu;
}

/* Return the priority of the best waiter, or -1 if the queue is empty. */
static inline int
turn_best(const struct lwkt_turn *queue)
{
	return queue != NULL ? queue->tu_pri : -1;
}

#endif
