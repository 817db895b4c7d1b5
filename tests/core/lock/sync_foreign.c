/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The locks of every day, between threads and plain pthreads.
 */
#include <lwkt/pipe.h>
#include <lwkt/sync.h>
#include <lwkt/sync2.h>
#include <pthread.h>
#include <sched.h>

#include "core/util.h"
#include "kern/lock/lockorder.h"
#include "kern/lock/mutex_var.h"

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

static struct lwkt_cond cv;
static struct lwkt_pipe pi;
static char pi_slots[4];

static void
locks(void)
{
	lwkt_mutex_lock(&mu);
}

static void
unlocks(void)
{
	lwkt_mutex_unlock(&mu);
}

static void
locks_and_unlocks(void)
{
	locks();
	unlocks();
}

static void
waits_for_cond(void)
{
	lwkt_mutex_lock(&mu);
	(void)lwkt_cond_wait(&cv, &mu, LWKT_FOREVER);
	lwkt_mutex_unlock(&mu);
}

static void
signals(void)
{
	lwkt_cond_signal(&cv);
}

static void
broadcasts(void)
{
	lwkt_cond_broadcast(&cv);
}

static void
takes_unit(void)
{
	(void)lwkt_sem_wait(&there, LWKT_FOREVER);
}

static void
posts(void)
{
	lwkt_sem_post(&there, 1);
}

static void
arrives(void)
{
	(void)lwkt_barrier_wait(&ba);
}

static void
waits_for_group(void)
{
	(void)lwkt_waitgroup_wait(&wg, LWKT_FOREVER);
}

static void
is_done(void)
{
	lwkt_waitgroup_done(&wg);
}

static void
gets(void)
{
	void *p;

	(void)lwkt_queue_get(&queue, &p, LWKT_FOREVER);
}

static void
puts_one(void)
{
	(void)lwkt_queue_put(&queue, &queue, LWKT_FOREVER);
}

static void
closes_queue(void)
{
	lwkt_queue_close(&queue);
}

static void
reads(void)
{
	char c;

	(void)lwkt_pipe_get(&pi, &c, LWKT_FOREVER);
}

static void
writes(void)
{
	(void)lwkt_pipe_put(&pi, "", LWKT_FOREVER);
}

static void
closes_pipe(void)
{
	lwkt_pipe_close_writer(&pi);
}

static const struct waking {
	const char	*w_call;
	void		(*w_before)(void);	/* the pthread, first */
	void		(*w_wait)(void);	/* then the thread */
	void		(*w_wake)(void);	/* then the pthread */
} wakings[] = {
	{ "mutex_unlock", locks, locks_and_unlocks, unlocks },
	{ "cond_signal", NULL, waits_for_cond, signals },
	{ "cond_broadcast", NULL, waits_for_cond, broadcasts },
	{ "sem_post", NULL, takes_unit, posts },
	{ "barrier_wait", NULL, arrives, arrives },
	{ "waitgroup_done", NULL, waits_for_group, is_done },
	{ "queue_put", NULL, gets, puts_one },
	{ "queue_close", NULL, gets, closes_queue },
	{ "pipe_put", NULL, reads, writes },
	{ "pipe_close_writer", NULL, reads, closes_pipe },
};

static uint32_t step;			/* of one waking */

/* Wait on a pthread until `step` is n. */
static void
await_step(uint32_t n)
{
	while (LOAD(step) != n)
		(void)sched_yield();
}

static void *
waker(void *arg)
{
	const struct waking *w = arg;
	int64_t before;

	if (w->w_before != NULL)
		w->w_before();
	STORE(step, 1);
	await_step(3);
	before = counter("lwkt.sync_foreign");
	w->w_wake();
	check(counter("lwkt.sync_foreign") > before, "%s did not wait until "
	    "the thread was made runnable", w->w_call);
	STORE(step, 4);
	return NULL;
}

/* Run on the CPU of the test, which goes on when this thread is blocked. */
static void
waiter(void *arg)
{
	const struct waking *w = arg;

	STORE(step, 2);
	w->w_wait();
}

static void
wake_one(const struct waking *w)
{
	void *arg = (void *)(uintptr_t)w;
	lwkt_thread_t td;
	pthread_t pth;

	lwkt_mutex_init(&mu, "mu");
	lwkt_cond_init(&cv, "cv");
	lwkt_sem_init(&there, 0, "there");
	lwkt_barrier_init(&ba, 2, "ba");
	lwkt_waitgroup_init(&wg, 1, "wg");
	lwkt_queue_init(&queue, slots, 4, "queue");
	lwkt_pipe_init(&pi, pi_slots, 1, 4, "pi");
	STORE(step, 0);
	if (pthread_create(&pth, NULL, waker, arg) != 0)
		abort();
	while (LOAD(step) != 1)
		lwkt_sleep_ns(MS / 4);
	td = spawn_on(lwkt_cpuid(), waiter, arg);
	while (LOAD(step) != 2)
		lwkt_sleep_ns(MS / 4);
	STORE(step, 3);
	while (LOAD(step) != 4)		/* the CPU must serve the pthread */
		lwkt_sleep_ns(MS / 4);
	join(td);
	pthread_join(pth, NULL);
}

static int
pthread_waits_for_cpu(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < nitems(wakings); i++)
		wake_one(&wakings[i]);
	return 0;
}

static void *
tries(void *arg)
{
	int64_t before;

	await_step(1);
	before = counter("lwkt.sync_foreign");
	check(lwkt_mutex_trylock(&mu) == 0, "the mutex was free");
	check(counter("lwkt.sync_foreign") == before,
	    "trylock waited for a CPU");
	STORE(step, 2);
	await_step(3);
	lwkt_mutex_unlock(&mu);
	return arg;
}

/* What mu lends, read without its bucket's lock, which TSan would report. */
static __attribute__((noinline, no_sanitize_thread)) uint64_t
lent_now(void)
{
	return *(volatile uint64_t *)&mu.mu_lent;
}

/*
 * Release the mutex as a plain store on a quiet CPU does, while a waiter queues
 * itself and its priority changes: the mutex is free, has a waiter, and still
 * lends to this thread, which has yet to look for waiters.
 */
static void
releases_late(void *arg)
{
	(void)arg;
	lwkt_mutex_lock(&mu);
	STORE(inside, 1);
	while (lent_now() == 0)
		lwkt_sleep_ns(MS / 4);
	order_drop(&mu);
	__atomic_and_fetch(&mu.mu_word, MU_BEST, __ATOMIC_SEQ_CST);
	STORE(step, 1);
	while (LOAD(step) != 2)		/* the CPU serves pthreads */
		lwkt_sleep_ns(MS / 4);
	lwkt_mutex_unlock_late_(&mu);
	check(lent_now() == 0, "it lends to a former holder or a pthread");
	STORE(step, 3);
}

static void
locks_late(void *arg)
{
	(void)arg;
	locks_and_unlocks();
}

static int
trylock_never_waits(void *arg)
{
	lwkt_thread_t holder, td;
	pthread_t pth;

	(void)arg;
	lwkt_mutex_init(&mu, "mu");
	STORE(step, 0);
	STORE(inside, 0);
	if (pthread_create(&pth, NULL, tries, NULL) != 0)
		abort();
	holder = spawn_on(1, releases_late, NULL);
	await(&inside, 1);
	td = spawn_on(0, locks_late, NULL);
	join(holder);
	join(td);
	pthread_join(pth, NULL);
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
	sim_explore("a pthread that wakes a thread waits for its CPU",
	    pthread_waits_for_cpu, NULL, 1);
	sim_explore("trylock of a pthread never waits for a CPU",
	    trylock_never_waits, NULL, 1);
	setenv("LWKT_FAIL", "membarrier:*", 1);
	sim_explore("a mutex excludes both on a host without membarrier",
	    mutex_excludes, NULL, 1);
	return tap_done();
}
