/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday locks: mutex, condition variable, semaphore, rwlock, barrier, wait
 * group, once, bounded queue.
 *
 * Context: threads and plain pthreads, which may use the same lock at the same
 * time.  A pthread can wait only with a timeout of 0 or LWKT_FOREVER, and only
 * while the kernel runs.  The rwlock is for threads only.  A timeout is in
 * nanoseconds, 0 (do not wait) or LWKT_FOREVER.
 *
 * Blocks: a pthread that wakes a thread waits in the host until the CPU of that
 * thread has made it runnable.  If a call of a pthread changes the priority
 * that a mutex lends to a thread, the pthread waits in the same way until the
 * CPU of that thread has applied the change.  A thread never blocks when it
 * wakes others.
 *
 * Waiters are served by priority; those of equal priority in order of arrival.
 * A pthread counts as a thread of LWKT_PRI_KERN_DAEMON, an lwp as one of
 * LWKT_PRI_KERN_USER.  The holder of a mutex runs with the priority of the best
 * waiter if that is better than its own.  If the best waiter for a mutex is
 * better than the thread that unlocks, it gets the mutex directly.  Otherwise
 * the mutex becomes free, and a thread that asks for it may take it before the
 * waiter that is just waking up, but only a few times before the same waiter.
 *
 * The program owns the memory of a lock.  A function or a macro initialises it;
 * nothing ends it.  It may be freed when nobody waits on it, even by the thread
 * that the last call has woken.
 */
#ifndef LWKT_SYNC_H
#define LWKT_SYNC_H

#include <lwkt/mtx.h>
#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* Words hold a state and a count of waiters; all atomic. */

struct lwkt_mutex {
	uint64_t	 mu_word;
	uint64_t	 mu_lent;	/* priority lent, and to whom */
	const char	*mu_name;
};
#define LWKT_MUTEX_INITIALIZER(name)	{ 0, 0, (name) }

/* Initialise a mutex; name must stay. */
LWKT_API void lwkt_mutex_init(struct lwkt_mutex *mu, const char *name);
/* Take the mutex; panics if the caller holds it.  Blocks: while it is held. */
LWKT_API void lwkt_mutex_lock(struct lwkt_mutex *mu);
/* Take it if it is free.  Never blocks or waits.  Returns 0 or EBUSY. */
LWKT_API int lwkt_mutex_trylock(struct lwkt_mutex *mu);
/*
 * Take it within timeout_ns; panics if the caller holds it.  Blocks: for at
 * most timeout_ns.  Returns 0 or EWOULDBLOCK.
 */
LWKT_API int lwkt_mutex_timedlock(struct lwkt_mutex *mu, int64_t timeout_ns);
/*
 * Release the mutex; panics unless the caller holds it.  Blocks: a pthread that
 * wakes a thread.
 */
LWKT_API void lwkt_mutex_unlock(struct lwkt_mutex *mu);
/* Return 1 if the caller holds it, else 0. */
LWKT_API int lwkt_mutex_owned(struct lwkt_mutex *mu);

struct lwkt_cond {
	uint64_t	 cv_waiters;
	const char	*cv_name;
};
#define LWKT_COND_INITIALIZER(name)	{ 0, (name) }

/* Initialise a condition variable; name must stay. */
LWKT_API void lwkt_cond_init(struct lwkt_cond *cv, const char *name);
/*
 * Release the mutex, wait for a signal or a broadcast for at most timeout_ns,
 * and take the mutex again.  Loop on the condition: other threads may hold the
 * mutex before the return.  Panics unless the caller holds the mutex.
 * Blocks: yes; also after the time limit, until the mutex is free; a pthread
 * that wakes a thread.
 * Returns: 0 or EWOULDBLOCK; the caller holds the mutex in any case.
 */
LWKT_API int lwkt_cond_wait(struct lwkt_cond *cv, struct lwkt_mutex *mu,
    int64_t timeout_ns);
/* Wake the best waiter; all waiters.  Blocks: a pthread that wakes a thread. */
LWKT_API void lwkt_cond_signal(struct lwkt_cond *cv);
LWKT_API void lwkt_cond_broadcast(struct lwkt_cond *cv);

#define LWKT_SEM_MAX	0x0fffffffu

struct lwkt_sem {
	uint64_t	 se_word;
	const char	*se_name;
};
#define LWKT_SEM_INITIALIZER(n, name)	{ (n), (name) }

/* Initialise a semaphore of n units, at most LWKT_SEM_MAX; name must stay. */
LWKT_API void lwkt_sem_init(struct lwkt_sem *se, unsigned n,
    const char *name);
/*
 * Take a unit within timeout_ns.  Returns 0 or EWOULDBLOCK.  Blocks: until
 * there is one, for at most timeout_ns.
 */
LWKT_API int lwkt_sem_wait(struct lwkt_sem *se, int64_t timeout_ns);
/*
 * Add n units; also in callbacks.  More than LWKT_SEM_MAX units panic.  Blocks:
 * a pthread that wakes a thread.
 */
LWKT_API void lwkt_sem_post(struct lwkt_sem *se, unsigned n);
/* Return the number of units. */
LWKT_API unsigned lwkt_sem_value(struct lwkt_sem *se);

struct lwkt_rwlock {
	struct lwkt_mtx	rw_mtx;
	uint32_t	rw_reads;	/* takings of rw_mtx by readers */
	uint32_t	rw_slot;	/* where readers count by CPU */
};
#define LWKT_RWLOCK_INITIALIZER(name)	{ LWKT_MTX_INITIALIZER(name), 0, 0 }

/* Initialise a read-write lock; name must stay. */
LWKT_API void lwkt_rwlock_init(struct lwkt_rwlock *rw, const char *name);
/*
 * Take the lock beside other readers; alone.  A timeout of 0 does not wait.  A
 * reader that takes the lock again may wait for itself; a writer that takes it
 * for writing again panics.
 * Context: thread.  Blocks: while it is held in a way that excludes the caller,
 * or a waiting writer comes first; for at most timeout_ns.
 * Returns: 0 or EWOULDBLOCK.
 */
LWKT_API int lwkt_rwlock_read(struct lwkt_rwlock *rw, int64_t timeout_ns);
LWKT_API int lwkt_rwlock_write(struct lwkt_rwlock *rw, int64_t timeout_ns);
/*
 * Release the lock, in whichever way the caller holds it.  Context: thread or
 * callback.  Blocks: no.
 */
LWKT_API void lwkt_rwlock_unlock(struct lwkt_rwlock *rw);

struct lwkt_barrier {
	uint64_t	 ba_word;
	uint32_t	 ba_arrived;
	uint32_t	 ba_parties;
	const char	*ba_name;
};
#define LWKT_BARRIER_INITIALIZER(n, name)	{ 0, 0, (n), (name) }

/*
 * Initialise a barrier for n threads; name must stay.  More than n threads must
 * not use it at one time.
 */
LWKT_API void lwkt_barrier_init(struct lwkt_barrier *ba, unsigned n,
    const char *name);
/*
 * Wait until n threads have called this.  Returns 1 to the last of them, 0 to
 * the others.  The barrier can then be used again.
 * Blocks: until the last one calls; a pthread that wakes a thread.
 */
LWKT_API int lwkt_barrier_wait(struct lwkt_barrier *ba);

struct lwkt_waitgroup {
	uint64_t	 wg_word;
	const char	*wg_name;
};
#define LWKT_WAITGROUP_INITIALIZER(n, name)	{ (n), (name) }

/*
 * Initialise a wait group with count n; name must stay.  The count is 0 to
 * LWKT_SEM_MAX; an addition that leaves this range panics.
 */
LWKT_API void lwkt_waitgroup_init(struct lwkt_waitgroup *wg, unsigned n,
    const char *name);
/*
 * Add n to the count; also in callbacks.  Blocks: a pthread that wakes a
 * thread.
 */
LWKT_API void lwkt_waitgroup_add(struct lwkt_waitgroup *wg, int n);
/*
 * Subtract 1 from the count; also in callbacks.  Blocks: a pthread that wakes
 * a thread.
 */
LWKT_API void lwkt_waitgroup_done(struct lwkt_waitgroup *wg);
/*
 * Wait until the count is 0, for at most timeout_ns.  Returns 0 or EWOULDBLOCK.
 * Blocks: while the count is not 0.
 */
LWKT_API int lwkt_waitgroup_wait(struct lwkt_waitgroup *wg,
    int64_t timeout_ns);

struct lwkt_once {
	uint64_t	on_word;
};
#define LWKT_ONCE_INITIALIZER	{ 0 }

/*
 * Call fn(arg) in the first caller.  Each caller returns after fn has returned.
 * If fn calls lwkt_once with the same `on`, it waits for ever.  A C++ exception
 * must not leave fn.
 * Blocks: while another caller runs fn; a pthread that wakes a thread.
 */
#ifndef __cplusplus
LWKT_API void lwkt_once(struct lwkt_once *on, void (*fn)(void *), void *arg);
#else
/* In C++ a function would hide the structure of the same name. */
extern void lwkt_once_cxx(struct lwkt_once *on, void (*fn)(void *), void *arg)
    __asm__("lwkt_once");
#define lwkt_once(...)	lwkt_once_cxx(__VA_ARGS__)
#endif

/* One end: putters or getters.  Its own cache line, whatever q's alignment. */
struct lwkt_queue_end {
	uint64_t	 qe_word;	/* items moved, and bits; atomic */
	uint64_t	 qe_seen;	/* items that the other end had moved */
	uint32_t	 qe_slot;	/* the next slot */
	uint32_t	 qe_pauses;	/* atomic */
	char		 qe_pad[104];
};

struct lwkt_queue {
	struct lwkt_queue_end q_put;
	struct lwkt_queue_end q_get;
	void		**q_slots;	/* fixed at its init */
	const char	*q_name;
	uint32_t	 q_nslots;
};

/*
 * Initialise a first-in-first-out queue of pointers with n > 0 slots, which the
 * caller owns; name must stay.
 */
LWKT_API void lwkt_queue_init(struct lwkt_queue *q, void **slots, unsigned n,
    const char *name);
/*
 * Put an item; get one; in callbacks with timeout 0.  Blocks: while the queue
 * is full; empty; a pthread that wakes a thread.
 * Returns: 0; EWOULDBLOCK: still full, or empty, after timeout_ns; EPIPE:
 * closed (for get: and empty).
 */
LWKT_API int lwkt_queue_put(struct lwkt_queue *q, void *item,
    int64_t timeout_ns);
LWKT_API int lwkt_queue_get(struct lwkt_queue *q, void **itemp,
    int64_t timeout_ns);
/*
 * Close the queue: puts fail, gets succeed until it is empty; also in
 * callbacks.  Blocks: a pthread that wakes a thread.
 */
LWKT_API void lwkt_queue_close(struct lwkt_queue *q);
/* Return the number of items.  Blocks: no. */
LWKT_API unsigned lwkt_queue_count(const struct lwkt_queue *q);

LWKT_END_DECLS

#endif
