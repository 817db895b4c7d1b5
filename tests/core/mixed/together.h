/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All mechanisms at once: a few actors that must not get stuck.
 *
 * THEORY
 * Each actor runs rounds.  In a round it first does some deeds of chance: it
 * takes a lock of any kind, sleeps, sends functions to other CPUs, stops them,
 * starts a timer, retires an object, disturbs another actor.  Then it meets
 * all others in three ways, none of which forgives a lost wake-up: it posts to
 * the box of each (sleep and wakeup, sometimes delayed), sends its message
 * round a ring (ports), and joins a count (condition variable).  Nobody polls,
 * and no later event repeats an earlier one: a wake-up that is lost leaves the
 * actor where it is, and the run ends in a deadlock report or never.
 *
 * What is counted: everything that is sent arrives once (functions, items of
 * the queue, blocks of memory); locks exclude; nobody runs beside the master
 * of a rendezvous; no reader meets an object that is gone; a deleted timer
 * does not fire.
 */
#ifndef LWKT_TESTS_CORE_MIXED_TOGETHER_H
#define LWKT_TESTS_CORE_MIXED_TOGETHER_H

#include <lwkt/cpusync.h>
#include <lwkt/lock.h>
#include <lwkt/lwp.h>
#include <lwkt/malloc.h>
#include <lwkt/msgport.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/sync.h>
#include <lwkt/systimer.h>
#include <lwkt/token.h>

#include "core/util.h"

#define ACTORS		5
#define TOKENS		3
#define BLOCKS		4
#define QUEUED		2	/* slots of the queue */

/* What kind of threads the actors are. */
enum kind { NATIVE, LWPS, PREEMPTIBLE };

struct actor {
	struct rng	 a_rng;
	unsigned	 a_me;
	lwkt_thread_t	 a_td;
	struct lwkt_port a_replies;
	struct lwkt_msg	 a_msg;
};

struct thing {
	struct lwkt_retire t_retire;	/* first */
	uint32_t	 t_alive;
};

static LWKT_MALLOC_DEFINE(M_TOGETHER, "together", "blocks of the test");

static struct actor actors[ACTORS];
static struct { uint32_t posted; char pad[60]; } box[ACTORS];
static enum kind kind;
static uint32_t together_rounds, started;

static struct lwkt_mutex mutex;
static struct lwkt_cond cond;
static uint32_t met;			/* under mutex */
static struct lwkt_mtx mtx;
static struct lwkt_lock lock;
static struct lwkt_rwlock rwlock;
static struct lwkt_serialize serializer;
static struct lwkt_spin spin;
static struct lwkt_token token[TOKENS];
static struct lwkt_sem sem;
static struct lwkt_queue queue;
static void *queue_slots[QUEUED];

enum { MUTEX, MTX, LOCKMGR, RWLOCK, SERIALIZER, SPIN, TOKEN,
	LOCKS = TOKEN + TOKENS };
static uint32_t inside[LOCKS];

static uint32_t sent, arrived;		/* functions */
static uint64_t put, got;		/* items: sums of their values */
static uint32_t frozen;			/* a master has stopped the others */
static uintptr_t block[BLOCKS];		/* each a uint32_t * */
static uintptr_t thing;			/* the one that readers find */
static uint32_t things;

static uint32_t
chance(struct actor *a, uint32_t n)
{
	return rng_below(&a->a_rng, n);
}

static int
any_cpu(struct actor *a)
{
	return (int)chance(a, (uint32_t)lwkt_ncpus());
}

/* With an exclusive lock; nobody runs here while a master has stopped us. */
static void
alone(unsigned which)
{
	uint32_t n = ADD(inside[which], 1);

	check(n == 1, "lock %u: %u inside", which, n);
	check(LOAD(frozen) == 0, "runs beside the master of a rendezvous");
	ADD(inside[which], -1);
}

/* The same with a shared one. */
static void
not_alone(unsigned which)
{
	check(LOAD(inside[which]) == 0, "lock %u is not shared", which);
}

static void
linger(struct actor *a)
{
	if (chance(a, 3) == 0)
		lwkt_yield();
	else if (chance(a, 6) == 0)
		lwkt_sleep_ns(1 + chance(a, 1000));
}

/*
 * Deeds.
 */
static void
yields(struct actor *a)
{
	(void)a;
	lwkt_yield();
}

static void
moves(struct actor *a)
{
	if (kind == NATIVE)
		(void)lwkt_migratecpu(any_cpu(a));
}

static void
changes_priority(struct actor *a)
{
	if (kind != LWPS)
		lwkt_setpri_self(LWKT_PRI_KERN_USER + (int)chance(a, 3));
}

static void
arrives(void *arg)
{
	(void)arg;
	ADD(arrived, 1);
}

static void
sends_functions(struct actor *a)
{
	int cpu = any_cpu(a);
	uint32_t n = chance(a, 12);

	for (ADD(sent, n); n > 0; n--)
		lwkt_send_ipiq(cpu, arrives, NULL);
}

static void
bounces(void *arg, int left)
{
	ADD(arrived, 1);
	if (left > 0)
		lwkt_send_ipiq2((int)(uintptr_t)arg % lwkt_ncpus(), bounces,
		    arg, left - 1);
}

static void
sends_a_bouncer(struct actor *a)
{
	ADD(sent, 4);
	lwkt_send_ipiq2(any_cpu(a), bounces, (void *)(uintptr_t)chance(a, 7),
	    3);
}

static void
takes_mutex(struct actor *a)
{
	if (chance(a, 3) == 0) {
		if (lwkt_mutex_timedlock(&mutex, chance(a, 2000)) != 0)
			return;
	} else {
		lwkt_mutex_lock(&mutex);
	}
	alone(MUTEX);
	linger(a);
	alone(MUTEX);
	lwkt_mutex_unlock(&mutex);
}

static void
takes_mtx(struct actor *a)
{
	if (chance(a, 2) == 0) {
		lwkt_mtx_lock(&mtx);
		alone(MTX);
		linger(a);
		lwkt_mtx_unlock(&mtx);
	} else if (lwkt_mtx_lock_sh(&mtx, 0, chance(a, 3) * 500) == 0) {
		not_alone(MTX);
		linger(a);
		lwkt_mtx_unlock(&mtx);
	}
}

static void
takes_lock(struct actor *a)
{
	if (chance(a, 2) == 0) {
		(void)lwkt_lockmgr(&lock, LWKT_LK_EXCLUSIVE);
		alone(LOCKMGR);
		linger(a);
	} else {
		(void)lwkt_lockmgr(&lock, LWKT_LK_SHARED);
		not_alone(LOCKMGR);
		linger(a);
		not_alone(LOCKMGR);
	}
	(void)lwkt_lockmgr(&lock, LWKT_LK_RELEASE);
}

static void
takes_rwlock(struct actor *a)
{
	int64_t limit = chance(a, 2) == 0 ? LWKT_FOREVER : chance(a, 2000);

	if (chance(a, 2) == 0) {
		if (lwkt_rwlock_write(&rwlock, limit) != 0)
			return;
		alone(RWLOCK);
		linger(a);
	} else {
		if (lwkt_rwlock_read(&rwlock, limit) != 0)
			return;
		not_alone(RWLOCK);
		linger(a);
		not_alone(RWLOCK);
	}
	lwkt_rwlock_unlock(&rwlock);
}

static void
takes_serializer(struct actor *a)
{
	lwkt_serialize_enter(&serializer);
	alone(SERIALIZER);
	linger(a);
	lwkt_serialize_exit(&serializer);
}

static void
takes_spinlock(struct actor *a)
{
	uint32_t n = chance(a, 4);

	lwkt_spin_lock(&spin);
	alone(SPIN);
	for (ADD(sent, n); n > 0; n--)
		lwkt_send_ipiq(any_cpu(a), arrives, NULL);
	lwkt_spin_unlock(&spin);
}

/*
 * Two tokens in any order.  The first is given up while the thread waits for
 * the second, and is its own again after that.
 */
static void
takes_tokens(struct actor *a)
{
	unsigned i = chance(a, TOKENS), j = (i + 1 + chance(a, TOKENS - 1)) %
	    TOKENS;

	lwkt_gettoken(&token[i]);
	alone(TOKEN + i);
	if (chance(a, 2) == 0) {
		lwkt_gettoken(&token[j]);
		alone(TOKEN + j);
	} else {
		lwkt_gettoken_shared(&token[j]);
		not_alone(TOKEN + j);
	}
	alone(TOKEN + i);
	linger(a);
	alone(TOKEN + i);
	lwkt_reltoken(&token[j]);
	lwkt_reltoken(&token[i]);
}

static void
posts_and_waits(struct actor *a)
{
	(void)a;
	lwkt_sem_post(&sem, 1);
	(void)lwkt_sem_wait(&sem, LWKT_FOREVER);
}

/* An item of its own, and one of anybody's: the queue never stays full. */
static void
puts_and_gets(struct actor *a)
{
	void *item = (void *)(uintptr_t)(1 + chance(a, 1000));

	if (lwkt_queue_put(&queue, item, 0) != 0)
		return;
	(void)atomic_fetchadd_64(&put, (uintptr_t)item);
	if (lwkt_queue_get(&queue, &item, LWKT_FOREVER) == 0)
		(void)atomic_fetchadd_64(&got, (uintptr_t)item);
}

static void
sleeps(struct actor *a)
{
	lwkt_sleep_ns(chance(a, 2000));
}

static void
waits_for_nothing(struct actor *a)
{
	(void)lwkt_tsleep(&sent, 0, "nothing", 500 + chance(a, 3000));
}

static void
wakes_for_nothing(struct actor *a)
{
	lwkt_wakeup(&box[chance(a, ACTORS)]);
}

static void
interrupts(struct actor *a)
{
	lwkt_interrupt(actors[chance(a, ACTORS)].a_td);
}

static void
schedules(struct actor *a)
{
	lwkt_schedule(actors[chance(a, ACTORS)].a_td);
}

/* While the others are stopped nobody else may be master, nor run. */
static void
stops_all(struct actor *a)
{
	struct lwkt_cpusync cs;

	(void)a;
	ADD(sent, (uint32_t)lwkt_ncpus());
	lwkt_cpusync_init(&cs, lwkt_cpumask_all(), arrives, NULL);
	lwkt_cpusync_interlock(&cs);
	check(ADD(frozen, 1) == 1, "two masters");
	lwkt__choice(CHOICE_SWITCH);
	ADD(frozen, -1);
	lwkt_cpusync_deinterlock(&cs);
}

static void
frees_thing(struct lwkt_retire *rt)
{
	struct thing *t = (struct thing *)rt;

	STORE(t->t_alive, 0);
	lwkt_kfree(t, M_TOGETHER);
	ADD(things, -1);
}

static void
new_thing(void)
{
	struct thing *t = lwkt_kmalloc(sizeof(*t), M_TOGETHER,
	    LWKT_M_WAITOK | LWKT_M_ZERO);

	ADD(things, 1);
	t->t_alive = 1;
	t = (struct thing *)atomic_swap_ptr(&thing, (uintptr_t)t);
	if (t != NULL)
		lwkt_retire(&t->t_retire, frees_thing);
}

static void
replaces_thing(struct actor *a)
{
	(void)a;
	new_thing();
}

/* A critical section keeps what it has found, whatever is sent in it. */
static void
reads_thing(struct actor *a)
{
	uint32_t n = chance(a, 12);
	struct thing *t;

	ADD(sent, n);
	lwkt_crit_enter();
	t = (struct thing *)atomic_load_acq_ptr(&thing);
	for (; n > 0; n--)
		lwkt_send_ipiq(any_cpu(a), arrives, NULL);
	check(LOAD(t->t_alive) == 1, "freed under its reader");
	lwkt_crit_exit();
}

/* Blocks are freed on another CPU than they come from. */
static void
swaps_block(struct actor *a)
{
	size_t n = 1 + chance(a, 200), i;
	uint32_t *b = lwkt_kmalloc((n + 1) * sizeof(*b), M_TOGETHER,
	    LWKT_M_WAITOK);

	b[0] = (uint32_t)n;
	for (i = 1; i <= n; i++)
		b[i] = b[0] + a->a_me;
	b = (uint32_t *)atomic_swap_ptr(&block[chance(a, BLOCKS)],
	    (uintptr_t)b);
	if (b == NULL)
		return;
	for (i = 2; i <= b[0]; i++)
		check(b[i] == b[1], "block of %u words, word %zu: %#x", b[0],
		    i, b[i]);
	lwkt_kfree(b, M_TOGETHER);
}

static void
fires(struct lwkt_systimer *st, void *arg)
{
	(void)st;
	ADD(*(uint32_t *)arg, 1);
}

/* A timer fires once, and not after it was deleted.  It stays on its CPU. */
static void
deletes_timer(struct actor *a)
{
	struct lwkt_systimer st;
	uint32_t fired = 0, before;

	if (kind == LWPS)
		return;		/* may be elsewhere after a sleep */
	lwkt_systimer_init_oneshot(&st, fires, &fired, 1 + chance(a, 2000));
	if (chance(a, 2) == 0)
		lwkt_sleep_ns(chance(a, 3000));
	lwkt_systimer_del(&st);
	before = LOAD(fired);
	check(before <= 1, "fired %u times", before);
	lwkt_sleep_ns(1 + chance(a, 3000));
	check(LOAD(fired) == before, "fired after it was deleted");
}

static void
child(void *arg)
{
	ADD(arrived, 1);
	(void)arg;
}

static void
has_a_child(struct actor *a)
{
	ADD(sent, 1);
	join(spawn_on(any_cpu(a), child, NULL));
}

static void (*const deeds[])(struct actor *) = {
	yields, moves, changes_priority, sends_functions, sends_a_bouncer,
	takes_mutex, takes_mtx, takes_lock, takes_rwlock, takes_serializer,
	takes_spinlock, takes_tokens, posts_and_waits, puts_and_gets, sleeps,
	waits_for_nothing, wakes_for_nothing, interrupts, schedules, stops_all,
	replaces_thing, reads_thing, swaps_block, deletes_timer, has_a_child,
};

/*
 * Meetings.
 */
static void
post_to_all(void)
{
	unsigned i;

	for (i = 0; i < ACTORS; i++) {
		ADD(box[i].posted, 1);
		lwkt_wakeup(&box[i]);
	}
}

static void
wait_for_box(struct actor *a, uint32_t least)
{
	uint32_t *posted = &box[a->a_me].posted;

	for (;;) {
		lwkt_tsleep_interlock(posted, 0);
		if (LOAD(*posted) >= least)
			break;
		(void)lwkt_tsleep(posted, LWKT_PINTERLOCKED |
		    (chance(a, 2) == 0 ? LWKT_PCATCH : 0), "box",
		    LWKT_FOREVER);
	}
	lwkt_tsleep_remove();
}

/* The message goes to the next actor and comes back; the last one's comes. */
static void
pass_message(struct actor *a)
{
	struct actor *next = &actors[(a->a_me + 1) % ACTORS];
	lwkt_msg_t m;

	lwkt_initmsg(&a->a_msg, &a->a_replies, 0);
	a->a_msg.ms_u.i64 = a->a_me;
	lwkt_sendmsg(lwkt_threadport(next->a_td), &a->a_msg);
	do {
		m = lwkt_waitport_timed(lwkt_curport(), 0,
		    chance(a, 2) == 0 ? 1 + chance(a, 3000) : LWKT_FOREVER);
	} while (m == NULL);
	check(m->ms_u.i64 == (a->a_me + ACTORS - 1) % ACTORS,
	    "a message of actor %d", (int)m->ms_u.i64);
	lwkt_replymsg(m, 7);
	check(lwkt_waitmsg(&a->a_msg, 0) == 7, "its reply");
}

static void
meet(struct actor *a, uint32_t least)
{
	lwkt_mutex_lock(&mutex);
	alone(MUTEX);
	if (++met == least)
		lwkt_cond_broadcast(&cond);
	while (met < least)
		(void)lwkt_cond_wait(&cond, &mutex, chance(a, 2) == 0 ?
		    1 + chance(a, 5000) : LWKT_FOREVER);
	lwkt_mutex_unlock(&mutex);
}

static void
run_actor(void *arg)
{
	struct actor *a = arg;
	uint32_t round, n;
	int delayed;

	await_asleep(&started, 1);
	for (round = 1; round <= together_rounds; round++) {
		for (n = chance(a, 4); n > 0; n--)
			deeds[chance(a, sizeof(deeds) / sizeof(deeds[0]))](a);
		delayed = chance(a, 3) == 0;
		if (delayed)
			lwkt_wakeup_start_delayed();
		post_to_all();
		pass_message(a);
		if (delayed)
			lwkt_wakeup_end_delayed();
		wait_for_box(a, round * ACTORS);
		meet(a, round * ACTORS);
	}
}

static void
together_init(uint64_t seed)
{
	unsigned i;

	memset(actors, 0, sizeof(actors));
	memset(box, 0, sizeof(box));
	memset(inside, 0, sizeof(inside));
	memset(block, 0, sizeof(block));
	met = sent = arrived = frozen = things = started = 0;
	put = got = 0;
	thing = 0;
	lwkt_mutex_init(&mutex, "mutex");
	lwkt_cond_init(&cond, "cond");
	lwkt_mtx_init(&mtx, "mtx");
	lwkt_lockinit(&lock, "lock", 0, 0);
	lwkt_rwlock_init(&rwlock, "rwlock");
	lwkt_serialize_init(&serializer);
	lwkt_spin_init(&spin, "spin");
	lwkt_sem_init(&sem, 0, "sem");
	lwkt_queue_init(&queue, queue_slots, QUEUED, "queue");
	for (i = 0; i < TOKENS; i++)
		lwkt_token_init(&token[i], "token");
	for (i = 0; i < ACTORS; i++) {
		actors[i].a_me = i;
		actors[i].a_rng.r_state = seed + i * 7919;
		lwkt_initport_spin(&actors[i].a_replies);
	}
	new_thing();
}

/* Everything that was begun has ended, once. */
static void
together_end(void)
{
	unsigned i;

	while (LOAD(arrived) < LOAD(sent) || LOAD(things) > 1)
		lwkt_sleep_ns(10000);
	check(arrived == sent, "%u of %u functions", arrived, sent);
	check(put == got, "items of %llu put, of %llu got",
	    (unsigned long long)put, (unsigned long long)got);
	for (i = 0; i < BLOCKS; i++)
		if (block[i] != 0)
			lwkt_kfree((void *)block[i], M_TOGETHER);
	lwkt_kfree((void *)thing, M_TOGETHER);
	for (i = 0; i < ACTORS; i++)
		check(lwkt_getport(&actors[i].a_replies) == NULL, "a reply");
}

/* One performance by actors of a kind.  A thread of the kernel. */
static int
together(enum kind k, uint32_t rounds, uint64_t seed)
{
	lwkt_lwp_t lwp[ACTORS];
	lwkt_thread_t td;
	unsigned i;

	kind = k;
	together_rounds = rounds;
	together_init(seed);
	for (i = 0; i < ACTORS; i++) {
		if (kind != LWPS) {
			actors[i].a_td = spawn(run_actor, &actors[i],
			    kind == PREEMPTIBLE ? LWKT_PREEMPTIBLE : 0,
			    (int)i % lwkt_ncpus());
			continue;
		}
		if (lwkt_lwp_create(run_actor, &actors[i], &lwp[i], NULL,
		    LWKT_JOINABLE, "actor %u", i) != 0)
			return 1;
		actors[i].a_td = lwkt_lwp_thread(lwp[i]);
	}
	STORE(started, 1);
	lwkt_wakeup(&started);
	for (i = 0; i < ACTORS; i++) {
		td = actors[i].a_td;
		if (kind == LWPS)
			(void)lwkt_lwp_join(lwp[i]);
		else
			join(td);
	}
	together_end();
	return 0;
}

#endif
