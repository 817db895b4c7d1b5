/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Priority that is lent while its holder or a waiter changes: its own priority
 * is set, two waiters lend at once, the holder moves to another CPU.
 */
#include "core/lock/lend_locks.h"

/* The own priority of a holder falls, after it barged before equal waiters. */
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
	(void)lock(0, 0);	/* this thread barges */
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

/* Check LD2 of lend.c for the caller, at any moment. */
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
	(void)lock((int)(uintptr_t)arg, LWKT_FOREVER);
	unlock((int)(uintptr_t)arg);
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

int
main(void)
{
	static const struct sim_scenario at_once = {
		.ss_name = "two lend at the same time",
		.ss_body = two_lend_at_once, .ss_seeds = 400, .ss_ncpus = 3,
	};

	sim_explore("a holder that becomes worse keeps what it is lent",
	    holder_is_lowered, NULL, 50);
	sim_explore("a notified waiter that becomes worse passes it on",
	    notified_and_lowered, NULL, 20);
	sim_explore_with(&at_once);
	sim_explore("a holder may move meanwhile", two_lend_at_once,
	    (void *)12, 200);
	return tap_done();
}
