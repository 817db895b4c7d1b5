/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which code a preemptible thread may be interrupted in.
 *
 * A thread created with LWKT_PREEMPTIBLE is interrupted between any two
 * instructions of the program's own code, when every function on its stack is
 * of that kind.  In the C library, in other shared objects and in whatever
 * these call back it is not.  lwkt(7) says what such code must not do.
 */
#ifndef LWKT_PREEMPT_H
#define LWKT_PREEMPT_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/*
 * Code that may be interrupted besides the program's own text: len bytes from
 * start, or with len 0 all of the shared object that start lies in.  Never the
 * C library, the loader, an allocator or this library.  Unregister takes back
 * what the same arguments gave: before the object is unloaded.
 * Context: any thread or pthread; not in signal handlers.  Blocks: no.
 * Returns: 0, EINVAL (no code, several objects, or code that must not be),
 * ENOSPC (64 ranges), ENOENT (was not registered).
 */
LWKT_API int lwkt_preempt_register(const void *start, size_t len);
LWKT_API int lwkt_preempt_unregister(const void *start, size_t len);

LWKT_END_DECLS

#endif
