/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to lock/: how this CPU releases
 * locks (loud.c), and readers of rwlocks that count by CPU (rwlock.c).
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_LOCK_LOCK_CPU_H
#define LWKT_KERN_LOCK_LOCK_CPU_H

#include "base/compiler.h"

#include <stdint.h>

#define RW_SLOTS_LOG2	4

/* The readers of one rwlock that are counted on one CPU (rwlock.c). */
struct rw_slot {
	uintptr_t	 rs_lock;	/* (a) lock [| RS_MOVING]; 0: unused */
	uint32_t	 rs_count;	/* (c) readers; other CPUs read it */
	uint32_t	 rs_moved;	/* (a) readers moved to the mtx */
};

struct lock_cpu {
	LWKT_CACHEALIGN
	/* The next two are a struct lwkt_quick_words_ of <lwkt/sync2.h>. */
	uint64_t	 gd_tag;	/* (i) 1 + the CPU, in TAG_BITS */
	uint64_t	 gd_reltag;	/* (a) gd_tag, TAG_RISING or TAG_LOUD */
	uint32_t	 gd_steady;	/* (c) releases in a row, no waiter */
	LWKT_CACHEALIGN
	struct rw_slot	 gd_rwslot[1 << RW_SLOTS_LOG2]; /* by hash of lock */
};

#endif
