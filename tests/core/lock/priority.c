/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is served first at a lock: by priority, then by arrival; and nobody is
 * kept out for ever.
 */
#include <lwkt/lock.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/sync.h>

#include "core/lock/lend.h"
#include "core/util.h"

#define WAITERS	6
/* Steps of a loop that must end long before. */
#define FAR	TIMES(100000000, 100000)
#define ROUNDS	TIMES(1000000, 1000)

enum kind { MUTEX, MTX, RWLOCK, LOCKMGR, SERIALIZER, SEM, COND, QUEUE, KINDS };

static struct lwkt_mutex mu;
static struct lwkt_mtx mtx;
static struct lwkt_rwlock rw;
static struct lwkt_lock lk;
static struct lwkt_serialize sz;
static struct lwkt_sem sem;
static struct lwkt_cond cv;
static struct lwkt_queue queue;
static void *slots[WAITERS];

static uint32_t served;			/* atomic */
static int order[WAITERS];		/* protected by what is tested */
static uint32_t running, done, stop;	/* atomic */

static void
fresh(void)
{
	lwkt_mutex_init(&mu, "mu");
	lwkt_mtx_init(&mtx, "mtx");
	lwkt_rwlock_init(&rw, "rw");
	lwkt_lockinit(&lk, "lk", 0, 0);
	lwkt_serialize_init(&sz);
	lwkt_sem_init(&sem, 0, "sem");
	lwkt_cond_init(&cv, "cv");
	lwkt_queue_init(&queue, slots, WAITERS, "queue");
	served = running = done = stop = 0;
}

/* Take the lock; the last three kinds: wait for a unit, a signal, an item. */
static void
take(enum kind kind)
{
	void *item;

	switch (kind) {
	case MUTEX:
		lwkt_mutex_lock(&mu);
		break;
	case MTX:
		lwkt_mtx_lock(&mtx);
		break;
	case RWLOCK:
		(void)lwkt_rwlock_write(&rw, LWKT_FOREVER);
		break;
	case LOCKMGR:
		(void)lwkt_lockmgr(&lk, LWKT_LK_EXCLUSIVE);
		break;
	case SERIALIZER:
		lwkt_serialize_enter(&sz);
		break;
	case SEM:
		(void)lwkt_sem_wait(&sem, LWKT_FOREVER);
		break;
	case COND:
		lwkt_mutex_lock(&mu);
		(void)lwkt_cond_wait(&cv, &mu, LWKT_FOREVER);
		break;
	default:
		(void)lwkt_queue_get(&queue, &item, LWKT_FOREVER);
		break;
	}
}

static void
give(enum kind kind)
{
	switch (kind) {
	case MUTEX:
	case COND:
		lwkt_mutex_unlock(&mu);
		break;
	case MTX:
		lwkt_mtx_unlock(&mtx);
		break;
	case RWLOCK:
		lwkt_rwlock_unlock(&rw);
		break;
	case LOCKMGR:
		(void)lwkt_lockmgr(&lk, LWKT_LK_RELEASE);
		break;
	case SERIALIZER:
		lwkt_serialize_exit(&sz);
		break;
	default:
		break;
	}
}

static unsigned
waiting(enum kind kind)
{
	switch (kind) {
	case MTX:
		return mtx_waiters(&mtx);
	case RWLOCK:
		return mtx_waiters(&rw.rw_mtx);
	case LOCKMGR:
		return lock_waiters(&lk);
	case MUTEX:
		return park_count(&mu);
	case SERIALIZER:
		return park_count(&sz);
	case SEM:
		return park_count(&sem);
	case COND:
		return park_count(&cv);
	default:
		return park_count(&queue.q_put);
	}
}

/* Asleep, so that lesser ones can run. */
static void
wait_for(enum kind kind, unsigned n)
{
	while (waiting(kind) != n)
		lwkt_sleep_ns(1000);
}

struct waiter {
	lwkt_thread_t	w_td;
	enum kind	w_kind;
	int		w_id;
	int		w_pri;
};

static void
waiter(void *arg)
{
	struct waiter *w = arg;

	take(w->w_kind);
	order[served] = w->w_id;
	ADD(served, 1);
	if (w->w_id % 2)
		lwkt_yield();
	give(w->w_kind);
}

/* They come one after the other; one that waits gets another priority. */
static void
gather(struct waiter *w, enum kind kind, struct rng *r)
{
	static const int pri[] = { 4, 6, 10, 12, 12, 14, 16, 20 };
	int i, moved;

	for (i = 0; i < WAITERS; i++) {
		w[i] = (struct waiter){ .w_kind = kind, .w_id = i,
		    .w_pri = pri[rng_below(r, 8)] };
		w[i].w_td = spawn_pri(waiter, &w[i], w[i].w_pri, 0,
		    (int)rng_below(r, (uint32_t)lwkt_ncpus()));
		wait_for(kind, (unsigned)i + 1);
	}
	moved = (int)rng_below(r, WAITERS);
	/* On its way to sleep it may not have noted the change yet. */
	while (!asleep(w[moved].w_td))
		lwkt_sleep_ns(1000);
	w[moved].w_pri = pri[rng_below(r, 8)];
	set_pri(w[moved].w_td, w[moved].w_pri);
}

/* The best that has not been served; equal ones by number. */
static int
best_of(const struct waiter *w, unsigned gone)
{
	int i, best = -1;

	for (i = 0; i < WAITERS; i++)
		if ((gone >> i & 1) == 0 &&
		    (best < 0 || w[i].w_pri > w[best].w_pri))
			best = i;
	return best;
}

/* Let them go, all at once or one by one as the kind has it. */
static void
release(enum kind kind)
{
	uint32_t i;

	if (kind < SEM) {
		give(kind);
		return;
	}
	for (i = 1; i <= WAITERS; i++) {
		if (kind == SEM)
			lwkt_sem_post(&sem, 1);
		else if (kind == COND)
			lwkt_cond_signal(&cv);
		else
			(void)lwkt_queue_put(&queue, &mu, LWKT_FOREVER);
		while (LOAD(served) < i)
			lwkt_sleep_ns(1000);
	}
}

static int
served_in_order(void *arg)
{
	enum kind kind = (enum kind)(uintptr_t)arg;
	struct rng r = run_rng();
	struct waiter w[WAITERS];
	unsigned gone = 0;
	int i;

	fresh();
	if (kind < SEM)
		take(kind);
	gather(w, kind, &r);
	release(kind);
	for (i = 0; i < WAITERS; i++)
		join(w[i].w_td);
	for (i = 0; i < WAITERS; i++) {
		check(order[i] == best_of(w, gone), "place %d has waiter %d of "
		    "priority %d, not %d of %d", i, order[i],
		    w[order[i]].w_pri, best_of(w, gone),
		    w[best_of(w, gone)].w_pri);
		gone |= 1u << order[i];
	}
	return 0;
}

/*
 * A better thread must not sleep on a free mutex because a worse was notified.
 */
static void
passes(void *arg)
{
	take((enum kind)(uintptr_t)arg);
	ADD(done, lwkt_getpri(lwkt_self()) == LWKT_PRI_SOFT_NORM);
	give((enum kind)(uintptr_t)arg);
}

static void
hog(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; LOAD(done) == 0 && i < FAR; i++) {
		lwkt_yield_quick();
		machine_pause(0);
	}
	check(i < FAR, "the better one does not get it");
}

static int
no_sleep_on_a_free_lock(void *arg)
{
	enum kind kind = (enum kind)(uintptr_t)arg;
	lwkt_thread_t td[3];

	fresh();
	take(kind);
	td[0] = spawn_pri(passes, arg, LWKT_PRI_USER_NORM, 0, lwkt_cpuid());
	wait_for(kind, 1);
	td[1] = spawn_pri(passes, arg, LWKT_PRI_SOFT_NORM, 0, lwkt_cpuid());
	wait_for(kind, 2);
	td[2] = spawn(hog, NULL, 0, lwkt_cpuid());
	check(counter("lwkt.mutex_handoffs") == 0, "a hand-over is counted");
	give(kind);
	check(counter("lwkt.mutex_handoffs") == (kind == MUTEX),
	    "a mutex was handed over, but not counted");
	join_all(td, 3);
	return 0;
}

/*
 * A notified waiter has not run yet, a second waiter is queued, and this thread
 * takes the lock first.  A better thread that comes then gets the lock before
 * both.
 */
static int
notified_is_not_in_the_way(void *arg)
{
	enum kind kind = (enum kind)(uintptr_t)arg;
	lwkt_thread_t td[4];
	unsigned i;

	fresh();
	take(kind);
	for (i = 0; i < 2; i++) {
		td[i] = spawn_pri(passes, arg, LWKT_PRI_USER_NORM, 0,
		    lwkt_cpuid());
		wait_for(kind, i + 1);
	}
	give(kind);
	check(waiting(kind) == 1, "%u wait", waiting(kind));
	take(kind);
	td[2] = spawn_pri(passes, arg, LWKT_PRI_SOFT_NORM, 0, lwkt_cpuid());
	while (waiting(kind) != 2)
		lwkt_yield();
	td[3] = spawn(hog, NULL, 0, lwkt_cpuid());
	give(kind);
	join_all(td, 4);
	return 0;
}

/*
 * One that comes by all the time, whenever it lets others run it has the lock:
 * an equal waiter gets it after a few rounds, a better one at once.
 */
static void
comes_by(void *arg)
{
	enum kind kind = (enum kind)(uintptr_t)arg;
	int i;

	for (i = 0; LOAD(done) == 0 && i < FAR; i++) {
		take(kind);
		STORE(running, 1);
		lwkt_yield();
		give(kind);
		machine_pause(0);
	}
	check(i < FAR, "the waiter does not get it");
}

static void
gets_it(void *arg)
{
	struct waiter *w = arg;

	while (!LOAD(running))
		lwkt_sleep_ns(1000);
	take(w->w_kind);
	STORE(done, 1);
	give(w->w_kind);
}

static int
not_passed_for_ever(void *arg)
{
	struct waiter w = { .w_kind = (enum kind)(uintptr_t)arg };
	lwkt_thread_t td[2];
	int better;

	for (better = 0; better < 2; better++) {
		fresh();
		td[0] = spawn(comes_by, arg, 0, 0);
		td[1] = spawn_pri(gets_it, &w, LWKT_PRI_KERN_DAEMON +
		    2 * better, 0, better ? lwkt_ncpus() - 1 : 0);
		join_all(td, 2);
	}
	return 0;
}

/*
 * Two kinds of holders that overlap, so that one of the first always waits:
 * the other has its turn all the same.
 */
static int
share(enum kind kind)
{
	if (kind == RWLOCK)
		return lwkt_rwlock_read(&rw, LWKT_FOREVER);
	if (kind == MTX)
		return lwkt_mtx_lock_sh(&mtx, 0, LWKT_FOREVER);
	return lwkt_lockmgr(&lk, LWKT_LK_SHARED);
}

struct crowd {
	enum kind	c_kind;
	int		c_share;	/* the crowd shares */
};

static void
one_of_a_crowd(void *arg)
{
	struct crowd *c = arg;
	int i;

	for (i = 0; !LOAD(stop) && i < ROUNDS; i++) {
		if (c->c_share)
			(void)share(c->c_kind);
		else
			take(c->c_kind);
		lwkt_sleep_ns(2000);
		give(c->c_kind);
	}
	check(i < ROUNDS, "the one has no turn");
}

static void
against_a_crowd(void *arg)
{
	struct crowd *c = arg;
	int i;

	for (i = 0; i < 6; i++) {
		if (c->c_share)
			take(c->c_kind);
		else
			(void)share(c->c_kind);
		give(c->c_kind);
		lwkt_sleep_ns(3000);
	}
	STORE(stop, 1);
}

static int
fair_both_ways(void *arg)
{
	struct crowd c = { .c_kind = (enum kind)(uintptr_t)arg };
	lwkt_thread_t td[4];

	for (c.c_share = 0; c.c_share < 2; c.c_share++) {
		fresh();
		td[0] = spawn_on(0, one_of_a_crowd, &c);
		td[1] = spawn_on(1, one_of_a_crowd, &c);
		td[2] = spawn_on(2, one_of_a_crowd, &c);
		td[3] = spawn_on(3, against_a_crowd, &c);
		join_all(td, 4);
	}
	return 0;
}

/* A reader that is better than the writer that waits does not wait for it. */
static void
reads(void *arg)
{
	(void)share((enum kind)(uintptr_t)arg);
	STORE(done, 1);
	give((enum kind)(uintptr_t)arg);
}

static int
better_reader(void *arg)
{
	enum kind kind = (enum kind)(uintptr_t)arg;
	struct waiter w = { .w_kind = kind };
	lwkt_thread_t td[3];

	fresh();
	(void)share(kind);
	td[0] = spawn_pri(waiter, &w, LWKT_PRI_KERN_DAEMON, 0, other_cpu());
	wait_for(kind, 1);
	td[1] = spawn_pri(reads, arg, LWKT_PRI_SOFT_NORM, 0, other_cpu());
	join(td[1]);
	check(LOAD(done) == 1, "waits for a lesser one");
	td[1] = spawn_pri(reads, arg, LWKT_PRI_KERN_USER, 0, other_cpu());
	wait_for(kind, 2);
	/* Now it is better, and may go in. */
	STORE(done, 0);
	set_pri(td[1], LWKT_PRI_SOFT_TIMER);
	join(td[1]);
	td[1] = spawn_pri(reads, arg, LWKT_PRI_KERN_USER, 0, other_cpu());
	wait_for(kind, 2);
	check(LOAD(served) == 0, "written beside a reader");
	give(kind);
	join_all(td, 2);
	return 0;
}

#define EACH(n, what, body, kind)					\
	sim_explore(what ": " #kind, body, (void *)(uintptr_t)kind, n)

int
main(void)
{
	EACH(200, "served by priority, then arrival", served_in_order, MUTEX);
	EACH(200, "served by priority, then arrival", served_in_order, MTX);
	EACH(50, "served by priority, then arrival", served_in_order, RWLOCK);
	EACH(200, "served by priority, then arrival", served_in_order,
	    LOCKMGR);
	EACH(200, "served by priority, then arrival", served_in_order,
	    SERIALIZER);
	EACH(200, "served by priority, then arrival", served_in_order, SEM);
	EACH(200, "served by priority, then arrival", served_in_order, COND);
	EACH(50, "served by priority, then arrival", served_in_order, QUEUE);
	EACH(20, "no sleep on a free lock", no_sleep_on_a_free_lock, MUTEX);
	EACH(20, "no sleep on a free lock", no_sleep_on_a_free_lock, MTX);
	EACH(20, "no sleep on a free lock", no_sleep_on_a_free_lock,
	    SERIALIZER);
	EACH(20, "a notified waiter is not in the way",
	    notified_is_not_in_the_way, MUTEX);
	EACH(20, "a notified waiter is not in the way",
	    notified_is_not_in_the_way, SERIALIZER);
	EACH(100, "not passed for ever", not_passed_for_ever, MUTEX);
	EACH(100, "not passed for ever", not_passed_for_ever, SERIALIZER);
	EACH(100, "fair both ways", fair_both_ways, RWLOCK);
	EACH(50, "fair both ways", fair_both_ways, MTX);
	EACH(100, "fair both ways", fair_both_ways, LOCKMGR);
	EACH(100, "a better reader does not wait", better_reader, MTX);
	EACH(100, "a better reader does not wait", better_reader, LOCKMGR);
	EACH(100, "a better reader does not wait", better_reader, RWLOCK);
	return tap_done();
}
