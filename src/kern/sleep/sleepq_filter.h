/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The idents in use in one slot of one CPU's sleep table, for other CPUs.
 *
 * THEORY
 * A CPU publishes which idents its threads sleep on, so that a waker elsewhere
 * need not send it a message for another ident of the same slot.  The owner of
 * the filter alone writes it, in a critical section; every CPU reads it, word
 * by word and without a lock, while the owner writes.
 *
 * The filter errs on one side: it may let an ident through that nobody sleeps
 * on, and costs a useless message then.  It must never keep out an ident that
 * was in use during the whole look, for that would lose a wake-up.  Two rules
 * are enough for that: an ident does not change its place while it is in use,
 * and `any` replaces no place but stands beside them.
 *
 * INVARIANTS
 * SF1 An ident in use that has a place keeps it until it is in use no longer.
 * SF2 Each ident in use has a place, or sf_any is set.
 *
 * Why a reader finds an ident q that is in use from before its look until the
 * end of it: the reader takes sf_any first.  If it is set, q passes.  If it is
 * not, q had a place by then (SF2, SF3), and keeps that place while the reader
 * goes through the places (SF1).  With idents that moved, the reader could
 * take q's new place before q came there and its old one after q had left.
 *
 * ORDER
 * SF3 owner: places, then sf_any = 0 (release); reader: sf_any (acquire), then
 *    the places.  That an ident counts as in use only after its publication is
 *    visible is the caller's business (kern_synch.c, SO1).
 */
#ifndef LWKT_KERN_SLEEP_SLEEPQ_FILTER_H
#define LWKT_KERN_SLEEP_SLEEPQ_FILTER_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/config.h"

enum { SLEEPQ_IDENTS = config_hard ? 2 : 4 };

struct sleepq_filter {
	uint32_t	 sf_any;	/* (c) writes, others read: all pass */
	uintptr_t	 sf_ident[SLEEPQ_IDENTS]; /* (c) the same; 0: free */
};

static inline int
filter_find(const uintptr_t *ident, int n, uintptr_t id)
{
	int i;

	for (i = 0; i < n; i++)
		if (atomic_load_ptr(&ident[i]) == id)
			return 1;
	return 0;
}

/* Return whether the filter lets id through.  Any CPU. */
static inline int
filter_passes(const struct sleepq_filter *sf, uintptr_t id)
{
	return atomic_load_acq_32(&sf->sf_any) != 0 ||		/* SF3 */
	    filter_find(sf->sf_ident, SLEEPQ_IDENTS, id);
}

/* Give id a free place.  Return 0 if there is none.  Owner. */
static inline int
filter_add(struct sleepq_filter *sf, uintptr_t id)
{
	int i;

	for (i = 0; i < SLEEPQ_IDENTS; i++) {
		if (sf->sf_ident[i] != 0)
			continue;
		atomic_store_ptr(&sf->sf_ident[i], id);
		return 1;
	}
	return 0;
}

/* Let everything through.  Owner. */
static inline void
filter_any(struct sleepq_filter *sf)
{
	atomic_store_32(&sf->sf_any, 1);
}

/*
 * Forget all idents but the n different ones in use[], n <= SLEEPQ_IDENTS.
 * Owner.
 */
static inline void
filter_keep(struct sleepq_filter *sf, const uintptr_t use[], int n)
{
	int i;

	for (i = 0; i < SLEEPQ_IDENTS; i++)			/* SF1 */
		if (sf->sf_ident[i] != 0 &&
		    !filter_find(use, n, sf->sf_ident[i]))
			atomic_store_ptr(&sf->sf_ident[i], 0);
	for (i = 0; i < n; i++)
		if (!filter_find(sf->sf_ident, SLEEPQ_IDENTS, use[i]))
			(void)filter_add(sf, use[i]);
	if (sf->sf_any != 0)
		atomic_store_rel_32(&sf->sf_any, 0);		/* SF2, SF3 */
}

#endif
