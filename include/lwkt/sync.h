/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The locks of every day: mutex, condition variable, semaphore, rwlock,
 * barrier, wait group, once, bounded queue.
 *
 * All but the rwlock serve lwkt threads and plain pthreads alike, also both at
 * once; a pthread cannot wait with a timeout other than 0 and LWKT_FOREVER.
 * Waiters are served by priority, equal ones in order of arrival; a pthread
 * among them has the place of a new thread (LWKT_PRI_KERN_DAEMON), an lwp that
 * of LWKT_PRI_KERN_USER.  A thread that holds a mutex runs with the priority
 * of the best waiter, if that is better than its own.  A mutex that is free is
 * taken by a thread that just asks, before an equal waiter that is still waking
 * up, but not often past the same one.  Each lock is initialised by its
 * function or its macro and needs no end; it may be freed as soon as nobody
 * waits on it, also by the thread that the last call has just let go.
 *
 * Timeouts are nanoseconds, 0 (do not wait) or LWKT_FOREVER.
 */
#ifndef LWKT_SYNC_H
#define LWKT_SYNC_H

#include <lwkt/mtx.h>
#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* Words that hold a state and the numbers of those who wait; all atomic. */

struct lwkt_mutex {
	uint64_t	 mu_word;
	uint64_t	 mu_lent;	/* 1 + priority lent to the holder */
	const char	*mu_name;
};
#define LWKT_MUTEX_INITIALIZER(name)	{ 0, 0, (name) }

LWKT_API void lwkt_mutex_init(struct lwkt_mutex *mu, const char *name);
LWKT_API void lwkt_mutex_lock(struct lwkt_mutex *mu);
LWKT_API int lwkt_mutex_trylock(struct lwkt_mutex *mu);	/* 0 or EBUSY */
/* 0 or EWOULDBLOCK */
LWKT_API int lwkt_mutex_timedlock(struct lwkt_mutex *mu, int64_t timeout_ns);
LWKT_API void lwkt_mutex_unlock(struct lwkt_mutex *mu);
LWKT_API int lwkt_mutex_owned(struct lwkt_mutex *mu);

struct lwkt_cond {
	uint32_t	 cv_waiters;
	const char	*cv_name;
};
#define LWKT_COND_INITIALIZER(name)	{ 0, (name) }

LWKT_API void lwkt_cond_init(struct lwkt_cond *cv, const char *name);
/*
 * Release the mutex, wait for a signal or a broadcast, take the mutex again.
 * Others may have been here between the signal and that: loop.  0 or
 * EWOULDBLOCK.
 */
LWKT_API int lwkt_cond_wait(struct lwkt_cond *cv, struct lwkt_mutex *mu,
    int64_t timeout_ns);
/* The best waiter; all. */
LWKT_API void lwkt_cond_signal(struct lwkt_cond *cv);
LWKT_API void lwkt_cond_broadcast(struct lwkt_cond *cv);

#define LWKT_SEM_MAX	0x0fffffffu

struct lwkt_sem {
	uint64_t	 se_word;
	const char	*se_name;
};
#define LWKT_SEM_INITIALIZER(n, name)	{ (n), (name) }

LWKT_API void lwkt_sem_init(struct lwkt_sem *se, unsigned n,
    const char *name);
LWKT_API int lwkt_sem_wait(struct lwkt_sem *se, int64_t timeout_ns);
/* n units more; also in callbacks. */
LWKT_API void lwkt_sem_post(struct lwkt_sem *se, unsigned n);
LWKT_API unsigned lwkt_sem_value(struct lwkt_sem *se);

struct lwkt_rwlock {
	struct lwkt_mtx	rw_mtx;
};
#define LWKT_RWLOCK_INITIALIZER(name)	{ LWKT_MTX_INITIALIZER(name) }

LWKT_API void lwkt_rwlock_init(struct lwkt_rwlock *rw, const char *name);
/* 0 or EWOULDBLOCK; a timeout of 0 tries. */
LWKT_API int lwkt_rwlock_read(struct lwkt_rwlock *rw, int64_t timeout_ns);
LWKT_API int lwkt_rwlock_write(struct lwkt_rwlock *rw, int64_t timeout_ns);
LWKT_API void lwkt_rwlock_unlock(struct lwkt_rwlock *rw);

struct lwkt_barrier {
	uint64_t	 ba_word;
	uint32_t	 ba_arrived;
	uint32_t	 ba_parties;
	const char	*ba_name;
};
#define LWKT_BARRIER_INITIALIZER(n, name)	{ 0, 0, (n), (name) }

LWKT_API void lwkt_barrier_init(struct lwkt_barrier *ba, unsigned n,
    const char *name);
/* Until n have come: 1 to the last of them, 0 to the others.  Reusable. */
LWKT_API int lwkt_barrier_wait(struct lwkt_barrier *ba);

struct lwkt_waitgroup {
	uint64_t	 wg_word;
	const char	*wg_name;
};
#define LWKT_WAITGROUP_INITIALIZER(n, name)	{ (n), (name) }

LWKT_API void lwkt_waitgroup_init(struct lwkt_waitgroup *wg, unsigned n,
    const char *name);
LWKT_API void lwkt_waitgroup_add(struct lwkt_waitgroup *wg, int n);
/* add(-1); also in callbacks. */
LWKT_API void lwkt_waitgroup_done(struct lwkt_waitgroup *wg);
/* Until it is 0: 0 or EWOULDBLOCK. */
LWKT_API int lwkt_waitgroup_wait(struct lwkt_waitgroup *wg,
    int64_t timeout_ns);

struct lwkt_once {
	uint64_t	on_word;
};
#define LWKT_ONCE_INITIALIZER	{ 0 }

/* fn(arg), by the first caller; it has returned when any caller returns. */
#ifndef __cplusplus
LWKT_API void lwkt_once(struct lwkt_once *on, void (*fn)(void *), void *arg);
#else
/* In C++ a function would hide the structure of the same name. */
extern void lwkt_once_cxx(struct lwkt_once *on, void (*fn)(void *), void *arg)
    __asm__("lwkt_once");
#define lwkt_once(...)	lwkt_once_cxx(__VA_ARGS__)
#endif

struct lwkt_queue {
	struct lwkt_mutex q_mutex;
	struct lwkt_cond q_notempty;
	struct lwkt_cond q_notfull;
	void		**q_slot;	/* below: under the mutex */
	unsigned	 q_size;
	unsigned	 q_head;
	unsigned	 q_count;
	int		 q_closed;
};

/* First in, first out, in n > 0 slots that stay the caller's. */
LWKT_API void lwkt_queue_init(struct lwkt_queue *q, void **slots, unsigned n,
    const char *name);
/* 0; EWOULDBLOCK: full, or empty, in time; EPIPE: closed, and empty. */
LWKT_API int lwkt_queue_put(struct lwkt_queue *q, void *item,
    int64_t timeout_ns);
LWKT_API int lwkt_queue_get(struct lwkt_queue *q, void **itemp,
    int64_t timeout_ns);
/* No more puts; gets as long as there is something. */
LWKT_API void lwkt_queue_close(struct lwkt_queue *q);
LWKT_API unsigned lwkt_queue_count(struct lwkt_queue *q);

LWKT_END_DECLS

#endif
