/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The everyday mutex, and what waits with one: condition variables and queues,
 * among threads.
 */
#include <lwkt/sync.h>

#include "core/holders.h"
#include "kern/lock/park_var.h"

#define THREADS	6
#define ROUNDS	8

static struct lwkt_mutex mu;
static struct lwkt_cond cv;
static struct lwkt_queue queue;
static void *slots[2];
static uint32_t inside, next_id, stop;	/* atomic */

static void
fresh(void)
{
	lwkt_mutex_init(&mu, "mu");
	lwkt_cond_init(&cv, "cv");
	lwkt_queue_init(&queue, slots, 2, "queue");
	inside = next_id = stop = 0;
	holders_fresh();
}

static void
locker(void *arg)
{
	int i, error;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_mutex_lock(&mu);
		check(lwkt_mutex_owned(&mu), "not owned");
		write_inside();
		lwkt_mutex_unlock(&mu);
		check(!lwkt_mutex_owned(&mu), "still owned");
		error = i % 2 ? lwkt_mutex_trylock(&mu) :
		    lwkt_mutex_timedlock(&mu, 1000);
		check(error == 0 || error == (i % 2 ? EBUSY : EWOULDBLOCK),
		    "error %d", error);
		if (error == 0) {
			write_inside();
			lwkt_mutex_unlock(&mu);
		}
	}
}

static int
mutex_excludes(void *arg)
{
	(void)arg;
	fresh();
	run_threads(locker, THREADS);
	check(total >= THREADS * ROUNDS, "total %ld", total);
	check(mu.mu_word == 0, "left %#lx", (long)mu.mu_word);
	return 0;
}

/* Two threads, all schedules. */
static void
pass_through(void *arg)
{
	(void)arg;
	lwkt_mutex_lock(&mu);
	lwkt_mutex_unlock(&mu);
}

static int
unlock_before_the_sleep(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	fresh();
	td = spawn(pass_through, NULL, LWKT_NOSTART, other_cpu());
	lwkt_mutex_lock(&mu);
	focus(1);
	lwkt_schedule(td);
	lwkt_mutex_unlock(&mu);
	focus(0);
	join(td);
	return 0;
}

/*
 * A notified waiter cannot run, because its CPU runs a better thread.  Another
 * waiter, on a third CPU, gets the mutex all the same (MU_LATE).
 */
static uint32_t hogging, passed;	/* atomic */

static void
waiter(void *arg)
{
	lwkt_mutex_lock(&mu);
	lwkt_mutex_unlock(&mu);
	if (arg != NULL)
		STORE(passed, 1);
}

static void
hog(void *arg)
{
	(void)arg;
	lwkt_setpri_self(LWKT_PRI_SOFT_NORM);
	lwkt_yield();
	STORE(hogging, 1);
	while (!LOAD(passed)) {
		lwkt_yield();	/* of best priority: serves messages only */
		machine_pause(0);
	}
}

static void
wait_for_waiters(unsigned n)
{
	while (park_count(&mu) != n) {
		lwkt_yield();
		machine_pause(0);
	}
}

static int
woken_cannot_run(void *arg)
{
	lwkt_thread_t td[3];
	int i;

	(void)arg;
	if (lwkt_ncpus() < 3)
		return 0;
	fresh();
	hogging = passed = 0;
	lwkt_mutex_lock(&mu);
	td[0] = spawn(waiter, NULL, 0, 1);
	wait_for_waiters(1);
	td[1] = spawn(waiter, &passed, 0, 2);
	wait_for_waiters(2);
	td[2] = spawn(hog, NULL, 0, 1);
	while (!LOAD(hogging))
		machine_pause(0);
	lwkt_mutex_unlock(&mu);
	for (i = 0; !LOAD(passed); i++) {
		lwkt_mutex_lock(&mu);
		lwkt_mutex_unlock(&mu);
		check(i < 1000000, "nobody else was woken");
		machine_pause(0);
	}
	join_all(td, 3);
	return 0;
}

/* Turns by number: each thread waits for its own; a broadcast wakes all. */
static void
turn_taker(void *arg)
{
	int me = (int)atomic_fetchadd_32(&next_id, 1), i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_mutex_lock(&mu);
		while (total % THREADS != me)
			(void)lwkt_cond_wait(&cv, &mu, LWKT_FOREVER);
		total++;
		lwkt_cond_broadcast(&cv);
		lwkt_mutex_unlock(&mu);
	}
}

static int
broadcast_reaches_all(void *arg)
{
	(void)arg;
	fresh();
	run_threads(turn_taker, THREADS);
	check(total == THREADS * ROUNDS, "total %ld", total);
	check(cv.cv_waiters == 0 && park_count(&cv) == 0, "waiters are left");
	return 0;
}

/* Each signal ends the wait of one of several equal waiters. */
static void
taker(void *arg)
{
	(void)arg;
	lwkt_mutex_lock(&mu);
	while (total == 0)
		(void)lwkt_cond_wait(&cv, &mu, LWKT_FOREVER);
	total--;
	lwkt_mutex_unlock(&mu);
}

static int
signals_are_not_lost(void *arg)
{
	lwkt_thread_t td[THREADS];
	int i;

	(void)arg;
	fresh();
	for (i = 0; i < THREADS; i++)
		td[i] = spawn_on(i, taker, NULL);
	for (i = 0; i < THREADS; i++) {
		lwkt_mutex_lock(&mu);
		total++;
		lwkt_mutex_unlock(&mu);
		lwkt_cond_signal(&cv);
		if (i % 2)
			lwkt_yield();
	}
	join_all(td, THREADS);
	check(total == 0, "total %ld", total);
	lwkt_mutex_lock(&mu);
	check(lwkt_cond_wait(&cv, &mu, 1000) == EWOULDBLOCK, "no timeout");
	check(lwkt_mutex_owned(&mu), "not had again");
	lwkt_mutex_unlock(&mu);
	return 0;
}

/* A signal ends at most one wait, however signals and waits meet. */
static void
goer(void *arg)
{
	(void)arg;
	lwkt_mutex_lock(&mu);
	while (!LOAD(stop)) {
		(void)lwkt_cond_wait(&cv, &mu, LWKT_FOREVER);
		ADD(inside, 1);
	}
	lwkt_mutex_unlock(&mu);
}

static int
one_signal_one_waiter(void *arg)
{
	lwkt_thread_t td[THREADS];
	uint32_t i;

	(void)arg;
	fresh();
	for (i = 0; i < THREADS; i++)
		td[i] = spawn_on((int)i, goer, NULL);
	for (i = 1; i <= 2 * ROUNDS; i++) {
		lwkt_cond_signal(&cv);
		if (i % 3 == 0)
			lwkt_yield();
		check(LOAD(inside) <= i, "%u returns, %u signals", inside, i);
	}
	lwkt_sleep_ns(MS);
	check(LOAD(inside) < i, "%u returns, %u signals", inside, i - 1);
	lwkt_mutex_lock(&mu);
	STORE(stop, 1);
	lwkt_mutex_unlock(&mu);
	lwkt_cond_broadcast(&cv);
	join_all(td, THREADS);
	return 0;
}

/*
 * A waiter is notified and times out at the same time.  Either it returns 0, or
 * another waiter is notified.  After a timeout impatient() does not test
 * `total`.  So if it timed out although it was notified, the signal would be
 * lost, and taker(), which waits for ever, would never return.
 */
static void
impatient(void *arg)
{
	(void)arg;
	lwkt_mutex_lock(&mu);
	if (lwkt_cond_wait(&cv, &mu, 1000) == 0 && total > 0) {
		total--;
		STORE(inside, 1);
	}
	lwkt_mutex_unlock(&mu);
}

static void
one_more(void)
{
	lwkt_mutex_lock(&mu);
	total++;
	lwkt_cond_signal(&cv);
	lwkt_mutex_unlock(&mu);
}

static int
notified_and_timed_out(void *arg)
{
	lwkt_thread_t td[2];
	int i;

	(void)arg;
	for (i = 0; i < THREADS; i++) {
		fresh();
		td[0] = spawn_on(i, impatient, NULL);
		lwkt_yield();
		td[1] = spawn_on(i + 1, taker, NULL);
		lwkt_sleep_ns(700 + 100 * i);
		one_more();
		join(td[0]);
		if (LOAD(inside))
			one_more();
		join(td[1]);
		check(total == 0, "total %ld", total);
	}
	return 0;
}

/* Each item comes out once; the items of one producer in their order. */
static void
produce(uintptr_t id)
{
	uintptr_t i;
	int error;

	for (i = 1; i <= ROUNDS; i++) {
		error = lwkt_queue_put(&queue, (void *)(id << 8 | i),
		    LWKT_FOREVER);
		check(error == 0, "error %d", error);
	}
	if (ADD(inside, 1) == THREADS / 2)
		lwkt_queue_close(&queue);
}

static void
consume(void)
{
	uintptr_t last[THREADS] = { 0 };
	void *p;
	int error;

	while ((error = lwkt_queue_get(&queue, &p, LWKT_FOREVER)) == 0) {
		uintptr_t v = (uintptr_t)p;

		check((v & 255) > last[v >> 8], "out of order");
		last[v >> 8] = v & 255;
		ADD(total, 1);
	}
	check(error == EPIPE, "error %d", error);
}

static void
produce_or_consume(void *arg)
{
	uint32_t id = atomic_fetchadd_32(&next_id, 1);

	(void)arg;
	if (id % 2)
		produce(id);
	else
		consume();
}

static int
queue_keeps_all(void *arg)
{
	void *p;

	(void)arg;
	fresh();
	check(lwkt_queue_get(&queue, &p, 0) == EWOULDBLOCK, "from nothing");
	check(lwkt_queue_put(&queue, &p, 0) == 0 &&
	    lwkt_queue_put(&queue, &p, 0) == 0, "two slots");
	check(lwkt_queue_put(&queue, &p, 1000) == EWOULDBLOCK, "three slots");
	check(lwkt_queue_count(&queue) == 2, "count");
	check(lwkt_queue_get(&queue, &p, 0) == 0 && p == &p, "not mine");
	(void)lwkt_queue_get(&queue, &p, 0);
	run_threads(produce_or_consume, THREADS);
	check(total == THREADS / 2 * ROUNDS, "%ld came out", total);
	check(lwkt_queue_put(&queue, &p, LWKT_FOREVER) == EPIPE, "closed");
	return 0;
}

static int
stranger_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_mutex_unlock(&mu);
	return 0;
}

static int
again_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_mutex_lock(&mu);
	lwkt_mutex_lock(&mu);
	return 0;
}

int
main(void)
{
	static const struct sim_scenario all = {
		.ss_name = "race 23, mutexes: an unlock just before the "
		    "sleep is not missed",
		.ss_body = unlock_before_the_sleep, .ss_seeds = 30000,
		.ss_ncpus = 2, .ss_dfs = 1000, .ss_focus = 1,
	};
	static const struct sim_scenario hogged = {
		.ss_name = "a waiter that cannot run keeps no other asleep",
		.ss_body = woken_cannot_run, .ss_seeds = 100, .ss_ncpus = 3,
	};

	panics("unlocking what is not one's own panics", stranger_body,
	    "mutex \"mu\" is unlocked");
	panics("locking it again panics", again_body,
	    "mutex \"mu\" is locked again");
	sim_explore("a mutex excludes", mutex_excludes, NULL, 200);
	setenv("LWKT_TUNE", "lwkt.mutex_spin=0", 1);
	sim_explore_with(&all);
	unsetenv("LWKT_TUNE");
	sim_explore_with(&hogged);
	sim_explore("a broadcast reaches all", broadcast_reaches_all, NULL,
	    200);
	sim_explore("signals are not lost", signals_are_not_lost, NULL, 300);
	sim_explore("one signal, one waiter", one_signal_one_waiter, NULL, 400);
	sim_explore("notified and timed out at once", notified_and_timed_out,
	    NULL, 400);
	sim_explore("a queue keeps everything, in order", queue_keeps_all,
	    NULL, 200);
	return tap_done();
}
