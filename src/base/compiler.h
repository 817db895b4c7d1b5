/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiler features, under the names that the tree uses.
 */
#ifndef LWKT_BASE_COMPILER_H
#define LWKT_BASE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE		64
#define LWKT_CACHEALIGN		_Alignas(CACHE_LINE)

#define likely(e)		__builtin_expect(!!(e), 1)
#define unlikely(e)		__builtin_expect(!!(e), 0)

#define __lwkt_noinline		__attribute__((noinline))
#define __lwkt_inline		static inline __attribute__((always_inline))
#define __lwkt_unused		__attribute__((unused))
/*
 * For variables that a header declares: they are not visible outside the
 * library, so code reads them without the global offset table.
 */
#define __lwkt_hidden		__attribute__((visibility("hidden")))
#define __lwkt_noreturn		__attribute__((noreturn))
#define __lwkt_printflike(f, a)	__attribute__((format(printf, f, a)))

#define nitems(a)		(sizeof(a) / sizeof((a)[0]))
#define howmany(x, y)		(((x) + (y) - 1) / (y))
#define roundup2(x, a)		(((x) + (a) - 1) & ~((a) - 1))

#define container_of(ptr, type, field)					\
	((type *)(void *)((char *)(ptr) - offsetof(type, field)))

#if defined(__has_attribute)
#define LWKT_HAS_ATTRIBUTE(x)	__has_attribute(x)
#else
#define LWKT_HAS_ATTRIBUTE(x)	0
#endif

/* LWKT_TSAN, LWKT_ASAN: 1 if this object is built for that sanitizer; or 0. */
#if defined(__has_feature)
#define LWKT_HAS_FEATURE(x)	__has_feature(x)
#else
#define LWKT_HAS_FEATURE(x)	0
#endif
#if defined(__SANITIZE_THREAD__) || LWKT_HAS_FEATURE(thread_sanitizer)
#define LWKT_TSAN		1
#else
#define LWKT_TSAN		0
#endif
#if defined(__SANITIZE_ADDRESS__) || LWKT_HAS_FEATURE(address_sanitizer)
#define LWKT_ASAN		1
#else
#define LWKT_ASAN		0
#endif

/* For a function that may access memory that ASan has poisoned. */
#if LWKT_ASAN
#define __lwkt_no_asan		__attribute__((noinline, no_sanitize_address))
#else
#define __lwkt_no_asan
#endif
/*
 * For a function that reads what another CPU may be writing, where a stale
 * value does no harm.  TSan would report a data race.
 */
#if LWKT_TSAN
#define __lwkt_no_tsan		__attribute__((noinline, no_sanitize_thread))
#else
#define __lwkt_no_tsan
#endif

/*
 * A C++ exception that would leave a function with this statement ends the
 * process, with a report (machine/x86_64/escape.c).  The statement makes only
 * an entry in the function's unwind table, no instruction.  The call that may
 * throw must not be the last act of the function: the compiler may turn such a
 * call into a jump, and then the function is no longer on the stack.  On other
 * processors than x86-64 the statement does nothing.
 */
#if defined(__x86_64__)
#define no_unwind()							\
	__asm__ __volatile__(".cfi_personality 0x9b, DW.ref.lwkt__escape")
#else
#define no_unwind()		((void)0)
#endif

/*
 * Keep the compiler from moving memory accesses from one side of this statement
 * to the other.  The processor still may.
 */
#define cc_fence()		__asm__ __volatile__("" ::: "memory")

/* Ask for the cache line of p, in order to write to it. */
static inline void
prefetch_write(const void *p)
{
#ifdef __x86_64__
	/* Without -march the builtin would ask for a copy that is only read. */
	__asm__ __volatile__("prefetchw %0" : : "m" (*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

/*
 * Subtract 1 from *count and return whether the result is negative.  The
 * compiler moves no memory access from one side of the call to the other.  On
 * x86 one instruction subtracts and tests.
 */
static inline int
cc_decrement(int *count)
{
#ifdef __x86_64__
	int negative;

	__asm__ __volatile__("subl $1,%0" : "+m" (*count), "=@ccs" (negative) :
	    : "memory");
	return negative;
#else
	int n;

	cc_fence();
	n = --*count;
	cc_fence();
	return n < 0;
#endif
}

#endif
