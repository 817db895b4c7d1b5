/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The everyday locks that count: semaphore, barrier, wait group and once, among
 * threads.
 */
#include <lwkt/sync.h>

#include "core/holders.h"

#define THREADS	6
#define ROUNDS	8

static struct lwkt_sem sem;
static struct lwkt_barrier ba;
static struct lwkt_waitgroup wg;
static struct lwkt_once once;
static uint32_t inside, next_id;	/* atomic */

static void
fresh(void)
{
	lwkt_sem_init(&sem, 0, "sem");
	lwkt_barrier_init(&ba, THREADS, "ba");
	lwkt_waitgroup_init(&wg, 0, "wg");
	once = (struct lwkt_once)LWKT_ONCE_INITIALIZER;
	inside = next_id = 0;
	holders_fresh();
}

static void
poster(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++)
		lwkt_sem_post(&sem, 1 + (unsigned)i % 2);
}

static void
sem_taker(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS + ROUNDS / 2; i++) {
		while (lwkt_sem_wait(&sem, i % 3 ? LWKT_FOREVER : 1000) != 0)
			lwkt_yield();
		ADD(inside, 1);
	}
}

static void
post_or_take(void *arg)
{
	if (atomic_fetchadd_32(&next_id, 1) % 2)
		poster(arg);
	else
		sem_taker(arg);
}

static int
every_unit_is_taken(void *arg)
{
	(void)arg;
	fresh();
	run_threads(post_or_take, THREADS);
	check(inside == THREADS / 2 * (ROUNDS + ROUNDS / 2), "%u taken",
	    inside);
	check(lwkt_sem_value(&sem) == 0, "%u left", lwkt_sem_value(&sem));
	check(lwkt_sem_wait(&sem, 0) == EWOULDBLOCK, "one more");
	check(sem.se_word == 0, "waiters are left: %#llx",
	    (unsigned long long)sem.se_word);
	return 0;
}

/* A semaphore that its waiter frees at once. */
static void
post_it(void *arg)
{
	lwkt_sem_post(arg, 1);
}

static int
semaphore_on_a_stack(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 4; i++) {
		struct lwkt_sem mine = LWKT_SEM_INITIALIZER(0, "mine");
		lwkt_thread_t td = spawn_on(i, post_it, &mine);

		check(lwkt_sem_wait(&mine, LWKT_FOREVER) == 0, "not taken");
		memset(&mine, 0xa5, sizeof(mine));
		join(td);
		check(mine.se_word == 0xa5a5a5a5a5a5a5a5u, "touched");
	}
	return 0;
}

static void
marcher(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		ADD(inside, 1);
		if (lwkt_barrier_wait(&ba))
			ADD(next_id, 1);
		check(LOAD(inside) >= i * THREADS, "%u of %u came", inside,
		    i * THREADS);
		(void)lwkt_barrier_wait(&ba);
		check(LOAD(inside) == i * THREADS, "one went ahead");
		(void)lwkt_barrier_wait(&ba);
	}
}

static int
barrier_holds_all(void *arg)
{
	(void)arg;
	fresh();
	run_threads(marcher, THREADS);
	check(next_id == ROUNDS, "%u were the last", next_id);
	return 0;
}

static void
does_its_part(void *arg)
{
	struct lwkt_waitgroup *g = arg;

	ADD(inside, 1);
	lwkt_yield();
	lwkt_waitgroup_done(g);
}

static int
waitgroup_on_a_stack(void *arg)
{
	struct lwkt_waitgroup mine = LWKT_WAITGROUP_INITIALIZER(0, "mine");
	lwkt_thread_t td[THREADS];
	int i;

	(void)arg;
	fresh();
	check(lwkt_waitgroup_wait(&mine, 0) == 0, "waits for nobody");
	lwkt_waitgroup_add(&mine, THREADS);
	for (i = 0; i < THREADS; i++)
		td[i] = spawn_on(i, does_its_part, &mine);
	check(lwkt_waitgroup_wait(&mine, 0) == EWOULDBLOCK ||
	    LOAD(inside) == THREADS, "did not try");
	check(lwkt_waitgroup_wait(&mine, LWKT_FOREVER) == 0, "not done");
	memset(&mine, 0xa5, sizeof(mine));
	check(inside == THREADS, "%u came", inside);
	join_all(td, THREADS);
	check(mine.wg_word == 0xa5a5a5a5a5a5a5a5u, "touched");
	return 0;
}

static void
only_once(void *arg)
{
	check(arg == &total, "another argument");
	total++;
	lwkt_yield();
	STORE(inside, 1);
}

static void
onces(void *arg)
{
	(void)arg;
	lwkt_once(&once, only_once, &total);
	check(LOAD(inside) == 1, "not finished");
}

static int
once_and_finished(void *arg)
{
	(void)arg;
	fresh();
	run_threads(onces, THREADS);
	onces(NULL);
	check(total == 1, "%ld times", total);
	return 0;
}

static int
below_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_waitgroup_done(&wg);
	return 0;
}

static int
over_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_sem_post(&sem, LWKT_SEM_MAX);
	lwkt_sem_post(&sem, 1);
	return 0;
}

int
main(void)
{
	panics("a wait group below 0 panics", below_body, "wait group \"wg\"");
	panics("a semaphore over its maximum panics", over_body,
	    "semaphore \"sem\"");
	sim_explore("every unit of a semaphore is taken", every_unit_is_taken,
	    NULL, 200);
	sim_explore("a post does not touch what its waiter frees",
	    semaphore_on_a_stack, NULL, 200);
	sim_explore("a barrier holds all", barrier_holds_all, NULL, 200);
	sim_explore("a wait group's last does not touch it",
	    waitgroup_on_a_stack, NULL, 200);
	sim_explore("once, and finished for everybody", once_and_finished,
	    NULL, 200);
	return tap_done();
}
