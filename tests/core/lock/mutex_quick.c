/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inline functions of <lwkt/sync2.h>: where they may be used, that they
 * call the library in all other cases, and the scenarios of mutex.c with them.
 */
#include <lwkt/sync2.h>

#define MUTEX_QUICK
#define MUTEX_LOCK	lwkt_mutex_lock_quick
#define MUTEX_TRYLOCK	lwkt_mutex_trylock_quick
#define MUTEX_UNLOCK	lwkt_mutex_unlock_quick
#include "core/lock/mutex.c"

#include <pthread.h>

/* Are there inline cases at all in this build and on this host? */
#define INLINE		(!config_host_sim && !config_invariants)

static int
allowed(void)
{
	return lwkt_quick_read_() != NULL;
}

static void
is_forbidden(void *arg)
{
	(void)arg;
	check(!allowed(), "inline in a preemptible thread");
	lwkt_migratecpu(other_cpu());
	check(!allowed(), "inline after a move");
	lwkt_yield();
	check(!allowed(), "inline after a yield");
	MUTEX_LOCK(&own);
	check(MUTEX_TRYLOCK(&own) == EBUSY, "taken twice");
	MUTEX_UNLOCK(&own);
}

static void
is_allowed(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 8; i++) {
		check(allowed() == INLINE, "round %d: %d", i, allowed());
		if (i % 2)
			lwkt_yield();
		else
			lwkt_migratecpu(other_cpu());
	}
}

/* Threads of both kinds take turns on each CPU. */
static int
not_if_preemptible(void *arg)
{
	lwkt_thread_t td[8];
	int i;

	(void)arg;
	fresh();
	check(allowed() == INLINE, "in the first thread: %d", allowed());
	for (i = 0; i < 8; i++)
		td[i] = i % 4 < 2 ? spawn_on(i, is_allowed, NULL) :
		    spawn(is_forbidden, NULL, LWKT_PREEMPTIBLE,
		    i % lwkt_ncpus());
	join_all(td, 8);
	check(allowed() == INLINE, "in the first thread again: %d", allowed());
	return 0;
}

static void *
as_pthread(void *arg)
{
	int *no = arg;

	*no = allowed();
	MUTEX_LOCK(&own);
	*no += MUTEX_TRYLOCK(&own) != EBUSY;
	MUTEX_UNLOCK(&own);
	return NULL;
}

static int
not_in_a_pthread(void *arg)
{
	pthread_t pt;
	int no = -1;

	(void)arg;
	fresh();
	if (config_host_sim)
		return 0;
	if (pthread_create(&pt, NULL, as_pthread, &no) != 0)
		lwkt_panic("test: pthread_create");
	while (pthread_tryjoin_np(pt, NULL) != 0)
		lwkt_yield();
	check(no == 0, "a pthread: %d", no);
	return 0;
}

static int
counts(void *arg)
{
	struct lwkt_sem se = LWKT_SEM_INITIALIZER(2, "se");

	(void)arg;
	check(lwkt_sem_wait_quick(&se, 0) == 0 && lwkt_sem_value(&se) == 1,
	    "%u units", lwkt_sem_value(&se));
	check(lwkt_sem_wait_quick(&se, 0) == 0, "the last unit");
	check(lwkt_sem_wait_quick(&se, 0) == EWOULDBLOCK, "no unit");
	lwkt_sem_post_quick(&se, 0);
	lwkt_sem_post_quick(&se, LWKT_SEM_MAX);
	check(lwkt_sem_value(&se) == LWKT_SEM_MAX, "%u units",
	    lwkt_sem_value(&se));
	return 0;
}

static struct lwkt_sem units = LWKT_SEM_INITIALIZER(0, "units");
static struct lwkt_cond changed = LWKT_COND_INITIALIZER("changed");
static uint32_t turns;

/* Each round waits for a unit, and then says so by the condition. */
static void
answers(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		check(lwkt_sem_wait_quick(&units, LWKT_FOREVER) == 0, "wait");
		MUTEX_LOCK(&own);
		turns = i;
		if (i % 2)
			lwkt_cond_signal_quick(&changed);
		else
			lwkt_cond_broadcast_quick(&changed);
		MUTEX_UNLOCK(&own);
	}
}

static int
waiters_are_woken(void *arg)
{
	lwkt_thread_t td;
	uint32_t i;

	(void)arg;
	fresh();
	turns = 0;
	lwkt_sem_init(&units, 0, "units");
	lwkt_cond_init(&changed, "changed");
	td = spawn(answers, NULL, 0, other_cpu());
	for (i = 1; i <= ROUNDS; i++) {
		lwkt_sem_post_quick(&units, 1);
		MUTEX_LOCK(&own);
		while (turns < i)
			(void)lwkt_cond_wait(&changed, &own, LWKT_FOREVER);
		MUTEX_UNLOCK(&own);
	}
	join(td);
	return 0;
}

static struct lwkt_once once;
static uint32_t firsts, seconds;

static void
first(void *arg)
{
	ADD(firsts, 1);
	lwkt_yield();
	check(arg == &once, "argument %p", arg);
}

static void
calls_once(void *arg)
{
	(void)arg;
	lwkt_once_quick(&once, first, &once);
	check(LOAD(firsts) == 1, "called %u times", LOAD(firsts));
	lwkt_once_quick(&once, first, NULL);
	ADD(seconds, 1);
}

static int
called_once(void *arg)
{
	(void)arg;
	once = (struct lwkt_once)LWKT_ONCE_INITIALIZER;
	firsts = seconds = 0;
	run_threads(calls_once, 4);
	check(seconds == 4, "%u returned", seconds);
	return 0;
}

static int
unlocked_by_another(void *arg)
{
	(void)arg;
	fresh();
	MUTEX_UNLOCK(&own);
	return 0;
}

static int
locked_again(void *arg)
{
	(void)arg;
	fresh();
	MUTEX_LOCK(&own);
	MUTEX_LOCK(&own);
	return 0;
}

static int
too_many(void *arg)
{
	struct lwkt_sem se = LWKT_SEM_INITIALIZER(1, "few");

	(void)arg;
	lwkt_sem_post_quick(&se, LWKT_SEM_MAX);
	return 0;
}

int
main(void)
{
	panics("a mutex that is not held", unlocked_by_another,
	    "mutex \"own\" is unlocked by a thread that does not hold it");
	panics("a mutex that is held", locked_again,
	    "mutex \"own\" is locked again by its holder");
	panics("more units than a semaphore has", too_many,
	    "semaphore \"few\"");
	scenario("inline only in threads that are not preemptible",
	    not_if_preemptible, 2);
	scenario("not inline in a pthread", not_in_a_pthread, 1);
	scenario("units", counts, 1);
	scenario("a waiter is woken", waiters_are_woken, 2);
	scenario("once", called_once, 2);
	scenarios();
	return tap_done();
}
