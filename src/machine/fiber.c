/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inform the checkers about stacks and the switches between them.
 *
 * THEORY
 * ASan: the start call passes the bounds of the new stack and stores the fake
 * stack of the old one in f_asan_fake.  The finish call, made first on the new
 * stack, restores the fake stack of that stack (NULL at a thread's first run).
 * It also returns the bounds of the old stack.  That is how the bounds of the
 * host thread's own stack become known.  A thread that ends passes NULL for
 * f_asan_fake, so ASan frees its fake stack.  Frames that never returned leave
 * poison in the shadow, so a stack is unpoisoned when it gets a new owner.
 *
 * LSan searches registered regions for pointers, so each live stack is
 * registered.
 *
 * TSan: a fiber has its own shadow call stack.  So fiber_switch_begin and
 * fiber_switch_end, between which the fiber changes, must not push or pop on
 * it: they are not instrumented.  The change orders the accesses before it and
 * those after it (flag 0): threads of one CPU do not race.  TSan delivers a
 * signal only when the interrupted fiber next calls a function of libc that
 * TSan wraps.  If that fiber left the CPU first, it would not make such a call
 * for a long time, and the CPU would miss the signal of its timer until then.
 * So such a call is made before each switch.
 *
 * valgrind takes a jump of the stack pointer from one registered stack to
 * another as a switch, and not as a wild pointer or a huge frame.  It reports
 * each access to the part of a stack that the last owner popped, and the next
 * owner begins there.  So the whole stack is made accessible first.  A plain
 * build without valgrind skips all this, by one test when a thread is created
 * and one when it ends.
 *
 * Source: the sanitizers' common_interface_defs.h and tsan_interface.h.
 */
#include "machine/fiber.h"

#include <string.h>

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define RUNNING_ON_VALGRIND			0
#define VALGRIND_STACK_REGISTER(lo, hi)		((void)(lo), (void)(hi), 0u)
#define VALGRIND_STACK_DEREGISTER(id)		((void)(id))
#define VALGRIND_MAKE_MEM_DEFINED(p, size)	((void)(p), (void)(size))
#define VALGRIND_MAKE_MEM_UNDEFINED(p, size)	((void)(p), (void)(size))
#endif

#if LWKT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if LWKT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#if LWKT_HAS_ATTRIBUTE(disable_sanitizer_instrumentation)
#define UNINSTRUMENTED __attribute__((noinline,				\
	    disable_sanitizer_instrumentation))
#else
#define UNINSTRUMENTED __attribute__((noinline, no_sanitize_thread))
#endif

int lwkt__fiber_wanted;

#if LWKT_TSAN
/* Volatile: the call by which TSan delivers signals must not be folded. */
static char *volatile any_call = "";
#endif

void
fiber_boot(void)
{
	lwkt__fiber_wanted = LWKT_ASAN || LWKT_TSAN || RUNNING_ON_VALGRIND;
}

void
fiber_init(struct fiber *f, const void *stack, size_t size)
{
#if LWKT_ASAN
	/* If the last owner was abandoned at a shutdown, it left poison. */
	__asan_unpoison_memory_region(stack, size);
#endif
	(void)VALGRIND_MAKE_MEM_DEFINED(stack, size);
	memset(f, 0, sizeof(*f));
	f->f_stack = stack;
	f->f_size = size;
	f->f_valgrind = VALGRIND_STACK_REGISTER(stack,
	    (const char *)stack + size - 1);
#if LWKT_ASAN
	__lsan_register_root_region(stack, size);
#endif
#if LWKT_TSAN
	f->f_tsan = __tsan_create_fiber(0);
#endif
}

void
fiber_fini(struct fiber *f)
{
	if (f->f_host)
		return;
	VALGRIND_STACK_DEREGISTER(f->f_valgrind);
	(void)VALGRIND_MAKE_MEM_DEFINED(f->f_stack, f->f_size);
#if LWKT_ASAN
	__lsan_unregister_root_region(f->f_stack, f->f_size);
	__asan_unpoison_memory_region(f->f_stack, f->f_size);
#endif
#if LWKT_TSAN
	__tsan_destroy_fiber(f->f_tsan);
#endif
}

void
fiber_defined(const void *p, size_t size)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(p, size);
}

void
fiber_writable(const void *p, size_t size)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(p, size);
}

#if LWKT_ASAN || LWKT_TSAN
void
fiber_init_host(struct fiber *f)
{
	memset(f, 0, sizeof(*f));
	f->f_host = 1;
#if LWKT_TSAN
	f->f_tsan = __tsan_get_current_fiber();
#endif
}

/*
 * Announce a switch from `from` to `to`, immediately before it, on from's
 * stack.  `dying`: from never runs again.
 */
UNINSTRUMENTED void
fiber_switch_begin(struct fiber *from, struct fiber *to, int dying)
{
#if LWKT_ASAN
	__sanitizer_start_switch_fiber(dying ? NULL : &from->f_asan_fake,
	    to->f_stack, to->f_size);
#else
	(void)from, (void)dying;
#endif
#if LWKT_TSAN
	(void)strlen(any_call);
	__tsan_switch_to_fiber(to->f_tsan, 0);
#else
	(void)to;
#endif
}

/*
 * Finish the announced switch, before all else on self's stack.  prev is the
 * fiber of the old stack, or NULL.  Under ASan, the bounds of prev's stack are
 * stored if they were unknown.
 */
UNINSTRUMENTED void
fiber_switch_end(struct fiber *self, struct fiber *prev)
{
#if LWKT_ASAN
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(self->f_asan_fake, &bottom, &size);
	self->f_asan_fake = NULL;
	if (prev != NULL && prev->f_stack == NULL) {
		prev->f_stack = bottom;
		prev->f_size = size;
	}
#else
	(void)self, (void)prev;
#endif
}
#endif
