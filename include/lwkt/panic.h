/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports on stderr: end the process with one, print a line, print all threads.
 */
#ifndef LWKT_PANIC_H
#define LWKT_PANIC_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/*
 * Print the message, the calling thread, a backtrace, the other CPUs and up to
 * 200 threads on stderr, and abort().  The conversions in fmt are those of
 * lwkt_printf.
 * Context: any.
 */
LWKT_API void lwkt_panic(const char *fmt, ...)
    __attribute__((noreturn)) LWKT_PRINTFLIKE(1, 2);

/*
 * Print one line on stderr, whole; a newline is added if there is none, and a
 * long line is cut.  It is async-signal-safe if the conversions in fmt are %s
 * %d %i %u %x %p %c with their lengths.  errno is kept.
 * Context: any.  Blocks: the CPU, while write(2) waits.
 */
LWKT_API void lwkt_printf(const char *fmt, ...) LWKT_PRINTFLIKE(1, 2);

/*
 * Print every thread, up to 200, on stderr: its name, what it waits for, and
 * for some of them a backtrace.  The other CPUs are stopped meanwhile.
 * Context: any, also a signal handler and a debugger's call.
 * Blocks: all CPUs while it prints.
 */
LWKT_API void lwkt_show_threads(void);

LWKT_END_DECLS

#endif
