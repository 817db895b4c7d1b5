/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The word of a mtx, and its owner.
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

/* Tell whether td is the exclusive holder. */
static inline int
mtx_owned(lwkt_mtx_t m, lwkt_thread_t td)
{
	return atomic_load_ptr(&m->m_owner) == (uintptr_t)td;
}

/* Set the exclusive holder; NULL: none. */
static inline void
mtx_own(lwkt_mtx_t m, lwkt_thread_t td)
{
	atomic_store_ptr(&m->m_owner, (uintptr_t)td);		/* MX3 */
}

#endif
