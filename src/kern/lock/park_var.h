/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for a turn at an address (park.c).
 *
 * A waiter, in a critical section if it is a thread: park_init(); then under
 * the lock of the address's bucket it looks at its condition and, if it has to
 * wait, park_insert(); without the lock park_wait(), and park_leave() after an
 * error.  The critical section lasts until it is out of the queue.
 *
 * A waker: under the lock park_take() for each waiter whose turn it is, then,
 * without it, park_tell().  A waiter that was taken waits until it is told, so
 * the waker may use the record until then and not after.
 */
#ifndef LWKT_KERN_LOCK_PARK_VAR_H
#define LWKT_KERN_LOCK_PARK_VAR_H

#include "kern/lock/lend_var.h"
#include "kern/lock/turn_var.h"

/* A pthread among the waiters of a lock has the place of a new thread. */
#define PARK_PTHREAD_PRI	LWKT_PRI_KERN_DAEMON

/* A waiter that was told in vain so often is given the lock. */
#define PARK_PASSES		3

enum park_state {
	PARK_NONE,		/* not in a queue */
	PARK_QUEUED,
	PARK_TAKEN,		/* off the queue, and will be told */
	PARK_TOLD,		/* look again, or what the waker means by it */
	PARK_OWNER		/* the same, of another meaning */
};

struct park_bucket;

struct park {
	struct lwkt_turn pk_turn;
	struct lend_wait pk_lend;
	struct park	*pk_chain;	/* another head of the bucket; list */
	const void	*pk_ident;
	lwkt_thread_t	 pk_td;		/* NULL: a pthread */
	uint32_t	 pk_state;	/* (a) enum park_state */
	uint32_t	 pk_passed;	/* times that it was told in vain */
	uint64_t	 pk_holder;	/* the lock's */
};

struct park_bucket *park_lock(const void *ident);
void	park_unlock(struct park_bucket *b);

/* The bucket is locked. */
struct park *park_first(struct park_bucket *b, const void *ident);
void	park_insert(struct park_bucket *b, struct park *pk);
void	park_remove(struct park_bucket *b, struct park *pk);
void	park_move(struct park_bucket *b, struct park *pk, int pri);
void	park_take(struct park_bucket *b, struct park *pk);
/* The best max waiters, linked by pk_chain. */
struct park *park_take_all(struct park_bucket *b, const void *ident,
	    uint32_t max);

void	park_init(struct park *pk, const void *ident);
/*
 * Until told: 0; EWOULDBLOCK, EINTR (LWKT_PCATCH): not yet.  deadline: of
 * wait_deadline().
 */
int	park_wait(struct park *pk, int flags, const char *wmesg,
	    int64_t deadline);
/*
 * After an error: off the queue (*counter, if any, loses one): PARK_NONE; or,
 * if somebody has taken it off, wait until told: PARK_TOLD or PARK_OWNER.
 */
uint32_t park_leave(struct park *pk, uint32_t *counter);

void	park_tell(struct park *pk, enum park_state how);
void	park_tell_all(struct park *list, enum park_state how);
/* Take and tell up to max waiters, the best first. */
void	park_wake(const void *ident, uint32_t max);
/* How many wait there.  Tests. */
unsigned park_count(const void *ident);

static inline struct park *
park_of(struct lwkt_turn *tu)
{
	return container_of(tu, struct park, pk_turn);
}

/*
 * The best waiter of a lock that td (NULL: a pthread) gives back: must it have
 * the lock now, or may others be faster?
 */
static inline int
park_deserves(const struct park *first, const struct lwkt_thread *td)
{
	return first->pk_passed >= PARK_PASSES || first->pk_turn.tu_pri >
	    (td != NULL ? lend_ownrank(td) : PARK_PTHREAD_PRI);
}

static inline uint32_t
park_state(const struct park *pk)
{
	return atomic_load_acq_32(&pk->pk_state);
}

#endif
