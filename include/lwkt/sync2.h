/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday locks with their usual case inline: mutex, semaphore, condition
 * variable, once.
 *
 * A function whose name ends with _quick does the same as the function of
 * <lwkt/sync.h> without it, and both may be used with the same lock.  It is
 * faster in the usual case: the mutex is free, there is a unit, or nobody
 * waits, and the caller is a thread that is not preemptible.  In all other
 * cases it calls the function of <lwkt/sync.h>.
 *
 * These functions know the words of a lock and of a CPU.  So a program that
 * uses them must be compiled again for each version of the library.
 *
 * Context, blocking, errors: as in <lwkt/sync.h>.  x86-64 only.
 */
#ifndef LWKT_SYNC2_H
#define LWKT_SYNC2_H

#include <lwkt/sync.h>

LWKT_BEGIN_DECLS

/* Programs do not use these names that end with an underscore. */

/* What a CPU writes to the word of a mutex; lq_reltag differs while loud. */
struct lwkt_quick_words_ {
	uint64_t	lq_tag;
	uint64_t	lq_reltag;
};

#define LWKT_COUNT_STATE_	0x0fffffffu	/* in se_word, on_word */
#define LWKT_ONCE_DONE_		2u		/* a state of on_word */
#define LWKT_QUICK_SELF_	8		/* %gs: the running thread */

/*
 * The words of the calling CPU; NULL if the inline cases must not be used: in a
 * pthread or a preemptible thread, on the simulated host, and in a library with
 * invariants.
 */
LWKT_API extern __thread const struct lwkt_quick_words_ *lwkt_quick_;
/* The rest of an unlock whose CPU has become loud. */
LWKT_API void lwkt_mutex_unlock_late_(struct lwkt_mutex *mu);

/*
 * Read lwkt_quick_.  An asm, so that the compiler keeps neither the value nor
 * its address while the thread moves to another CPU.
 */
static inline const struct lwkt_quick_words_ *
lwkt_quick_read_(void)
{
	const struct lwkt_quick_words_ *lq;

	__asm__ __volatile__("movq lwkt_quick_@gottpoff(%%rip),%0\n\t"
	    "movq %%fs:(%0),%0" : "=&r" (lq));
	return lq;
}

static inline uint64_t
lwkt_quick_self_(void)
{
	uint64_t td;

	__asm__ __volatile__("movq %%gs:%c1,%0" : "=r" (td) :
	    "i" (LWKT_QUICK_SELF_));
	return td;
}

/* Change the word from w to `to` and return 1; 0: it has changed. */
static inline int
lwkt_quick_change_(uint64_t *word, uint64_t w, uint64_t to)
{
	return __builtin_expect(__atomic_compare_exchange_n(word, &w, to, 0,
	    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED), 1);
}

/* Take the mutex and return 1, if the case is usual; else return 0. */
static inline int
lwkt_mutex_take_(struct lwkt_mutex *mu)
{
	const struct lwkt_quick_words_ *lq = lwkt_quick_read_();

	return __builtin_expect(lq != NULL, 1) &&
	    lwkt_quick_change_(&mu->mu_word, 0,
	    lwkt_quick_self_() | lq->lq_tag);
}

static inline void
lwkt_mutex_lock_quick(struct lwkt_mutex *mu)
{
	if (!lwkt_mutex_take_(mu))
		lwkt_mutex_lock(mu);
}

static inline int
lwkt_mutex_trylock_quick(struct lwkt_mutex *mu)
{
	return lwkt_mutex_take_(mu) ? 0 : lwkt_mutex_trylock(mu);
}

/*
 * Release by a plain store, as release() of the library's kern/lock/mutex.c
 * does.  After the store mu is not read: it may have been freed.
 */
static inline void
lwkt_mutex_unlock_quick(struct lwkt_mutex *mu)
{
	const struct lwkt_quick_words_ *lq = lwkt_quick_read_();
	uint64_t tag;

	if (__builtin_expect(lq == NULL, 0)) {
		lwkt_mutex_unlock(mu);
		return;
	}
	tag = __atomic_load_n(&lq->lq_reltag, __ATOMIC_RELAXED);
	if (__builtin_expect(__atomic_load_n(&mu->mu_word, __ATOMIC_RELAXED) !=
	    (lwkt_quick_self_() | tag), 0)) {
		lwkt_mutex_unlock(mu);
		return;
	}
	__atomic_store_n(&mu->mu_word, 0, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__builtin_expect(__atomic_load_n(&lq->lq_reltag,
	    __ATOMIC_RELAXED) != tag, 0))
		lwkt_mutex_unlock_late_(mu);
}

/* There is a unit: then nobody waits, and the state is the whole word. */
static inline int
lwkt_sem_wait_quick(struct lwkt_sem *se, int64_t timeout_ns)
{
	uint64_t w = __atomic_load_n(&se->se_word, __ATOMIC_RELAXED);

	if (__builtin_expect((w & LWKT_COUNT_STATE_) != 0 &&
	    lwkt_quick_read_() != NULL, 1) &&
	    lwkt_quick_change_(&se->se_word, w, w - 1))
		return 0;
	return lwkt_sem_wait(se, timeout_ns);
}

static inline void
lwkt_sem_post_quick(struct lwkt_sem *se, unsigned n)
{
	uint64_t w = __atomic_load_n(&se->se_word, __ATOMIC_RELAXED);

	if (__builtin_expect(n <= LWKT_SEM_MAX && w + n <= LWKT_SEM_MAX &&
	    lwkt_quick_read_() != NULL, 1) &&
	    lwkt_quick_change_(&se->se_word, w, w + n))
		return;
	lwkt_sem_post(se, n);
}

/* A waiter counts itself before it releases the mutex of the condition. */
static inline void
lwkt_cond_signal_quick(struct lwkt_cond *cv)
{
	if (__builtin_expect(__atomic_load_n(&cv->cv_waiters,
	    __ATOMIC_RELAXED) != 0 || lwkt_quick_read_() == NULL, 0))
		lwkt_cond_signal(cv);
}

static inline void
lwkt_cond_broadcast_quick(struct lwkt_cond *cv)
{
	if (__builtin_expect(__atomic_load_n(&cv->cv_waiters,
	    __ATOMIC_RELAXED) != 0 || lwkt_quick_read_() == NULL, 0))
		lwkt_cond_broadcast(cv);
}

static inline void
lwkt_once_quick(struct lwkt_once *on, void (*fn)(void *), void *arg)
{
	if (__builtin_expect((__atomic_load_n(&on->on_word, __ATOMIC_ACQUIRE) &
	    LWKT_ONCE_DONE_) == 0, 0))
		lwkt_once(on, fn, arg);
}

LWKT_END_DECLS

#endif
