/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue of a CPU's timers: see kern_wheel.c.
 *
 * Everything here belongs to one CPU and is touched by that CPU in a critical
 * section.  Zeroed memory is an empty wheel at time 0.
 */
#ifndef LWKT_KERN_TIME_WHEEL_VAR_H
#define LWKT_KERN_TIME_WHEEL_VAR_H

#include <lwkt/systimer.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/config.h"

enum {
	WHEEL_SHIFT = 17,	/* a slot of level 0 is 2^17 ns, 131 us */
	WHEEL_BITS = config_hard ? 6 : 10,	/* 2^10 slots a level */
	WHEEL_STEP = config_hard ? 3 : 5,	/* each 2^5 times as long */
	WHEEL_LEVELS = howmany(63 - WHEEL_SHIFT - WHEEL_BITS, WHEEL_STEP) + 1,
	WHEEL_SLOTS = 1 << WHEEL_BITS,
	WHEEL_WORDS = WHEEL_SLOTS / 64,
	WHEEL_CHAINS = 6	/* so that a slot is a cache line */
};

struct wheel_slot {
	int64_t		 ws_min;	/* no timer here is earlier */
	uint32_t	 ws_count;
	struct lwkt_systimer *ws_chain[WHEEL_CHAINS];
};

/* Level l has slots and bits from l * WHEEL_SLOTS. */
struct wheel {
	int64_t		 wh_now;	/* its clock, in slots of level 0 */
	struct lwkt_systimer *wh_first;	/* the list: up to the clock's slot */
	struct lwkt_systimer *wh_last;
	struct lwkt_systimer *wh_newest; /* in no list or slot yet, or NULL */
	uint32_t	 wh_levels;	/* bit l: wh_words[l] is not 0 */
	uint32_t	 wh_words[WHEEL_LEVELS]; /* bit w: word w is not 0 */
	uint64_t	 wh_map[WHEEL_LEVELS * WHEEL_WORDS]; /* slots in use */
	LWKT_CACHEALIGN
	struct wheel_slot wh_slot[WHEEL_LEVELS * WHEEL_SLOTS];
};

/* Set up an empty wheel in memory that is zero. */
static inline void
wheel_init(struct wheel *wh, int64_t now_ns)
{
	wh->wh_now = now_ns >> WHEEL_SHIFT;
}

/* Put a timer in the list or a slot; take it out. */
void	wheel_place(struct wheel *wh, struct lwkt_systimer *st);
void	wheel_unplace(struct wheel *wh, struct lwkt_systimer *st);

/* Insert by st_time and st_seq; the wheel sets st_where, st_next, st_prev. */
static inline void
wheel_insert(struct wheel *wh, struct lwkt_systimer *st)
{
	struct lwkt_systimer *last = wh->wh_newest;

	wh->wh_newest = st;
	if (last != NULL)
		wheel_place(wh, last);
}

static inline void
wheel_remove(struct wheel *wh, struct lwkt_systimer *st)
{
	if (st == wh->wh_newest)
		wh->wh_newest = NULL;
	else
		wheel_unplace(wh, st);
}

/* Return the first timer if it is due, else NULL.  It stays in the wheel. */
struct lwkt_systimer *wheel_due(struct wheel *wh, int64_t now_ns);
/* Return a time before which no timer is due; INT64_MAX: no timer. */
int64_t	wheel_next(const struct wheel *wh);
/* Panic if an invariant is broken; call the function for each timer as well. */
void	wheel_check(const struct wheel *wh,
	    void (*fn)(const struct lwkt_systimer *st));

static inline int
wheel_empty(const struct wheel *wh)
{
	return wh->wh_first == NULL && wh->wh_newest == NULL &&
	    wh->wh_levels == 0;
}

#endif
