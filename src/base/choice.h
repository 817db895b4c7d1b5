/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Choice points: where the simulated host may let another CPU go on.
 *
 * On the real host a choice point does nothing.  On the simulated host it is a
 * call that may run other CPUs for a while.  Between two choice points a CPU
 * runs alone.
 *
 * In some runs each CPU has a store buffer (machine/sim/sim_store.c): other
 * CPUs see a store of atomic.h later than it is made.  lwkt__store_put comes
 * right before such a store; lwkt__store_drain, which empties the buffer, comes
 * right before a locked instruction or a full fence.
 *
 * CHOICE_USER is for tests: it stands for an instruction at which a preemptible
 * thread may be interrupted (lwkt_async.c).
 */
#ifndef LWKT_BASE_CHOICE_H
#define LWKT_BASE_CHOICE_H

enum choice {
	CHOICE_ATOMIC,		/* before an atomic load, store or RMW */
	CHOICE_FENCE,
	CHOICE_CRIT,		/* leaving a critical section; lwkt_splz() */
	CHOICE_DOORBELL,	/* waking or interrupting another CPU */
	CHOICE_CLOCK,		/* reading the time */
	CHOICE_TIMER,		/* arming a timer */
	CHOICE_PAUSE,		/* turn of a wait loop, or a halt: others run */
	CHOICE_ALLOC,		/* a call of the host about memory */
	CHOICE_IO,		/* a call about operations (machine_io.h) */
	CHOICE_SWITCH,		/* just before a thread switch */
	CHOICE_USER,		/* an instruction of the program's own */
	CHOICE_KINDS
};

#ifdef LWKT_HOST_SIM
extern int lwkt__stores;		/* this run has store buffers */

void	lwkt__choice(enum choice kind);
void	lwkt__store_put(void *p, unsigned size);
void	lwkt__store_drain(void);

static inline void
choice_store(void *p, unsigned size)
{
	if (lwkt__stores)
		lwkt__store_put(p, size);
}

static inline void
choice_drain(void)
{
	if (lwkt__stores)
		lwkt__store_drain();
}
#else
static inline void
lwkt__choice(enum choice kind)
{
	(void)kind;
}

static inline void
choice_store(void *p, unsigned size)
{
	(void)p, (void)size;
}

static inline void
choice_drain(void)
{
}
#endif

#endif
