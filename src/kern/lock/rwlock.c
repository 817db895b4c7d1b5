/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday rwlock: a mtx with the names of an everyday lock.
 *
 * THEORY
 * Waiters are served as those of a mtx (mtx_wait.c): the best waiter first.
 * Between readers and writers of equal priority, a group of readers and one
 * writer alternate, so neither kind can keep the other out.
 */
#include "kern/cpu/globaldata.h"

#include <lwkt/sync.h>

/* Thread context; never blocks. */
void
lwkt_rwlock_init(struct lwkt_rwlock *rw, const char *name)
{
	lwkt_mtx_init(&rw->rw_mtx, name);
}

/* Thread context; blocks for at most timeout_ns.  Returns 0 or EWOULDBLOCK. */
int
lwkt_rwlock_read(struct lwkt_rwlock *rw, int64_t timeout_ns)
{
	return lwkt_mtx_lock_sh(&rw->rw_mtx, 0, timeout_ns);
}

/* Thread context; blocks for at most timeout_ns.  Returns 0 or EWOULDBLOCK. */
int
lwkt_rwlock_write(struct lwkt_rwlock *rw, int64_t timeout_ns)
{
	if (lwkt_mtx_owned(&rw->rw_mtx))
		lwkt_panic("rwlock \"%s\" is locked again by thread \"%s\", "
		    "which holds it for writing", rw->rw_mtx.m_name,
		    curthread->td_name);
	return lwkt_mtx_lock_ex(&rw->rw_mtx, 0, timeout_ns);
}

/* Thread context; never blocks. */
void
lwkt_rwlock_unlock(struct lwkt_rwlock *rw)
{
	lwkt_mtx_unlock(&rw->rw_mtx);
}
