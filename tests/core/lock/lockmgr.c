/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lockmgr: shared, exclusive, up and down, and every way not to get it.
 */
#include <lwkt/lock.h>

#include "core/holders.h"

#define THREADS	6
#define ROUNDS	8

static struct lwkt_lock lk;
static uint32_t stage;

static void
fresh(unsigned flags)
{
	lwkt_lockinit(&lk, "l", MS, flags);
	holders_fresh();
	stage = 0;
}

static void
get(unsigned flags)
{
	int error = lwkt_lockmgr(&lk, flags);

	check(error == 0, "flags %#x: error %d", flags, error);
}

static void
put(void)
{
	get(LWKT_LK_RELEASE);
}

static void
run_all(void (*fn)(void *), int n)
{
	fresh(LWKT_LK_CANRECURSE);
	run_threads(fn, n);
	check(lwkt_lockcount(&lk) == 0 && lk.lk_owner == NULL, "left %u",
	    lwkt_lockcount(&lk));
	check(lk.lk_ex == NULL && lk.lk_sh == NULL && lk.lk_upgrade == NULL,
	    "waiters are left");
	lwkt_lockuninit(&lk);
}

static void
write_owned(void)
{
	writer_in();
	check(lwkt_lockowned(&lk), "not the owner");
	writer_out();
}

static void
adder(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		get(LWKT_LK_EXCLUSIVE);
		write_owned();
		get(LWKT_LK_EXCLUSIVE);
		get(LWKT_LK_SHARED);
		check(lwkt_lockcount(&lk) == 3, "%u takings",
		    lwkt_lockcount(&lk));
		put();
		put();
		write_owned();
		put();
	}
}

static int
exclusive_excludes(void *arg)
{
	(void)arg;
	run_all(adder, THREADS);
	check(total == 2 * THREADS * ROUNDS, "total %ld", total);
	return 0;
}

/* Every way, with every way to fail. */
static void
upgrader(unsigned how)
{
	int error;

	get(LWKT_LK_SHARED);
	read_inside();
	error = lwkt_lockmgr(&lk, how);
	if (error != 0) {
		check(how != LWKT_LK_UPGRADE, "error %d", error);
		check(error == EBUSY || error == EWOULDBLOCK, "error %d",
		    error);
		return;
	}
	write_owned();
	get(LWKT_LK_DOWNGRADE);
	read_inside();
	put();
}

static void
perhaps(unsigned flags)
{
	int error = lwkt_lockmgr(&lk, flags);

	if (error == 0 && lwkt_lockstatus(&lk, lwkt_self()) ==
	    LWKT_LK_EXCLUSIVE)
		write_owned();
	else if (error == 0)
		read_inside();
	check(error == 0 || error == EBUSY || error == ENOLCK ||
	    error == EWOULDBLOCK, "flags %#x: error %d", flags, error);
	if (error == 0)
		put();
}

static void
mixer(void *arg)
{
	static const unsigned how[] = { 0, LWKT_LK_NOWAIT, LWKT_LK_SLEEPFAIL,
		LWKT_LK_TIMELOCK };
	static const unsigned up[] = { LWKT_LK_UPGRADE, LWKT_LK_EXCLUPGRADE,
		LWKT_LK_UPGRADE | LWKT_LK_NOWAIT,
		LWKT_LK_EXCLUPGRADE | LWKT_LK_TIMELOCK };
	struct rng r = { atomic_fetchadd_32(&stage, 1) };
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		switch (rng_below(&r, 3)) {
		case 0:
			perhaps(LWKT_LK_EXCLUSIVE | how[rng_below(&r, 4)]);
			break;
		case 1:
			perhaps(LWKT_LK_SHARED | how[rng_below(&r, 4)]);
			break;
		default:
			upgrader(up[rng_below(&r, 4)]);
		}
	}
}

static int
shared_shares(void *arg)
{
	(void)arg;
	run_all(mixer, THREADS);
	return 0;
}

static void
one_upgrade(void *arg)
{
	(void)arg;
	get(LWKT_LK_SHARED);
	ADD(stage, 1);
	while (LOAD(stage) < 2)
		lwkt_yield();
	get(LWKT_LK_UPGRADE);
	write_owned();
	put();
}

/* Both share it, both want to be alone: one of them lets go. */
static int
two_upgrades(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	fresh(0);
	td[0] = spawn_on(0, one_upgrade, NULL);
	td[1] = spawn_on(1, one_upgrade, NULL);
	join_all(td, 2);
	check(total == 2, "total %ld", total);
	return 0;
}

/* A request of another thread while this one holds the lock. */
struct ask {
	unsigned	a_flags;
	int		a_error;
};

static void
asker(void *arg)
{
	struct ask *a = arg;

	STORE(stage, 1);
	a->a_error = lwkt_lockmgr(&lk, a->a_flags);
	if (a->a_error == 0)
		put();
	STORE(stage, 2);
}

static int
ways_to_fail(void *arg)
{
	static const struct {
		unsigned	flags;
		int		error;
	} t[] = {
		{ LWKT_LK_EXCLUSIVE | LWKT_LK_NOWAIT, EBUSY },
		{ LWKT_LK_SHARED | LWKT_LK_NOWAIT, EBUSY },
		{ LWKT_LK_EXCLUSIVE | LWKT_LK_TIMELOCK, EWOULDBLOCK },
		{ LWKT_LK_SHARED | LWKT_LK_TIMELOCK, EWOULDBLOCK },
		{ LWKT_LK_EXCLUSIVE | LWKT_LK_PCATCH, EINTR },
		{ LWKT_LK_SHARED | LWKT_LK_PCATCH, EINTR },
		{ LWKT_LK_EXCLUSIVE | LWKT_LK_CANCELABLE, ENOLCK },
		{ LWKT_LK_SHARED | LWKT_LK_CANCELABLE, ENOLCK },
	};
	struct ask a;
	lwkt_thread_t td;
	unsigned i;

	(void)arg;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		fresh(0);
		get(LWKT_LK_EXCLUSIVE);
		check(lwkt_lockmgr_try(&lk, LWKT_LK_EXCLUSIVE) == EBUSY,
		    "taken again");
		a = (struct ask){ t[i].flags, -1 };
		td = spawn_on(lwkt_cpuid() + 1, asker, &a);
		await(&stage, 1);
		if (t[i].error == EINTR)
			lwkt_interrupt(td);
		if (t[i].error == ENOLCK)
			get(LWKT_LK_CANCEL_BEG);
		join(td);
		check(a.a_error == t[i].error, "case %u: error %d", i,
		    a.a_error);
		if (t[i].error == ENOLCK)
			get(LWKT_LK_CANCEL_END);
		put();
		check(lwkt_lockcount(&lk) == 0, "left");
	}
	return 0;
}

/* It slept, and had to say so although the lock is free. */
static int
sleepfail(void *arg)
{
	struct ask a = { LWKT_LK_EXCLUSIVE | LWKT_LK_SLEEPFAIL, -1 };
	struct ask b = { LWKT_LK_EXCLUSIVE, -1 };
	lwkt_thread_t td[2];

	(void)arg;
	fresh(0);
	get(LWKT_LK_EXCLUSIVE);
	td[0] = spawn_on(lwkt_cpuid(), asker, &a);
	td[1] = spawn_on(lwkt_cpuid(), asker, &b);
	settle(lwkt_cpuid(), LWKT_PRI_KERN_DAEMON);
	put();			/* wakes the first, who leaves it */
	join_all(td, 2);
	check(a.a_error == ENOLCK && b.a_error == 0, "errors %d, %d",
	    a.a_error, b.a_error);
	return 0;
}

static void
gives_up(void *arg)
{
	(void)arg;
	check(lwkt_lockmgr(&lk, LWKT_LK_EXCLUSIVE | LWKT_LK_TIMELOCK) ==
	    EWOULDBLOCK, "not timed out");
}

static void
sharer(void *arg)
{
	(void)arg;
	get(LWKT_LK_SHARED);
	ADD(stage, 1);
	lwkt_wakeup(&stage);
	put();
}

static int
giving_up_lets_sharers_in(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	fresh(0);
	get(LWKT_LK_SHARED);
	td[0] = spawn_on(lwkt_cpuid(), gives_up, NULL);
	lwkt_yield();
	td[1] = spawn_on(lwkt_cpuid() + 1, sharer, NULL);
	await_asleep(&stage, 1);
	put();
	join_all(td, 2);
	return 0;
}

static void
status_of_other(void *arg)
{
	(void)arg;
	check(lwkt_lockstatus(&lk, lwkt_self()) == LWKT_LK_EXCLOTHER,
	    "another's");
	check(lwkt_lockstatus(&lk, NULL) == LWKT_LK_EXCLUSIVE, "anybody's");
	check(!lwkt_lockowned(&lk), "owned");
}

static int
status(void *arg)
{
	(void)arg;
	fresh(0);
	check(lwkt_lockstatus(&lk, lwkt_self()) == 0, "free");
	get(LWKT_LK_EXCLUSIVE);
	check(lwkt_lockstatus(&lk, lwkt_self()) == LWKT_LK_EXCLUSIVE, "mine");
	join(spawn_on(1, status_of_other, NULL));
	get(LWKT_LK_UPGRADE);
	check(lwkt_lockcount(&lk) == 1, "an upgrade of nothing counts");
	get(LWKT_LK_DOWNGRADE);
	check(lwkt_lockstatus(&lk, lwkt_self()) == LWKT_LK_SHARED, "shared");
	get(LWKT_LK_EXCLUPGRADE);
	check(lwkt_lockowned(&lk), "not upgraded");
	put();
	return 0;
}

static int
stranger_body(void *arg)
{
	(void)arg;
	fresh(0);
	put();
	return 0;
}

static int
again_body(void *arg)
{
	(void)arg;
	fresh(0);
	get(LWKT_LK_EXCLUSIVE);
	get(LWKT_LK_EXCLUSIVE);
	return 0;
}

static int
downgrade_body(void *arg)
{
	(void)arg;
	fresh(0);
	get(LWKT_LK_DOWNGRADE);
	return 0;
}

static int
uninit_body(void *arg)
{
	(void)arg;
	fresh(0);
	get(LWKT_LK_SHARED);
	lwkt_lockuninit(&lk);
	return 0;
}

int
main(void)
{
	panics("releasing what is not held panics", stranger_body,
	    "lock \"l\" is released, though not held,");
	panics("taking it again without leave panics", again_body,
	    "lock \"l\" is taken again");
	panics("downgrading what is not owned panics", downgrade_body,
	    "is downgraded, though not held exclusively,");
	panics("uninit of a held lock panics", uninit_body, "is still held");
	sim_explore("an exclusive lock excludes, also when taken again",
	    exclusive_excludes, NULL, 200);
	sim_explore("shared holders share, whoever gives up or upgrades",
	    shared_shares, NULL, 500);
	sim_explore("of two upgrades one lets go", two_upgrades, NULL, 200);
	sim_explore("every way to fail, by its error", ways_to_fail, NULL,
	    200);
	sim_explore("who was woken and leaves wakes the next", sleepfail, NULL,
	    200);
	sim_explore("a writer that gives up lets readers in",
	    giving_up_lets_sharers_in, NULL, 200);
	sim_explore("what a lock says of itself", status, NULL, 50);
	return tap_done();
}
