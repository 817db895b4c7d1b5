/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Atomic operations, each with its memory order in its name (atomic(9) of
 * FreeBSD).
 *
 * Code above machine/ uses these functions to write a word that several CPUs
 * write.  Where an access must not be a choice point, as in a report or a
 * signal handler, it may be an operation of the compiler (__atomic_load_n).
 *
 * _acq: no later access moves before the operation.  _rel: no earlier access
 * moves after it.  A read-modify-write operation is both, unless stated
 * otherwise.  A load or store with neither suffix has no order.
 *
 * Each operation is a choice point (base/choice.h) of the simulated host,
 * unless stated otherwise.  In some runs of that host a store is pending in a
 * buffer of its CPU for a while; a read-modify-write operation or a full fence
 * empties the buffer.  So a word that is written with these functions must not
 * be written by plain stores: an older store that is still pending could
 * replace the newer value.
 */
#ifndef LWKT_BASE_ATOMIC_H
#define LWKT_BASE_ATOMIC_H

#include "base/choice.h"
#include "base/compiler.h"

/*
 * swap stores v and returns the value before.  cmpset stores v and returns 1 if
 * the value equals the argument old; else it only returns 0.  fcmpset is the
 * same with *old, which becomes the value found if the result is 0.
 */
#define ATOMIC_DEFINE(sfx, type)					\
static inline type							\
atomic_load_##sfx(const type *p)					\
{									\
	lwkt__choice(CHOICE_ATOMIC);					\
	return __atomic_load_n(p, __ATOMIC_RELAXED);			\
}									\
static inline type							\
atomic_load_acq_##sfx(const type *p)					\
{									\
	lwkt__choice(CHOICE_ATOMIC);					\
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);			\
}									\
static inline void							\
atomic_store_##sfx(type *p, type v)					\
{									\
	lwkt__choice(CHOICE_ATOMIC);					\
	choice_store(p, sizeof(*p));					\
	__atomic_store_n(p, v, __ATOMIC_RELAXED);			\
}									\
static inline void							\
atomic_store_rel_##sfx(type *p, type v)					\
{									\
	lwkt__choice(CHOICE_ATOMIC);					\
	choice_store(p, sizeof(*p));					\
	__atomic_store_n(p, v, __ATOMIC_RELEASE);			\
}									\
static inline type							\
atomic_swap_##sfx(type *p, type v)					\
{									\
	lwkt__choice(CHOICE_ATOMIC);					\
	choice_drain();							\
	return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);		\
}									\
static inline int							\
atomic_cmpset_##sfx(type *p, type old, type v)				\
{									\
	lwkt__choice(CHOICE_ATOMIC);					\
	choice_drain();							\
	return __atomic_compare_exchange_n(p, &old, v, 0,		\
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);			\
}									\
static inline int							\
atomic_fcmpset_##sfx(type *p, type *old, type v)			\
{									\
	lwkt__choice(CHOICE_ATOMIC);					\
	choice_drain();							\
	return __atomic_compare_exchange_n(p, old, v, 0,		\
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);			\
}

/*
 * fetchadd, fetchor and fetchand return the old value.  set sets the bits that
 * are 1 in v, and clear clears them.
 */
#define ATOMIC_DEFINE_ARITH(sfx, type)					\
static inline type							\
atomic_fetchadd_##sfx(type *p, type v)					\
{									\
	lwkt__choice(CHOICE_ATOMIC);					\
	choice_drain();							\
	return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);		\
}									\
static inline type							\
atomic_fetchor_##sfx(type *p, type v)					\
{									\
	lwkt__choice(CHOICE_ATOMIC);					\
	choice_drain();							\
	return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);		\
}									\
static inline type							\
atomic_fetchand_##sfx(type *p, type v)					\
{									\
	lwkt__choice(CHOICE_ATOMIC);					\
	choice_drain();							\
	return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);		\
}									\
static inline void							\
atomic_set_##sfx(type *p, type v)					\
{									\
	(void)atomic_fetchor_##sfx(p, v);				\
}									\
static inline void							\
atomic_clear_##sfx(type *p, type v)					\
{									\
	(void)atomic_fetchand_##sfx(p, (type)~v);			\
}

ATOMIC_DEFINE(8, uint8_t)
ATOMIC_DEFINE(32, uint32_t)
ATOMIC_DEFINE(64, uint64_t)
ATOMIC_DEFINE(ptr, uintptr_t)
ATOMIC_DEFINE_ARITH(32, uint32_t)
ATOMIC_DEFINE_ARITH(64, uint64_t)

/*
 * Read a word that other CPUs may change.  The value may be old: no order, no
 * choice point.
 */
static inline uint32_t
atomic_peek_32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline int64_t
atomic_peek_i64(const int64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uintptr_t
atomic_peek_ptr(const uintptr_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/*
 * Store a word.  The caller is the only CPU that writes the word, or holds the
 * lock that protects it.  No choice point; no order without _rel.
 */
#define ATOMIC_DEFINE_POKE(sfx, type)					\
static inline void							\
atomic_poke_##sfx(type *p, type v)					\
{									\
	choice_store(p, sizeof(*p));					\
	__atomic_store_n(p, v, __ATOMIC_RELAXED);			\
}									\
static inline void							\
atomic_poke_rel_##sfx(type *p, type v)					\
{									\
	choice_store(p, sizeof(*p));					\
	__atomic_store_n(p, v, __ATOMIC_RELEASE);			\
}

ATOMIC_DEFINE_POKE(32, uint32_t)
ATOMIC_DEFINE_POKE(64, uint64_t)
ATOMIC_DEFINE_POKE(i64, int64_t)
ATOMIC_DEFINE_POKE(ptr, uintptr_t)

/*
 * Add to a word that no other CPU writes, so x86 needs no locked instruction.
 * No order, no choice point.
 */
static inline void
atomic_poke_add_i64(int64_t *p, int64_t v)
{
#if defined(__x86_64__) && !LWKT_TSAN && !defined(LWKT_HOST_SIM)
	__asm__ __volatile__("addq %1,%0" : "+m" (*p) : "er" (v) : "cc");
#else
	atomic_poke_i64(p, atomic_peek_i64(p) + v);
#endif
}

/* Add to a word that several CPUs may write.  No order, no choice point. */
static inline void
atomic_bump_i64(int64_t *p, int64_t v)
{
	choice_drain();
	(void)__atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}

/*
 * The full fence: all earlier accesses come before all later ones.  On x86 only
 * earlier stores and later loads need it; all other pairs stay in order anyway.
 */
static inline void
atomic_fence_seq_cst(void)
{
	lwkt__choice(CHOICE_FENCE);
	choice_drain();
#if defined(__x86_64__) && !LWKT_TSAN
	/* Takes a third of the time of an mfence (Zen 3: 8 ns, not 25). */
	__asm__ __volatile__("lock; addl $0,(%%rsp)" ::: "memory", "cc");
#else
	static uint32_t fence_word;

	(void)__atomic_fetch_add(&fence_word, 0, __ATOMIC_SEQ_CST);
#endif
}

/* Order earlier loads before later accesses.  On x86: no instruction. */
static inline void
atomic_fence_acq(void)
{
#if LWKT_TSAN
	atomic_fence_seq_cst();		/* TSan knows no fences */
#else
	lwkt__choice(CHOICE_FENCE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

/* Order earlier accesses before later stores.  On x86: no instruction. */
static inline void
atomic_fence_rel(void)
{
#if LWKT_TSAN
	atomic_fence_seq_cst();		/* TSan knows no fences */
#else
	lwkt__choice(CHOICE_FENCE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

#endif
