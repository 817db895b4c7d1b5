/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep on an address and let go of a lock meanwhile.
 *
 * The caller holds the lock, under which he looked at his condition.  It is
 * given back when the caller is already queued, so a wakeup by whoever takes
 * it next is not lost, and taken again before the call returns, whatever it
 * returns.  Loop: a wakeup may be spurious, and others had the lock.
 *
 * ident, flags, wmesg and timeout are those of lwkt_tsleep; LWKT_PINTERLOCKED
 * is implied.  Returns: as lwkt_tsleep.
 * Context: thread.  Blocks: yes, until it has the lock again also after its
 * time.
 */
#ifndef LWKT_LOCKSLEEP_H
#define LWKT_LOCKSLEEP_H

#include <lwkt/lock.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/synch.h>

LWKT_BEGIN_DECLS

/* A spinlock held exclusively; the only one held. */
LWKT_API int lwkt_ssleep(const volatile void *ident, lwkt_spin_t s, int flags,
    const char *wmesg, int64_t timeout_ns);
/* A mtx, given up whole, and had again as it was. */
LWKT_API int lwkt_mtxsleep(const volatile void *ident, lwkt_mtx_t m, int flags,
    const char *wmesg, int64_t timeout_ns);
/* A lockmgr lock taken once, shared or exclusively. */
LWKT_API int lwkt_lksleep(const volatile void *ident, lwkt_lock_t lk,
    int flags, const char *wmesg, int64_t timeout_ns);
/* A serializer. */
LWKT_API int lwkt_zsleep(const volatile void *ident, lwkt_serialize_t sz,
    int flags, const char *wmesg, int64_t timeout_ns);

LWKT_END_DECLS

#endif
