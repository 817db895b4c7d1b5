/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Critical sections inline, under 1 ns.
 *
 * These know where the library keeps two words, so a program that uses them is
 * tied to the very version of the library it was compiled for; everybody else
 * calls lwkt_crit_enter and lwkt_crit_exit.
 *
 * Context: lwkt thread on the real host (x86-64), not a foreign pthread.
 */
#ifndef LWKT_THREAD2_H
#define LWKT_THREAD2_H

#include <lwkt/thread.h>

LWKT_BEGIN_DECLS

/* Offsets: of the count in the thread, of the pending word in the CPU. */
#define LWKT_TD_CRITCOUNT	36
#define LWKT_CPU_CURTHREAD	8
#define LWKT_CPU_REQFLAGS	64
#define LWKT_REQ_SPLZ		0x2497u

/* What the outermost exit does when something is pending. */
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
