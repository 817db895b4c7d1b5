/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bounded queue: each item arrives once, in order, whoever puts and gets;
 * waiters, time limits, closing; the queue may be freed when it has served.
 */
#include <lwkt/sync.h>
#include <lwkt/systimer.h>

#include "core/util.h"
#include "kern/lock/park_var.h"

#define MOST_SLOTS	8
#define ITEMS		TIMES(2000, 40)		/* of each putter */
#define PUTTERS		3
#define GETTERS		3

static struct lwkt_queue queue;
static void *slots[MOST_SLOTS];
static uint32_t putting, next_id, step;	/* atomic */
static uint32_t got[PUTTERS * 4096];	/* atomic: how often each item came */

static void
fresh(unsigned nslots)
{
	lwkt_queue_init(&queue, slots, nslots, "queue");
	STORE(step, 0);
	next_id = 0;
}

static void
put(uintptr_t v)
{
	int error = lwkt_queue_put(&queue, (void *)v, LWKT_FOREVER);

	check(error == 0, "put: error %d", error);
}

static void
get(uintptr_t want)
{
	void *p = NULL;
	int error = lwkt_queue_get(&queue, &p, LWKT_FOREVER);

	check(error == 0 && (uintptr_t)p == want, "error %d, item %llu instead "
	    "of %llu", error, (unsigned long long)(uintptr_t)p,
	    (unsigned long long)want);
}

/* Wait until n threads are asleep at the end that getters or putters use. */
static void
wait_for(const struct lwkt_queue_end *end, unsigned n)
{
	while (park_count(end) != n)
		lwkt_sleep_ns(1000);
}

/*
 * One putter, one getter.
 */
static void
puts_all(void *arg)
{
	uintptr_t i;

	(void)arg;
	for (i = 0; i < ITEMS; i++)
		put(i);
	lwkt_queue_close(&queue);
}

/* arg: the number of slots. */
static int
stream_body(void *arg)
{
	lwkt_thread_t td;
	uintptr_t i;
	void *p;

	fresh((unsigned)(uintptr_t)arg);
	td = spawn(puts_all, NULL, 0, other_cpu());
	for (i = 0; i < ITEMS; i++)
		get(i);
	check(lwkt_queue_get(&queue, &p, LWKT_FOREVER) == EPIPE, "the end");
	check(lwkt_queue_count(&queue) == 0, "it is empty");
	join(td);
	return 0;
}

/*
 * Many of both.
 */
static void
puts_its_own(uintptr_t id)
{
	uintptr_t i;

	for (i = 0; i < ITEMS; i++) {
		put(i * PUTTERS + id);
		if (i % 16 == 7)
			lwkt_yield();
	}
	if (ADD(putting, -1) == 0)
		lwkt_queue_close(&queue);
}

static void
gets_any(void)
{
	uintptr_t v, last[PUTTERS] = { 0 };
	void *p;
	int error;

	while ((error = lwkt_queue_get(&queue, &p, LWKT_FOREVER)) == 0) {
		v = (uintptr_t)p;
		check(v < PUTTERS * ITEMS && ADD(got[v], 1) == 1,
		    "item %llu came twice", (unsigned long long)v);
		check(v / PUTTERS >= last[v % PUTTERS], "out of order");
		last[v % PUTTERS] = v / PUTTERS;
	}
	check(error == EPIPE, "error %d", error);
}

static void
either(void *arg)
{
	uint32_t id = atomic_fetchadd_32(&next_id, 1);

	(void)arg;
	if (id < PUTTERS)
		puts_its_own(id);
	else
		gets_any();
}

static int
crowd_body(void *arg)
{
	uintptr_t i;

	fresh((unsigned)(uintptr_t)arg);
	memset(got, 0, sizeof(got));
	STORE(putting, PUTTERS);
	run_threads(either, PUTTERS + GETTERS);
	for (i = 0; i < PUTTERS * ITEMS; i++)
		check(got[i] == 1, "item %llu came %u times",
		    (unsigned long long)i, got[i]);
	return 0;
}

/*
 * Waiters.
 */

/* Put one's own number, when it is one's turn. */
static void
puts_arg(void *arg)
{
	put((uintptr_t)arg);
}

/* Items that wait for a slot get one by priority, then by arrival. */
static int
putters_in_order(void *arg)
{
	static const int pri[] = { 6, 12, 12, 20 };
	lwkt_thread_t td[nitems(pri)];
	uintptr_t i;

	(void)arg;
	fresh(1);
	put(100);
	for (i = 0; i < nitems(pri); i++) {
		td[i] = spawn_pri(puts_arg, (void *)i, pri[i], 0,
		    (int)i % lwkt_ncpus());
		wait_for(&queue.q_get, (unsigned)i + 1);
	}
	get(100);
	get(3);
	get(1);
	get(2);
	get(0);
	join_all(td, nitems(pri));
	return 0;
}

/* A getter that waits has its item, though another asks before it runs. */
static void
gets_seven(void *arg)
{
	(void)arg;
	get(7);
	STORE(step, 1);
}

static int
given_body(void *arg)
{
	lwkt_thread_t td;
	void *p;

	(void)arg;
	fresh(2);
	td = spawn(gets_seven, NULL, 0, other_cpu());
	wait_for(&queue.q_put, 1);
	put(7);
	put(8);
	check(lwkt_queue_get(&queue, &p, 0) == 0 && (uintptr_t)p == 8,
	    "the waiter's item was taken");
	join(td);
	check(LOAD(step) == 1, "it has none");
	return 0;
}

/* Time limits that end as the item, or the slot, comes: nothing is lost. */
static void
puts_late(void *arg)
{
	(void)arg;
	lwkt_sleep_ns(2000);
	put(1);
}

static void
gets_late(void *arg)
{
	(void)arg;
	lwkt_sleep_ns(2000);
	get(2);
}

/* Some attempts with a limit, then one without. */
static int64_t
limit(int attempt)
{
	return attempt < 4 ? 700 : LWKT_FOREVER;
}

static int
late_body(void *arg)
{
	lwkt_thread_t td;
	int error, i;
	void *p;

	(void)arg;
	fresh(1);
	td = spawn(puts_late, NULL, 0, other_cpu());
	for (i = 0, error = EWOULDBLOCK; error == EWOULDBLOCK; i++)
		error = lwkt_queue_get(&queue, &p, limit(i));
	check(error == 0 && (uintptr_t)p == 1, "error %d", error);
	join(td);
	put(2);
	td = spawn(gets_late, NULL, 0, other_cpu());
	for (i = 0, error = EWOULDBLOCK; error == EWOULDBLOCK; i++)
		error = lwkt_queue_put(&queue, (void *)3, limit(i));
	check(error == 0, "error %d", error);
	get(3);
	join(td);
	check(lwkt_queue_count(&queue) == 0, "%u are left",
	    lwkt_queue_count(&queue));
	return 0;
}

/* After the last waiter's time is over, its end is as if it had not come. */
static void
waits_a_while(void *arg)
{
	void *p;
	int error;

	error = arg != NULL ? lwkt_queue_put(&queue, arg, MS) :
	    lwkt_queue_get(&queue, &p, MS);
	check(error == EWOULDBLOCK, "error %d", error);
}

static int
limits_body(void *arg)
{
	lwkt_thread_t td[2];
	void *p;
	uintptr_t i;

	(void)arg;
	fresh(1);
	check(lwkt_queue_get(&queue, &p, 0) == EWOULDBLOCK, "empty");
	check(lwkt_queue_get(&queue, &p, -7) == EWOULDBLOCK, "empty");
	for (i = 0; i < 2; i++)
		td[i] = spawn_on((int)i, waits_a_while, NULL);
	join_all(td, 2);
	check(queue.q_put.qe_word == 0, "a bit is left");
	put(5);
	check(lwkt_queue_count(&queue) == 1, "count");
	check(lwkt_queue_put(&queue, &p, 0) == EWOULDBLOCK, "full");
	for (i = 0; i < 2; i++)
		td[i] = spawn_on((int)i, waits_a_while, &queue);
	join_all(td, 2);
	check(queue.q_get.qe_word == 0, "a bit is left");
	get(5);
	return 0;
}

/* Closing ends all waits; what is in the queue can still be got. */
static void
ends_by_close(void *arg)
{
	void *p;

	check((arg != NULL ? lwkt_queue_put(&queue, arg, LWKT_FOREVER) :
	    lwkt_queue_get(&queue, &p, LWKT_FOREVER)) == EPIPE, "not closed");
}

static int
close_body(void *arg)
{
	lwkt_thread_t td[3];
	void *p;
	int i, full;

	(void)arg;
	for (full = 0; full < 2; full++) {
		fresh(1);
		if (full)
			put(9);
		for (i = 0; i < 3; i++)
			td[i] = spawn_on(i, ends_by_close,
			    full ? &queue : NULL);
		wait_for(full ? &queue.q_get : &queue.q_put, 3);
		lwkt_queue_close(&queue);
		join_all(td, 3);
		lwkt_queue_close(&queue);
		check(lwkt_queue_put(&queue, &p, 0) == EPIPE, "put");
		if (full)
			get(9);
		check(lwkt_queue_get(&queue, &p, LWKT_FOREVER) == EPIPE, "end");
	}
	return 0;
}

/* Closing just before the wait: the waiter does not miss it. */
static void
closes(void *arg)
{
	(void)arg;
	lwkt_queue_close(&queue);
}

static int
close_races(void *arg)
{
	lwkt_thread_t td;
	void *p;

	(void)arg;
	fresh(1);
	td = spawn(closes, NULL, 0, other_cpu());
	check(lwkt_queue_get(&queue, &p, LWKT_FOREVER) == EPIPE, "get");
	join(td);
	return 0;
}

/*
 * Queues that are freed by the thread that was served.
 */
static void
puts_there(void *arg)
{
	check(lwkt_queue_put(arg, arg, LWKT_FOREVER) == 0, "put");
}

static void
gets_there(void *arg)
{
	void *p;

	check(lwkt_queue_get(arg, &p, LWKT_FOREVER) == 0, "get");
}

static void
closes_there(void *arg)
{
	lwkt_queue_close(arg);
}

/* i: what is done there while we wait, or just before. */
static void
on_a_stack(int i)
{
	void (*const fn[])(void *) = { puts_there, gets_there, closes_there };
	struct lwkt_queue mine;
	void *slot[1], *p;
	lwkt_thread_t td;
	int error;

	lwkt_queue_init(&mine, slot, 1, "mine");
	if (i == 1)
		check(lwkt_queue_put(&mine, &mine, 0) == 0, "one slot");
	td = spawn(fn[i], &mine, 0, other_cpu());
	error = i == 1 ? lwkt_queue_put(&mine, &mine, LWKT_FOREVER) :
	    lwkt_queue_get(&mine, &p, LWKT_FOREVER);
	check(error == (i == 2 ? EPIPE : 0), "error %d", error);
	memset(&mine, 0xa5, sizeof(mine));
	join(td);
	for (unsigned n = 0; n < sizeof(mine); n++)
		check(((unsigned char *)&mine)[n] == 0xa5, "touched");
}

static int
freed_body(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++)
		on_a_stack(i);
	return 0;
}

/*
 * Callbacks.
 */
static void
callback(struct lwkt_systimer *st, void *arg)
{
	void *p;

	(void)st;
	(void)arg;
	check(lwkt_queue_put(&queue, (void *)7, 0) == 0, "for the getter");
	check(lwkt_queue_put(&queue, (void *)8, 0) == 0, "there is room");
	check(lwkt_queue_put(&queue, (void *)9, 0) == EWOULDBLOCK, "full");
	check(lwkt_queue_get(&queue, &p, 0) == 0 && p == (void *)8, "get");
	check(lwkt_queue_get(&queue, &p, 0) == EWOULDBLOCK, "empty");
	lwkt_queue_close(&queue);
}

static int
callback_body(void *arg)
{
	struct lwkt_systimer st;
	lwkt_thread_t td;
	void *p;

	(void)arg;
	fresh(1);
	td = spawn(gets_seven, NULL, 0, other_cpu());
	wait_for(&queue.q_put, 1);
	lwkt_systimer_init_oneshot(&st, callback, NULL, 1000);
	join(td);
	check(lwkt_queue_get(&queue, &p, LWKT_FOREVER) == EPIPE, "closed");
	return 0;
}

static int
noslots_body(void *arg)
{
	(void)arg;
	fresh(0);
	return 0;
}

int
main(void)
{
	panics("a queue without slots panics", noslots_body, "has no slots");
	sim_explore("items arrive once, in order", stream_body, (void *)3,
	    100);
	sim_explore("many putters and getters", crowd_body, (void *)4, 100);
	/* No looks from here on: each wait is a sleep. */
	setenv("LWKT_TUNE", "lwkt.pipe_spin=0", 1);
	sim_explore("a stream of sleeps", stream_body, (void *)2, 200);
	sim_explore("through a single slot", stream_body, (void *)1, 200);
	sim_explore("many, asleep each time", crowd_body, (void *)1, 200);
	sim_explore("many, two slots", crowd_body, (void *)2, 200);
	sim_explore("putters are served by priority, then arrival",
	    putters_in_order, NULL, 100);
	sim_explore("a waiter's item is its own", given_body, NULL, 100);
	sim_explore("a time limit loses no item and no slot", late_body, NULL,
	    200);
	sim_explore("time limits, with nothing left behind", limits_body, NULL,
	    50);
	sim_explore("closing ends all waits", close_body, NULL, 50);
	sim_explore("a close just before the wait", close_races, NULL, 200);
	sim_explore("a queue is not touched after it has served", freed_body,
	    NULL, 400);
	sim_explore("callbacks put, get and close", callback_body, NULL, 50);
	return tap_done();
}
