/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Choice points: where the simulated host may let another CPU go on.
 *
 * On the real host a choice point is nothing.  On the simulated host it is a
 * call that may run the other CPUs for a while, so that every interleaving at
 * the granularity of these points can be reached from a seed.
 *
 * CHOICE_USER is for tests: code of a thread in which it may be interrupted, if
 * it is preemptible (lwkt_async.c).
 */
#ifndef LWKT_BASE_CHOICE_H
#define LWKT_BASE_CHOICE_H

enum choice {
	CHOICE_ATOMIC,		/* before an atomic load, store or RMW */
	CHOICE_FENCE,
	CHOICE_CRIT,		/* leaving the outermost critical section */
	CHOICE_DOORBELL,	/* waking another CPU */
	CHOICE_CLOCK,		/* reading the time */
	CHOICE_TIMER,		/* arming a timer */
	CHOICE_PAUSE,		/* one turn of a wait loop: others must run */
	CHOICE_ALLOC,		/* asking the host for memory */
	CHOICE_IO,		/* submitting or reaping an operation */
	CHOICE_SWITCH,		/* just before a thread switch */
	CHOICE_USER,		/* an instruction of the program's own */
	CHOICE_KINDS
};

#ifdef LWKT_HOST_SIM
void	lwkt__choice(enum choice kind);
#else
static inline void
lwkt__choice(enum choice kind)
{
	(void)kind;
}
#endif

#endif
