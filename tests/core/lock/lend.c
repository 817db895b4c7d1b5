/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Priority that is lent to the holders of locks: each thread runs with the
 * best priority of all that wait for it, on any CPU, and what was lent is taken
 * back exactly.
 */
#include "core/lock/lend_locks.h"

#define MANY	8		/* threads, and a lock for each */
#define FAR	TIMES(100000000, 100000)

static const int pri_of[] = { 4, 6, 10, 12, 14, 16, 20, 24 };

static int
some_pri(struct rng *r)
{
	return pri_of[rng_below(r, sizeof(pri_of) / sizeof(pri_of[0]))];
}

/*
 * A forest: thread i holds lock i and waits for the lock of one with a lesser
 * number, or, a root, for the gate.
 */
struct node {
	lwkt_thread_t	n_td;
	int		n_id;
	int		n_pri;		/* its own */
	int		n_wants;	/* -1: the gate */
	int64_t		n_timeout;
};

static struct node node[MANY];

static void
in_a_forest(void *arg)
{
	struct node *n = arg;

	(void)lock(n->n_id, LWKT_FOREVER);
	ADD(ready, 1);
	if (n->n_wants < 0)
		(void)lwkt_sem_wait(&gate, LWKT_FOREVER);
	else if (lock(n->n_wants, n->n_timeout) == 0)
		unlock(n->n_wants);
	else {
		ADD(gave_up, 1);
		(void)lwkt_sem_wait(&gate, LWKT_FOREVER);
	}
	unlock(n->n_id);
	while (lend_busy(n->n_td))
		lwkt_yield();
	check(lwkt_getpri(n->n_td) == n->n_pri, "thread %d ends with priority "
	    "%d, its own is %d", n->n_id, lwkt_getpri(n->n_td), n->n_pri);
}

/* Return how many threads of the forest want that lock; -1: the gate. */
static unsigned
wanted(int lock)
{
	unsigned n = 0;
	int i;

	for (i = 0; i < MANY; i++)
		n += node[i].n_wants == lock;
	return n;
}

static void
plant(struct rng *r)
{
	int i, ncpus = lwkt_ncpus();

	for (i = 0; i < MANY; i++) {
		node[i] = (struct node){ .n_id = i, .n_pri = some_pri(r),
		    .n_timeout = LWKT_FOREVER,
		    .n_wants = (int)rng_below(r, (uint32_t)i + 1) - 1 };
		if (node[i].n_wants >= 0 && rng_below(r, 4) == 0)
			node[i].n_timeout = 100 * MS;
		node[i].n_td = spawn_pri(in_a_forest, &node[i],
		    node[i].n_pri, LWKT_NOSTART,
		    (int)rng_below(r, (uint32_t)ncpus));
		lwkt_schedule(node[i].n_td);
		while (LOAD(ready) <= (uint32_t)i)
			lwkt_sleep_ns(1000);
	}
	/* On a slow machine one may have given up already. */
	for (i = 0; i < MANY; i++)
		while (waiters(i) != wanted(i) && LOAD(gave_up) == 0)
			lwkt_sleep_ns(1000);
	while (park_count(&gate) != wanted(-1) && LOAD(gave_up) == 0)
		lwkt_sleep_ns(1000);
}

/* Return the priority that thread i must have: the best of its subtree. */
static int
wants(int i)
{
	int j, pri = node[i].n_pri;

	for (j = i + 1; j < MANY; j++)
		if (node[j].n_wants == i && wants(j) > pri)
			pri = wants(j);
	return pri;
}

/* Return how many threads of the forest have another priority than wants(). */
static int
wrong(void)
{
	int i, n = 0;

	for (i = 0; i < MANY; i++)
		n += get_pri(node[i].n_td) != wants(i);
	return n;
}

/* Check all priorities, after some tries: messages may be under way. */
static void
look(const char *when, uint32_t gone)
{
	int i, tries = TIMES(2000, 20);

	while (wrong() > 0 && tries-- > 0)
		lwkt_sleep_ns(100000);
	if (LOAD(gave_up) != gone)
		return;		/* a wait timed out: the forest has changed */
	for (i = 0; i < MANY; i++)
		check(get_pri(node[i].n_td) == wants(i), "%s: thread %d "
		    "has %d and should have %d (own %d)", when, i,
		    get_pri(node[i].n_td), wants(i), node[i].n_pri);
}

/* Every waiter with a timeout has given up by now, and waits for the gate. */
static void
wither(void)
{
	int i;

	for (i = 0; i < MANY; i++)
		if (node[i].n_timeout > 0)
			node[i].n_wants = -1;
}

static int
forest(void *arg)
{
	struct rng r = run_rng();
	int i, k;

	(void)arg;
	fresh();
	lwkt_setpri_self(LWKT_PRI_MAX);
	plant(&r);
	look("planted", 0);
	for (k = 0; k < 6; k++) {
		i = (int)rng_below(&r, MANY);
		node[i].n_pri = some_pri(&r);
		set_pri(node[i].n_td, node[i].n_pri);
		look("changed", 0);
	}
	wither();
	while (park_count(&gate) != wanted(-1))
		lwkt_sleep_ns(MS);
	look("withered", LOAD(gave_up));
	/* Root after root ends, and all that waits for it. */
	lwkt_sem_post(&gate, wanted(-1));
	for (i = 0; i < MANY; i++)
		join(node[i].n_td);
	return 0;
}

/* A middling thread computes while a low one holds what a high one needs. */
static void
low(void *arg)
{
	int i, which = (int)(uintptr_t)arg;

	(void)lock(which, LWKT_FOREVER);
	ADD(ready, 1);
	for (i = 0; i < 50; i++) {
		lwkt_yield_quick();
		machine_pause(0);
	}
	while (LOAD(ready) < 2)
		lwkt_sleep_ns(1000);
	unlock(which);
	check(lwkt_getpri(lwkt_self()) == LWKT_PRI_USER_NORM, "left with %d",
	    lwkt_getpri(lwkt_self()));
}

static void
middling(void *arg)
{
	int i;

	(void)arg;
	ADD(ready, 1);
	for (i = 0; !LOAD(done) && i < FAR; i++) {
		lwkt_yield_quick();
		machine_pause(0);
	}
	check(i < FAR, "the best thread waits for a middling one");
}

static void
high(void *arg)
{
	int which = (int)(uintptr_t)arg;

	(void)lock(which, LWKT_FOREVER);
	STORE(done, 1);
	unlock(which);
}

static int
inversion(void *arg)
{
	lwkt_thread_t td[3];
	int which;

	(void)arg;
	for (which = 0; which < 2; which++) {
		fresh();
		arg = (void *)(uintptr_t)which;
		td[0] = spawn_pri(low, arg, LWKT_PRI_USER_NORM, 0,
		    other_cpu());
		while (LOAD(ready) < 1)
			lwkt_sleep_ns(1000);
		td[1] = spawn_pri(middling, NULL, LWKT_PRI_KERN_USER, 0,
		    other_cpu());
		td[2] = spawn_pri(high, arg, LWKT_PRI_SOFT_TIMER, 0,
		    lwkt_cpuid());
		join_all(td, 3);
	}
	return 0;
}

/* A random program takes locks in order; after it, nothing is lent any more. */
static uint32_t holders[MANY];		/* atomic */

static void
random_program(void *arg)
{
	struct rng r = *(struct rng *)arg;
	lwkt_thread_t self = lwkt_self();
	unsigned has = 0, turns = 12;
	int i, pri = some_pri(&r);

	lwkt_setpri_self(pri);
	while (turns-- > 0) {
		for (i = 0; i < MANY; i++) {
			if (rng_below(&r, 3) != 0 || lock(i, rng_below(&r, 3) ?
			    LWKT_FOREVER : 500 * rng_below(&r, 20)) != 0)
				continue;
			has |= 1u << i;
			check(ADD(holders[i], 1) == 1, "not alone");
			if (rng_below(&r, 3) == 0)
				lwkt_yield();
			if (rng_below(&r, 4) == 0)
				lwkt_setpri_self(pri = some_pri(&r));
		}
		if (rng_below(&r, 3) == 0)
			lwkt_sleep_ns(1 + rng_below(&r, 3000));
		for (i = (int)rng_below(&r, MANY); has != 0;
		    i = (i + 1) % MANY) {
			if ((has >> i & 1) == 0)
				continue;
			has &= ~(1u << i);
			ADD(holders[i], -1);
			unlock(i);
		}
		while (lend_busy(self))
			lwkt_yield();
		check(lwkt_getpri(self) == pri && self->td_lent == 0,
		    "priority %d, its own is %d", lwkt_getpri(self), pri);
		lwkt_yield();
	}
	ADD(done, 1);
}

static int
random_programs(void *arg)
{
	struct rng r = run_rng(), seed[MANY];
	lwkt_thread_t td[MANY];
	int i;

	(void)arg;
	fresh();
	memset(holders, 0, sizeof(holders));
	for (i = 0; i < MANY; i++) {
		seed[i] = (struct rng){ rng_next(&r) };
		td[i] = spawn_on((int)rng_below(&r, 64), random_program,
		    &seed[i]);
	}
	join_all(td, MANY);
	for (i = 0; i < MANY; i++)
		check(mutex[i].mu_word == 0 && mutex[i].mu_lent == 0 &&
		    mtx[i].m_lock == 0 && mtx[i].m_lent == 0,
		    "lock %d: left", i);
	check(done == MANY, "%u ended", done);
	return 0;
}

int
main(void)
{
	sim_explore("each has the best priority of all that wait for it",
	    forest, NULL, 300);
	sim_explore("the best does not wait for a middling one", inversion,
	    NULL, 50);
	sim_explore("random programs: what was lent is given back",
	    random_programs, NULL, 300);
	return tap_done();
}
