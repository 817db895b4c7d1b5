/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues of waiters: by priority, equal ones in order of arrival.
 *
 * THEORY
 * All waiters of a queue stand in one ring in the order of their turns.  The
 * first waiter of each priority (of each level) stands in a second ring, of
 * at most 32 members.  To insert a waiter is to look for its level in the
 * second ring and to go back from the end of that level over the waiters that
 * came later.  So an insertion costs the number of levels, not of waiters; a
 * waiter that comes back to its old place passes those that came after it.
 *
 * INVARIANTS
 * TU1 In the ring from the head on tu_pri falls, and among equals tu_ticket
 *    rises.
 * TU2 A waiter is in the second ring (tu_level != NULL) <=> it is the first of
 *    its priority.
 *
 * Source: the priority lists of Linux (plist.h).
 */
#include "kern/lock/turn_var.h"

#include "base/config.h"
#include "base/kassert.h"

static inline void
ring_before(struct lwkt_turn *at, struct lwkt_turn *tu)
{
	tu->tu_next = at;
	tu->tu_prev = at->tu_prev;
	at->tu_prev->tu_next = tu;
	at->tu_prev = tu;
}

/* A level of its own, before that of `at` in the ring of levels. */
static inline void
level_before(struct lwkt_turn *at, struct lwkt_turn *tu)
{
	tu->tu_level = at;
	tu->tu_better = at->tu_better;
	at->tu_better->tu_level = tu;
	at->tu_better = tu;
}

static inline void
level_remove(struct lwkt_turn *tu)
{
	tu->tu_better->tu_level = tu->tu_level;
	tu->tu_level->tu_better = tu->tu_better;
	tu->tu_level = tu->tu_better = NULL;
}

/* tu becomes the first of the level of `first`, behind which it stands. */
static inline void
level_replace(struct lwkt_turn *first, struct lwkt_turn *tu)
{
	level_before(first, tu);
	level_remove(first);
}

void
turn_insert(struct lwkt_turn **queue, struct lwkt_turn *tu)
{
	struct lwkt_turn *head = *queue, *level = head, *at;

	tu->tu_level = tu->tu_better = NULL;
	if (head == NULL) {
		*queue = tu->tu_next = tu->tu_prev = tu;
		tu->tu_level = tu->tu_better = tu;
		return;
	}
	while (level->tu_pri > tu->tu_pri)
		if ((level = level->tu_level) == head)
			break;
	if (level->tu_pri != tu->tu_pri) {
		ring_before(level, tu);
		level_before(level, tu);			/* TU2 */
		if (level == head && tu->tu_pri > head->tu_pri)
			*queue = tu;
		return;
	}
	at = level->tu_level;
	while (at->tu_prev->tu_ticket > tu->tu_ticket) {	/* TU1 */
		at = at->tu_prev;
		if (at == level)
			break;
	}
	ring_before(at, tu);
	if (at != level || tu->tu_ticket > level->tu_ticket)
		return;
	level_replace(level, tu);				/* TU2 */
	if (level == head)
		*queue = tu;
}

void
turn_remove(struct lwkt_turn **queue, struct lwkt_turn *tu)
{
	struct lwkt_turn *next = tu->tu_next;

	if (next == tu) {
		*queue = NULL;
		return;
	}
	if (tu->tu_level != NULL) {
		if (next->tu_level == NULL)
			level_before(tu, next);			/* TU2 */
		level_remove(tu);
	}
	next->tu_prev = tu->tu_prev;
	tu->tu_prev->tu_next = next;
	if (*queue == tu)
		*queue = next;
}

struct lwkt_turn *
turn_next(struct lwkt_turn *queue, struct lwkt_turn *tu)
{
	return tu->tu_next != queue ? tu->tu_next : NULL;
}

unsigned
turn_count(struct lwkt_turn *queue)
{
	struct lwkt_turn *tu = queue;
	unsigned n = 0;

	if (queue == NULL)
		return 0;
	do {
		n++;
		KASSERTF(tu->tu_next == queue ||
		    tu->tu_pri > tu->tu_next->tu_pri ||
		    (tu->tu_pri == tu->tu_next->tu_pri &&
		    tu->tu_ticket < tu->tu_next->tu_ticket),
		    "waiter %u, of priority %d, is before one of priority %d",
		    n, tu->tu_pri, tu->tu_next->tu_pri);
		tu = tu->tu_next;
	} while (tu != queue);
	return n;
}
