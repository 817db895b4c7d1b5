/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues of waiters: by priority, those of equal priority in order of arrival.
 *
 * THEORY
 * All waiters of a queue form one ring in the order in which they are served.
 * The waiters of one priority are a level.  The first waiter of each level is
 * also in a second ring, the ring of levels, of at most 32 members.
 *
 * An insertion searches the ring of levels for the level of the new waiter.
 * Then it goes back from the end of that level over the waiters that arrived
 * later than the new one.  So the time for an insertion grows with the number
 * of levels, not of waiters.  There is one exception: a waiter with an old
 * ticket (its priority has changed, or it was notified and queues itself again)
 * passes each waiter of its level that arrived later.
 *
 * INVARIANTS
 * TU1 From the head of the ring on, tu_pri never rises, and waiters of equal
 *    tu_pri are in the order of tu_ticket.
 * TU2 A waiter is in the ring of levels (tu_level != NULL) <=> it is the first
 *    waiter of its level.
 *
 * Source: the priority lists of Linux (plist.h).
 */
#include "kern/lock/turn_var.h"

#include "base/config.h"
#include "base/kassert.h"

/* Insert tu before `at` in the ring of all waiters. */
static inline void
ring_before(struct lwkt_turn *at, struct lwkt_turn *tu)
{
	tu->tu_next = at;
	tu->tu_prev = at->tu_prev;
	at->tu_prev->tu_next = tu;
	at->tu_prev = tu;
}

/* Insert tu into the ring of levels, before `at`. */
static inline void
level_before(struct lwkt_turn *at, struct lwkt_turn *tu)
{
	tu->tu_level = at;
	tu->tu_better = at->tu_better;
	at->tu_better->tu_level = tu;
	at->tu_better = tu;
}

/* Remove tu from the ring of levels. */
static inline void
level_remove(struct lwkt_turn *tu)
{
	tu->tu_better->tu_level = tu->tu_level;
	tu->tu_level->tu_better = tu->tu_better;
	tu->tu_level = tu->tu_better = NULL;
}

/* In the ring of levels, replace `first` by tu. */
static inline void
level_replace(struct lwkt_turn *first, struct lwkt_turn *tu)
{
	level_before(first, tu);
	level_remove(first);
}

/* Insert a waiter, whose tu_pri and tu_ticket are set. */
void
turn_insert(struct lwkt_turn **queue, struct lwkt_turn *tu)
{
	struct lwkt_turn *head = *queue, *level = head, *at;

	if (head == NULL) {
		turn_first(tu);
		*queue = tu;
		return;
	}
	tu->tu_level = tu->tu_better = NULL;
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

/*
 * Remove a waiter.  If it is the first of its level, the next waiter of the
 * level, if there is one, replaces it in the ring of levels.
 */
void
turn_remove(struct lwkt_turn **queue, struct lwkt_turn *tu)
{
	struct lwkt_turn *next = tu->tu_next;

	if (turn_alone(tu)) {
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

/* Return the waiter after tu, or NULL if tu is the last one. */
struct lwkt_turn *
turn_next(struct lwkt_turn *queue, struct lwkt_turn *tu)
{
	return tu->tu_next != queue ? tu->tu_next : NULL;
}

/* Return the number of waiters; panic if TU1 does not hold. */
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
