/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues of waiters, found by the address of the lock that they wait for
 * (park.c).  A waiter is a thread or a plain pthread.  It has a record, struct
 * park, on its stack.
 *
 * A waiter that is a thread enters a critical section, which lasts until the
 * wait has ended.  A waiter calls park_init().  Then it locks the bucket of the
 * address, tests its condition and, if it has to wait, calls park_insert().  It
 * unlocks the bucket and calls park_wait().  If park_wait() returns an error,
 * the waiter calls park_leave() or what its lock has instead (mutex_leave,
 * give_up).
 *
 * A waker calls park_take(), with the bucket locked, for each waiter whose wait
 * it will end.  Then it unlocks the bucket and calls park_notify(), which
 * stores the result and makes the waiter runnable.  A waiter that was taken
 * waits until it is notified: the waker may use the record until then.
 *
 * Two users need no bucket.  Of the functions that follow they call only
 * park_init(), park_wait(), park_notify(), park_notify_all() and park_of().  A
 * side of a pipe, which is at most one waiter, needs no queue either: it
 * announces its record in a word of the pipe (port/lwkt_pipe.c).  A lockmgr
 * lock has queues of its own (kern_lock.c).
 */
#ifndef LWKT_KERN_LOCK_PARK_VAR_H
#define LWKT_KERN_LOCK_PARK_VAR_H

#include "kern/lock/lend_var.h"
#include "kern/lock/turn_var.h"

/* The priority with which a pthread waits: that of a new thread. */
#define PARK_PTHREAD_PRI	LWKT_PRI_KERN_DAEMON

/*
 * A waiter that was notified this many times, and each time found the lock
 * taken by another thread, is given the lock by the next release that takes the
 * waiter off the queue (park_deserves).
 */
#define PARK_PASSES		3

enum park_state {
	PARK_NONE,		/* not in a queue, nor taken */
	PARK_QUEUED,
	PARK_TAKEN,		/* off the queue, and will be notified */
	PARK_NOTIFIED,		/* what it means is up to the lock */
	PARK_OWNER		/* notified; it has got the lock or item */
};

/*
 * The number of buckets, a power of two.  -Dhard=true has 2, so that many
 * queues share one.
 */
#define PARK_BUCKETS_MAX	16384
#define PARK_BUCKETS		(config_hard ? 2 : PARK_BUCKETS_MAX)

struct park_bucket {
	uint32_t	 pb_lock;	/* (a) */
	uint64_t	 pb_tickets;	/* last ticket given; under pb_lock */
	struct park	*pb_first;	/* heads (PK4); under pb_lock */
};

extern struct park_bucket lwkt__park_buckets[PARK_BUCKETS_MAX] __lwkt_hidden;

struct park {
	struct lwkt_turn pk_turn;
	struct lend_wait pk_lend;
	struct park	*pk_chain;	/* next head in bucket; next in list */
	const void	*pk_ident;	/* the address of the queue */
	lwkt_thread_t	 pk_td;		/* the waiter; NULL: a pthread */
	uint32_t	 pk_state;	/* (a) enum park_state */
	uint32_t	 pk_passed;	/* how often the waiter was passed */
	uint64_t	 pk_holder;	/* mutex.c: the waiter as MU_HOLDER */
};

void	park_lock_slow(struct park_bucket *b);

/*
 * Lock the bucket of ident and return it; the CPU or host thread spins.  On a
 * CPU: in a critical section.
 */
static inline struct park_bucket *
park_lock(const void *ident)
{
	uint64_t h = (uint64_t)machine_key(ident) * 0x9e3779b97f4a7c15u >> 32;
	struct park_bucket *b = &lwkt__park_buckets[h % PARK_BUCKETS];

	/* Acquire: pairs with the release in park_unlock(). */
	if (unlikely(!atomic_cmpset_32(&b->pb_lock, 0, 1)))
		park_lock_slow(b);
	return b;
}

static inline void
park_unlock(struct park_bucket *b)
{
	atomic_store_rel_32(&b->pb_lock, 0);
}

/* The caller of the next six functions has locked the bucket. */
struct park *park_find(struct park_bucket *b, const void *ident);
void	park_insert(struct park_bucket *b, struct park *pk);
void	park_remove(struct park_bucket *b, struct park *pk);
void	park_move(struct park_bucket *b, struct park *pk, int pri);
void	park_take(struct park_bucket *b, struct park *pk);
/*
 * Take the best waiters, at most max.  Returns a list, linked by pk_chain, or
 * NULL if there is no waiter.
 */
struct park *park_take_all(struct park_bucket *b, const void *ident,
	    uint32_t max);

void	park_init(struct park *pk, const void *ident);
/*
 * Wait until notified, and return 0.  If the waiter has not been notified,
 * return EWOULDBLOCK at the deadline or, with LWKT_PCATCH, EINTR after an
 * interrupt.  deadline is a result of wait_deadline(); if it is 0, this never
 * blocks.  A thread is in a critical section.  A pthread panics if deadline >
 * 0, and is not interrupted.
 */
int	park_wait(struct park *pk, int flags, const char *wmesg,
	    int64_t deadline);
/*
 * Only after an error of park_wait(): if the record is still queued, remove it,
 * subtract `one` from *word unless word is NULL, and return PARK_NONE.  If a
 * waker has taken the record, wait until notified and return PARK_NOTIFIED or
 * PARK_OWNER.  wmesg is that of the call of park_wait().
 */
uint32_t park_leave(struct park *pk, const char *wmesg, uint64_t *word,
	    uint64_t one);

void	park_notify(struct park *pk, enum park_state how);
void	park_notify_all(struct park *list, enum park_state how);
/* Take and notify the best waiters, at most max.  Locks the bucket itself. */
void	park_wake(const void *ident, uint32_t max);
/* Return the number of waiters at ident; for tests. */
unsigned park_count(const void *ident);

/* Return the record of the best waiter at ident, or NULL.  Bucket locked. */
static inline struct park *
park_first(struct park_bucket *b, const void *ident)
{
	struct park *first = b->pb_first;

	return likely(first == NULL || first->pk_ident == ident) ? first :
	    park_find(b, ident);
}

/* Return the record that contains tu. */
static inline struct park *
park_of(struct lwkt_turn *tu)
{
	return container_of(tu, struct park, pk_turn);
}

/*
 * td (NULL: a pthread) releases a lock, and `first` is the best waiter for this
 * lock.  Return 1 if td must give the lock to the waiter: the waiter was passed
 * PARK_PASSES times, or is better than td without the priority lent to td.
 * Else return 0: td only notifies the waiter, and another thread may take the
 * lock before the waiter.
 */
static inline int
park_deserves(const struct park *first, const struct lwkt_thread *td)
{
	return first->pk_passed >= PARK_PASSES || first->pk_turn.tu_pri >
	    (td != NULL ? lend_ownrank(td) : PARK_PTHREAD_PRI);
}

/*
 * Read pk_state.  Acquire: pairs with the release stores of park_notify() and
 * notify_here().
 */
static inline uint32_t
park_state(const struct park *pk)
{
	return atomic_load_acq_32(&pk->pk_state);
}

#endif
