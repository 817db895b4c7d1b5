/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The code in which a preemptible thread may be interrupted.
 *
 * A thread created with LWKT_PREEMPTIBLE is interrupted between any two
 * instructions of the program's text, if every function on its stack is part of
 * that text.  It is not interrupted in a critical section, in the C library, in
 * other shared objects, or in functions that these call.
 * lwkt_preempt_register(3) says what such code must not do.
 */
#ifndef LWKT_PREEMPT_H
#define LWKT_PREEMPT_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/*
 * Add code that may be interrupted: len bytes from start, or with len 0 all
 * code of the shared object that contains start.  Never the C library, the
 * loader, an allocator or this library.  lwkt_preempt_unregister removes what
 * the same arguments added; call it before the object is unloaded, when no
 * preemptible thread runs in it.
 * Context: any thread or pthread, also before lwkt_boot; not signal handlers.
 * Blocks: no.
 * Returns: 0; EINVAL: no code, code of several objects, or code that must not
 * be interrupted; ENOSPC: 64 ranges; ENOENT: was not registered.
 */
LWKT_API int lwkt_preempt_register(const void *start, size_t len);
LWKT_API int lwkt_preempt_unregister(const void *start, size_t len);

LWKT_END_DECLS

#endif
