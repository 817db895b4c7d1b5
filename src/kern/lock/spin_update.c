/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The update counter of a spinlock: readers that copy data without a lock.
 *
 * THEORY
 * A writer makes the counter s_update odd, changes the data, and makes s_update
 * even again.  Writers exclude each other by the spinlock; those that call only
 * the _only forms do so by other means.  A reader reads s_update, copies the
 * data, and reads s_update again; if the number has changed, or was odd, the
 * reader drops the copy.  If the writers hold the spinlock, a reader that finds
 * an odd number may instead take it shared, which waits for the writer, and
 * copy the data then.
 *
 * ORDER
 * UO1 The writer makes s_update odd (store), executes a release fence, changes
 *    the data, and makes s_update even (release store).  The reader reads
 *    s_update (acquire load), copies the data, executes an acquire fence, and
 *    reads s_update again.
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
 * Return 0 if the copy is valid, else 1; v is the result of
 * lwkt_spin_access_start_only().  Thread, IPI or timer callback; never blocks.
 *
 * The fence keeps the reads of the data before the second read of s_update.  So
 * a reader that saw new data also sees that s_update has changed.
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
 * The fence keeps the store of the odd number before the stores of the data.
 * So a reader that saw new data finds that s_update has changed.
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

/*
 * Thread, IPI or timer callback; never blocks.  During an update the CPU spins
 * until it has taken s shared.  Then the result is odd, and
 * lwkt_spin_access_end() releases s.
 */
unsigned
lwkt_spin_access_start(lwkt_spin_t s)
{
	unsigned v = lwkt_spin_access_start_only(s);

	if (unlikely(v & 1))
		lwkt_spin_lock_shared(s);
	return v;
}

/*
 * Return 0 if the copy is valid, else 1.  If v is odd, release s; the copy was
 * made with s held and is valid.  Thread, IPI or timer callback; never blocks.
 */
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
