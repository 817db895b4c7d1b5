/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mtx used as a spinlock.
 *
 * THEORY
 * Every mtx contains a spinlock, which protects its waiters.  To hold that one
 * is to hold the mtx: it brings the critical section, the back-off, the checks
 * of who blocks with it and the complaints of who waits too long.  The word and
 * the owner are set as if the mtx were held exclusively, for those who ask, and
 * count the takings.  There never are waiters: they would have to be queued
 * under the spinlock.
 *
 * INVARIANTS
 * MS1 Between spinlock and spinunlock m_spin is held, m_lock is EXCLUSIVE with
 *    a count and m_owner is the thread; nobody else changes either.
 *
 * Source: DragonFly's mtx_spinlock; that it is the inner lock is ours.
 */
#include "kern/cpu/globaldata.h"
#include "kern/lock/mtx_var.h"

#include <errno.h>

/* m_spin is held: so is the mtx, unless it is also used in the other way. */
static void
took(lwkt_mtx_t m)
{
	if (!atomic_cmpset_32(&m->m_lock, 0, MTX_EXCLUSIVE | 1))
		lwkt_panic("mtx \"%s\" is taken as a spinlock by thread "
		    "\"%s\" while it is held as a sleeping lock, word %#x",
		    m->m_name, curthread->td_name, m->m_lock);
	mtx_own(m, curthread);					/* MS1 */
}

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

void
lwkt_mtx_spinlock(lwkt_mtx_t m)
{
	if (took_again(m))
		return;
	lwkt_spin_lock(&m->m_spin);
	took(m);
}

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
