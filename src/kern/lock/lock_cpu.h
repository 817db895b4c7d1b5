/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to lock/: readers of rwlocks that
 * count by CPU.
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_LOCK_LOCK_CPU_H
#define LWKT_KERN_LOCK_LOCK_CPU_H

#include "base/compiler.h"

#include <stdint.h>

#define RW_SLOTS_LOG2	4

/* The readers of one rwlock that count on one CPU (rwlock.c). */
struct rw_slot {
	uintptr_t	 rs_lock;	/* (a) address, RS_MOVING; 0: unused */
	uint32_t	 rs_count;	/* (c) readers; others read it */
	uint32_t	 rs_moved;	/* (a) of these, moved by a revoker */
};

struct lock_cpu {
	LWKT_CACHEALIGN
	struct rw_slot	 gd_rwslot[1 << RW_SLOTS_LOG2]; /* by hash of lock */
};

#endif
