/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Make threads (lwkt_thread.c), for code that has storage for them.
 */
#ifndef LWKT_KERN_THREAD_THREAD_MAKE_H
#define LWKT_KERN_THREAD_THREAD_MAKE_H

#include <lwkt/types.h>
#include <stdarg.h>
#include <stddef.h>

/*
 * thread_init makes a thread of the structure td and a stack; the thread will
 * run on cpu.  thread_renew does the same, with less work, for a td that was
 * made by thread_init and whose thread has ended since.  thread_start gives the
 * thread a function and a name, and makes it runnable unless flags has
 * LWKT_NOSTART.  On any CPU, the first two in a critical section; never blocks.
 */
void	thread_init(lwkt_thread_t td, void *stack, size_t stksize, int flags,
	    int cpu);
void	thread_renew(lwkt_thread_t td, int flags, int cpu);
void	thread_start(lwkt_thread_t td, void (*fn)(void *), void *arg,
	    int flags, const char *fmt, va_list ap);

/*
 * Reserve size bytes at the top of the stack of td, for the code that made td.
 * td must not have been started.  The bytes last as long as td.
 */
void   *thread_reserve(lwkt_thread_t td, size_t size);

#endif
