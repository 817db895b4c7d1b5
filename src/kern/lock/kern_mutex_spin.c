/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mtx used as a spinlock.
 *
 * THEORY
 * Every mtx contains a spinlock, m_spin, which protects its queues of waiters.
 * A thread that takes the mtx as a spinlock takes m_spin and keeps it.  So the
 * mtx gets what a spinlock has (kern_spinlock.c): the critical section, growing
 * pauses between tests, the check that the holder does not block, and the
 * report of long waits.  The word and the owner are set as if the mtx were held
 * exclusively, for functions that read them; the word counts the takings.
 * Meanwhile no request is queued: that needs m_spin.
 *
 * INVARIANTS
 * MS1 Between lwkt_mtx_spinlock() and lwkt_mtx_spinunlock() m_spin is held,
 *    m_lock is EXCLUSIVE with the number of takings, and m_owner is the thread
 *    that holds the mtx.  No other thread changes m_lock or m_owner.
 *
 * Source: DragonFly's mtx_spinlock.  The use of m_spin is our own.
 */
#include "kern/cpu/globaldata.h"
#include "kern/lock/mtx_var.h"

#include <errno.h>

/*
 * The caller has just taken m_spin: set the word and the owner.  Panic if a
 * thread holds the mtx as a sleeping lock.
 */
static void
took(lwkt_mtx_t m)
{
	if (!atomic_cmpset_32(&m->m_lock, 0, MTX_EXCLUSIVE | 1))
		lwkt_panic("mtx \"%s\" is taken as a spinlock by thread "
		    "\"%s\" while it is held as a sleeping lock, word %#x",
		    m->m_name, curthread->td_name, m->m_lock);
	mtx_own(m, curthread);					/* MS1 */
}

/*
 * If the caller already holds m as a spinlock, count one more taking and return
 * 1.  Return 0 if the caller does not hold m.  Panic if the caller holds m
 * exclusively as a sleeping lock.
 */
static int
took_again(lwkt_mtx_t m)
{
	if (!mtx_owned(m, curthread))
		return 0;
	if (!lwkt_spin_held(&m->m_spin))
		lwkt_panic("mtx \"%s\" is taken as a spinlock by thread "
		    "\"%s\", which holds it as a sleeping lock", m->m_name,
		    curthread->td_name);
	atomic_store_32(&m->m_lock, m->m_lock + 1);
	return 1;
}

/* Thread, IPI or timer callback; never blocks, the CPU spins. */
void
lwkt_mtx_spinlock(lwkt_mtx_t m)
{
	if (took_again(m))
		return;
	lwkt_spin_lock(&m->m_spin);
	took(m);
}

/* Thread, IPI or timer callback; never blocks. */
int
lwkt_mtx_spinlock_try(lwkt_mtx_t m)
{
	if (took_again(m))
		return 0;
	if (!lwkt_spin_trylock(&m->m_spin))
		return EAGAIN;
	took(m);
	return 0;
}

/* Thread, IPI or timer callback; never blocks. */
void
lwkt_mtx_spinunlock(lwkt_mtx_t m)
{
	if (!mtx_owned(m, curthread) || !lwkt_spin_held(&m->m_spin))
		lwkt_panic("mtx \"%s\" is unlocked by thread \"%s\", which "
		    "does not hold it as a spinlock, word %#x", m->m_name,
		    curthread->td_name, m->m_lock);
	if ((m->m_lock & MTX_COUNT) > 1) {
		atomic_store_32(&m->m_lock, m->m_lock - 1);
		return;
	}
	mtx_own(m, NULL);
	atomic_store_32(&m->m_lock, 0);				/* MS1 */
	lwkt_spin_unlock(&m->m_spin);
}
