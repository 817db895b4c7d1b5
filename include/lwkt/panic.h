/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports on stderr: end the process with one, print a line, print all threads.
 */
#ifndef LWKT_PANIC_H
#define LWKT_PANIC_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/*
 * Print the message, the calling thread and a backtrace on stderr, and abort().
 * Context: any.
 */
LWKT_API void lwkt_panic(const char *fmt, ...)
    __attribute__((noreturn)) LWKT_PRINTFLIKE(1, 2);

/* Print one line on stderr, whole; async-signal-safe.  Context: any. */
LWKT_API void lwkt_printf(const char *fmt, ...) LWKT_PRINTFLIKE(1, 2);

/*
 * Print every thread on stderr: its name, what it waits for, and for some of
 * them a backtrace.  The other CPUs are stopped meanwhile.
 * Context: any, also a signal handler and a debugger's call.
 * Blocks: all CPUs while it prints.
 */
LWKT_API void lwkt_show_threads(void);

LWKT_END_DECLS

#endif
