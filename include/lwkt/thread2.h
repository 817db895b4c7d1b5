/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Critical sections as inline functions, under 1 ns each.
 *
 * These functions know where the library keeps two words.  So a program that
 * uses them must be compiled again for each version of the library.  All other
 * programs call lwkt_crit_enter and lwkt_crit_exit.
 *
 * Context: lwkt thread on the real host (x86-64).  A plain pthread must not
 * call them; nothing checks this.
 */
#ifndef LWKT_THREAD2_H
#define LWKT_THREAD2_H

#include <lwkt/thread.h>

LWKT_BEGIN_DECLS

/* Offsets of the count in the thread and of two words in the CPU. */
#define LWKT_TD_CRITCOUNT	36
#define LWKT_CPU_CURTHREAD	8
#define LWKT_CPU_REQFLAGS	64
#define LWKT_REQ_SPLZ		0x2497u

/* Run deferred work: the inline exit calls this.  Programs do not. */
LWKT_API void lwkt_crit_replay(void);

static inline int *
lwkt_critcountp_(void)
{
	char *td;

	__asm__ __volatile__("movq %%gs:%c1,%0" : "=r" (td) :
	    "i" (LWKT_CPU_CURTHREAD));
	return (int *)(void *)(td + LWKT_TD_CRITCOUNT);
}

static inline void
lwkt_crit_enter_quick(void)
{
	++*lwkt_critcountp_();
	__asm__ __volatile__("" ::: "memory");
}

static inline void
lwkt_crit_exit_quick(void)
{
	int *countp = lwkt_critcountp_(), count;
	unsigned pending;

	__asm__ __volatile__("" ::: "memory");
	count = --*countp;
	__asm__ __volatile__("movl %%gs:%c1,%0" : "=r" (pending) :
	    "i" (LWKT_CPU_REQFLAGS) : "memory");
	if (__builtin_expect((pending & LWKT_REQ_SPLZ) != 0 || count < 0, 0))
		lwkt_crit_replay();
}
LWKT_END_DECLS

#endif
