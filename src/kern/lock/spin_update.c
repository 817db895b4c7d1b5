/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The update counter of a spinlock: readers that write nothing.
 *
 * THEORY
 * A writer makes s_update odd, changes the data, and makes it even again.  A
 * reader notes s_update, copies the data, and looks at s_update again; if it
 * has changed, or was odd, the copy is thrown away.  A reader that finds an odd
 * number may wait for the writer by taking the spinlock shared.
 *
 * ORDER
 * UO1 writer: s_update odd, release fence, data, release store even; reader:
 *    s_update by acquire, data, acquire fence, s_update.
 *
 * Source: DragonFly sys/spinlock2.h, spin_access_start().
 */
#include "base/kassert.h"
#include "kern/cpu/crit.h"

#include <lwkt/spinlock.h>

/* Thread, IPI or timer callback; never blocks. */
unsigned
lwkt_spin_access_start_only(lwkt_spin_t s)
{
	return atomic_load_acq_32(&s->s_update);		/* UO1 */
}

/* Thread, IPI or timer callback; never blocks. */
int
lwkt_spin_access_inprog(unsigned v)
{
	return (v & 1) != 0;
}

/*
 * Thread, IPI or timer callback; never blocks.
 *
 * The fence keeps the reads of the data before the second read of s_update: a
 * reader that saw new data then sees the new number too.
 */
int
lwkt_spin_access_end_only(lwkt_spin_t s, unsigned v)
{
	atomic_fence_acq();					/* UO1 */
	return (v & 1) != 0 || atomic_load_32(&s->s_update) != v;
}

/*
 * In a critical section; never blocks.
 *
 * The fence keeps the odd number before the new data: a reader that saw new
 * data finds that the number has changed.
 */
void
lwkt_spin_lock_update_only(lwkt_spin_t s)
{
	INVARIANT(crit_test(curthread));
	KASSERTF((s->s_update & 1) == 0, "spinlock \"%s\": an update begins "
	    "inside another", s->s_name);
	atomic_store_32(&s->s_update, s->s_update + 1);
	atomic_fence_rel();					/* UO1 */
}

/* In a critical section; never blocks. */
void
lwkt_spin_unlock_update_only(lwkt_spin_t s)
{
	KASSERTF((s->s_update & 1) != 0, "spinlock \"%s\": an update ends that "
	    "has not begun", s->s_name);
	atomic_store_rel_32(&s->s_update, s->s_update + 1);	/* UO1 */
}

/* Thread, IPI or timer callback; never blocks, spins during an update. */
unsigned
lwkt_spin_access_start(lwkt_spin_t s)
{
	unsigned v = lwkt_spin_access_start_only(s);

	if (unlikely(v & 1))
		lwkt_spin_lock_shared(s);
	return v;
}

/* Thread, IPI or timer callback; never blocks. */
int
lwkt_spin_access_end(lwkt_spin_t s, unsigned v)
{
	if (unlikely(v & 1)) {
		lwkt_spin_unlock_shared(s);
		return 0;
	}
	return lwkt_spin_access_end_only(s, v);
}

/* Thread, IPI or timer callback; never blocks, the CPU spins. */
void
lwkt_spin_lock_update(lwkt_spin_t s)
{
	lwkt_spin_lock(s);
	lwkt_spin_lock_update_only(s);
}

/* Thread, IPI or timer callback; never blocks. */
void
lwkt_spin_unlock_update(lwkt_spin_t s)
{
	lwkt_spin_unlock_update_only(s);
	lwkt_spin_unlock(s);
}
