/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Carriers: a few parked host threads that finish calls which may block.
 *
 * THEORY
 * One pool serves all CPUs.  A CPU puts an operation on the queue; a parked
 * carrier takes it, makes the call, pushes the operation on the stack of its
 * CPU and rings.  A carrier more is started when operations wait and nobody is
 * parked, up to CARRIER_MAX; beyond that they queue.  Carriers block all
 * signals, so those of the program reach its own threads, and run on any core
 * of the program's, not on that of the CPU which happened to start them.
 *
 * What has no blocking form that can be ended early (waiting for any child, a
 * connect to a unix socket with a full backlog) is tried again and again with
 * naps in between.
 *
 * The one call here that can wait for ever is the open of a FIFO without a
 * peer.  It is ended by pthread_cancel, enabled round that call alone; the
 * carrier ends with it, and its place is free for another.
 *
 * The pool lives while a CPU is attached: the last to leave joins them all.
 *
 * INVARIANTS
 * P1 An operation is on the queue (io_prevp set) or in one carrier's hands;
 *    only one that is on the queue can be taken back.
 * P2 Whoever takes it off the queue is the only one to complete it.
 * P3 c_io names an operation only while its carrier has not completed it.
 *
 * The queue is locked, which no CPU-owned thing is: carriers are foreign
 * threads that must sleep, and the call they make costs microseconds anyway.
 */
#include "machine/linux/hostcall.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/kassert.h"

#define CARRIER_MAX	(config_hard ? 2 : 16)	/* calls at one time */
#define CARRIER_STACK	(64 * 1024)
#define CARRIER_NAP_NS	2000000		/* between two tries */

enum carrier_state { C_NONE, C_LIVE, C_ENDED };

struct carrier {
	pthread_t	 c_thread;
	struct hostio	*c_io;		/* what it carries, or NULL */
	enum carrier_state c_state;
	int		 c_cancelled;	/* must end: a cancel may be pending */
};

/* (l:cp_lock) all of it. */
static struct {
	pthread_mutex_t	 cp_lock;
	pthread_cond_t	 cp_work;
	struct hostio	*cp_first;
	struct hostio	**cp_lastp;
	unsigned	 cp_queued;
	unsigned	 cp_parked;
	unsigned	 cp_cpus;	/* attached */
	int		 cp_stop;
	struct carrier	 cp_carrier[CARRIER_MAX];
} pool = {
	.cp_lock = PTHREAD_MUTEX_INITIALIZER,
	.cp_work = PTHREAD_COND_INITIALIZER,
	.cp_lastp = &pool.cp_first,
};

static void
lock(void)
{
	int error = pthread_mutex_lock(&pool.cp_lock);

	KASSERTF(error == 0, "errno %d", error);
}

static void
unlock(void)
{
	int error = pthread_mutex_unlock(&pool.cp_lock);

	KASSERTF(error == 0, "errno %d", error);
}

/* Give it back to its CPU and see that the CPU looks. */
static void
finish(struct hostio *io, int64_t r)
{
	struct mcpu *mc = io->io_mc;
	struct iocommon *ic = io_common(mc->mc_host);
	uintptr_t head;

	io->io_result = r;
	head = atomic_load_ptr(&ic->ic_remote);
	do {
		io->io_next = (struct hostio *)head;
		/* Publishes the result; pairs with hostcall.c:take_remote. */
	} while (!atomic_fcmpset_ptr(&ic->ic_remote, &head, (uintptr_t)io));
	if (atomic_fetchor_32(&mc->mc_reqflags, RQF_INTPEND) & RQF_SLEEPING)
		machine_doorbell(mc);
}

static void
nap(void)
{
	struct timespec ts = { 0, CARRIER_NAP_NS };

	(void)nanosleep(&ts, NULL);
}

static void *carrier_main(void *arg);

/* A place for one more, or NULL. */
static struct carrier *
free_place(void)
{
	for (int i = 0; i < CARRIER_MAX; i++)
		if (pool.cp_carrier[i].c_state == C_NONE)
			return &pool.cp_carrier[i];
	return NULL;
}

static unsigned
count_live(void)
{
	unsigned n = 0;

	for (int i = 0; i < CARRIER_MAX; i++)
		n += pool.cp_carrier[i].c_state == C_LIVE;
	return n;
}

/* One more, if there is a place and the host lets us. */
static int
grow(void)
{
	struct carrier *c = free_place();
	int error;

	if (c == NULL)
		return EAGAIN;
	c->c_cancelled = 0;
	error = machine_fail("carrier.create") ? EAGAIN :
	    lwkt__helper_create(&c->c_thread, CARRIER_STACK, carrier_main, c);
	if (error == 0)
		c->c_state = C_LIVE;
	return error;
}

/*
 * The calling carrier's last act, pool locked.  One that had to end leaves its
 * place to another, which the queue may need; at the end of the pool it stays
 * to be joined.
 */
static void
ending(struct carrier *c)
{
	c->c_state = C_ENDED;
	if (pool.cp_stop)
		return;
	(void)pthread_detach(pthread_self());
	c->c_state = C_NONE;
	if (pool.cp_first != NULL)
		(void)grow();
}

/* Let go of it, then tell its CPU: afterwards its storage may be gone. */
static void
put_down(struct carrier *c, int64_t r)
{
	struct hostio *io = c->c_io;

	lock();
	c->c_io = NULL;				/* P3 */
	unlock();
	finish(io, r);
}

/* The cancelled open never returned. */
static void
open_cancelled(void *arg)
{
	struct carrier *c = arg;

	put_down(c, -ECANCELED);
	lock();
	ending(c);
	unlock();
}

static int64_t
block(struct carrier *c)
{
	int64_t r;
	int state;

	if (c->c_io->io_op != HIO_OPENAT)
		return hostcall_block(c->c_io);
	pthread_cleanup_push(open_cancelled, c);
	(void)pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	r = hostcall_block(c->c_io);
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_cleanup_pop(0);
	return r;
}

static void
carry(struct carrier *c)
{
	struct hostio *io = c->c_io;
	int64_t r;

	for (;;) {
		r = block(c);
		if (r != -EAGAIN && r != -EINTR)
			break;
		if (atomic_load_32(&io->io_cancelled)) {
			r = hostcall_total(io, -ECANCELED);
			break;
		}
		if (r == -EAGAIN)
			nap();
	}
	put_down(c, r);
}

static void
unqueue(struct hostio *io)
{
	*io->io_prevp = io->io_next;
	if (io->io_next != NULL)
		io->io_next->io_prevp = io->io_prevp;
	else
		pool.cp_lastp = io->io_prevp;
	io->io_prevp = NULL;
	pool.cp_queued--;
}

static void *
carrier_main(void *arg)
{
	struct carrier *c = arg;
	struct hostio *io;
	int state;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	(void)pthread_setname_np(pthread_self(), "lwkt-carrier");
	lock();
	while (!pool.cp_stop && !c->c_cancelled) {
		if ((io = pool.cp_first) == NULL) {
			pool.cp_parked++;
			pthread_cond_wait(&pool.cp_work, &pool.cp_lock);
			pool.cp_parked--;
			continue;
		}
		unqueue(io);			/* P2 */
		c->c_io = io;
		unlock();
		carry(c);
		lock();
	}
	ending(c);
	unlock();
	return NULL;
}

void
carrier_submit(struct machine_host *h, struct hostio *io)
{
	struct iocommon *ic = io_common(h);
	int error = 0;

	io->io_mc = h->h_mc;
	io->io_state |= HIOS_CARRIER;
	ic->ic_carried++;
	ic->ic_stats.his_carried++;
	lock();
	io->io_next = NULL;
	io->io_prevp = pool.cp_lastp;
	*pool.cp_lastp = io;
	pool.cp_lastp = &io->io_next;
	pool.cp_queued++;
	if (pool.cp_queued > pool.cp_parked)
		error = grow();
	if (error != 0 && count_live() == 0)
		unqueue(io);		/* nobody would ever come for it */
	else
		error = 0;
	(void)pthread_cond_signal(&pool.cp_work);
	unlock();
	if (error != 0)
		iocommon_done(h, io, -error);
}

/* End it if that can be done; 1: it was on the queue and is the caller's. */
static int
cancel_locked(struct hostio *io)
{
	struct carrier *c;

	atomic_store_32(&io->io_cancelled, 1);
	if (io->io_prevp != NULL) {		/* P1 */
		unqueue(io);
		return 1;
	}
	for (int i = 0; i < CARRIER_MAX; i++) {
		c = &pool.cp_carrier[i];
		if (c->c_io == io && io->io_op == HIO_OPENAT &&
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

	lock();
	mine = cancel_locked(io);
	unlock();
	if (mine)
		iocommon_done(h, io, hostcall_total(io, -ECANCELED));
}

/* End all that this CPU gave away; afterwards nobody touches its memory. */
static void
drain(struct machine_host *h)
{
	struct iocommon *ic = io_common(h);
	struct hostio *io, *next;
	struct carrier *c;

	lock();
	for (io = pool.cp_first; io != NULL; io = next) {
		next = io->io_next;
		if (io->io_mc == h->h_mc && cancel_locked(io))
			ic->ic_carried--;
	}
	for (int i = 0; i < CARRIER_MAX; i++) {
		c = &pool.cp_carrier[i];
		if (c->c_io != NULL && c->c_io->io_mc == h->h_mc)
			(void)cancel_locked(c->c_io);
	}
	unlock();
	for (; ic->ic_carried > iocommon_carried(ic); nap())
		continue;
}

void
carrier_attach(void)
{
	lock();
	pool.cp_cpus++;
	unlock();
}

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
	(void)pthread_cond_broadcast(&pool.cp_work);
	unlock();
	if (!last)
		return;
	for (int i = 0; i < CARRIER_MAX; i++) {
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
