/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Priority that is lent to the holders of locks: through chains, over CPUs,
 * undone exactly.
 */
#include <lwkt/sync.h>

#include "core/lock/lend.h"
#include "core/util.h"
#include "kern/lock/lend_var.h"

#define MANY	8		/* threads, and a lock for each */
#define HOPS	64		/* LEND_HOPS of lend.c */
#define LINKS	(HOPS + 6)	/* threads in a chain that is too long */
#define FAR	TIMES(100000000, 100000)

/* Every other lock is a mtx. */
static struct lwkt_mutex mutex[LINKS];
static struct lwkt_mtx mtx[LINKS];
static struct lwkt_sem gate;
static uint32_t ready, done, stop, gave_up;	/* atomic */

static const int pri_of[] = { 4, 6, 10, 12, 14, 16, 20, 24 };

static void
fresh(void)
{
	int i;

	for (i = 0; i < LINKS; i++) {
		lwkt_mutex_init(&mutex[i], "mutex");
		lwkt_mtx_init(&mtx[i], "mtx");
	}
	lwkt_sem_init(&gate, 0, "gate");
	ready = done = stop = gave_up = 0;
}

/* 0, or EWOULDBLOCK. */
static int
lock(int i, int64_t timeout_ns)
{
	return i % 2 ? lwkt_mtx_lock_ex(&mtx[i], 0, timeout_ns) :
	    lwkt_mutex_timedlock(&mutex[i], timeout_ns);
}

static void
unlock(int i)
{
	if (i % 2)
		lwkt_mtx_unlock(&mtx[i]);
	else
		lwkt_mutex_unlock(&mutex[i]);
}

static unsigned
waiters(int i)
{
	return i % 2 ? mtx_waiters(&mtx[i]) : park_count(&mutex[i]);
}

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

/* How many wait for that lock; -1: for the gate. */
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

/* What a thread of the forest must have: the best of its subtree. */
static int
wants(int i)
{
	int j, pri = node[i].n_pri;

	for (j = i + 1; j < MANY; j++)
		if (node[j].n_wants == i && wants(j) > pri)
			pri = wants(j);
	return pri;
}

/* Threads of the forest that have not what they must have. */
static int
wrong(void)
{
	int i, n = 0;

	for (i = 0; i < MANY; i++)
		n += get_pri(node[i].n_td) != wants(i);
	return n;
}

/* Soon: messages are under way. */
static void
look(const char *when, uint32_t gone)
{
	int i, tries = TIMES(2000, 20);

	while (wrong() > 0 && tries-- > 0)
		lwkt_sleep_ns(100000);
	if (LOAD(gave_up) != gone)
		return;		/* it is no more what it was */
	for (i = 0; i < MANY; i++)
		check(get_pri(node[i].n_td) == wants(i), "%s: thread %d "
		    "has %d and should have %d (own %d)", when, i,
		    get_pri(node[i].n_td), wants(i), node[i].n_pri);
}

/* One that waits with a timeout has given up: it waits for the gate. */
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

/* A middling thread computes; the low one has what the high one needs. */
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

/* Locks in order, in a random program; at its end what was lent is gone. */
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

/* The holder itself becomes worse, after it has passed an equal waiter. */
static void
waits_for_0(void *arg)
{
	(void)arg;
	(void)lock(0, LWKT_FOREVER);
	unlock(0);
	ADD(done, 1);
}

static int
holder_is_lowered(void *arg)
{
	lwkt_thread_t self = lwkt_self(), td[3];
	int i;

	(void)arg;
	fresh();
	(void)lock(0, LWKT_FOREVER);
	for (i = 0; i < 3; i++) {
		td[i] = spawn_on(lwkt_cpuid(), waits_for_0, NULL);
		while (waiters(0) != (unsigned)i + 1)
			lwkt_yield();
	}
	unlock(0);		/* notifies one, which must run first */
	check(waiters(0) == 2, "%u wait", waiters(0));
	(void)lock(0, 0);	/* but we come by, as good as the others */
	check(lwkt_mutex_owned(&mutex[0]), "not free");
	check(self->td_lent == 0, "lent %d", self->td_lent);
	lwkt_setpri_self(LWKT_PRI_USER_NORM);
	check(lwkt_getpri(self) == LWKT_PRI_KERN_DAEMON, "lowered to %d",
	    lwkt_getpri(self));
	lwkt_setpri_self(LWKT_PRI_SOFT_NORM);
	check(lwkt_getpri(self) == LWKT_PRI_SOFT_NORM, "raised to %d",
	    lwkt_getpri(self));
	lwkt_setpri_self(LWKT_PRI_USER_NORM);
	unlock(0);
	check(lwkt_getpri(self) == LWKT_PRI_USER_NORM, "left with %d",
	    lwkt_getpri(self));
	join_all(td, 3);
	check(done == 3, "%u had it", done);
	return 0;
}

/* A notified waiter whose priority falls passes the mutex on. */
static int
notified_and_lowered(void *arg)
{
	lwkt_thread_t td[2];
	int i;

	(void)arg;
	fresh();
	(void)lock(0, LWKT_FOREVER);
	for (i = 0; i < 2; i++) {
		td[i] = spawn_on(lwkt_cpuid(), waits_for_0, NULL);
		while (waiters(0) != (unsigned)i + 1)
			lwkt_yield();
	}
	unlock(0);
	check(waiters(0) == 1, "%u wait", waiters(0));
	lwkt_setpri(td[0], LWKT_PRI_USER_NORM);
	check(waiters(0) == 0, "sleeps on a free mutex");
	join_all(td, 2);
	return 0;
}

/* Two hold what the other wants, and a third lends to both: it ends. */
static void
in_a_cycle(void *arg)
{
	int i = (int)(uintptr_t)arg;

	(void)lock(i, LWKT_FOREVER);
	ADD(ready, 1);
	while (LOAD(ready) < 2)
		lwkt_sleep_ns(1000);
	if (lock(1 - i, 50 * MS) == 0)
		unlock(1 - i);
	unlock(i);
	while (lend_busy(lwkt_self()))
		lwkt_yield();
	check(lwkt_getpri(lwkt_self()) == LWKT_PRI_KERN_DAEMON, "left with %d",
	    lwkt_getpri(lwkt_self()));
}

static void
lends_to_a_cycle(void *arg)
{
	int i = (int)(uintptr_t)arg % 2, n;

	while (LOAD(ready) < 2)
		lwkt_sleep_ns(1000);
	for (n = 0; n < 4; n++)
		if (lock(i, 2000) == 0)
			unlock(i);
	(void)lock(i, LWKT_FOREVER);
	unlock(i);
}

static int
cycle(void *arg)
{
	lwkt_thread_t td[4];
	int i;

	(void)arg;
	fresh();
	for (i = 0; i < 2; i++)
		td[i] = spawn_on(i, in_a_cycle, (void *)(uintptr_t)i);
	for (; i < 4; i++)
		td[i] = spawn_pri(lends_to_a_cycle, (void *)(uintptr_t)i,
		    LWKT_PRI_SOFT_NORM + i, 0, i % lwkt_ncpus());
	join_all(td, 4);
	return 0;
}

/* At any moment: it has what is counted, or a change is under way. */
static void
has_what_is_counted(void)
{
	lwkt_crit_enter();
	lend_check(lwkt_self());
	lwkt_crit_exit();
}

/* Lends and gives up, many times; then waits. */
static void
lends_often(void *arg)
{
	int i;

	for (i = 0; i < 10; i++)
		if (lock((int)(uintptr_t)arg, 500) == 0)
			check(0, "nobody has it");
	ADD(done, 1);
	high(arg);
}

/* A holder to which two lend at once; perhaps it moves meanwhile. */
static void
moves(void *arg)
{
	int i, most = (int)(uintptr_t)arg;

	(void)lock(0, LWKT_FOREVER);
	(void)lock(1, LWKT_FOREVER);
	STORE(ready, 1);
	for (i = 0; i < most; i++)
		lwkt_migratecpu(i % lwkt_ncpus());
	while (!LOAD(stop)) {
		lwkt_sleep_ns(300);
		has_what_is_counted();
	}
	while (lend_busy(lwkt_self()))
		lwkt_yield();
	check(lwkt_getpri(lwkt_self()) == LWKT_PRI_SOFT_TIMER, "has %d",
	    lwkt_getpri(lwkt_self()));
	unlock(1);
	unlock(0);
	while (lend_busy(lwkt_self()))
		lwkt_yield();
	check(lwkt_getpri(lwkt_self()) == LWKT_PRI_KERN_DAEMON, "left with %d",
	    lwkt_getpri(lwkt_self()));
}

static int
two_lend_at_once(void *arg)
{
	lwkt_thread_t td[3];
	int i;

	fresh();
	lwkt_setpri_self(LWKT_PRI_MAX);
	td[2] = spawn_on(0, moves, arg);
	while (!LOAD(ready))
		lwkt_sleep_ns(1000);
	for (i = 0; i < 2; i++)
		td[i] = spawn_pri(lends_often, (void *)(uintptr_t)i,
		    LWKT_PRI_SOFT_NORM + 2 * i, 0, (i + 1) % lwkt_ncpus());
	while (LOAD(done) != 2)
		lwkt_sleep_ns(1000);
	while (waiters(0) != 1 || waiters(1) != 1)
		lwkt_sleep_ns(1000);
	STORE(stop, 1);
	join_all(td, 3);
	return 0;
}

/*
 * A chain: thread i holds lock i and waits for lock i - 1; thread 0 waits for
 * the gate.  A change of the last thread's priority passes through all.
 */
#define LOW	LWKT_PRI_USER_IDLE

static lwkt_thread_t chain[LINKS];
static uint32_t deaf;			/* thread 0 serves no messages */

/*
 * Thread 0 unlocks while the message about the fall that is to be cut is on its
 * way: the fall of the unlock and this one are applied at once.
 */
static void
unlock_in_the_way(int i)
{
	lwkt_thread_t self = lwkt_self();

	lwkt_crit_enter();
	STORE(deaf, 2);
	await_deaf(&self->td_mpflags, TDF_MP_LEND);
	unlock(i);
	lwkt_crit_exit();
}

static void
in_a_chain(void *arg)
{
	int i = (int)(uintptr_t)arg;

	(void)lock(i, LWKT_FOREVER);
	ADD(ready, 1);
	if (i > 0) {
		(void)lock(i - 1, LWKT_FOREVER);
		unlock(i - 1);
	} else {
		(void)lwkt_sem_wait(&gate, LWKT_FOREVER);
	}
	if (i == 0 && LOAD(deaf) != 0)
		unlock_in_the_way(i);
	else
		unlock(i);
	while (lend_busy(lwkt_self()))
		lwkt_yield();
	check(lwkt_getpri(lwkt_self()) == LOW, "thread %d ends with "
	    "priority %d", i, lwkt_getpri(lwkt_self()));
}

/* apart: thread 0 is alone on CPU 0, and the others are on CPU 1. */
static void
chain_up(int n, int apart)
{
	int i;

	fresh();
	lwkt_setpri_self(LWKT_PRI_MAX);
	deaf = 0;
	for (i = 0; i < n; i++) {
		chain[i] = spawn_pri(in_a_chain, (void *)(uintptr_t)i, LOW, 0,
		    apart ? i > 0 : i % lwkt_ncpus());
		while (LOAD(ready) <= (uint32_t)i)
			lwkt_sleep_ns(1000);
		while (i > 0 && waiters(i - 1) == 0)
			lwkt_sleep_ns(1000);
	}
}

/* Await the end of changes that began at thread i. */
static void
chain_quiet(int i)
{
	for (; i >= 0; i--)		/* the way that the change goes */
		while (lend_busy(chain[i]))
			lwkt_sleep_ns(1000);
}

static void
chain_set(int i, int pri)
{
	set_pri(chain[i], pri);
	chain_quiet(i);
}

/* Check that threads first to last have priority pri. */
static void
chain_has(int first, int last, int pri)
{
	int i;

	for (i = first; i <= last; i++)
		check(get_pri(chain[i]) == pri, "thread %d has %d, not %d", i,
		    get_pri(chain[i]), pri);
}

static int
long_chain(void *arg)
{
	int last = LINKS - 1, cut = last - 2 - HOPS;

	(void)arg;
	chain_up(LINKS, 0);
	chain_set(last, 20);
	chain_has(0, last, 20);
	check(counter("lwkt.lend_cut") == 0, "a raise is cut");
	chain_set(last, 10);
	chain_has(cut + 1, last, 10);
	chain_has(0, cut, 20);
	check(counter("lwkt.lend_cut") > 0, "no fall is cut");
	chain_set(last, 14);		/* where it is cut, 20 is better */
	chain_has(cut + 1, last, 14);
	chain_has(0, cut, 20);
	chain_set(cut + 1, 16);		/* a short chain mends the rest */
	chain_has(0, cut + 1, 16);
	chain_set(cut + 1, LOW);
	chain_has(0, last, 14);
	chain_set(last, LOW);
	lwkt_sem_post(&gate, 1);
	join_all(chain, LINKS);
	return 0;
}

/* The holder where a fall would be cut unlocks at the same time. */
static int
cut_and_unlocked(void *arg)
{
	int last = HOPS + 2;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	lwkt_migratecpu(1);
	chain_up(last + 1, 1);
	chain_set(last, 20);
	STORE(deaf, 1);
	lwkt_sem_post(&gate, 1);
	await_deaf(&deaf, 2);
	lwkt_setpri(chain[last], LOW);
	join_all(chain, last + 1);
	return 0;
}

/* A fall that would be cut, and a lesser one by a short chain. */
static int
cut_and_short(void *arg)
{
	int last = HOPS + 2;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	lwkt_migratecpu(1);
	chain_up(last + 1, 1);
	chain_set(last, 20);
	lwkt_crit_enter();
	lwkt_setpri(chain[last], 10);
	lwkt_setpri(chain[1], 14);
	lwkt_crit_exit();
	chain_quiet(last);
	chain_has(0, 1, 14);
	chain_set(last, LOW);
	chain_set(1, LOW);
	lwkt_sem_post(&gate, 1);
	join_all(chain, last + 1);
	return 0;
}

int
main(void)
{
	static const struct sim_scenario at_once = {
		.ss_name = "two lend at the same time",
		.ss_body = two_lend_at_once, .ss_seeds = 400, .ss_ncpus = 3,
	}, unlocked = {
		.ss_name = "a holder unlocks as a fall is cut",
		.ss_body = cut_and_unlocked, .ss_seeds = 20, .ss_ncpus = 2,
	}, two_lengths = {
		.ss_name = "a short chain comes as a fall is cut",
		.ss_body = cut_and_short, .ss_seeds = 400, .ss_ncpus = 2,
	};

	sim_explore("each has the best priority of all that wait for it",
	    forest, NULL, 300);
	sim_explore("the best does not wait for a middling one", inversion,
	    NULL, 50);
	sim_explore("random programs: what was lent is given back",
	    random_programs, NULL, 300);
	sim_explore("a holder that becomes worse keeps what it is lent",
	    holder_is_lowered, NULL, 50);
	sim_explore("a notified waiter that becomes worse passes it on",
	    notified_and_lowered, NULL, 20);
	sim_explore("a cycle of holders ends", cycle, NULL, 200);
	sim_explore_with(&at_once);
	sim_explore("a holder may move meanwhile", two_lend_at_once,
	    (void *)12, 200);
	sim_explore("a chain that is too long", long_chain, NULL, 20);
	sim_explore_with(&unlocked);
	sim_explore_with(&two_lengths);
	return tap_done();
}
