/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping with a lock that is given back meanwhile: no wakeup is lost, and
 * the lock is held again afterwards, as it was.
 */
#include <lwkt/locksleep.h>

#include "core/util.h"

#define WORKERS	4
#define ROUNDS	TIMES(200, 10)

static struct lwkt_spin spin;
static struct lwkt_mtx mtx;
static struct lwkt_lock lock;
static struct lwkt_serialize slz;

static void
fresh(void)
{
	lwkt_spin_init(&spin, "s");
	lwkt_mtx_init(&mtx, "m");
	lwkt_lockinit(&lock, "l", 0, 0);
	lwkt_serialize_init(&slz);
}

static void
spin_take(void)
{
	lwkt_spin_lock(&spin);
}

static void
spin_drop(void)
{
	lwkt_spin_unlock(&spin);
}

static int
spin_held(void)
{
	return lwkt_spin_held(&spin);
}

static int
spin_sleep(const void *ident, int flags, int64_t timo)
{
	return lwkt_ssleep(ident, &spin, flags, "test", timo);
}

static void
mtx_take(void)
{
	lwkt_mtx_lock(&mtx);
}

static void
mtx_drop(void)
{
	lwkt_mtx_unlock(&mtx);
}

static int
mtx_held(void)
{
	return lwkt_mtx_owned(&mtx) && lwkt_mtx_lockrefs(&mtx) == 1;
}

static int
mtx_sleep(const void *ident, int flags, int64_t timo)
{
	return lwkt_mtxsleep(ident, &mtx, flags, "test", timo);
}

static void
lock_take(void)
{
	(void)lwkt_lockmgr(&lock, LWKT_LK_EXCLUSIVE);
}

static void
lock_drop(void)
{
	(void)lwkt_lockmgr(&lock, LWKT_LK_RELEASE);
}

static int
lock_held(void)
{
	return lwkt_lockowned(&lock);
}

static int
lock_sleep(const void *ident, int flags, int64_t timo)
{
	return lwkt_lksleep(ident, &lock, flags, "test", timo);
}

static void
slz_take(void)
{
	lwkt_serialize_enter(&slz);
}

static void
slz_drop(void)
{
	lwkt_serialize_exit(&slz);
}

static int
slz_held(void)
{
	return lwkt_serialize_held(&slz);
}

static int
slz_sleep(const void *ident, int flags, int64_t timo)
{
	return lwkt_zsleep(ident, &slz, flags, "test", timo);
}

static const struct kind {
	const char	*k_name;
	void		(*k_take)(void);
	void		(*k_drop)(void);
	int		(*k_held)(void);
	int		(*k_sleep)(const void *ident, int flags, int64_t timo);
} kinds[] = {
	{ "spinlock", spin_take, spin_drop, spin_held, spin_sleep },
	{ "mtx", mtx_take, mtx_drop, mtx_held, mtx_sleep },
	{ "lockmgr", lock_take, lock_drop, lock_held, lock_sleep },
	{ "serializer", slz_take, slz_drop, slz_held, slz_sleep },
};

/* A ring of workers: the one whose turn it is passes it on, under the lock. */
static const struct kind *kind;
static uint32_t turn, next_id;

static void
worker(void *arg)
{
	uint32_t me = ADD(next_id, 1) - 1;
	int i, error;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		kind->k_take();
		while (turn % WORKERS != me) {
			error = kind->k_sleep(&turn, 0, LWKT_FOREVER);
			check(error == 0, "errno %d", error);
			check(kind->k_held(), "it is not held again");
		}
		turn++;
		lwkt_wakeup(&turn);
		kind->k_drop();
	}
}

static int
ring(void *arg)
{
	kind = arg;
	fresh();
	turn = next_id = 0;
	run_threads(worker, WORKERS);
	check(turn == WORKERS * ROUNDS, "%u turns", turn);
	return 0;
}

static int
ends_otherwise(void *arg)
{
	int error;

	kind = arg;
	fresh();
	kind->k_take();
	error = kind->k_sleep(&turn, 0, MS);
	check(error == EWOULDBLOCK && kind->k_held(), "time: errno %d", error);
	lwkt_interrupt(lwkt_self());
	error = kind->k_sleep(&turn, LWKT_PCATCH, LWKT_FOREVER);
	check(error == EINTR && kind->k_held(), "interrupt: errno %d", error);
	kind->k_drop();
	check(!kind->k_held(), "it is still held");
	return 0;
}

static void
wakes(void *arg)
{
	(void)arg;
	lwkt_wakeup_domain(&turn, LWKT_PDOMAIN_UMTX);
}

/* Recursive, shared, in a domain, through a lock that refuses to wait. */
static int
comes_back_as_it_was(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	fresh();
	lwkt_mtx_lock(&mtx);
	lwkt_mtx_lock(&mtx);
	td = spawn_on(1, wakes, NULL);
	(void)lwkt_mtxsleep(&turn, &mtx, LWKT_PDOMAIN_UMTX, "test", MS);
	check(lwkt_mtx_owned(&mtx) && lwkt_mtx_lockrefs(&mtx) == 2, "%u",
	    lwkt_mtx_lockrefs(&mtx));
	join(td);
	lwkt_mtx_unlock(&mtx);
	lwkt_mtx_unlock(&mtx);
	(void)lwkt_mtx_lock_sh(&mtx, 0, LWKT_FOREVER);
	(void)lwkt_mtxsleep(&turn, &mtx, 0, "test", 0);
	check(!lwkt_mtx_owned(&mtx) && lwkt_mtx_lockrefs(&mtx) == 1, "shared");
	lwkt_mtx_unlock(&mtx);
	lwkt_lockinit(&lock, "l", 1, LWKT_LK_NOWAIT | LWKT_LK_TIMELOCK |
	    LWKT_LK_SLEEPFAIL | LWKT_LK_CANCELABLE);
	(void)lwkt_lockmgr(&lock, LWKT_LK_SHARED);
	(void)lwkt_lksleep(&turn, &lock, 0, "test", 0);
	check(lwkt_lockstatus(&lock, NULL) == LWKT_LK_SHARED, "shared lock");
	(void)lwkt_lockmgr(&lock, LWKT_LK_RELEASE);
	return 0;
}

static void
takes_for_a_while(void *arg)
{
	while (lwkt_lockmgr(&lock, LWKT_LK_EXCLUSIVE) != 0)
		continue;	/* it was waited for: SLEEPFAIL */
	STORE(turn, 1);
	lwkt_wakeup(arg);
	lwkt_sleep_ns(MS);
	(void)lwkt_lockmgr(&lock, LWKT_LK_RELEASE);
}

/* A lock made not to wait is waited for, or it would not be held again. */
static int
waits_to_hold_again(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	fresh();
	STORE(turn, 0);
	lwkt_lockinit(&lock, "l", 0, LWKT_LK_CANCELABLE | LWKT_LK_SLEEPFAIL);
	(void)lwkt_lockmgr(&lock, LWKT_LK_EXCLUSIVE);
	td = spawn_on(1, takes_for_a_while, &turn);
	while (LOAD(turn) == 0)
		(void)lwkt_lksleep(&turn, &lock, 0, "test", LWKT_FOREVER);
	check(lwkt_lockowned(&lock), "it is not held again");
	(void)lwkt_lockmgr(&lock, LWKT_LK_RELEASE);
	join(td);
	return 0;
}

static int
not_held_body(void *arg)
{
	(void)arg;
	fresh();
	return lwkt_lksleep(&turn, &lock, 0, "test", 0);
}

static int
two_spins_body(void *arg)
{
	static struct lwkt_spin other = LWKT_SPIN_INITIALIZER("other");

	(void)arg;
	fresh();
	lwkt_spin_lock(&other);
	lwkt_spin_lock(&spin);
	return lwkt_ssleep(&turn, &spin, 0, "test", MS);
}

int
main(void)
{
	char name[80];
	unsigned i;

	panics("lwkt_lksleep without the lock panics", not_held_body,
	    "lock \"l\" is not held by thread \"main\"");
	panics("lwkt_ssleep with another spinlock panics", two_spins_body,
	    "blocks with spinlock \"other\" held");
	for (i = 0; i < nitems(kinds); i++) {
		void *k = (void *)(uintptr_t)&kinds[i];

		snprintf(name, sizeof(name), "no wakeup is lost with a %s",
		    kinds[i].k_name);
		sim_explore(name, ring, k, 200);
		snprintf(name, sizeof(name), "time and interrupts, with a %s",
		    kinds[i].k_name);
		sim_explore(name, ends_otherwise, k, 50);
	}
	sim_explore("the lock comes back as it was", comes_back_as_it_was,
	    NULL, 100);
	sim_explore("it is waited for whatever it was made for",
	    waits_to_hold_again, NULL, 200);
	return tap_done();
}
