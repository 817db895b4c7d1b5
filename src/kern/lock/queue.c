/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday bounded queue.
 *
 * THEORY
 * The slots are a ring between two ends, as in a pipe (port/lwkt_pipe.c): each
 * end counts the items that it has moved, and remembers the other end's count
 * from its last look.  So while the queue is neither full nor empty, most puts
 * and gets use no common cache line but that of the item.  A pipe has one
 * thread at each end; a queue has many.  So an end is locked for the few
 * instructions of a put or a get.  One word of the end holds the count, the
 * lock and the bits below: one locked instruction locks the end, and one plain
 * store both unlocks it and publishes the item.
 *
 * (A ring for each putter, which needs no lock, would not keep the order: an
 * item could overtake one that another thread had put before.)
 *
 * A thread that has to wait locks both ends.  Then nothing moves.  The waiter
 * queues itself at the address of the end for which it waits (park.c), and sets
 * QU_WAITED in the word of that end.  A thread that uses that end later sees
 * the bit in the word that it would lock, and locks both ends too.  A put gives
 * its item to the best waiting getter.  A get puts the item of the best waiting
 * putter into the slot that the get has made free.  So no other thread can take
 * an item or a slot before the waiter runs, and the order of the items is kept.
 *
 * Before it waits, a thread looks for a while at the other end's count, as long
 * as nothing else can run on its CPU (gather.c).
 *
 * An end is locked in a critical section, or by a pthread, and for so short a
 * time that others spin for it.
 *
 * INVARIANTS
 * QU1 Only the thread that holds QU_LOCKED of an end changes the end.  The
 *    putters' end is locked before that of the getters.
 * QU2 The count of the putters' word minus that of the getters' word is 0 to
 *    q_nslots, and so is the count of the putters' word minus its qe_seen, and
 *    the qe_seen of the getters minus the count of their word.  Except during
 *    unlock_both(), the qe_seen of an end is at most the other end's count.
 * QU3 QU_WAITED of an end <=> waiters are queued at its address.  Both, and the
 *    state PARK_QUEUED of a waiter, change only with both ends locked.  Getters
 *    wait at the putters' end, and only while the queue is empty and open;
 *    putters at the getters' end, and only while it is full and open.
 * QU4 A call that has moved an item, or closed the queue, does not access the
 *    queue after it has unlocked its end, or both ends; then it notifies
 *    waiters.  So a thread that has got an item, or was notified, may free the
 *    queue.
 *
 * ORDER
 * The item is stored before its put unlocks the end, by a release; a get reads
 * the putters' word, by an acquire, before the item.  The same the other way
 * for the slot.
 *
 * Source: Michael and Scott, "Simple, Fast, and Practical Non-Blocking and
 * Blocking Concurrent Queue Algorithms" (1996), the queue with two locks; Go's
 * channels for what is given to a waiter directly.
 */
#include "kern/lock/gather_var.h"
#include "kern/lock/loud_var.h"
#include "kern/lock/word_var.h"

#include <errno.h>
#include <lwkt/sync.h>

COUNTER(sleeps, "lwkt.queue_sleeps", "sleeps for an item or a slot of a queue");

/* qe_word: these bits, and the number of items moved. */
#define QU_LOCKED	((uint64_t)1)	/* a thread uses the end */
#define QU_WAITED	((uint64_t)2)	/* QU3 */
#define QU_CLOSED	((uint64_t)4)	/* of the putters: no more items */
#define QU_BITS		((uint64_t)7)
#define QU_ONE		((uint64_t)8)	/* one item */

/* A thread or pthread that waits at an end. */
struct waiter {
	struct park	wa_park;
	void		*wa_item;	/* a putter's item; what a getter got */
};

/* The words that unlock_both() will store; the caller has locked both ends. */
struct both {
	uint64_t	bo_put;
	uint64_t	bo_get;
};

/* Initialize the queue q, which is then empty and open.  Any context. */
void
lwkt_queue_init(struct lwkt_queue *q, void **slots, unsigned n,
    const char *name)
{
	KASSERTF(n > 0, "queue \"%s\" has no slots", name);
	*q = (struct lwkt_queue){ .q_slots = slots, .q_nslots = n,
	    .q_name = name };
}

/* Return the number of items that the end with the word w has moved. */
static inline uint64_t
count(uint64_t w)
{
	return w / QU_ONE;
}

/* Return the count of another end, which may be locked. */
static inline uint64_t
look(const struct lwkt_queue_end *qe)
{
	/* Acquire: pairs with the release in unlock(). */
	return count(atomic_load_acq_64(&qe->qe_word));
}

/*
 * Ends and their locks.
 */

/* Lock the end, whose word was w; w has no bit.  Return 0 if that fails. */
static inline int
lock(struct lwkt_queue_end *qe, uint64_t w)
{
	return atomic_cmpset_64(&qe->qe_word, w, w | QU_LOCKED);
}

/* Unlock the end; w is its new word.  Release: pairs with look(), lock(). */
static inline void
unlock(struct lwkt_queue_end *qe, uint64_t w)
{
	INVARIANT((w & QU_LOCKED) == 0);
	atomic_store_rel_64(&qe->qe_word, w);			/* QU4 */
}

/*
 * Lock the end and return 1; *w is its word.  Return 0 if one of the bits
 * `mind` is set.  On a CPU: in a critical section; spins.
 */
static int
spin(struct lwkt_queue_end *qe, uint64_t mind, uint64_t *w)
{
	unsigned turn = 0;

	*w = atomic_load_64(&qe->qe_word);
	while ((*w & mind) == 0) {
		if ((*w & QU_LOCKED) == 0 && atomic_fcmpset_64(&qe->qe_word, w,
		    *w | QU_LOCKED))
			return 1;
		machine_pause(turn++);
		*w = atomic_load_64(&qe->qe_word);
	}
	return 0;
}

static void
lock_both(struct lwkt_queue *q, struct both *bo)
{
	(void)spin(&q->q_put, 0, &bo->bo_put);			/* QU1 */
	(void)spin(&q->q_get, 0, &bo->bo_get);
}

/*
 * Unlock both ends.  The getters' count is published before the putters' end is
 * unlocked, and the putters' count before the getters' end is unlocked.  So no
 * thread that locks one end finds the other count older than qe_seen (QU2).
 */
static void
unlock_both(struct lwkt_queue *q, const struct both *bo)
{
	INVARIANT(count(bo->bo_put) - count(bo->bo_get) <= q->q_nslots);
	q->q_put.qe_seen = count(bo->bo_get);			/* QU2 */
	q->q_get.qe_seen = count(bo->bo_put);
	atomic_store_rel_64(&q->q_get.qe_word, bo->bo_get | QU_LOCKED);
	unlock(&q->q_put, bo->bo_put);
	unlock(&q->q_get, bo->bo_get);				/* QU4 */
}

/*
 * The ring.
 */

/*
 * Return the slot of the end, which is locked, and step to the next.  `left` is
 * how many slots the end may use.
 */
static inline void **
next_slot(const struct lwkt_queue *q, struct lwkt_queue_end *qe, uint64_t left)
{
	uint32_t at = qe->qe_slot;

	if (unlikely(ring_ends_line(q->q_slots, sizeof(void *), at)))
		ring_fetch(q->q_slots, sizeof(void *), q->q_nslots, at, left,
		    qe == &q->q_put);
	qe->qe_slot = likely(at + 1 != q->q_nslots) ? at + 1 : 0;
	return &q->q_slots[at];
}

/*
 * Return how many items the putters' end, which is locked, may put.  Look at
 * the other end only if none is known to be free.
 */
static inline uint64_t
room(struct lwkt_queue *q, uint64_t w)
{
	struct lwkt_queue_end *qe = &q->q_put;

	INVARIANT(count(w) - qe->qe_seen <= q->q_nslots);	/* QU2 */
	if (unlikely(count(w) - qe->qe_seen == q->q_nslots))
		qe->qe_seen = look(&q->q_get);
	return q->q_nslots - (count(w) - qe->qe_seen);
}

/* The same for the getters' end: how many items it may get. */
static inline uint64_t
stock(struct lwkt_queue *q, uint64_t w)
{
	struct lwkt_queue_end *qe = &q->q_get;

	INVARIANT(qe->qe_seen - count(w) <= q->q_nslots);	/* QU2 */
	if (unlikely(qe->qe_seen == count(w)))
		qe->qe_seen = look(&q->q_put);
	return qe->qe_seen - count(w);
}

/* Put the item if there is room, and unlock the end, whose word was w. */
static inline int
put_one(struct lwkt_queue *q, uint64_t w, void *item)
{
	uint64_t left = room(q, w);

	if (likely(left > 0)) {
		*next_slot(q, &q->q_put, left) = item;
		w += QU_ONE;
	}
	unlock(&q->q_put, w);
	return left > 0;
}

/* Get an item if there is one, and unlock the end, whose word was w. */
static inline int
get_one(struct lwkt_queue *q, uint64_t w, void **itemp)
{
	uint64_t left = stock(q, w);

	if (likely(left > 0)) {
		*itemp = *next_slot(q, &q->q_get, left);
		w += QU_ONE;
	}
	unlock(&q->q_get, w);
	return left > 0;
}

/*
 * Both ends.
 */

/*
 * Take the best waiter at the end, whose word is *w and has QU_WAITED.  The
 * caller then notifies the waiter (QU4).
 */
static struct waiter *
take_waiter(struct lwkt_queue_end *qe, uint64_t *w)
{
	struct park_bucket *b = park_lock(qe);
	struct park *pk = park_first(b, qe);

	park_take(b, pk);
	if (park_first(b, qe) == NULL)
		*w &= ~QU_WAITED;				/* QU3 */
	park_unlock(b);
	return container_of(pk, struct waiter, wa_park);
}

/*
 * Put the item, or give it to a getter that waits, which becomes *served.
 * Returns 0; EPIPE; EWOULDBLOCK: full.  Both ends are locked.
 */
static int
put_both(struct lwkt_queue *q, struct both *bo, void *item,
    struct waiter **served)
{
	if ((bo->bo_put & QU_CLOSED) != 0)
		return EPIPE;
	if ((bo->bo_put & QU_WAITED) != 0) {
		*served = take_waiter(&q->q_put, &bo->bo_put);
		(*served)->wa_item = item;
		return 0;
	}
	if (count(bo->bo_put) - count(bo->bo_get) == q->q_nslots)
		return EWOULDBLOCK;
	*next_slot(q, &q->q_put, 0) = item;
	bo->bo_put += QU_ONE;
	return 0;
}

/*
 * Get an item, and put that of a putter that waits, which becomes *served.
 * Returns 0; EPIPE; EWOULDBLOCK: empty.  Both ends are locked.
 */
static int
get_both(struct lwkt_queue *q, struct both *bo, void **itemp,
    struct waiter **served)
{
	if (count(bo->bo_put) == count(bo->bo_get))
		return (bo->bo_put & QU_CLOSED) != 0 ? EPIPE : EWOULDBLOCK;
	*itemp = *next_slot(q, &q->q_get, 0);
	bo->bo_get += QU_ONE;
	if ((bo->bo_get & QU_WAITED) != 0) {
		*served = take_waiter(&q->q_get, &bo->bo_get);
		*next_slot(q, &q->q_put, 0) = (*served)->wa_item;
		bo->bo_put += QU_ONE;
	}
	return 0;
}

/*
 * Waiting.
 */

/*
 * The wait of pk at qe, an end of q, has timed out.  If the record is still
 * queued, take it off the queue; else wait until the waiter is notified.
 * Returns the result of park_leave().
 */
static uint32_t
leave(struct lwkt_queue *q, struct lwkt_queue_end *qe, struct park *pk)
{
	struct park_bucket *b;
	struct both bo;
	uint64_t *w = qe == &q->q_put ? &bo.bo_put : &bo.bo_get;
	int queued, last;

	lock_both(q, &bo);
	queued = park_state(pk) == PARK_QUEUED;
	if (queued) {
		(void)park_leave(pk, q->q_name, NULL, 0);
		b = park_lock(qe);
		last = park_first(b, qe) == NULL;
		park_unlock(b);
		if (last)
			*w &= ~QU_WAITED;			/* QU3 */
	}
	unlock_both(q, &bo);
	return queued ? PARK_NONE : park_leave(pk, q->q_name, NULL, 0);
}

/*
 * Wait at the end qe until notified.  Both ends are locked; unlocks them.
 * Returns 0: wa_item was put, or is what was got; EPIPE; EWOULDBLOCK.  Blocks.
 */
static int
wait(struct lwkt_queue *q, struct lwkt_queue_end *qe, struct both *bo,
    struct waiter *wa, int64_t deadline)
{
	struct park *pk = &wa->wa_park;
	struct park_bucket *b;
	uint32_t state;

	park_init(pk, qe);
	b = park_lock(qe);
	park_insert(b, pk);
	park_unlock(b);
	*(qe == &q->q_put ? &bo->bo_put : &bo->bo_get) |= QU_WAITED; /* QU3 */
	unlock_both(q, bo);
	if (pk->pk_td != NULL)
		counter_inc(mygd()->gd_cntbias, sleeps);
	state = park_wait(pk, 0, q->q_name, deadline) == 0 ? park_state(pk) :
	    leave(q, qe, pk);
	return state == PARK_OWNER ? 0 : state == PARK_NOTIFIED ? EPIPE :
	    EWOULDBLOCK;
}

/* Return how many items there are, about. */
static inline size_t
items(const struct lwkt_queue *q)
{
	uint64_t got = look(&q->q_get);	/* first: n is never negative */
	uint64_t n = look(&q->q_put) - got;

	return n < q->q_nslots ? (size_t)n : q->q_nslots;
}

/* Tell whether a put (put = 1) or a get needs both ends even without a wait. */
static inline int
needs_both(const struct lwkt_queue *q, int put)
{
	uint64_t w = atomic_load_64(&q->q_put.qe_word);

	return put ? (w & (QU_WAITED | QU_CLOSED)) != 0 :
	    (w & QU_CLOSED) != 0 ||
	    (atomic_load_64(&q->q_get.qe_word) & QU_WAITED) != 0;
}

/*
 * The queue is full (for a get: empty), or one end is not enough.  In the first
 * case look for a while, and return 1 as soon as there is room (an item).
 * Return 0 after that while, or when one end is not enough (needs_both).
 */
static int
poll(struct lwkt_queue *q, int put, int64_t deadline)
{
	struct gather ga = gather_begin(put ? &q->q_put.qe_pauses :
	    &q->q_get.qe_pauses, 1, deadline);
	size_t n;

	while (!needs_both(q, put) && gather_pause(&ga)) {
		n = put ? q->q_nslots - items(q) : items(q);
		if (n > 0) {
			gather_found(&ga, n, q->q_nslots / 4);
			return 1;
		}
	}
	return 0;
}

/*
 * Put with both ends locked, or wait if the limit allows it.  Returns as
 * lwkt_queue_put().
 */
static int
put_or_wait(struct lwkt_queue *q, void *item, int64_t deadline)
{
	struct waiter wa = { .wa_item = item }, *served = NULL;
	lwkt_thread_t td = sync_enter();
	struct both bo;
	int error;

	lock_both(q, &bo);
	error = put_both(q, &bo, item, &served);
	if (error == EWOULDBLOCK && deadline != 0)
		error = wait(q, &q->q_get, &bo, &wa, deadline);
	else
		unlock_both(q, &bo);
	if (served != NULL)
		park_notify(&served->wa_park, PARK_OWNER);
	sync_exit(td);
	return error;
}

/* The same for lwkt_queue_get(). */
static int
get_or_wait(struct lwkt_queue *q, void **itemp, int64_t deadline)
{
	struct waiter wa, *served = NULL;
	lwkt_thread_t td = sync_enter();
	struct both bo;
	int error;

	lock_both(q, &bo);
	error = get_both(q, &bo, itemp, &served);
	if (error == EWOULDBLOCK && deadline != 0) {
		error = wait(q, &q->q_put, &bo, &wa, deadline);
		if (error == 0)
			*itemp = wa.wa_item;
	} else
		unlock_both(q, &bo);
	if (served != NULL)
		park_notify(&served->wa_park, PARK_OWNER);
	sync_exit(td);
	return error;
}

/* Try a put that locks the putters' end only.  Spins; never blocks. */
static int
put_alone(struct lwkt_queue *q, void *item)
{
	lwkt_thread_t td = sync_enter();
	uint64_t w;
	int done = spin(&q->q_put, QU_WAITED | QU_CLOSED, &w) &&
	    put_one(q, w, item);

	sync_exit(td);
	return done;
}

/* Try a get that locks the getters' end only.  Spins; never blocks. */
static int
get_alone(struct lwkt_queue *q, void **itemp)
{
	lwkt_thread_t td = sync_enter();
	uint64_t w;
	int done = spin(&q->q_get, QU_WAITED, &w) && get_one(q, w, itemp);

	sync_exit(td);
	return done;
}

/* lwkt_queue_put(), if the usual way fails, or for a pthread. */
static __lwkt_noinline int
put_slow(struct lwkt_queue *q, void *item, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);

	if (put_alone(q, item) || (deadline != 0 && poll(q, 1, deadline) &&
	    put_alone(q, item)))
		return 0;
	return put_or_wait(q, item, deadline);
}

/* lwkt_queue_get(), if the usual way fails, or for a pthread. */
static __lwkt_noinline int
get_slow(struct lwkt_queue *q, void **itemp, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);

	if (get_alone(q, itemp) || (deadline != 0 && poll(q, 0, deadline) &&
	    get_alone(q, itemp)))
		return 0;
	return get_or_wait(q, itemp, deadline);
}

/*
 * Put an item.  Returns 0; EWOULDBLOCK: still full; EPIPE: closed.  Thread;
 * callback with timeout 0; plain pthread with timeout 0 or LWKT_FOREVER.
 * Blocks while the queue is full, for at most timeout_ns.  A plain pthread that
 * wakes a thread waits in the host for the CPU of that thread (park_notify).
 */
int
lwkt_queue_put(struct lwkt_queue *q, void *item, int64_t timeout_ns)
{
	struct globaldata *gd = gd_here();
	lwkt_thread_t td;
	uint64_t w;

	if (unlikely(gd == NULL))
		return put_slow(q, item, timeout_ns);
	td = gd->gd_m.mc_curthread;
	leaf_enter(td);
	w = atomic_load_64(&q->q_put.qe_word);
	if (likely((w & QU_BITS) == 0 && lock(&q->q_put, w)) &&
	    put_one(q, w, item)) {
		leaf_exit(td);
		return 0;
	}
	leaf_leave(td);
	return put_slow(q, item, timeout_ns);
}

/*
 * Get an item.  Returns 0; EWOULDBLOCK: still empty; EPIPE: closed and empty.
 * Thread; callback with timeout 0; plain pthread with timeout 0 or
 * LWKT_FOREVER.  Blocks while the queue is empty, for at most timeout_ns.  A
 * plain pthread that wakes a thread waits in the host for the CPU of that
 * thread (park_notify).
 */
int
lwkt_queue_get(struct lwkt_queue *q, void **itemp, int64_t timeout_ns)
{
	struct globaldata *gd = gd_here();
	lwkt_thread_t td;
	uint64_t w;

	if (unlikely(gd == NULL))
		return get_slow(q, itemp, timeout_ns);
	td = gd->gd_m.mc_curthread;
	leaf_enter(td);
	w = atomic_load_64(&q->q_get.qe_word);
	if (likely((w & QU_BITS) == 0 && lock(&q->q_get, w)) &&
	    get_one(q, w, itemp)) {
		leaf_exit(td);
		return 0;
	}
	leaf_leave(td);
	return get_slow(q, itemp, timeout_ns);
}

/* Take all waiters at the end, whose word is *w.  Returns a list, or NULL. */
static struct park *
take_waiters(struct lwkt_queue_end *qe, uint64_t *w)
{
	struct park_bucket *b = park_lock(qe);
	struct park *list = park_take_all(b, qe, UINT32_MAX);

	park_unlock(b);
	*w &= ~QU_WAITED;					/* QU3 */
	return list;
}

/*
 * Make all further puts fail, and end all waits.  Thread, callback or plain
 * pthread; never blocks a thread.  A plain pthread that wakes a thread waits in
 * the host for the CPU of that thread (park_notify).
 */
void
lwkt_queue_close(struct lwkt_queue *q)
{
	lwkt_thread_t td = sync_enter();
	struct park *getters, *putters;
	struct both bo;

	lock_both(q, &bo);
	bo.bo_put |= QU_CLOSED;
	getters = take_waiters(&q->q_put, &bo.bo_put);
	putters = take_waiters(&q->q_get, &bo.bo_get);
	unlock_both(q, &bo);
	park_notify_all(getters, PARK_NOTIFIED);
	park_notify_all(putters, PARK_NOTIFIED);
	sync_exit(td);
}

/* Return the number of items.  Any context; never blocks. */
unsigned
lwkt_queue_count(const struct lwkt_queue *q)
{
	return (unsigned)items(q);
}
