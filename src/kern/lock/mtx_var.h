/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The word of a mtx, its owner, and what waits for it.
 */
#ifndef LWKT_KERN_LOCK_MTX_VAR_H
#define LWKT_KERN_LOCK_MTX_VAR_H

#include <lwkt/mtx.h>

#include "kern/lock/lock_var.h"

#define MTX_EXCLUSIVE	0x80000000u
#define MTX_SHWANTED	0x40000000u
#define MTX_EXWANTED	0x20000000u
#define MTX_WANTED	(MTX_SHWANTED | MTX_EXWANTED)
#define MTX_COUNT	0x0fffffffu

enum mtx_link_state {
	ML_IDLE,		/* no request yet */
	ML_EX,			/* in the ring of its kind */
	ML_SH,
	ML_ACQUIRED,
	ML_CALLEDBACK,		/* granted or aborted; the callback knows */
	ML_ABORTED
};

/*
 * mtx_wait.c.  mtx_request: queue a request; 0: granted at once, EINPROGRESS:
 * queued, ENOLCK: aborted.  mtx_wait_link: sleep until a request is granted or
 * aborted, or the wait fails.  mtx_hand_off: release one taking while there are
 * waiters.
 */
int	mtx_request(lwkt_mtx_t m, lwkt_mtx_link_t link,
	    enum mtx_link_state kind);
int	mtx_wait_link(lwkt_mtx_t m, lwkt_mtx_link_t link, int flags,
	    int64_t timeout_ns);
void	mtx_hand_off(lwkt_mtx_t m);

/* Tell whether td is the exclusive holder. */
static inline int
mtx_owned(lwkt_mtx_t m, lwkt_thread_t td)
{
	return atomic_load_ptr(&m->m_owner) == (uintptr_t)td;
}

/* Set the exclusive holder, or NULL for none. */
static inline void
mtx_own(lwkt_mtx_t m, lwkt_thread_t td)
{
	atomic_store_ptr(&m->m_owner, (uintptr_t)td);		/* MX2 */
}

#endif
