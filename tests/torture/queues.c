/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: queues between threads that move, sleep, give up and differ in
 * priority, and plain pthreads, on real CPUs.
 *
 * An item names its putter and its number.  Each getter sees the items of one
 * putter in their order; in the end as many were got as put, and their numbers
 * add up.
 */
#include <lwkt/sync.h>
#include <pthread.h>

#include "core/util.h"
#include "torture/torture.h"

#define QUEUES		3
#define PUTTERS		6	/* of each queue; the last one is a pthread */
#define GETTERS		4	/* of each queue; the last one is a pthread */
#define MOST		8	/* slots */
#define ALL		(QUEUES * (PUTTERS + GETTERS))

struct end {
	lwkt_thread_t	e_td;
	pthread_t	e_pth;
	int		e_queue;
	int		e_id;
	uint64_t	e_seed;
};

static struct lwkt_queue queues[QUEUES];
static void *slots[QUEUES][MOST];
static struct end putters[QUEUES][PUTTERS], getters[QUEUES][GETTERS];
static uint32_t putting[QUEUES], ended;		/* atomic */
static uint64_t put_n, put_sum, got_n, got_sum;	/* atomic */

/* Sometimes elsewhere, sometimes later, sometimes with another priority. */
static void
wander(struct rng *r)
{
	if (lwkt_self() == NULL)
		return;
	switch (rng_below(r, 60)) {
	case 0:
		lwkt_migratecpu((int)rng_below(r, (uint32_t)lwkt_ncpus()));
		break;
	case 1:
		lwkt_sleep_ns((int64_t)rng_below(r, 20000));
		break;
	case 2:
		lwkt_setpri_self(LWKT_PRI_USER_NORM + (int)rng_below(r, 4));
		break;
	case 3:
		lwkt_yield();
		break;
	}
}

/* A limit; a pthread has no other than these two. */
static int64_t
limit(struct rng *r)
{
	if (rng_below(r, 3) == 0)
		return lwkt_self() != NULL && rng_below(r, 2) ? 2000 : 0;
	return LWKT_FOREVER;
}

static void
put_all(struct end *e)
{
	struct lwkt_queue *q = &queues[e->e_queue];
	struct rng r = { e->e_seed };
	uint64_t n = 0;
	uintptr_t item;
	int error;

	while (!torture_over()) {
		item = (uintptr_t)(n + 1) * PUTTERS + (uintptr_t)e->e_id;
		error = lwkt_queue_put(q, (void *)item, limit(&r));
		check(error == 0 || error == EWOULDBLOCK, "put: %d", error);
		if (error == 0) {
			n++;
			ADD(put_n, 1);
			ADD(put_sum, item);
		} else if (lwkt_self() != NULL)
			lwkt_yield();
		wander(&r);
	}
	if (ADD(putting[e->e_queue], -1) == 0)
		lwkt_queue_close(q);
}

static void
get_all(struct end *e)
{
	struct lwkt_queue *q = &queues[e->e_queue];
	uintptr_t item, last[PUTTERS] = { 0 };
	struct rng r = { e->e_seed };
	int error;
	void *p;

	while ((error = lwkt_queue_get(q, &p, limit(&r))) != EPIPE) {
		if (error == 0) {
			item = (uintptr_t)p;
			check(item > last[item % PUTTERS], "out of order");
			last[item % PUTTERS] = item;
			ADD(got_n, 1);
			ADD(got_sum, item);
		} else if (lwkt_self() != NULL)
			lwkt_yield();
		wander(&r);
	}
}

static void
run_end(void *arg)
{
	struct end *e = arg;

	if (e->e_id < PUTTERS)
		put_all(e);
	else
		get_all(e);
	ADD(ended, 1);
}

static void *
as_pthread(void *arg)
{
	run_end(arg);
	return NULL;
}

static void
start(struct end *e, int queue, int id, struct rng *r)
{
	*e = (struct end){ .e_queue = queue, .e_id = id,
	    .e_seed = rng_next(r) };
	if (id != PUTTERS - 1 && id != PUTTERS + GETTERS - 1)
		e->e_td = spawn_on((int)rng_below(r, 8), run_end, e);
	else if (pthread_create(&e->e_pth, NULL, as_pthread, e) != 0)
		abort();
}

static void
finish(struct end *e)
{
	if (e->e_td != NULL)
		join(e->e_td);
	else
		pthread_join(e->e_pth, NULL);
}

static int
body(void *arg)
{
	struct rng r = { torture_seed };
	int i, j;

	(void)arg;
	for (i = 0; i < QUEUES; i++) {
		putting[i] = PUTTERS;
		lwkt_queue_init(&queues[i], slots[i], 1 +
		    (unsigned)rng_below(&r, MOST), "torture");
		for (j = 0; j < PUTTERS; j++)
			start(&putters[i][j], i, j, &r);
		for (j = 0; j < GETTERS; j++)
			start(&getters[i][j], i, PUTTERS + j, &r);
	}
	while (LOAD(ended) != ALL)	/* the CPUs must serve pthreads */
		lwkt_sleep_ns(MS);
	for (i = 0; i < QUEUES; i++) {
		for (j = 0; j < PUTTERS; j++)
			finish(&putters[i][j]);
		for (j = 0; j < GETTERS; j++)
			finish(&getters[i][j]);
		check(queues[i].q_get.qe_word % 8 == 0 &&
		    lwkt_queue_count(&queues[i]) == 0, "not at rest");
	}
	diag("%llu items, %lld sleeps", (unsigned long long)got_n,
	    (long long)counter("lwkt.queue_sleeps"));
	check(got_n > 0 && got_n == put_n && got_sum == put_sum,
	    "%llu put, %llu got", (unsigned long long)put_n,
	    (unsigned long long)got_n);
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "queues deliver each item once, in "
	    "order", body);
}
