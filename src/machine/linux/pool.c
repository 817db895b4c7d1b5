/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool of carriers: how many there are, and the operations that wait for
 * one.
 *
 * THEORY
 * One pool serves all CPUs.  An operation is put on the queue of its class.  A
 * parked carrier of that class takes the operation and makes the call
 * (carrier.c).  If more operations wait than carriers are parked, another
 * carrier is started, up to the limit of the class:
 *
 *	CC_FILE	Calls that end by themselves.  Beyond the limit they queue.
 *	CC_LONG	Calls that may wait for ever: the open of a FIFO, the close
 *		of a terminal.  Each has a carrier of its own.  Beyond the
 *		limit a call fails with EAGAIN at once and is counted when it
 *		is reaped (his_refused).  It must not queue, because it might
 *		be the call that the others wait for.
 *
 * So a call that waits for a peer never takes a carrier that a file needs.
 *
 * pthread_cancel ends the calls of CC_LONG except closes, and opens of CC_FILE.
 * Then the carrier ends, too, and its place becomes free.
 *
 * The pool exists while a CPU is attached.  The function that a carrier runs is
 * an argument of pool_attach.  So this file is below the one that makes the
 * call (carrier.c), and gate.c, which is between them, may put an operation on
 * a queue.
 *
 * INVARIANTS
 * PL1 Until it is complete, an operation given away is in exactly one place:
 *    in a gate's line, on a queue (io_prevp set), with the retry thread, or
 *    with one carrier.  From a carrier it cannot be taken back.
 * PL2 Only the thread that takes an operation off the queue completes it.
 *
 * ORDER
 * The lock of a gate or of the retry thread is taken before the lock of the
 * pool, never while the pool is locked.
 *
 * The queues have a lock, although nothing that a CPU owns has one.  Carriers
 * are plain pthreads that must sleep, and their call takes microseconds, so the
 * lock adds little.
 */
#include "machine/linux/pool.h"

#include <errno.h>

#include "base/kassert.h"

/* The most carriers of each class, that is, calls in the host at one time. */
#define FILE_LIMIT	(config_hard ? 2 : 16)
#define LONG_LIMIT	(config_hard ? 64 : 256)
#define LONG_PARKED	8		/* most parked carriers of CC_LONG */
#define CARRIER_STACK	(64 * 1024)

/* The queue of one class; all fields (l:cp_lock). */
struct carrier_queue {
	pthread_cond_t	 cq_work;	/* an operation came, or cp_stop */
	struct hostio	*cq_first;
	struct hostio	**cq_lastp;
	unsigned	 cq_queued;	/* operations on the queue */
	unsigned	 cq_parked;	/* carriers that wait for cq_work */
	unsigned	 cq_live;	/* carriers of the class */
};

#define CARRIERS	(FILE_LIMIT + 256)

/*
 * The pool.  All fields are (l:cp_lock); pool_join writes some of them when the
 * carriers have ended.
 */
static struct {
	pthread_mutex_t	 cp_lock;
	struct carrier_queue cp_queue[CC_CLASSES];
	unsigned	 cp_cpus;	/* CPUs attached */
	void		*(*cp_main)(void *c);	/* what a carrier runs */
	int		 cp_stop;	/* 1: all carriers must end */
	struct carrier	 cp_carrier[CARRIERS];
} pool = {
	.cp_lock = PTHREAD_MUTEX_INITIALIZER,
	.cp_queue = {
		{ .cq_work = PTHREAD_COND_INITIALIZER,
		    .cq_lastp = &pool.cp_queue[CC_FILE].cq_first },
		{ .cq_work = PTHREAD_COND_INITIALIZER,
		    .cq_lastp = &pool.cp_queue[CC_LONG].cq_first },
	},
};

void
pool_lock(void)
{
	int error = pthread_mutex_lock(&pool.cp_lock);

	KASSERTF(error == 0, "the lock of the carriers cannot be taken, error "
	    "%d", error);
}

void
pool_unlock(void)
{
	int error = pthread_mutex_unlock(&pool.cp_lock);

	KASSERTF(error == 0, "the lock of the carriers cannot be released, "
	    "error %d", error);
}

enum carrier_class
pool_class(const struct hostio *io)
{
	return io->io_way == HW_LONG ? CC_LONG : CC_FILE;
}

/* Return a free place for one more carrier of the class, or NULL. */
static struct carrier *
free_place(enum carrier_class class)
{
	unsigned most = class == CC_FILE ? FILE_LIMIT : LONG_LIMIT;

	if (pool.cp_queue[class].cq_live == most)
		return NULL;
	for (int i = 0; i < CARRIERS; i++)
		if (pool.cp_carrier[i].c_state == C_NONE)
			return &pool.cp_carrier[i];
	return NULL;
}

/*
 * Start one more carrier of the class.  The caller has locked the pool.
 * Returns 0, or an errno if there is no place or the host refuses the thread.
 */
static int
grow(enum carrier_class class)
{
	struct carrier *c = free_place(class);
	int error;

	if (c == NULL)
		return EAGAIN;
	c->c_cancelled = 0;
	c->c_class = class;
	error = machine_fail("carrier.create") ? EAGAIN :
	    lwkt__helper_create(&c->c_thread, CARRIER_STACK, pool.cp_main, c);
	if (error == 0) {
		c->c_state = C_LIVE;
		pool.cp_queue[class].cq_live++;
	}
	return error;
}

/* Take an operation off its queue.  The caller has locked the pool. */
static void
unqueue(struct hostio *io)
{
	struct carrier_queue *cq = &pool.cp_queue[pool_class(io)];

	*io->io_prevp = io->io_next;
	if (io->io_next != NULL)
		io->io_next->io_prevp = io->io_prevp;
	else
		cq->cq_lastp = io->io_prevp;
	io->io_prevp = NULL;
	cq->cq_queued--;
}

/*
 * Put the operation on the queue of its class.  The caller has locked the pool.
 * Returns 0, or an errno if no carrier would take the operation.
 */
int
pool_put(struct hostio *io)
{
	enum carrier_class class = pool_class(io);
	struct carrier_queue *cq = &pool.cp_queue[class];
	int error = 0;

	if (cq->cq_queued >= cq->cq_parked)
		error = grow(class);
	if (error != 0 && (class == CC_LONG || cq->cq_live == 0))
		return error;
	io->io_next = NULL;
	io->io_prevp = cq->cq_lastp;
	*cq->cq_lastp = io;
	cq->cq_lastp = &io->io_next;
	cq->cq_queued++;
	(void)pthread_cond_signal(&cq->cq_work);
	return 0;
}

int
pool_queue(struct hostio *io)
{
	int error;

	pool_lock();
	error = pool_put(io);
	pool_unlock();
	return error;
}

/*
 * Take an operation off the queue of c's class, and wait if there is none.  The
 * caller has locked the pool; the wait unlocks it meanwhile.  Returns 1 and
 * sets c_io; or returns 0 if the carrier must end: the pool stops, the carrier
 * was cancelled, or it is one of CC_LONG and enough of these are parked.
 */
int
pool_next(struct carrier *c)
{
	struct carrier_queue *cq = &pool.cp_queue[c->c_class];
	struct hostio *io;

	while (!pool.cp_stop && !c->c_cancelled) {
		if ((io = cq->cq_first) == NULL) {
			if (c->c_class == CC_LONG &&
			    cq->cq_parked >= LONG_PARKED)
				break;
			cq->cq_parked++;
			pthread_cond_wait(&cq->cq_work, &pool.cp_lock);
			cq->cq_parked--;
			continue;
		}
		unqueue(io);			/* PL2 */
		c->c_io = io;
		return 1;
	}
	return 0;
}

/* Take all operations off a queue without carriers; return them as a list. */
static struct hostio *
take_all(struct carrier_queue *cq)
{
	struct hostio *io, *all = NULL;

	while ((io = cq->cq_first) != NULL) {
		unqueue(io);
		io->io_next = all;
		all = io;
	}
	return all;
}

/*
 * End the calling carrier, which has locked the pool.  While the pool exists
 * the carrier detaches itself, frees its place and starts another carrier if
 * operations wait.  Returns a list of the operations that no carrier will take
 * any more, or NULL.  When the pool stops, the carrier remains to be joined.
 */
struct hostio *
pool_end(struct carrier *c)
{
	struct carrier_queue *cq = &pool.cp_queue[c->c_class];
	int error;

	c->c_state = C_ENDED;
	cq->cq_live--;
	if (pool.cp_stop)
		return NULL;
	(void)pthread_detach(pthread_self());
	c->c_state = C_NONE;
	error = cq->cq_first != NULL ? grow(c->c_class) : 0;
	return error != 0 && cq->cq_live == 0 ? take_all(cq) : NULL;
}

/*
 * Return whether a cancel of this operation calls pthread_cancel: the carrier
 * enables cancellation around the operation's call (hostcall_endable).
 */
static int
endable(const struct hostio *io, enum carrier_class class)
{
	return io->io_op == HIO_OPENAT ||
	    (class == CC_LONG && io->io_op != HIO_CLOSE);
}

/*
 * End the operation if possible.  The caller has locked the pool.  Returns 1 if
 * the operation was on the queue: it is taken off, and the caller must complete
 * it (PL2).  Else returns 0: the thread that has the operation completes it.
 */
static int
cancel_locked(struct hostio *io)
{
	struct carrier *c;

	atomic_store_32(&io->io_cancelled, 1);
	if (io->io_prevp != NULL) {		/* PL1 */
		unqueue(io);
		return 1;
	}
	for (int i = 0; i < CARRIERS; i++) {
		c = &pool.cp_carrier[i];
		if (c->c_io == io && endable(io, c->c_class) &&
		    !c->c_cancelled) {
			c->c_cancelled = 1;
			(void)pthread_cancel(c->c_thread);
		}
	}
	return 0;
}

/* Lock the pool and cancel the operation; the result is as of cancel_locked. */
int
pool_cancel(struct hostio *io)
{
	int mine;

	pool_lock();
	mine = cancel_locked(io);
	pool_unlock();
	return mine;
}

/* Take one operation of the CPU off a queue and return it; NULL if none. */
struct hostio *
pool_take(struct mcpu *mc)
{
	struct hostio *io = NULL;

	pool_lock();
	for (int class = 0; class < CC_CLASSES && io == NULL; class++) {
		io = pool.cp_queue[class].cq_first;
		while (io != NULL && io->io_mc != mc)
			io = io->io_next;
	}
	if (io != NULL)
		unqueue(io);
	pool_unlock();
	return io;
}

/* End the CPU's operations that carriers have, if possible. */
void
pool_cancel_cpu(struct mcpu *mc)
{
	struct hostio *io;

	pool_lock();
	for (int i = 0; i < CARRIERS; i++) {
		io = pool.cp_carrier[i].c_io;
		if (io != NULL && io->io_mc == mc)
			(void)cancel_locked(io);
	}
	pool_unlock();
}

/* Begin the use of the pool by a CPU.  Carriers run main. */
void
pool_attach(void *(*main)(void *c))
{
	pool_lock();
	pool.cp_main = main;
	pool.cp_cpus++;
	pool_unlock();
}

/*
 * End the use of the pool by a CPU.  Returns 1 if it was the last CPU, which
 * must then call pool_join.
 */
int
pool_detach(void)
{
	int last;

	pool_lock();
	KASSERT(pool.cp_cpus > 0);
	last = --pool.cp_cpus == 0;
	pool.cp_stop = last;
	for (int class = 0; class < CC_CLASSES; class++)
		(void)pthread_cond_broadcast(&pool.cp_queue[class].cq_work);
	pool_unlock();
	return last;
}

/* Wait until all carriers have ended.  Only after pool_detach returned 1. */
void
pool_join(void)
{
	struct carrier *c;
	int exists;

	for (int i = 0; i < CARRIERS; i++) {
		c = &pool.cp_carrier[i];
		pool_lock();
		exists = c->c_state != C_NONE;
		pool_unlock();
		if (exists)
			(void)pthread_join(c->c_thread, NULL);
		c->c_state = C_NONE;
	}
	pool.cp_stop = 0;
}
