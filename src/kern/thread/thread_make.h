/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making threads (lwkt_thread.c), for whoever has storage for them.
 */
#ifndef LWKT_KERN_THREAD_THREAD_MAKE_H
#define LWKT_KERN_THREAD_THREAD_MAKE_H

#include <lwkt/types.h>
#include <stdarg.h>
#include <stddef.h>

/*
 * Make a thread of td and a stack; thread_start gives it a function, a name
 * and (without LWKT_NOSTART in flags) the run queue.  CPU, in a critical
 * section; never blocks.
 */
void	thread_init(lwkt_thread_t td, void *stack, size_t stksize, int flags,
	    int cpu);
void	thread_start(lwkt_thread_t td, void (*fn)(void *), void *arg,
	    int flags, const char *fmt, va_list ap);

/*
 * Of a thread that was not started yet: size bytes at the top of its stack, for
 * whoever made it.  They last as long as the thread.
 */
void   *thread_reserve(lwkt_thread_t td, size_t size);

#endif
