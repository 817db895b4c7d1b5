/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The idents in use in one slot of one CPU's sleep table, for other CPUs.
 *
 * THEORY
 * A CPU publishes which idents its threads sleep on, so that a waker elsewhere
 * need not send it a message for a different ident of the same slot.  Only the
 * CPU that owns the filter writes it, in a critical section (a function below
 * that only this CPU may call is marked "Owner").  Every CPU reads it, word by
 * word and without a lock, while the owner writes.
 *
 * The filter may err in one direction only.  It may let an ident pass on which
 * no thread sleeps; that costs a useless message.  It must never reject an
 * ident that was in use during the whole read, because that would lose a
 * wake-up.  Two rules are enough for that: an ident does not change its place
 * while it is in use; and "any ident passes" is a separate word, sf_any, not a
 * value of a place.
 *
 * INVARIANTS
 * SF1 An ident in use that has a place keeps it as long as it is in use.
 * SF2 Each ident in use has a place, or sf_any is set.
 *
 * Why a reader finds an ident q that is in use during the whole read: the
 * reader reads sf_any first.  If it is 1, q passes.  If it is 0, q had a place
 * by then (SF2, SF3), and keeps that place while the reader goes through the
 * places (SF1).  If idents could move, the reader could read q's new place
 * before q arrived there, and its old place after q had left.
 *
 * ORDER
 * SF3 The owner writes the places, then sf_any = 0 (release).  A reader reads
 *    sf_any (acquire), then the places.  The caller ensures that an ident is in
 *    use only after its publication is visible (kern_synch.c, SO1).
 */
#ifndef LWKT_KERN_SLEEP_SLEEPQ_FILTER_H
#define LWKT_KERN_SLEEP_SLEEPQ_FILTER_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/config.h"

enum { SLEEPQ_IDENTS = config_hard ? 2 : 4 };

struct sleepq_filter {
	/* (c) The owner writes, every CPU reads. */
	uint32_t	 sf_any;	/* 1: any ident passes */
	uintptr_t	 sf_ident[SLEEPQ_IDENTS]; /* the places; 0: free */
};

/* Return whether id is one of the n words of ident[]. */
static inline int
filter_find(const uintptr_t *ident, int n, uintptr_t id)
{
	int i;

	for (i = 0; i < n; i++)
		if (atomic_load_ptr(&ident[i]) == id)
			return 1;
	return 0;
}

/* Return 1 if a thread may be asleep on id, 0 if none is.  Any CPU. */
static inline int
filter_passes(const struct sleepq_filter *sf, uintptr_t id)
{
	return atomic_load_acq_32(&sf->sf_any) != 0 ||		/* SF3 */
	    filter_find(sf->sf_ident, SLEEPQ_IDENTS, id);
}

/* Store id in a free place and return 1; return 0 if none is free.  Owner. */
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

/* Let every ident pass.  Owner. */
static inline void
filter_any(struct sleepq_filter *sf)
{
	atomic_store_32(&sf->sf_any, 1);
}

/*
 * Make use[] the idents of the filter: n different ones, n <= SLEEPQ_IDENTS.
 * Drop all other idents, and give a place to those of use[] that have none.  An
 * ident of use[] that has a place keeps it (SF1).  sf_any is cleared last
 * (SF3).  Owner.
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
