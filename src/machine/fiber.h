/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inform the checkers about stacks and stack switches, in one place.
 *
 * THEORY
 * ASan keeps a fake stack for each real one.  It must be called before a switch
 * (start) and after it (finish).  A thread that never runs again passes NULL,
 * so that its fake stack is freed.  TSan keeps a shadow state for each fiber,
 * which must change immediately before the switch, in code that is not
 * instrumented.  valgrind must know each stack.  A plain build without valgrind
 * pays one test of a word when a stack is made and one when it ends.
 *
 * Source: QEMU's util/coroutine-ucontext.c wraps the same three calls.
 */
#ifndef LWKT_MACHINE_FIBER_H
#define LWKT_MACHINE_FIBER_H

#include <stddef.h>

#include "base/compiler.h"

struct fiber {
	void		*f_asan_fake;	/* fake stack while switched out */
	const void	*f_stack;	/* lowest address, NULL if unknown */
	size_t		 f_size;	/* bytes; 0 if f_stack is unknown */
	void		*f_tsan;	/* TSan's state of the fiber */
	unsigned	 f_valgrind;	/* valgrind's number of the stack */
	int		 f_host;	/* 1: the host thread's own stack */
};

/* (i) 1: there is a checker to inform.  Set by fiber_boot(), at each boot. */
extern int lwkt__fiber_wanted;

static inline int
fiber_wanted(void)
{
	return unlikely(lwkt__fiber_wanted != 0);
}

void	fiber_boot(void);
/*
 * Announces a new stack, and its end.  To be called only if fiber_wanted().
 * f may be in the stack itself, if the stack has not been used yet.
 */
void	fiber_init(struct fiber *f, const void *stack, size_t size);
void	fiber_fini(struct fiber *f);
/* Declares memory as written, so it may be read.  Only if fiber_wanted(). */
void	fiber_defined(const void *p, size_t size);
/*
 * Makes memory accessible, with contents that count as not yet written: a part
 * of a stack to which a signal handler writes.  Only if fiber_wanted().
 */
void	fiber_writable(const void *p, size_t size);

/*
 * TSan ignores the calling thread's accesses between tsan_ignore and
 * tsan_regard.  The pairs nest.
 */
#if LWKT_TSAN
void	__tsan_ignore_thread_begin(void);
void	__tsan_ignore_thread_end(void);

static inline void
tsan_ignore(void)
{
	__tsan_ignore_thread_begin();
}

static inline void
tsan_regard(void)
{
	__tsan_ignore_thread_end();
}
#else
static inline void
tsan_ignore(void)
{
}

static inline void
tsan_regard(void)
{
}
#endif

#if LWKT_ASAN || LWKT_TSAN
/*
 * Announces the stack on which the caller runs, with unknown bounds: the host
 * thread's own, or, at each switch between CPUs of sim, the one in use.
 */
void	fiber_init_host(struct fiber *f);
void	fiber_switch_begin(struct fiber *from, struct fiber *to, int dying);
void	fiber_switch_end(struct fiber *self, struct fiber *prev);
#else
static inline void
fiber_init_host(struct fiber *f)
{
	(void)f;
}

static inline void
fiber_switch_begin(struct fiber *from, struct fiber *to, int dying)
{
	(void)from, (void)to, (void)dying;
}

static inline void
fiber_switch_end(struct fiber *self, struct fiber *prev)
{
	(void)self, (void)prev;
}
#endif

#endif
