/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The word of a mtx (m_lock), its owner (m_owner), and the requests that wait.
 */
#ifndef LWKT_KERN_LOCK_MTX_VAR_H
#define LWKT_KERN_LOCK_MTX_VAR_H

#include <lwkt/mtx.h>

#include "kern/lock/lock_var.h"

/* m_lock is 0 while the mtx is free. */
#define MTX_EXCLUSIVE	0x80000000u	/* held exclusively */
#define MTX_SHWANTED	0x40000000u	/* shared requests are queued */
#define MTX_EXWANTED	0x20000000u	/* exclusive requests are queued */
#define MTX_WANTED	(MTX_SHWANTED | MTX_EXWANTED)
#define MTX_COUNT	0x0fffffffu	/* number of takings */

enum mtx_link_state {
	ML_IDLE,		/* no request yet, or one has failed */
	ML_EX,			/* exclusive request, in the queue m_ex */
	ML_SH,			/* shared request, in the queue m_sh */
	ML_ACQUIRED,		/* granted */
	ML_CALLEDBACK,		/* granted or aborted; a callback says which */
	ML_ABORTED		/* aborted, perhaps before the request */
};

/*
 * mtx_wait.c.  mtx_request: make a request of `kind`, ML_EX or ML_SH; returns
 * 0: granted at once, EINPROGRESS: queued, ENOLCK: aborted.  mtx_wait_link:
 * sleep until the request is granted (0) or aborted (ENOLCK), or the wait fails
 * (EWOULDBLOCK, EINTR).  mtx_hand_off: if the caller's taking is the last one,
 * release it, give the mtx to the next owner if a request waits, and return 1.
 * Else return 0.  The word counts `last` for this taking: 1, or RW_REVOKE of
 * rwlock.c.  The caller has seen a WANTED bit.
 */
int	mtx_request(lwkt_mtx_t m, lwkt_mtx_link_t link,
	    enum mtx_link_state kind);
int	mtx_wait_link(lwkt_mtx_t m, lwkt_mtx_link_t link, int flags,
	    int64_t timeout_ns);
int	mtx_hand_off(lwkt_mtx_t m, uint32_t last);

/* Return whether td is the exclusive holder; td is the running thread. */
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
