/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Carriers: host threads that make the calls which may block.
 *
 * THEORY
 * One pool serves all CPUs.  A CPU puts an operation on the queue of its class.
 * A parked carrier of that class takes the operation and makes the call.  Then
 * it pushes the operation on the stack of the CPU and rings the doorbell.  If
 * operations wait and no carrier is parked, another carrier is started, up to
 * the limit of the class:
 *
 *	CC_FILE	Calls that end by themselves.  Beyond the limit they queue.
 *	CC_LONG	Calls that may wait for ever: the open of a FIFO, the close
 *		of a terminal.  Each has a carrier of its own.  Beyond the
 *		limit a call fails with EAGAIN at once and is counted when it
 *		is reaped (his_refused).  It must not queue, because it might
 *		be the call that the others wait for.
 *
 * So a call that waits for a peer never takes a carrier that a file needs.
 * Carriers block all signals, so the program's signals reach its own threads.
 * A carrier may run on any core of the program, not only on the core of the
 * CPU that started it.
 *
 * Some calls have no blocking form that can be ended early: a wait for any
 * child, a connect to a unix socket with a full backlog.  They need no carrier:
 * one thread repeats all of them (retry.c).
 *
 * pthread_cancel ends transfers and opens of CC_LONG and opens of CC_FILE.
 * Cancellation is enabled around the system call only (hostcall_endable).  The
 * carrier ends with the call, and its place becomes free.
 *
 * The pool exists while a CPU is attached; the last CPU that detaches joins all
 * carriers.
 *
 * INVARIANTS
 * CA1 Until it is complete, an operation given away is in exactly one place:
 *    in a gate's line, on a queue (io_prevp set), with the retry thread, or
 *    with one carrier.  From a carrier it cannot be taken back.
 * CA2 Only the thread that takes an operation off the queue completes it.
 * CA3 c_io names an operation only until its carrier completes it.
 *
 * ORDER
 * The lock of a gate or of the retry thread is taken before the lock of the
 * pool, never while the pool is locked.
 *
 * The queues have a lock, although nothing that a CPU owns has one.  Carriers
 * are plain pthreads that must sleep, and their call takes microseconds, so the
 * lock adds little.
 */
#include "machine/linux/hostcall.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/kassert.h"
#include "machine/memcheck.h"

/* Calls in the host at one time, by class. */
#define FILE_LIMIT	(config_hard ? 2 : 16)
#define LONG_LIMIT	(config_hard ? 64 : 256)
#define LONG_PARKED	8		/* parked carriers beyond that end */
#define CARRIER_STACK	(64 * 1024)
#define CARRIER_NAP_NS	2000000		/* between two tries */

enum carrier_state { C_NONE, C_LIVE, C_ENDED };
enum carrier_class { CC_FILE, CC_LONG, CC_CLASSES };

struct carrier {
	pthread_t	 c_thread;
	struct hostio	*c_io;		/* what it carries, or NULL */
	enum carrier_state c_state;
	enum carrier_class c_class;	/* (i) from its start */
	int		 c_cancelled;	/* must end: a cancel may be pending */
};

/* (l:cp_lock) */
struct carrier_queue {
	pthread_cond_t	 cq_work;
	struct hostio	*cq_first;
	struct hostio	**cq_lastp;
	unsigned	 cq_queued;
	unsigned	 cq_parked;
	unsigned	 cq_live;	/* carriers of the class */
};

#define CARRIERS	(FILE_LIMIT + 256)

/* (l:cp_lock) all of it. */
static struct {
	pthread_mutex_t	 cp_lock;
	struct carrier_queue cp_queue[CC_CLASSES];
	unsigned	 cp_cpus;	/* attached */
	int		 cp_stop;
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

static void
lock(void)
{
	int error = pthread_mutex_lock(&pool.cp_lock);

	KASSERTF(error == 0, "the lock of the carriers cannot be taken, error "
	    "%d", error);
}

static void
unlock(void)
{
	int error = pthread_mutex_unlock(&pool.cp_lock);

	KASSERTF(error == 0, "the lock of the carriers cannot be released, "
	    "error %d", error);
}

static enum carrier_class
class_of(const struct hostio *io)
{
	return io->io_way == HW_LONG ? CC_LONG : CC_FILE;
}

/*
 * Hand the result to the CPU and wake it.  Any thread; never blocks.
 * The CPU may take the result before the doorbell rings, and stop.  ic_telling
 * makes its drain() wait until this function no longer uses the CPU's memory.
 */
void
carrier_finish(struct hostio *io, int64_t r)
{
	struct mcpu *mc = io->io_mc;
	struct iocommon *ic = io_common(mc->mc_host);
	uintptr_t head;

	(void)atomic_fetchadd_32(&ic->ic_telling, 1);
	io->io_result = r;
	head = atomic_load_ptr(&ic->ic_remote);
	do {
		io->io_next = (struct hostio *)head;
		/* Publishes the result; pairs with hostcall.c:take_remote. */
	} while (!atomic_fcmpset_ptr(&ic->ic_remote, &head, (uintptr_t)io));
	if (atomic_fetchor_32(&mc->mc_reqflags, RQF_INTPEND) & RQF_SLEEPING)
		machine_doorbell(mc);
	(void)atomic_fetchadd_32(&ic->ic_telling, (uint32_t)-1);
}

static void
nap(void)
{
	struct timespec ts = { 0, CARRIER_NAP_NS };

	(void)nanosleep(&ts, NULL);
}

static void *carrier_main(void *arg);

/* Find a place for one more carrier of the class, or NULL. */
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

/* Start one more carrier; an errno: no place, or the host refuses. */
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
	    lwkt__helper_create(&c->c_thread, CARRIER_STACK, carrier_main, c);
	if (error == 0) {
		c->c_state = C_LIVE;
		pool.cp_queue[class].cq_live++;
	}
	return error;
}

static void
unqueue(struct hostio *io)
{
	struct carrier_queue *cq = &pool.cp_queue[class_of(io)];

	*io->io_prevp = io->io_next;
	if (io->io_next != NULL)
		io->io_next->io_prevp = io->io_prevp;
	else
		cq->cq_lastp = io->io_prevp;
	io->io_prevp = NULL;
	cq->cq_queued--;
}

/* Take all operations off a queue that has no carrier left; linked. */
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
 * End the calling carrier; the pool is locked and is unlocked here.  While the
 * pool exists the carrier detaches itself, frees its place and starts another
 * carrier if operations wait.  When the pool stops, it remains to be joined.
 */
static void
ending(struct carrier *c)
{
	struct carrier_queue *cq = &pool.cp_queue[c->c_class];
	struct hostio *io, *next = NULL;
	int error;

	c->c_state = C_ENDED;
	cq->cq_live--;
	if (!pool.cp_stop) {
		(void)pthread_detach(pthread_self());
		c->c_state = C_NONE;
		error = cq->cq_first != NULL ? grow(c->c_class) : 0;
		if (error != 0 && cq->cq_live == 0)
			next = take_all(cq);
	}
	unlock();
	while ((io = next) != NULL) {
		next = io->io_next;
		gate_leave(io);
		carrier_finish(io, hostcall_total(io, -EAGAIN));
	}
}

/*
 * Complete the carrier's operation.  c_io is cleared first: once the CPU has
 * the result, the storage of the operation may be gone.
 */
static void
put_down(struct carrier *c, int64_t r)
{
	struct hostio *io = c->c_io;

	lock();
	c->c_io = NULL;				/* CA3 */
	unlock();
	gate_leave(io);
	carrier_finish(io, r);
}

/* Complete the operation whose call pthread_cancel ended. */
static void
call_cancelled(void *arg)
{
	struct carrier *c = arg;

	memcheck_unwound();
	put_down(c, hostcall_total(c->c_io, -ECANCELED));
	lock();
	ending(c);
}

/* Can pthread_cancel end this call? */
static int
endable(const struct hostio *io, enum carrier_class class)
{
	return io->io_op == HIO_OPENAT ||
	    (class == CC_LONG && io->io_op != HIO_CLOSE);
}

static int64_t
block(struct carrier *c)
{
	int64_t r;

	pthread_cleanup_push(call_cancelled, c);
	r = hostcall_block(c->c_io);
	pthread_cleanup_pop(0);
	return r;
}

/*
 * Put the operation on the queue of its class; the pool is locked.  An errno:
 * no carrier would take it.
 */
static int
enqueue(struct hostio *io)
{
	enum carrier_class class = class_of(io);
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

/*
 * Pass an open that turned out to wait for ever (HW_LONG) to a CC_LONG carrier,
 * unless it was cancelled meanwhile.
 */
static void
pass_on(struct carrier *c)
{
	struct hostio *io = c->c_io;
	int error = ECANCELED;

	lock();
	c->c_io = NULL;				/* CA3 */
	if (!atomic_load_32(&io->io_cancelled))
		error = enqueue(io);
	unlock();
	if (error != 0)
		carrier_finish(io, -error);
}

/* Make the call of the carrier's operation until it has a result. */
static void
carry(struct carrier *c)
{
	struct hostio *io = c->c_io;
	int64_t r;

	for (;;) {
		r = block(c);
		if (r != -EAGAIN && r != -EINTR)
			break;
		if (class_of(io) != c->c_class) {
			pass_on(c);
			return;
		}
		if (atomic_load_32(&io->io_cancelled)) {
			r = hostcall_total(io, -ECANCELED);
			break;
		}
		if (r == -EAGAIN)
			nap();
	}
	put_down(c, r);
}

/* The loop of a carrier: take an operation of its class, make the call. */
static void *
carrier_main(void *arg)
{
	struct carrier *c = arg;
	struct carrier_queue *cq = &pool.cp_queue[c->c_class];
	struct hostio *io;
	int state;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	(void)pthread_setname_np(pthread_self(), CARRIER_NAME);
	lock();
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
		unqueue(io);			/* CA2 */
		c->c_io = io;
		unlock();
		carry(c);
		lock();
	}
	ending(c);
	return NULL;
}

int
carrier_queue(struct hostio *io)
{
	int error;

	lock();
	error = enqueue(io);
	unlock();
	return error;
}

/* Give the operation to its class; an errno: the host gives no thread. */
static int
submit(struct hostio *io)
{
	int error;

	if (io->io_way == HW_RETRY)
		return retry_submit(io);
	if (io->io_way == HW_LINE && !gate_enter(io))
		return 0;
	lock();
	error = enqueue(io);
	unlock();
	if (error != 0)
		gate_leave(io);
	return error;
}

void
carrier_submit(struct machine_host *h, struct hostio *io)
{
	struct iocommon *ic = io_common(h);
	int error;

	io->io_mc = h->h_mc;
	io->io_with = io->io_way == HW_RETRY ? HIOW_RETRY : HIOW_CARRIER;
	ic->ic_carried++;
	ic->ic_stats.his_carried++;
	error = submit(io);
	if (error == 0)
		return;
	iocommon_done(h, io, hostcall_total(io, -error));
}

/*
 * End the operation if possible.  1: it was on the queue, and the caller must
 * complete it (CA2).
 */
static int
cancel_locked(struct hostio *io)
{
	struct carrier *c;

	atomic_store_32(&io->io_cancelled, 1);
	if (io->io_prevp != NULL) {		/* CA1 */
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

void
carrier_cancel(struct machine_host *h, struct hostio *io)
{
	int mine;

	if (io->io_with == HIOW_RETRY) {
		mine = retry_cancel(io);
	} else if ((mine = gate_cancel(io)) == 0) {
		lock();
		mine = cancel_locked(io);
		unlock();
	}
	if (!mine)
		return;
	gate_leave(io);
	iocommon_done(h, io, hostcall_total(io, -ECANCELED));
}

/* Take one operation of the CPU off a queue, or NULL. */
static struct hostio *
take_queued(struct mcpu *mc)
{
	struct hostio *io = NULL;

	lock();
	for (int class = 0; class < CC_CLASSES && io == NULL; class++) {
		io = pool.cp_queue[class].cq_first;
		while (io != NULL && io->io_mc != mc)
			io = io->io_next;
	}
	if (io != NULL)
		unqueue(io);
	unlock();
	return io;
}

/*
 * Take back the CPU's operations from the queues and end those that carriers
 * have; returns how many were taken back.
 */
static unsigned
drain_queues(struct mcpu *mc)
{
	struct hostio *io;
	unsigned n;

	for (n = 0; (io = take_queued(mc)) != NULL; n++)
		gate_leave(io);
	lock();
	for (int i = 0; i < CARRIERS; i++) {
		io = pool.cp_carrier[i].c_io;
		if (io != NULL && io->io_mc == mc)
			(void)cancel_locked(io);
	}
	unlock();
	return n;
}

/*
 * End all operations that this CPU gave away.  Afterwards no other thread uses
 * the memory of the CPU.
 */
static void
drain(struct machine_host *h)
{
	struct iocommon *ic = io_common(h);

	while (ic->ic_carried > iocommon_carried(ic)) {
		ic->ic_carried -= retry_drain(h->h_mc);
		ic->ic_carried -= gate_drain(h->h_mc);
		ic->ic_carried -= drain_queues(h->h_mc);
		if (ic->ic_carried > iocommon_carried(ic))
			nap();
	}
	while (atomic_load_acq_32(&ic->ic_telling) != 0)
		nap();
}

void
carrier_attach(void)
{
	lock();
	pool.cp_cpus++;
	unlock();
}

/* End the CPU's use of the pool.  CPU context; waits for its operations. */
void
carrier_detach(struct machine_host *h)
{
	struct carrier *c;
	int last, exists;

	drain(h);
	lock();
	KASSERT(pool.cp_cpus > 0);
	last = --pool.cp_cpus == 0;
	pool.cp_stop = last;
	for (int class = 0; class < CC_CLASSES; class++)
		(void)pthread_cond_broadcast(&pool.cp_queue[class].cq_work);
	unlock();
	if (!last)
		return;
	retry_stop();
	for (int i = 0; i < CARRIERS; i++) {
		c = &pool.cp_carrier[i];
		lock();
		exists = c->c_state != C_NONE;
		unlock();
		if (exists)
			(void)pthread_join(c->c_thread, NULL);
		c->c_state = C_NONE;
	}
	pool.cp_stop = 0;
}
