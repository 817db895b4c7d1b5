/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The locks of every day, between threads and plain pthreads.
 */
#include <lwkt/sync.h>
#include <pthread.h>

#include "core/util.h"

#define PTHREADS	3
#define THREADS		4
#define ALL		(PTHREADS + THREADS)
#define ROUNDS		300

static struct lwkt_mutex mu;
static struct lwkt_sem there, back;
static struct lwkt_barrier ba;
static struct lwkt_waitgroup wg;
static struct lwkt_once once;
static struct lwkt_queue queue;
static void *slots[4];
static uint32_t inside, next_id;
static long total;
static void (*work)(void *);

static void *
as_pthread(void *arg)
{
	work(arg);
	return NULL;
}

/* All do the same: threads on every CPU, and pthreads. */
static void
run_all(void (*fn)(void *))
{
	pthread_t pth[PTHREADS];
	lwkt_thread_t td[THREADS];
	int i;

	work = fn;
	inside = next_id = 0;
	total = 0;
	lwkt_waitgroup_init(&wg, ALL, "wg");
	for (i = 0; i < PTHREADS; i++)
		if (pthread_create(&pth[i], NULL, as_pthread, NULL) != 0)
			abort();
	for (i = 0; i < THREADS; i++)
		td[i] = spawn_on(i, fn, NULL);
	/* The CPUs must serve what pthreads leave to them. */
	check(lwkt_waitgroup_wait(&wg, LWKT_FOREVER) == 0, "not done");
	join_all(td, THREADS);
	for (i = 0; i < PTHREADS; i++)
		pthread_join(pth[i], NULL);
}

static void
locker(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_mutex_lock(&mu);
		check(ADD(inside, 1) == 1, "not alone");
		total++;
		if (i % 16 == 0 && lwkt_self() != NULL)
			lwkt_sleep_ns(1000);
		ADD(inside, -1);
		lwkt_mutex_unlock(&mu);
	}
	lwkt_waitgroup_done(&wg);
}

static int
mutex_excludes(void *arg)
{
	(void)arg;
	lwkt_mutex_init(&mu, "mu");
	run_all(locker);
	check(total == ALL * ROUNDS, "total %ld", total);
	return 0;
}

/* One unit goes round: threads send it there, pthreads back. */
static void
ping_pong(void *arg)
{
	struct lwkt_sem *from = lwkt_self() != NULL ? &back : &there;
	struct lwkt_sem *to = lwkt_self() != NULL ? &there : &back;
	uint32_t n;

	(void)arg;
	do {
		(void)lwkt_sem_wait(from, LWKT_FOREVER);
		n = ADD(inside, 1);
		lwkt_sem_post(to, 1);
	} while (n < ROUNDS);
	/* Let all others see the end. */
	lwkt_sem_post(from, ALL);
	lwkt_sem_post(to, ALL);
	lwkt_waitgroup_done(&wg);
}

static int
semaphores_wake_both_kinds(void *arg)
{
	(void)arg;
	lwkt_sem_init(&there, 0, "there");
	lwkt_sem_init(&back, 1, "back");
	run_all(ping_pong);
	check(inside >= ROUNDS, "%u", inside);
	return 0;
}

static void
marcher(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= 20; i++) {
		ADD(inside, 1);
		(void)lwkt_barrier_wait(&ba);
		check(LOAD(inside) == i * ALL, "%u came", LOAD(inside));
		(void)lwkt_barrier_wait(&ba);
	}
	lwkt_waitgroup_done(&wg);
}

static int
barrier_holds_all(void *arg)
{
	(void)arg;
	lwkt_barrier_init(&ba, ALL, "ba");
	run_all(marcher);
	return 0;
}

static void
only_once(void *arg)
{
	(void)arg;
	total++;
}

static void
onces(void *arg)
{
	lwkt_once(&once, only_once, arg);
	check(total == 1, "%ld times", total);
	lwkt_waitgroup_done(&wg);
}

static int
once_for_all(void *arg)
{
	(void)arg;
	once = (struct lwkt_once)LWKT_ONCE_INITIALIZER;
	run_all(onces);
	return 0;
}

/* Pthreads produce, threads consume. */
static void
pipeline(void *arg)
{
	void *p;
	int i;

	(void)arg;
	if (lwkt_self() == NULL) {
		for (i = 0; i < ROUNDS; i++)
			check(lwkt_queue_put(&queue, &queue, LWKT_FOREVER) ==
			    0, "closed");
		if (ADD(inside, 1) == PTHREADS)
			lwkt_queue_close(&queue);
	} else {
		while (lwkt_queue_get(&queue, &p, LWKT_FOREVER) == 0)
			ADD(total, 1);
	}
	lwkt_waitgroup_done(&wg);
}

static int
queue_between_both_kinds(void *arg)
{
	(void)arg;
	lwkt_queue_init(&queue, slots, 4, "queue");
	run_all(pipeline);
	check(total == PTHREADS * ROUNDS, "%ld came out", total);
	return 0;
}

static void *
timed(void *arg)
{
	(void)lwkt_sem_wait(arg, MS);
	return NULL;
}

static int
timeout_body(void *arg)
{
	pthread_t pth;

	(void)arg;
	lwkt_sem_init(&there, 0, "there");
	if (pthread_create(&pth, NULL, timed, &there) != 0)
		return 0;
	pthread_join(pth, NULL);
	return 0;
}

int
main(void)
{
	panics("a pthread that waits with a timeout panics", timeout_body,
	    "a pthread waits with a timeout");
	sim_explore("a mutex excludes threads and pthreads", mutex_excludes,
	    NULL, 1);
	sim_explore("semaphores wake threads and pthreads",
	    semaphores_wake_both_kinds, NULL, 1);
	sim_explore("a barrier holds both", barrier_holds_all, NULL, 1);
	sim_explore("once for both", once_for_all, NULL, 1);
	sim_explore("a queue from pthreads to threads",
	    queue_between_both_kinds, NULL, 1);
	return tap_done();
}
