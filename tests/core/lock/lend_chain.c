/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of lent priority end: on a chain of holders that is too long a fall
 * is cut, and a cycle of holders does not pass changes on for ever.
 */
#include "core/lock/lend_locks.h"

#define HOPS	LEND_HOPS
#define LINKS	LOCKS		/* threads in a chain that is too long */

/* Two threads each hold what the other wants, and two more lend to them. */
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
	for (; i >= 0; i--)		/* in the order of the change */
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
	static const struct sim_scenario unlocked = {
		.ss_name = "a holder unlocks as a fall is cut",
		.ss_body = cut_and_unlocked, .ss_seeds = 20, .ss_ncpus = 2,
	}, two_lengths = {
		.ss_name = "a short chain comes as a fall is cut",
		.ss_body = cut_and_short, .ss_seeds = 400, .ss_ncpus = 2,
	};

	sim_explore("a cycle of holders ends", cycle, NULL, 200);
	sim_explore("a chain that is too long", long_chain, NULL, 20);
	sim_explore_with(&unlocked);
	sim_explore_with(&two_lengths);
	return tap_done();
}
