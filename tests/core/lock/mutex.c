/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mutex is released by a plain store while others come to wait for it, take
 * it, and free it.  The scenarios of an order are named after the line of ORDER
 * in loud.c.
 *
 * A waiter that is missed sleeps for ever, and so does the holder, which waits
 * until the waiter has had the mutex.
 */
#include <lwkt/sync.h>

#include "core/util.h"
#include "kern/lock/lend_var.h"
#include "kern/lock/loud_var.h"

/* mutex_quick.c has the inline functions here. */
#ifndef MUTEX_LOCK
#define MUTEX_LOCK	lwkt_mutex_lock
#define MUTEX_TRYLOCK	lwkt_mutex_trylock
#define MUTEX_UNLOCK	lwkt_mutex_unlock
#endif

#define ROUNDS	TIMES(300u, 8u)
#define FEW	8		/* unlocks that make a CPU quiet on sim */

static struct lwkt_mutex mu[2], own, last;
static uint32_t asked, had[2], done;

static void
fresh(void)
{
	lwkt_mutex_init(&mu[0], "mu0");
	lwkt_mutex_init(&mu[1], "mu1");
	lwkt_mutex_init(&own, "own");
	lwkt_mutex_init(&last, "last");
	asked = had[0] = had[1] = done = 0;
}

/* Release so many mutexes that have no waiters: the CPU may become quiet. */
static void
grow_calm(uint32_t n)
{
	while (n-- > 0) {
		MUTEX_LOCK(&own);
		MUTEX_UNLOCK(&own);
	}
}

static void
ask(uint32_t i)
{
	STORE(asked, i);
	lwkt_wakeup(&asked);
}

static void
report(uint32_t *word, uint32_t i)
{
	STORE(*word, i);
	lwkt_wakeup(word);
}

/* Want the mutex each time it is about to be released. */
static void
wants(void *arg)
{
	int n = (int)(uintptr_t)arg;
	uint32_t i;

	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&asked, i);
		MUTEX_LOCK(&mu[n]);
		MUTEX_UNLOCK(&mu[n]);
		report(&had[n], i);
	}
}

static int
released_once(void *arg)
{
	lwkt_thread_t td;
	uint32_t i;

	(void)arg;
	fresh();
	td = spawn(wants, NULL, 0, other_cpu());
	for (i = 1; i <= ROUNDS; i++) {
		if (i % 2)
			grow_calm(FEW + 1);
		MUTEX_LOCK(&mu[0]);
		ask(i);
		if (i % 2 == 0)
			grow_calm(FEW - 1 + i % 4 / 2);
		MUTEX_UNLOCK(&mu[0]);
		await_asleep(&had[0], i);
	}
	join(td);
	check(mu[0].mu_word == 0 && mu[0].mu_lent == 0, "left %#lx, %#lx",
	    (long)mu[0].mu_word, (long)mu[0].mu_lent);
	return 0;
}

/* Two waiters make the CPU loud at the same time. */
static int
released_both(void *arg)
{
	lwkt_thread_t td[2];
	uint32_t i;
	int n;

	(void)arg;
	fresh();
	for (n = 0; n < 2; n++)
		td[n] = spawn_on(n + 1, wants, (void *)(uintptr_t)n);
	for (i = 1; i <= ROUNDS; i++) {
		grow_calm(FEW + 1);
		MUTEX_LOCK(&mu[0]);
		MUTEX_LOCK(&mu[1]);
		ask(i);
		MUTEX_UNLOCK(&mu[0]);
		MUTEX_UNLOCK(&mu[1]);
		await_asleep(&had[0], i);
		await_asleep(&had[1], i);
	}
	join_all(td, 2);
	return 0;
}

/* The waiter is on the CPU of the tag, which the holder has left. */
static int
released_elsewhere(void *arg)
{
	int here = lwkt_cpuid();
	lwkt_thread_t td;
	uint32_t i;

	(void)arg;
	fresh();
	td = spawn(wants, NULL, 0, here);
	for (i = 1; i <= ROUNDS; i++) {
		MUTEX_LOCK(&mu[0]);
		ask(i);
		lwkt_migratecpu(other_cpu());
		MUTEX_UNLOCK(&mu[0]);
		lwkt_migratecpu(here);
		await_asleep(&had[0], i);
	}
	join(td);
	return 0;
}

/*
 * The last user of a mutex frees it, and its memory becomes a number, or a
 * condition variable.  The thread that released it before must not use it.
 */
static union {
	struct lwkt_mutex mu;
	struct lwkt_cond cv;
} place;
static uint32_t waits, returned;	/* changed under `last` */

#define NUMBER	((uint64_t)2)	/* as a word: free, but not 0 */

static void
is_number(uint32_t i)
{
	STORE(place.mu.mu_word, NUMBER);
	await(&returned, i);
	check(LOAD(place.mu.mu_word) == NUMBER, "a release has changed it");
}

static void
is_cond(uint32_t i)
{
	lwkt_cond_init(&place.cv, "cv");
	MUTEX_LOCK(&last);
	if (LOAD(returned) < i) {
		waits = i;
		(void)lwkt_cond_wait(&place.cv, &last, LWKT_FOREVER);
		check(LOAD(returned) == i, "a release has ended the wait");
	}
	MUTEX_UNLOCK(&last);
}

static void
takes_last(void *arg)
{
	uint32_t i;
	unsigned turn;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&asked, i);
		for (turn = 0; MUTEX_TRYLOCK(&place.mu) != 0; turn++)
			machine_pause(turn);
		MUTEX_UNLOCK(&place.mu);
		if (i % 2)
			is_number(i);
		else
			is_cond(i);
		report(&done, i);
	}
}

/* Make CPU 0 loud meanwhile. */
static void
makes_loud(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&asked, i);
		loud_make(gd_find(0));
		report(&had[0], i);
	}
}

static int
freed_by_the_last(void *arg)
{
	lwkt_thread_t td[2];
	uint32_t i;

	(void)arg;
	fresh();
	waits = returned = 0;
	td[0] = spawn_on(1, takes_last, NULL);
	td[1] = spawn_on(2, makes_loud, NULL);
	for (i = 1; i <= ROUNDS; i++) {
		lwkt_mutex_init(&place.mu, "place");
		grow_calm(FEW + 1);
		MUTEX_LOCK(&place.mu);
		ask(i);
		MUTEX_UNLOCK(&place.mu);
		MUTEX_LOCK(&last);
		STORE(returned, i);
		if (waits == i)
			lwkt_cond_signal(&place.cv);
		MUTEX_UNLOCK(&last);
		await_asleep(&done, i);
		await_asleep(&had[0], i);
	}
	join_all(td, 2);
	return 0;
}

/*
 * A waiter lends to a holder that releases the mutex at the same time, and
 * gives up soon.
 */
static void
gives_up(void *arg)
{
	uint32_t i;

	(void)arg;
	lwkt_setpri_self(LWKT_PRI_SOFT_NORM);
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&asked, i);
		if (lwkt_mutex_timedlock(&mu[0], 1) == 0)
			MUTEX_UNLOCK(&mu[0]);
		report(&had[0], i);
	}
}

static int
lent_and_taken_back(void *arg)
{
	lwkt_thread_t td, self = lwkt_self();
	int pri = lwkt_getpri(self);
	uint32_t i;

	(void)arg;
	fresh();
	td = spawn(gives_up, NULL, 0, other_cpu());
	for (i = 1; i <= ROUNDS; i++) {
		grow_calm(FEW + 1);
		MUTEX_LOCK(&mu[0]);
		ask(i);
		MUTEX_UNLOCK(&mu[0]);
		while (lend_busy(self))
			lwkt_yield();
		check(lwkt_getpri(self) == pri && self->td_lent == 0,
		    "priority %d, its own is %d", lwkt_getpri(self), pri);
		await_asleep(&had[0], i);
	}
	join(td);
	check(mu[0].mu_word == 0 && mu[0].mu_lent == 0, "left %#lx, %#lx",
	    (long)mu[0].mu_word, (long)mu[0].mu_lent);
	return 0;
}

/* A waiter rises when the mutex is released: it is chosen, or found late. */
static lwkt_thread_t waiter;

static void
wants_low(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		lwkt_setpri_self(LWKT_PRI_SOFT_NORM);
		await_asleep(&asked, i);
		MUTEX_LOCK(&mu[0]);
		MUTEX_UNLOCK(&mu[0]);
		report(&had[0], i);
	}
}

static void
raises(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&asked, i);
		lwkt_setpri(waiter, LWKT_PRI_SOFT_TIMER);
		report(&had[1], i);
	}
}

static int
waiter_rises(void *arg)
{
	lwkt_thread_t td, self = lwkt_self();
	int pri = lwkt_getpri(self);
	uint32_t i;

	(void)arg;
	fresh();
	waiter = spawn(wants_low, NULL, 0, other_cpu());
	td = spawn(raises, NULL, 0, other_cpu());
	for (i = 1; i <= ROUNDS; i++) {
		grow_calm(FEW + 1);
		MUTEX_LOCK(&mu[0]);
		ask(i);
		MUTEX_UNLOCK(&mu[0]);
		await_asleep(&had[0], i);
		await_asleep(&had[1], i);
		while (lend_busy(self))
			lwkt_yield();
		check(lwkt_getpri(self) == pri && self->td_lent == 0,
		    "priority %d, its own is %d", lwkt_getpri(self), pri);
	}
	join(waiter);
	join(td);
	check(mu[0].mu_word == 0 && mu[0].mu_lent == 0, "left %#lx, %#lx",
	    (long)mu[0].mu_word, (long)mu[0].mu_lent);
	return 0;
}

static void
scenario(const char *name, int (*body)(void *), int ncpus)
{
	struct sim_scenario ss = {
		.ss_name = name, .ss_body = body, .ss_ncpus = ncpus,
		.ss_seeds = body == waiter_rises ? 3000 : 200, .ss_stores = 1,
	};

	sim_explore_with(&ss);
}

static void
scenarios(void)
{
	setenv("LWKT_TUNE", "lwkt.mutex_spin=0", 1);
	scenario("QO1: a waiter comes as the mutex is released",
	    released_once, 2);
	scenario("QO1: two waiters come as both mutexes are released",
	    released_both, 3);
	scenario("a holder that has moved does not miss the waiter",
	    released_elsewhere, 2);
	scenario("a release does not touch what the last user has freed",
	    freed_by_the_last, 3);
	scenario("a former holder gives back what it is lent",
	    lent_and_taken_back, 2);
	scenario("a former holder gives back what one that rises lent it",
	    waiter_rises, 2);
}

#ifndef MUTEX_QUICK
int
main(void)
{
	scenarios();
	return tap_done();
}
#endif
