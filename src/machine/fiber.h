/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the checkers must be told at a stack switch, in one place.
 *
 * THEORY
 * ASan keeps a fake stack per real one: start before, finish after a switch;
 * a thread that never returns passes NULL so that its fake stack is freed.
 * TSan keeps a shadow state per fiber and must change it right before the
 * switch, from code it does not instrument.  valgrind wants to know stacks.
 * A plain build without valgrind pays one test of a word at the birth of a
 * stack and one at its death.
 *
 * Source: QEMU's util/coroutine-ucontext.c wraps the same three calls.
 */
#ifndef LWKT_MACHINE_FIBER_H
#define LWKT_MACHINE_FIBER_H

#include <stddef.h>

#include "base/compiler.h"

struct fiber {
	void		*f_asan_fake;	/* fake stack while switched out */
	const void	*f_stack;	/* lowest address; boot stack: learnt */
	size_t		 f_size;
	void		*f_tsan;	/* TSan's state */
	unsigned	 f_valgrind;	/* stack id */
	int		 f_host;	/* the host thread's own stack */
};

/* (i) Somebody wants to know; set by fiber_boot(), at each boot. */
extern int lwkt__fiber_wanted;

static inline int
fiber_wanted(void)
{
	return unlikely(lwkt__fiber_wanted != 0);
}

void	fiber_boot(void);
/* If fiber_wanted(); f may lie in the stack, before its first word is used. */
void	fiber_init(struct fiber *f, const void *stack, size_t size);
void	fiber_fini(struct fiber *f);
/* If fiber_wanted(): what lies there is looked at, written before or not. */
void	fiber_defined(const void *p, size_t size);
/* If fiber_wanted(): a piece of a stack is in use now, from a handler. */
void	fiber_writable(const void *p, size_t size);

/* What the calling thread touches in between is nothing to TSan; nests. */
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
/* The host thread's own stack. */
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
