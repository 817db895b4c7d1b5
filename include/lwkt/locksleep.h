/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep on an address and release a lock during the sleep.
 *
 * The caller holds the lock and has tested its condition under it.  The
 * function queues the caller first and then releases the lock, so it does not
 * lose the wakeup of a thread that takes the lock next.  When it returns, with
 * any result, the caller holds the lock again.  Loop on the condition: a wakeup
 * may be spurious, and other threads may have held the lock.
 *
 * ident, flags, wmesg and timeout_ns are those of lwkt_tsleep.
 * LWKT_PINTERLOCKED is implied and must not be given.
 * Context: thread.
 * Blocks: yes; also after the time limit, until the lock is free.
 * Returns: as lwkt_tsleep.
 */
#ifndef LWKT_LOCKSLEEP_H
#define LWKT_LOCKSLEEP_H

#include <lwkt/lock.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/synch.h>

LWKT_BEGIN_DECLS

/* s is held exclusively, and is the only spinlock held. */
LWKT_API int lwkt_ssleep(const volatile void *ident, lwkt_spin_t s, int flags,
    const char *wmesg, int64_t timeout_ns);
/*
 * m is held exclusively, once or several times, or shared once; it is released
 * wholly and taken again in the same way.
 */
LWKT_API int lwkt_mtxsleep(const volatile void *ident, lwkt_mtx_t m, int flags,
    const char *wmesg, int64_t timeout_ns);
/*
 * lk is held once, shared or exclusively, and is taken again in the same way,
 * without the flags and the time limit of lwkt_lockinit.
 */
LWKT_API int lwkt_lksleep(const volatile void *ident, lwkt_lock_t lk,
    int flags, const char *wmesg, int64_t timeout_ns);
/* sz is held. */
LWKT_API int lwkt_zsleep(const volatile void *ident, lwkt_serialize_t sz,
    int flags, const char *wmesg, int64_t timeout_ns);

LWKT_END_DECLS

#endif
