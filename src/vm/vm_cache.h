/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dead threads with their stacks, kept for new ones.  vm_cache.c has the
 * theory.
 *
 * Context: the CPU of the cache, in a critical section.  Nothing here blocks.
 */
#ifndef LWKT_VM_VM_CACHE_H
#define LWKT_VM_VM_CACHE_H

#include <lwkt/systimer.h>

#include "kern/cpu/crit.h"

#define STACK_SHIFT	14		/* smallest size: 2^14 = 16 KiB */
#define NSTACKS		11		/* sizes: 16 KiB to 16 MiB */
enum { STACK_BATCH = config_hard ? 2 : 64 };	/* threads made at once */

/*
 * Dead threads of one class on one CPU, in lists by td_freenext.  A full list
 * has cache_list threads.
 * (c) accessed only by that CPU, in a critical section
 */
struct thread_cache {
	lwkt_thread_t	 tc_warm;	/* (c) LIFO; at most a full list */
	lwkt_thread_t	 tc_next;	/* (c) a full list, or NULL */
	lwkt_thread_t	 tc_cold;	/* (c) full lists, LIFO */
	uint32_t	 tc_nwarm;	/* (c) threads in tc_warm */
	uint32_t	 tc_ncold;	/* (c) lists in tc_cold */
};

struct vm_pcpu {
	struct thread_cache vp_cache[NSTACKS];
	size_t		 vp_bytes;	/* (c) DC2 */
	uint64_t	 vp_begin;	/* (c) gd_nextid as this period began */
	uint64_t	 vp_last;	/* (c) created in the last period */
	uint32_t	 vp_watched;	/* (c) 1: vp_timer runs */
	struct lwkt_systimer vp_timer;	/* (c) the end of this period */
};

/*
 * Return the size of the stacks of a class, in bytes.  The guard is taken from
 * it, except for GUARD_GAP (vm_stack.c).
 */
static inline size_t
class_size(unsigned cls)
{
	return (size_t)1 << (STACK_SHIFT + cls);
}

/*
 * vm_stack.c.  stack_class returns the smallest class for a stack of that size,
 * or -1.  stacks_make makes up to `most` threads of a class and returns their
 * number; *tdp becomes the first, and the others follow it in memory.
 */
int	stack_class(size_t size);
unsigned stacks_make(struct globaldata *gd, unsigned cls, unsigned most,
	    lwkt_thread_t *tdp);

/* Bits of gd_spare: what an idle CPU gives back to the host. */
#define SPARE_THREADS	0x1u		/* vm_cache.c */
#define SPARE_SLOTS	0x2u		/* vm_slab.c */

/*
 * vm_cache.c.  cache_time returns lwkt.cache_ms in ns.  cache_fill gets
 * threads for a cache whose tc_warm is empty, and returns 0 or ENOMEM.
 * cache_full empties tc_warm, which is a full list.
 */
extern uint32_t cache_list __lwkt_hidden; /* (i) threads in a full list */
int64_t	cache_time(void);
int	cache_fill(struct globaldata *gd, unsigned cls);
void	cache_full(struct globaldata *gd, unsigned cls);

static inline struct thread_cache *
cache_of(struct globaldata *gd, unsigned cls)
{
	return &((struct vm_pcpu *)gd->gd_vmglue)->vp_cache[cls];
}

static inline void
cache_push(struct thread_cache *tc, lwkt_thread_t td)
{
	td->td_freenext = tc->tc_warm;
	tc->tc_warm = td;
	tc->tc_nwarm++;
}

static inline lwkt_thread_t
cache_pop(struct thread_cache *tc)
{
	lwkt_thread_t td = tc->tc_warm;

	tc->tc_warm = td->td_freenext;
	tc->tc_nwarm--;
	return td;
}

#endif
