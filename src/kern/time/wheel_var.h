/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue of a CPU's timers: see kern_wheel.c.
 *
 * A wheel belongs to one CPU.  After boot only that CPU touches it, in a
 * critical section.  Zeroed memory is an empty wheel at time 0.
 */
#ifndef LWKT_KERN_TIME_WHEEL_VAR_H
#define LWKT_KERN_TIME_WHEEL_VAR_H

#include <lwkt/systimer.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/config.h"

enum {
	WHEEL_SHIFT = 17,	/* a slot of level 0 is 2^17 ns, 131 us */
	WHEEL_BITS = config_hard ? 6 : 10,	/* log2 of slots in a level */
	/* log2 of the length of a slot, in slots of the level below. */
	WHEEL_STEP = config_hard ? 3 : 5,
	WHEEL_LEVELS = howmany(63 - WHEEL_SHIFT - WHEEL_BITS, WHEEL_STEP) + 1,
	WHEEL_SLOTS = 1 << WHEEL_BITS,
	WHEEL_WORDS = WHEEL_SLOTS / 64,
	WHEEL_CHAINS = 6	/* struct wheel_slot fills a cache line */
};

struct wheel_slot {
	int64_t		 ws_min;	/* ns; no timer here is earlier (WH4) */
	uint32_t	 ws_count;	/* timers in all chains */
	struct lwkt_systimer *ws_chain[WHEEL_CHAINS]; /* heads, or NULL */
};

/*
 * The slots of level l, and their bits in wh_map, begin at l * WHEEL_SLOTS.
 * wh_words[l] has a bit for each of the WHEEL_WORDS words of these bits.
 */
struct wheel {
	int64_t		 wh_now;	/* clock, in slots of level 0 */
	struct lwkt_systimer *wh_first;	/* head of the list of near timers */
	struct lwkt_systimer *wh_last;	/* its tail */
	struct lwkt_systimer *wh_newest; /* in no list or slot yet, or NULL */
	uint32_t	 wh_levels;	/* bit l: level l has timers */
	uint32_t	 wh_words[WHEEL_LEVELS]; /* bit w: word w is not 0 */
	uint64_t	 wh_map[WHEEL_LEVELS * WHEEL_WORDS]; /* slots in use */
	LWKT_CACHEALIGN
	struct wheel_slot wh_slot[WHEEL_LEVELS * WHEEL_SLOTS];
};

/* Set up an empty wheel in memory that is zero.  now_ns becomes its time. */
static inline void
wheel_init(struct wheel *wh, int64_t now_ns)
{
	wh->wh_now = now_ns >> WHEEL_SHIFT;
}

/*
 * wheel_place puts a timer in the list or in a slot.  wheel_unplace takes a
 * timer out of the list or its slot.  wh_newest is in neither.
 */
void	wheel_place(struct wheel *wh, struct lwkt_systimer *st);
void	wheel_unplace(struct wheel *wh, struct lwkt_systimer *st);

/*
 * Insert st as wh_newest, and place the timer that was the newest.  The caller
 * has set st_time and st_seq.  The wheel writes st_where, st_next and st_prev.
 */
static inline void
wheel_insert(struct wheel *wh, struct lwkt_systimer *st)
{
	struct lwkt_systimer *last = wh->wh_newest;

	wh->wh_newest = st;
	if (last != NULL)
		wheel_place(wh, last);
}

/* Remove st, which is in the wheel. */
static inline void
wheel_remove(struct wheel *wh, struct lwkt_systimer *st)
{
	if (st == wh->wh_newest)
		wh->wh_newest = NULL;
	else
		wheel_unplace(wh, st);
}

/*
 * Return the first timer if it is due at now_ns, else NULL.  The timer stays in
 * the wheel.  Places wh_newest; may open slots, and move the wheel's clock, at
 * most to now_ns.
 */
struct lwkt_systimer *wheel_due(struct wheel *wh, int64_t now_ns);
/*
 * Return a time, in ns, before which no timer is due.  It may be earlier than
 * the first timer.  Return INT64_MAX if the wheel is empty.
 */
int64_t	wheel_next(const struct wheel *wh);
/* Call fn for each timer; panic if an invariant of the wheel is broken. */
void	wheel_check(const struct wheel *wh,
	    void (*fn)(const struct lwkt_systimer *st));

static inline int
wheel_empty(const struct wheel *wh)
{
	return wh->wh_first == NULL && wh->wh_newest == NULL &&
	    wh->wh_levels == 0;
}

#endif
