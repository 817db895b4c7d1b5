/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The locks of every day, among threads.
 */
#include <lwkt/sync.h>

#include "core/holders.h"
#include "kern/lock/park_var.h"

#define THREADS	6
#define ROUNDS	8

static struct lwkt_mutex mu;
static struct lwkt_cond cv;
static struct lwkt_sem sem;
static struct lwkt_rwlock rw;
static struct lwkt_barrier ba;
static struct lwkt_waitgroup wg;
static struct lwkt_once once;
static struct lwkt_queue queue;
static void *slots[2];
static uint32_t inside, next_id, stop;	/* atomic */

static void
fresh(void)
{
	lwkt_mutex_init(&mu, "mu");
	lwkt_cond_init(&cv, "cv");
	lwkt_sem_init(&sem, 0, "sem");
	lwkt_rwlock_init(&rw, "rw");
	lwkt_barrier_init(&ba, THREADS, "ba");
	lwkt_waitgroup_init(&wg, 0, "wg");
	once = (struct lwkt_once)LWKT_ONCE_INITIALIZER;
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
 * A waiter is woken whose CPU has better to do: with three CPUs, another gets
 * the mutex all the same (fails if MU_WOKEN is one bit).
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

/* Each signal lets one of the waiters go, who all want the same. */
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

/* A signal lets one go, however signals and waits meet: no storm of them. */
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
reader_or_writer(void *arg)
{
	struct rng r = { atomic_fetchadd_32(&next_id, 1) };
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		if (rng_below(&r, 2)) {
			if (lwkt_rwlock_write(&rw, rng_below(&r, 2) ?
			    LWKT_FOREVER : 0) != 0)
				continue;
			write_inside();
		} else {
			(void)lwkt_rwlock_read(&rw, LWKT_FOREVER);
			read_inside();
		}
		lwkt_rwlock_unlock(&rw);
	}
}

static int
rwlock(void *arg)
{
	(void)arg;
	fresh();
	run_threads(reader_or_writer, THREADS);
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

/* What goes in comes out, once; each producer's things in their order. */
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

static int
rwlock_body(void *arg)
{
	(void)arg;
	fresh();
	(void)lwkt_rwlock_write(&rw, LWKT_FOREVER);
	(void)lwkt_rwlock_write(&rw, LWKT_FOREVER);
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
	panics("a wait group below 0 panics", below_body, "wait group \"wg\"");
	panics("a semaphore over its maximum panics", over_body,
	    "semaphore \"sem\"");
	panics("a rwlock written again panics", rwlock_body,
	    "rwlock \"rw\" is locked again");
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
	sim_explore("every unit of a semaphore is taken", every_unit_is_taken,
	    NULL, 200);
	sim_explore("a post does not touch what its waiter frees",
	    semaphore_on_a_stack, NULL, 200);
	sim_explore("a rwlock shares and excludes", rwlock, NULL, 200);
	sim_explore("a barrier holds all", barrier_holds_all, NULL, 200);
	sim_explore("a wait group's last does not touch it",
	    waitgroup_on_a_stack, NULL, 200);
	sim_explore("once, and finished for everybody", once_and_finished,
	    NULL, 200);
	sim_explore("a queue keeps everything, in order", queue_keeps_all,
	    NULL, 200);
	return tap_done();
}
