/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for a turn at an address (park.c).
 *
 * A waiter that is a thread enters a critical section, which lasts until it is
 * out of the queue.  It calls park_init().  Then it locks the bucket of the
 * address, tests its condition and, if it has to wait, calls park_insert().
 * It unlocks the bucket and calls park_wait(), after an error park_leave().
 *
 * A waker calls park_take() for each waiter whose turn it is, with the bucket
 * locked.  Then it unlocks the bucket and calls park_tell().  A waiter that was
 * taken waits until it is told: the waker may use the record until then.
 */
#ifndef LWKT_KERN_LOCK_PARK_VAR_H
#define LWKT_KERN_LOCK_PARK_VAR_H

#include "kern/lock/lend_var.h"
#include "kern/lock/turn_var.h"

/* The priority with which a pthread waits: that of a new thread. */
#define PARK_PTHREAD_PRI	LWKT_PRI_KERN_DAEMON

/* A waiter that was told so often without getting the lock is given it. */
#define PARK_PASSES		3

enum park_state {
	PARK_NONE,		/* not in a queue */
	PARK_QUEUED,
	PARK_TAKEN,		/* off the queue, and will be told */
	PARK_TOLD,		/* try again, or as the lock defines it */
	PARK_OWNER		/* told, and the lock is the waiter's */
};

struct park_bucket;

struct park {
	struct lwkt_turn pk_turn;
	struct lend_wait pk_lend;
	struct park	*pk_chain;	/* another head of the bucket; list */
	const void	*pk_ident;
	lwkt_thread_t	 pk_td;		/* NULL: a pthread */
	uint32_t	 pk_state;	/* (a) enum park_state */
	uint32_t	 pk_passed;	/* times told without taking it */
	uint64_t	 pk_holder;	/* for use by the lock */
};

struct park_bucket *park_lock(const void *ident);
void	park_unlock(struct park_bucket *b);

/* The caller has locked the bucket. */
struct park *park_first(struct park_bucket *b, const void *ident);
void	park_insert(struct park_bucket *b, struct park *pk);
void	park_remove(struct park_bucket *b, struct park *pk);
void	park_move(struct park_bucket *b, struct park *pk, int pri);
void	park_take(struct park_bucket *b, struct park *pk);
/* Take the best max waiters; they are linked by pk_chain. */
struct park *park_take_all(struct park_bucket *b, const void *ident,
	    uint32_t max);

void	park_init(struct park *pk, const void *ident);
/*
 * Wait until told.  Returns 0 if so; else, not yet told, EWOULDBLOCK or, with
 * LWKT_PCATCH, EINTR.  deadline is a result of wait_deadline().
 */
int	park_wait(struct park *pk, int flags, const char *wmesg,
	    int64_t deadline);
/*
 * After an error: leave the queue, subtract 1 from *counter, if any, and return
 * PARK_NONE.  If a waker has taken the record, wait until told, with the same
 * wmesg as before, and return PARK_TOLD or PARK_OWNER.
 */
uint32_t park_leave(struct park *pk, const char *wmesg, uint32_t *counter);

void	park_tell(struct park *pk, enum park_state how);
void	park_tell_all(struct park *list, enum park_state how);
/* Take and tell up to max waiters, the best first. */
void	park_wake(const void *ident, uint32_t max);
/* Count the waiters there; for tests. */
unsigned park_count(const void *ident);

/* Return the record that contains tu. */
static inline struct park *
park_of(struct lwkt_turn *tu)
{
	return container_of(tu, struct park, pk_turn);
}

/*
 * Tell whether the best waiter of a lock that td (NULL: a pthread) releases is
 * given the lock.  If not, other threads may take the lock before it.
 */
static inline int
park_deserves(const struct park *first, const struct lwkt_thread *td)
{
	return first->pk_passed >= PARK_PASSES || first->pk_turn.tu_pri >
	    (td != NULL ? lend_ownrank(td) : PARK_PTHREAD_PRI);
}

/* Read the state; acquire: pairs with the release in park_tell(). */
static inline uint32_t
park_state(const struct park *pk)
{
	return atomic_load_acq_32(&pk->pk_state);
}

#endif
