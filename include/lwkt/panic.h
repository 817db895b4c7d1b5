/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of the process, with a reason.
 */
#ifndef LWKT_PANIC_H
#define LWKT_PANIC_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/*
 * Report who, where and why on stderr, with a backtrace, and abort().
 * Any context.
 */
LWKT_API void lwkt_panic(const char *fmt, ...)
    __attribute__((noreturn)) LWKT_PRINTFLIKE(1, 2);

/* A line on stderr, complete and async-signal-safe.  Any context. */
LWKT_API void lwkt_printf(const char *fmt, ...) LWKT_PRINTFLIKE(1, 2);

/*
 * Print every thread on stderr: who it is, what it waits for, and of some of
 * them where they stand.  The other CPUs are stopped meanwhile.  Any context,
 * a signal handler and a debugger's call included.  Blocks: no thread, but
 * all CPUs, for as long as the printing takes.
 */
LWKT_API void lwkt_show_threads(void);

LWKT_END_DECLS

#endif
