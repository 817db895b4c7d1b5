/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Releasing a lock by a plain store (loud.c).
 *
 * While such a lock is held, its word has the address of the holder, the tag of
 * the CPU on which the holder took the lock (no tag: a pthread), and bits that
 * the waiters set.  If no waiter has set a bit, a thread may release the lock
 * like this, in a leaf section:
 *
 *	tag = quiet_tag(gd);
 *	if (word != (holder | tag))	another way, by a locked instruction
 *	word = 0;			a release store
 *	cc_fence();
 *	if (quiet_tag(gd) != tag)	look for waiters
 *
 * The last step must not use the lock: another thread may have taken, released
 * and freed it.  The waiters are in a queue that is found by the address of the
 * lock.
 *
 * A waiter queues itself and sets its bit in the word.  If the word has the tag
 * of another CPU, the waiter calls loud_make() for that CPU, and tests the word
 * again.  If the word has not changed, the holder will see the bit, or will
 * look for waiters.  Else the waiter takes the lock if it is free, or sets its
 * bit again for the new holder.
 */
#ifndef LWKT_KERN_LOCK_LOUD_VAR_H
#define LWKT_KERN_LOCK_LOUD_VAR_H

#include "kern/cpu/crit.h"

#define TAG_SHIFT	48
#define TAG_BITS	((uint64_t)0x1ff << TAG_SHIFT)
#define TAG_LOUD	((uint64_t)0x1ff << TAG_SHIFT)	/* of no CPU: QL1 */
#define TAG_RISING	((uint64_t)0x1fe << TAG_SHIFT)	/* of no CPU */

CTASSERT(LWKT_MAXCPU < 0x1fe, "TAG_BITS");
CTASSERT(offsetof(struct globaldata, gd_reltag) -
    offsetof(struct globaldata, gd_tag) ==
    offsetof(struct lwkt_quick_words_, lq_reltag), "lwkt/sync2.h");
CTASSERT(LWKT_QUICK_SELF_ == MCPU_CURTHREAD, "lwkt/sync2.h");

void	loud_rise(struct globaldata *gd);
void	loud_calm(struct globaldata *gd);

/* Initialise the CPU, at boot. */
static inline void
loud_place(struct globaldata *gd)
{
	gd->gd_tag = (uint64_t)(gd->gd_m.mc_cpuid + 1) << TAG_SHIFT;
	gd->gd_reltag = machine_can_fence_all() ? gd->gd_tag :
	    TAG_LOUD;						/* QL3 */
	if (!config_invariants)
		gd->gd_inline = (struct lwkt_quick_words_ *)(void *)&gd->gd_tag;
}

/* Return the calling CPU, or NULL in a pthread. */
static inline struct globaldata *
gd_here(void)
{
	return (struct globaldata *)(void *)machine_oncpu();
}

/* Return the CPU with the tag in the word w, or NULL if there is no tag. */
static inline struct globaldata *
tag_cpu(uint64_t w)
{
	int n = (int)((w & TAG_BITS) >> TAG_SHIFT);

	return n != 0 ? gd_find(n - 1) : NULL;
}

/* Return gd_tag of this CPU if it is quiet, else the tag of no CPU (QL1). */
static inline uint64_t
quiet_tag(const struct globaldata *gd)
{
	return atomic_load_64(&gd->gd_reltag);
}

/*
 * Make the CPU gd loud, if it is not.  The caller, on another CPU or in a
 * pthread, has set its bit in a lock's word by a locked instruction.  This word
 * has the tag of gd.
 */
static inline void
loud_make(struct globaldata *gd)
{
	/*
	 * Acquire: if TAG_LOUD is read, the fence of loud_rise() precedes the
	 * caller's next load of the word (QO1).
	 */
	if (unlikely(atomic_load_acq_64(&gd->gd_reltag) != TAG_LOUD))
		loud_rise(gd);
}

/*
 * This CPU has released a lock by a locked instruction: note whether there was
 * a waiter.  After many such releases in a row without a waiter the CPU becomes
 * quiet, unless QL3 forbids it.  In a critical section.
 */
static inline void
loud_note(struct globaldata *gd, int waiter)
{
	/* Tests make few releases: there a CPU is quiet again sooner. */
	uint32_t many = config_hard ? 2 : config_host_sim ? 8 : 16384;

	gd->gd_steady = waiter ? 0 : gd->gd_steady + 1;
	if (unlikely(gd->gd_steady >= many))
		loud_calm(gd);
}

#endif
