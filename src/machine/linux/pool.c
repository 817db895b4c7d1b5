/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool of carriers: how many there are, and the operations that wait for
 * one.
 *
 * THEORY
 * One pool serves all CPUs.  An operation is given to a parked carrier of its
 * class, which makes the call (carrier.c).  If none is parked, the operation is
 * put on the queue of the class, and one more carrier is requested, up to the
 * limit of the class:
 *
 *	CC_FILE	Calls that end by themselves.  Beyond the limit they queue.
 *	CC_LONG	Calls that may wait for ever: the open of a FIFO, the close
 *		of a terminal.  Each has a carrier of its own.  Beyond the
 *		limit a call fails with EAGAIN at once and is counted when it
 *		is reaped (his_refused).  It must not queue, because it might
 *		be the call that the others wait for.
 *	CC_CALL	Functions of the program (HIO_CALL), which may do anything and
 *		get a larger stack.  Beyond the limit they queue, in order,
 *		and are counted (his_limited): so many calls at one time are
 *		what the program asked for, and an error would have to be
 *		handled at each.
 *
 * So a call that waits for a peer never takes a carrier that a file needs.
 *
 * A CPU never creates a carrier: pthread_create takes locks of libc and maps
 * memory.  It wakes the grower, a helper that creates carriers and does nothing
 * else.  If the host refuses a carrier, the grower returns the operations that
 * no other carrier would take (pool_unserved).
 *
 * The parked carrier that worked last is given the next operation, because its
 * stack and its core's caches are warm.  A carrier that was parked for
 * lwkt.carrier_idle_ms ends, unless CC_CALL would have fewer than
 * kern.threads.prealloc then.
 *
 * pthread_cancel ends the calls of CC_LONG except closes, and opens of CC_FILE.
 * Then the carrier ends, too, and its place becomes free.  A function cannot be
 * ended.  If the program allows it (hf_orphan), the operation of a function is
 * cancelled by detaching it: the operation is complete, and the carrier has a
 * function without an operation.  The carrier ends after that function.
 *
 * The pool exists while a CPU is attached.  The functions that a carrier and
 * the grower run are arguments of pool_attach and pool_start.  So this file is
 * below the one that makes the call (carrier.c), and gate.c, which is between
 * them, may give an operation to the pool.
 *
 * INVARIANTS
 * PL1 Until it is complete, an operation given away is in exactly one place: in
 *    a gate's line, on a queue (io_prevp set), with the retry thread, or with
 *    one carrier (io_carrier set, and c_io of that carrier names it).  A
 *    carrier that was parked has not begun until it has woken; until then the
 *    operation can be taken back.  Later it can only be ended by pthread_cancel
 *    or detached, if at all.
 * PL2 One host thread completes an operation: the carrier that makes its call,
 *    or the one that takes it off the queue, takes it back or detaches it.
 * PL3 While a queue is not empty, no carrier of the class is parked, and its
 *    carriers are at their limit or another one was requested (cq_coming), or
 *    the host has refused one since and some are alive.
 *
 * ORDER
 * The lock of gate.c or of retry.c is taken before the lock of the pool, never
 * while the pool is locked.
 *
 * The pool has a lock, although nothing that a CPU owns has one.  Carriers are
 * plain pthreads that must sleep, and their call takes microseconds, so the
 * lock adds little.
 */
#include "machine/linux/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/kassert.h"
#include "base/stat_decl.h"

/* The most carriers of each class, that is, calls in the host at one time. */
#define FILE_LIMIT	(config_hard ? 2 : 16)
#define LONG_LIMIT	(config_hard ? 64 : 256)
#define CARRIER_STACK	((size_t)64 * 1024)
#define GROWER_STACK	((size_t)64 * 1024)

TUNABLE_INT(call_limit, "kern.threads.max_threads_per_proc", 1500, 1, 100000,
    "most functions of lwkt_blocking that run at one time");
TUNABLE_INT(call_prealloc, "kern.threads.prealloc", 0, 0, 100000,
    "host threads for these functions that are created at boot and kept");
TUNABLE_INT(call_stack_kb, "lwkt.blocking_stack", 256, 64, 1048576,
    "stack of such a host thread, KiB");

TUNABLE_INT(idle_ms, "lwkt.carrier_idle_ms", 10000, 1, 1000000000,
    "a carrier without work ends after this time, ms");

/* The queue of one class; all fields (l:cp_lock). */
struct carrier_queue {
	struct hostio	*cq_first;
	struct hostio	**cq_lastp;
	LIST_HEAD(, carrier) cq_idle;	/* parked carriers, last one first */
	unsigned	 cq_queued;	/* operations on the queue */
	unsigned	 cq_live;	/* carriers that have entered */
	unsigned	 cq_coming;	/* requested, not yet entered */
	unsigned	 cq_wanted;	/* of these, not yet created */
};

/* The pool.  All fields (l:cp_lock). */
static struct {
	pthread_mutex_t	 cp_lock;
	pthread_cond_t	 cp_grow;	/* cq_wanted rose, or cp_stop */
	pthread_cond_t	 cp_entered;	/* after cp_stop: one entered, ended */
	struct carrier_queue cp_queue[CC_CLASSES];
	LIST_HEAD(, carrier) cp_all;	/* entered; not ended, not detached */
	LIST_HEAD(, carrier) cp_ended;	/* ended after cp_stop: join them */
	unsigned	 cp_cpus;	/* CPUs attached */
	unsigned	 cp_boots;	/* how often the pool began */
	void		*(*cp_carrier)(void *c); /* what a carrier runs */
	pthread_t	 cp_grower;
	int		 cp_grows;	/* 1: there is a grower */
	int		 cp_stop;	/* 1: all carriers must end */
} pool = {
	.cp_lock = PTHREAD_MUTEX_INITIALIZER,
	.cp_grow = PTHREAD_COND_INITIALIZER,
	.cp_entered = PTHREAD_COND_INITIALIZER,
	.cp_queue = {
		{ .cq_lastp = &pool.cp_queue[CC_FILE].cq_first },
		{ .cq_lastp = &pool.cp_queue[CC_LONG].cq_first },
		{ .cq_lastp = &pool.cp_queue[CC_CALL].cq_first },
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
	if (io->io_op == HIO_CALL)
		return CC_CALL;
	return io->io_way == HW_LONG ? CC_LONG : CC_FILE;
}

static unsigned
limit_of(enum carrier_class class)
{
	if (class == CC_CALL)
		return (unsigned)call_limit;
	return class == CC_FILE ? FILE_LIMIT : LONG_LIMIT;
}

static size_t
stack_of(enum carrier_class class)
{
	return class == CC_CALL ? (size_t)call_stack_kb * 1024 : CARRIER_STACK;
}

/*
 * Request one more carrier of the class.  Returns 0, or EAGAIN if that would be
 * too many or there is no grower.  The caller has locked the pool.
 */
static int
want(enum carrier_class class)
{
	struct carrier_queue *cq = &pool.cp_queue[class];

	if (!pool.cp_grows || cq->cq_live + cq->cq_coming >= limit_of(class))
		return EAGAIN;
	cq->cq_coming++;
	cq->cq_wanted++;
	(void)pthread_cond_signal(&pool.cp_grow);
	return 0;
}

/* Create a carrier of the class; returns 0 or an errno.  The grower only. */
static int
create(enum carrier_class class)
{
	struct carrier *c = machine_fail("carrier.create") ? NULL :
	    calloc(1, sizeof(*c));
	pthread_t thread;
	int error;

	if (c == NULL)
		return EAGAIN;
	c->c_class = class;
	c->c_boot = pool.cp_boots;
	(void)pthread_cond_init(&c->c_work, NULL);
	c->c_helper = (struct helper){
		.hp_fn = pool.cp_carrier, .hp_arg = c,
		.hp_name = "lwkt-carrier",
	};
	error = lwkt__helper_create(&thread, stack_of(class), &c->c_helper);
	if (error != 0)
		free(c);
	return error;
}

/*
 * Wait for a request, and create one carrier.  Returns 1, also if the host
 * refuses the carrier; or 0 if the grower must end.  The grower has locked the
 * pool; the function unlocks it meanwhile.
 */
int
pool_grow(void)
{
	struct carrier_queue *cq = NULL;
	int class, error;

	for (;;) {
		if (pool.cp_stop)
			return 0;
		for (class = 0; class < CC_CLASSES; class++) {
			cq = &pool.cp_queue[class];
			if (cq->cq_wanted > 0)
				break;
		}
		if (class < CC_CLASSES)
			break;
		pthread_cond_wait(&pool.cp_grow, &pool.cp_lock);
	}
	cq->cq_wanted--;
	pool_unlock();
	error = create((enum carrier_class)class);
	pool_lock();
	if (error != 0)
		cq->cq_coming--;
	return 1;
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
 * Find a queued operation that no carrier would take, remove it from its queue
 * and return it.  Returns NULL if there is none.  An operation of CC_LONG needs
 * a carrier of its own; in the other classes one carrier takes all.  Called by
 * the grower, which has locked the pool.
 */
struct hostio *
pool_unserved(void)
{
	struct carrier_queue *cq;
	struct hostio *io;

	for (int class = 0; class < CC_CLASSES; class++) {
		cq = &pool.cp_queue[class];
		if (cq->cq_queued > cq->cq_coming &&
		    (class == CC_LONG || cq->cq_live + cq->cq_coming == 0)) {
			io = cq->cq_first;
			unqueue(io);				/* PL2 */
			return io;
		}
	}
	return NULL;
}

/* Make io the operation of c, which has none.  The pool is locked. */
static void
give(struct carrier *c, struct hostio *io)
{
	c->c_io = io;
	c->c_begun = 0;
	io->io_carrier = c;
}

/* Undo give(): the carrier has no operation.  The pool is locked. */
void
pool_drop(struct carrier *c)
{
	c->c_io->io_carrier = NULL;
	c->c_io = NULL;
}

/*
 * Give the operation to a parked carrier of its class, or put it on the queue
 * and request a carrier.  The caller has locked the pool.  Returns 0, or an
 * errno if no carrier would take the operation.
 */
int
pool_put(struct hostio *io)
{
	enum carrier_class class = pool_class(io);
	struct carrier_queue *cq = &pool.cp_queue[class];
	struct carrier *c = LIST_FIRST(&cq->cq_idle);
	int error;

	io->io_carrier = NULL;
	if (c != NULL) {
		LIST_REMOVE(c, c_idle);
		give(c, io);
		(void)pthread_cond_signal(&c->c_work);
		return 0;
	}
	error = want(class);
	if (error != 0 &&
	    (class == CC_LONG || cq->cq_live + cq->cq_coming == 0))
		return error;
	io->io_limited = error != 0 && class == CC_CALL;
	io->io_next = NULL;
	io->io_prevp = cq->cq_lastp;
	*cq->cq_lastp = io;
	cq->cq_lastp = &io->io_next;
	cq->cq_queued++;					/* PL3 */
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

/* A carrier that was created begins.  It has locked the pool. */
void
pool_enter(struct carrier *c)
{
	struct carrier_queue *cq = &pool.cp_queue[c->c_class];

	c->c_thread = pthread_self();
	LIST_INSERT_HEAD(&pool.cp_all, c, c_link);
	cq->cq_coming--;
	cq->cq_live++;
	if (pool.cp_stop)
		(void)pthread_cond_signal(&pool.cp_entered);
}

/* May the parked carrier c end, after it was idle for long? */
static int
superfluous(const struct carrier *c)
{
	return c->c_class != CC_CALL ||
	    pool.cp_queue[CC_CALL].cq_live > (unsigned)call_prealloc;
}

/*
 * Park c until it is given an operation, the pool stops or lwkt.carrier_idle_ms
 * are over.  Returns 0 in the last case if c is superfluous, else 1.  The
 * caller has locked the pool; the wait unlocks it meanwhile.
 */
static int
park(struct carrier *c)
{
	struct timespec end;
	int error = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += idle_ms / 1000;
	end.tv_nsec += idle_ms % 1000 * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	LIST_INSERT_HEAD(&pool.cp_queue[c->c_class].cq_idle, c, c_idle);
	while (c->c_io == NULL && !pool.cp_stop && error != ETIMEDOUT)
		error = pthread_cond_clockwait(&c->c_work, &pool.cp_lock,
		    CLOCK_MONOTONIC, &end);
	if (c->c_io != NULL)
		return 1;		/* pool_put took it off the list */
	LIST_REMOVE(c, c_idle);
	return error == 0 || !superfluous(c);
}

/*
 * Get the next operation for c, and wait if there is none.  The caller has
 * locked the pool; the wait unlocks it meanwhile.  Returns 1 and sets c_io; or
 * returns 0 if the carrier must end: the pool stops, the carrier was cancelled
 * or detached, or it was idle for long.
 */
int
pool_next(struct carrier *c)
{
	struct carrier_queue *cq = &pool.cp_queue[c->c_class];
	struct hostio *io;

	while (!pool.cp_stop && !c->c_cancelled && !c->c_detached) {
		io = cq->cq_first;
		if (io != NULL) {
			unqueue(io);			/* PL2 */
			give(c, io);
		} else if (!park(c)) {
			return 0;
		}
		if (c->c_io != NULL) {
			c->c_begun = 1;
			return 1;
		}
	}
	return 0;
}

/*
 * End the calling carrier, which has locked the pool; this function unlocks it.
 * If operations wait, another carrier is requested.  When the pool stops, the
 * carrier remains to be joined, unless it was detached.
 */
void
pool_end(struct carrier *c)
{
	struct carrier_queue *cq = &pool.cp_queue[c->c_class];
	int joined = 0;

	if (c->c_boot == pool.cp_boots)
		cq->cq_live--;
	if (!c->c_detached) {
		LIST_REMOVE(c, c_link);
		joined = pool.cp_stop;
	}
	if (joined) {
		LIST_INSERT_HEAD(&pool.cp_ended, c, c_link);
		(void)pthread_cond_signal(&pool.cp_entered);
	} else {
		if (!c->c_detached)
			(void)pthread_detach(pthread_self());
		if (cq->cq_queued > cq->cq_coming && !pool.cp_stop)
			(void)want(c->c_class);			/* PL3 */
	}
	pool_unlock();
	if (!joined) {
		(void)pthread_cond_destroy(&c->c_work);
		free(c);
	}
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
 * Take back the operation of c, which was parked and has not begun.  If another
 * operation has been queued meanwhile, c gets that.  The caller has locked the
 * pool.
 */
static void
take_back(struct carrier *c)
{
	struct carrier_queue *cq = &pool.cp_queue[c->c_class];
	struct hostio *io = cq->cq_first;

	pool_drop(c);
	if (io != NULL) {
		unqueue(io);					/* PL3 */
		give(c, io);
	} else {
		LIST_INSERT_HEAD(&cq->cq_idle, c, c_idle);
	}
}

/*
 * Detach the operation of the carrier c, which runs its function.  The caller
 * has locked the pool.
 */
static void
detach(struct carrier *c)
{
	LIST_REMOVE(c, c_link);
	pool_drop(c);
	c->c_detached = 1;
	(void)pthread_detach(c->c_thread);
}

/*
 * End the operation if possible.  The caller has locked the pool.  Returns an
 * errno if the caller must complete the operation, with that error (PL2):
 * ECANCELED if no call was begun, EINPROGRESS if its function goes on without
 * it.  Else returns 0: the host thread that has the operation completes it.
 */
static int
cancel_locked(struct hostio *io)
{
	struct carrier *c = io->io_carrier;

	atomic_store_32(&io->io_cancelled, 1);
	if (io->io_prevp != NULL) {		/* PL1 */
		unqueue(io);
		return ECANCELED;
	}
	if (c == NULL)
		return 0;
	if (!c->c_begun) {
		take_back(c);
		return ECANCELED;
	}
	if (io->io_op == HIO_CALL) {
		if (((struct hostfn *)io->io_buf)->hf_orphan == NULL)
			return 0;
		detach(c);
		return EINPROGRESS;
	}
	if (endable(io, c->c_class) && !c->c_cancelled) {
		c->c_cancelled = 1;
		(void)pthread_cancel(c->c_thread);
	}
	return 0;
}

/* Lock the pool, call cancel_locked(), and return its result. */
int
pool_cancel(struct hostio *io)
{
	int error;

	pool_lock();
	error = cancel_locked(io);
	pool_unlock();
	return error;
}

/* Take one operation of the CPU off a queue.  The pool is locked. */
static struct hostio *
take_queued(struct mcpu *mc)
{
	struct hostio *io;

	for (int class = 0; class < CC_CLASSES; class++) {
		io = pool.cp_queue[class].cq_first;
		while (io != NULL && io->io_mc != mc)
			io = io->io_next;
		if (io != NULL) {
			unqueue(io);
			return io;
		}
	}
	return NULL;
}

/*
 * Take back one operation of the CPU from a carrier that has not begun.
 * The pool is locked.
 */
static struct hostio *
take_given(struct mcpu *mc)
{
	struct hostio *io;
	struct carrier *c;

	LIST_FOREACH(c, &pool.cp_all, c_link) {
		io = c->c_io;
		if (io != NULL && io->io_mc == mc && !c->c_begun) {
			take_back(c);
			return io;
		}
	}
	return NULL;
}

/*
 * Return one operation of the CPU whose call has not begun.  It is taken off
 * its queue or back from its carrier.  Return NULL if there is none in either;
 * the lines of gates and the retry thread are not searched.
 */
struct hostio *
pool_take(struct mcpu *mc)
{
	struct hostio *io;

	pool_lock();
	io = take_queued(mc);
	if (io == NULL)
		io = take_given(mc);
	pool_unlock();
	return io;
}

/*
 * End the CPU's operations that carriers have begun, if possible.  Returns how
 * many functions go on without their operations.
 */
unsigned
pool_cancel_cpu(struct mcpu *mc)
{
	struct carrier *c, *next;
	unsigned n = 0;

	pool_lock();
	LIST_FOREACH_SAFE(c, &pool.cp_all, c_link, next)
		if (c->c_io != NULL && c->c_begun && c->c_io->io_mc == mc)
			n += cancel_locked(c->c_io) != 0;
	pool_unlock();
	return n;
}

/* Return what runs for the CPU on a carrier of functions, or NULL. */
void *
pool_function(struct mcpu *mc)
{
	struct carrier *c;
	void *fn = NULL;

	pool_lock();
	LIST_FOREACH(c, &pool.cp_all, c_link)
		if (c->c_class == CC_CALL && c->c_io != NULL &&
		    c->c_io->io_mc == mc)
			fn = ((struct hostfn *)c->c_io->io_buf)->hf_what;
	pool_unlock();
	return fn;
}

/* Request the carriers that are created at boot.  The pool is locked. */
static void
prealloc(void)
{
	for (int i = 0; i < call_prealloc; i++)
		if (want(CC_CALL) != 0)
			break;
}

/* Begin the use of the pool by a CPU.  Carriers run `carrier`. */
void
pool_attach(void *(*carrier)(void *c))
{
	pool_lock();
	pool.cp_carrier = carrier;
	pool.cp_cpus++;
	pool_unlock();
}

/*
 * Start the grower, which runs `grower`, and request the carriers that are
 * created at boot.  Only CPU 0 calls this, on the host thread of the boot.  On
 * another host thread, pthread_create would call malloc, and libc would reserve
 * a separate heap for that host thread for ever.  If the host refuses the
 * grower, there are no carriers.
 */
void
pool_start(void *(*grower)(void *arg))
{
	static struct helper helper = { .hp_name = "lwkt-grower" };

	pool_lock();
	helper.hp_fn = grower;
	pool.cp_grows = !machine_fail("carrier.grower") &&
	    lwkt__helper_create(&pool.cp_grower, GROWER_STACK, &helper) == 0;
	prealloc();
	pool_unlock();
}

/*
 * End the use of the pool by a CPU.  Returns 1 if it was the last CPU, which
 * must then call pool_join.
 */
int
pool_detach(void)
{
	struct carrier *c;
	int last;

	pool_lock();
	KASSERT(pool.cp_cpus > 0);
	last = --pool.cp_cpus == 0;
	pool.cp_stop = last;
	if (last) {
		(void)pthread_cond_signal(&pool.cp_grow);
		LIST_FOREACH(c, &pool.cp_all, c_link)
			(void)pthread_cond_signal(&c->c_work);
	}
	pool_unlock();
	return last;
}

/* Wait until all carriers have entered, and have ended or were detached. */
static void
wait_all(void)
{
	struct carrier_queue *cq;

	for (int class = 0; class < CC_CLASSES; class++) {
		cq = &pool.cp_queue[class];
		cq->cq_coming -= cq->cq_wanted;		/* never created */
		cq->cq_wanted = 0;
		while (cq->cq_coming > 0)
			pthread_cond_wait(&pool.cp_entered, &pool.cp_lock);
	}
	while (!LIST_EMPTY(&pool.cp_all))
		pthread_cond_wait(&pool.cp_entered, &pool.cp_lock);
}

/*
 * Wait until all carriers have ended, but not for those whose functions go on
 * without their operations.  Only after pool_detach returned 1.
 */
void
pool_join(void)
{
	struct carrier *c;

	if (pool.cp_grows)
		(void)pthread_join(pool.cp_grower, NULL);
	pool_lock();
	pool.cp_grows = 0;
	wait_all();
	pool.cp_boots++;
	for (int class = 0; class < CC_CLASSES; class++)
		pool.cp_queue[class].cq_live = 0;	/* detached ones */
	pool.cp_stop = 0;
	pool_unlock();
	while ((c = LIST_FIRST(&pool.cp_ended)) != NULL) {
		LIST_REMOVE(c, c_link);
		(void)pthread_join(c->c_thread, NULL);
		(void)pthread_cond_destroy(&c->c_work);
		free(c);
	}
}
