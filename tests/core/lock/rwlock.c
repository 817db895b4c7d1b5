/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday rwlock: readers that count by CPU, and what becomes of them when a
 * writer comes.  The locks become biased at the first reading, unless a
 * scenario says otherwise.
 */
#include <lwkt/sync.h>
#include <stdlib.h>

#include "core/holders.h"

#define THREADS		5
#define ROUNDS		TIMES(400, 8)
#define MANY		20		/* locks; more than a CPU has slots */

static struct lwkt_rwlock rw, other, many[MANY];
static uint32_t next_id, round_now, done, inside, stop;	/* atomic */

static void
fresh(void)
{
	lwkt_rwlock_init(&rw, "rw");
	lwkt_rwlock_init(&other, "other");
	next_id = round_now = done = inside = stop = 0;
	holders_fresh();
}

static void
read_lock(struct lwkt_rwlock *l)
{
	check(lwkt_rwlock_read(l, LWKT_FOREVER) == 0, "not read");
}

static void
write_lock(struct lwkt_rwlock *l)
{
	check(lwkt_rwlock_write(l, LWKT_FOREVER) == 0, "not written");
}

/* Nobody has the lock. */
static void
is_free(struct lwkt_rwlock *l)
{
	int error = lwkt_rwlock_write(l, 0);

	check(error == 0, "\"%s\" is not free: errno %d, word %#x",
	    l->rw_mtx.m_name, error, l->rw_mtx.m_lock);
	if (error != 0)
		return;
	lwkt_rwlock_unlock(l);
	check(l->rw_mtx.m_lock == 0, "the word is left %#x",
	    l->rw_mtx.m_lock);
}

/*
 * Everything at once.
 */
static int64_t
some_time(struct rng *r)
{
	switch (rng_below(r, 3)) {
	case 0:
		return 0;
	case 1:
		return 1 + rng_below(r, 3000);
	default:
		return LWKT_FOREVER;
	}
}

static void
reads(struct rng *r)
{
	int nested = rng_below(r, 3) == 0;

	if (lwkt_rwlock_read(&rw, some_time(r)) != 0)
		return;
	if (nested)
		read_lock(&other);
	read_inside();
	if (rng_below(r, 3) == 0)
		lwkt_migratecpu((int)rng_below(r, (uint32_t)lwkt_ncpus()));
	read_inside();
	if (nested)
		lwkt_rwlock_unlock(&other);
	lwkt_rwlock_unlock(&rw);
}

static void
writes(struct rng *r)
{
	if (lwkt_rwlock_write(&rw, some_time(r)) != 0)
		return;
	write_inside();
	if (rng_below(r, 2)) {
		read_lock(&rw);
		lwkt_rwlock_unlock(&rw);
		check(lwkt_rwlock_read(&rw, 0) == 0, "its writer cannot read");
		write_inside();
		lwkt_rwlock_unlock(&rw);
	}
	lwkt_rwlock_unlock(&rw);
}

static void
actor(void *arg)
{
	struct rng r = { ADD(next_id, 1) };
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		if (rng_below(&r, 4) == 0)
			writes(&r);
		else
			reads(&r);
	}
}

static int
all_at_once(void *arg)
{
	(void)arg;
	fresh();
	run_threads(actor, THREADS);
	is_free(&rw);
	is_free(&other);
	return 0;
}

/*
 * A reader and a writer at the same time, once a round.  The reader executes no
 * locked instruction while it holds the lock: what it has stored may be in the
 * store buffer all the time.
 */
#define LOOKS	40

static void
read_a_while(void)
{
	int i;

	for (i = 0; i < LOOKS; i++)
		check(atomic_load_32(&writers) == 0, "a reader beside a "
		    "writer");
}

static void
write_a_while(void)
{
	int i;

	(void)atomic_fetchadd_32(&writers, 1);
	for (i = 0; i < LOOKS; i++)
		lwkt__choice(CHOICE_CRIT);
	(void)atomic_fetchadd_32(&writers, (uint32_t)-1);
}

static void
round_begins(uint32_t i)
{
	STORE(round_now, i);
	lwkt_wakeup(&round_now);
}

static void
round_ends(void)
{
	ADD(done, 1);
	lwkt_wakeup(&done);
}

/* Its slot names the lock before the writer comes. */
static void
reads_again(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&round_now, 2 * i - 1);
		read_lock(&rw);
		lwkt_rwlock_unlock(&rw);
		round_ends();
		await_asleep(&round_now, 2 * i);
		read_lock(&rw);
		read_a_while();
		lwkt_rwlock_unlock(&rw);
		round_ends();
	}
}

/* After the writer another CPU makes the lock biased again. */
static int
again_as_a_writer_comes(void *arg)
{
	lwkt_thread_t td;
	uint32_t i;

	(void)arg;
	fresh();
	td = spawn_on(1, reads_again, NULL);
	for (i = 1; i <= ROUNDS; i++) {
		round_begins(2 * i - 1);
		await_asleep(&done, 2 * i - 1);
		round_begins(2 * i);
		write_lock(&rw);
		write_a_while();
		lwkt_rwlock_unlock(&rw);
		read_lock(&rw);
		lwkt_rwlock_unlock(&rw);
		await_asleep(&done, 2 * i);
	}
	join(td);
	is_free(&rw);
	return 0;
}

static void
reads_once_a_round(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&round_now, i);
		read_lock(&rw);
		read_a_while();
		lwkt_rwlock_unlock(&rw);
		round_ends();
	}
}

/* The lock is biased by the writer's CPU before (arg), or not at all. */
static int
first_as_a_writer_comes(void *arg)
{
	lwkt_thread_t td;
	uint32_t i;

	fresh();
	td = spawn_on(1, reads_once_a_round, NULL);
	for (i = 1; i <= ROUNDS; i++) {
		if (arg != NULL) {
			read_lock(&rw);
			lwkt_rwlock_unlock(&rw);
		}
		round_begins(i);
		write_lock(&rw);
		write_a_while();
		lwkt_rwlock_unlock(&rw);
		await_asleep(&done, i);
	}
	join(td);
	is_free(&rw);
	return 0;
}

/* It leaves as the writer comes. */
static void
holds_once_a_round(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		await_asleep(&round_now, i);
		read_lock(&rw);
		STORE(inside, i);
		lwkt_rwlock_unlock(&rw);
		round_ends();
	}
}

static int
is_poisoned(void)
{
	const unsigned char *p = (const void *)&rw;
	size_t i;

	for (i = 0; i < sizeof(rw) && p[i] == 0xa5; i++)
		continue;
	return i == sizeof(rw);
}

static int
gone_after_the_writer(void *arg)
{
	lwkt_thread_t td;
	uint32_t i;

	(void)arg;
	fresh();
	td = spawn_on(1, holds_once_a_round, NULL);
	for (i = 1; i <= ROUNDS; i++) {
		lwkt_rwlock_init(&rw, "rw");
		read_lock(&rw);
		lwkt_rwlock_unlock(&rw);
		round_begins(i);
		await(&inside, i);
		write_lock(&rw);
		lwkt_rwlock_unlock(&rw);
		atomic_fence_seq_cst();	/* no own store comes later */
		memset(&rw, 0xa5, sizeof(rw));
		await_asleep(&done, i);
		check(is_poisoned(), "the reader used it after that");
	}
	join(td);
	return 0;
}

/*
 * Where readers are.
 */
static void
reads_and_moves(void *arg)
{
	int cpu = (int)(intptr_t)arg;

	read_lock(&rw);
	ADD(inside, 1);
	await(&inside, 2);
	lwkt_migratecpu((cpu + 1) % lwkt_ncpus());
	lwkt_rwlock_unlock(&rw);
}

/* Two change places; or one of them goes to where nobody has counted. */
static int
unlocked_elsewhere(void *arg)
{
	lwkt_thread_t td[2];
	int i;

	(void)arg;
	fresh();
	for (i = 0; i < 2; i++)
		td[i] = spawn_on(i, reads_and_moves, (void *)(intptr_t)i);
	join_all(td, 2);
	is_free(&rw);
	return 0;
}

static void
unlocks(void *arg)
{
	lwkt_rwlock_unlock(arg);
}

static int
unlocked_in_a_callback(void *arg)
{
	(void)arg;
	fresh();
	read_lock(&rw);
	read_lock(&rw);
	lwkt_send_ipiq(lwkt_cpuid(), unlocks, &rw);
	lwkt_rwlock_unlock(&rw);
	is_free(&rw);
	return 0;
}

static void
tries_all(void *arg)
{
	int i, error;

	(void)arg;
	for (i = 0; i < MANY; i++) {
		error = lwkt_rwlock_write(&many[i], 0);
		check(error == EWOULDBLOCK, "lock %d: errno %d", i, error);
	}
}

/* More than a CPU has slots, so some readers do not count there. */
static int
many_locks(void *arg)
{
	int i, k;

	(void)arg;
	for (i = 0; i < MANY; i++)
		lwkt_rwlock_init(&many[i], "many");
	for (k = 0; k < 2; k++) {
		for (i = 0; i < MANY; i++)
			read_lock(&many[i]);
		if (k == 1)
			join(spawn_on(other_cpu(), tries_all, NULL));
		for (i = 0; i < MANY; i++)
			lwkt_rwlock_unlock(&many[i * 7 % MANY]);
	}
	for (i = 0; i < MANY; i++)
		is_free(&many[i]);
	return 0;
}

/*
 * What writers wait for.
 */
static void
writes_in_vain(void *arg)
{
	int error = lwkt_rwlock_write(&rw, (int64_t)(intptr_t)arg);

	check(error == EWOULDBLOCK, "beside a reader: errno %d", error);
}

static int
writer_gives_up(void *arg)
{
	(void)arg;
	fresh();
	read_lock(&rw);
	join(spawn_on(other_cpu(), writes_in_vain, (void *)0));
	join(spawn_on(other_cpu(), writes_in_vain, (void *)1000));
	check(lwkt_rwlock_read(&rw, 0) == 0, "no second reader");
	lwkt_rwlock_unlock(&rw);
	join(spawn_on(other_cpu(), writes_in_vain, (void *)1000));
	lwkt_rwlock_unlock(&rw);
	is_free(&rw);
	return 0;
}

static void
reads_all_the_time(void *arg)
{
	(void)arg;
	while (!LOAD(stop)) {
		read_lock(&rw);
		read_inside();
		lwkt_rwlock_unlock(&rw);
	}
}

static int
not_kept_out(void *arg)
{
	lwkt_thread_t td[3];
	int i;

	(void)arg;
	fresh();
	for (i = 0; i < 3; i++)
		td[i] = spawn_on(i, reads_all_the_time, NULL);
	for (i = 0; i < 5; i++) {
		write_lock(&rw);
		write_inside();
		lwkt_rwlock_unlock(&rw);
		lwkt_sleep_ns(2000);
	}
	STORE(stop, 1);
	join_all(td, 3);
	return 0;
}

/* With lwkt.rwlock_bias=3. */
static int
biased_again(void *arg)
{
	int64_t n;
	int i, k;

	(void)arg;
	fresh();
	for (k = 1; k <= 3; k++) {
		for (i = 1; i <= 4; i++) {
			read_lock(&rw);
			lwkt_rwlock_unlock(&rw);
			n = counter("lwkt.rwlock_biases");
			check(n == k - (i < 3), "reading %d of time %d: "
			    "%lld", i, k, (long long)n);
		}
		write_lock(&rw);
		lwkt_rwlock_unlock(&rw);
		n = counter("lwkt.rwlock_revokes");
		check(n == k, "time %d: %lld", k, (long long)n);
	}
	return 0;
}

/* The host refuses to fence, or lwkt.rwlock_bias is 0. */
static int
never_biased(void *arg)
{
	(void)all_at_once(arg);
	check(counter("lwkt.rwlock_biases") == 0, "biased");
	return 0;
}

static int
nobody_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_rwlock_unlock(&rw);
	return 0;
}

static int
nobody_biased_body(void *arg)
{
	(void)arg;
	fresh();
	read_lock(&rw);
	lwkt_rwlock_unlock(&rw);
	lwkt_rwlock_unlock(&rw);
	return 0;
}

/* Store buffers in every run: each scenario is about an order. */
static void
order(const char *name, int (*body)(void *), void *arg)
{
	struct sim_scenario ss = {
		.ss_name = name, .ss_body = body, .ss_arg = arg,
		.ss_seeds = 300, .ss_ncpus = 2, .ss_stores = 1,
	};

	sim_explore_with(&ss);
}

int
main(void)
{
	setenv("LWKT_TUNE", "lwkt.rwlock_bias=1", 1);
	panics("unlocking what nobody holds panics", nobody_body,
	    "rwlock \"rw\" is unlocked");
	panics("unlocking it when it is biased panics", nobody_biased_body,
	    "rwlock \"rw\" is unlocked");
	sim_explore("readers share, writers exclude", all_at_once, NULL, 300);
	order("RWO1, RWO2: a reader comes and goes as a writer comes",
	    again_as_a_writer_comes, NULL);
	order("RWO3: the first reader of a CPU comes as a writer comes",
	    first_as_a_writer_comes, &rw);
	sim_explore("a reader is unlocked on another CPU", unlocked_elsewhere,
	    NULL, 100);
	sim_explore("a reader is unlocked in a callback",
	    unlocked_in_a_callback, NULL, 20);
	sim_explore("more locks than slots", many_locks, NULL, 20);
	sim_explore("a writer gives up", writer_gives_up, NULL, 100);
	sim_explore("a writer is not kept out", not_kept_out, NULL, 50);
	order("a lock is gone after its last writer", gone_after_the_writer,
	    NULL);
	order("RWO4: a lock becomes biased as a writer comes",
	    first_as_a_writer_comes, NULL);
	setenv("LWKT_TUNE", "lwkt.rwlock_bias=3", 1);
	sim_explore("biased again after some readings", biased_again, NULL,
	    20);
	setenv("LWKT_TUNE", "lwkt.rwlock_bias=0", 1);
	sim_explore("never biased: tuned", never_biased, NULL, 50);
	setenv("LWKT_TUNE", "lwkt.rwlock_bias=1", 1);
#ifndef LWKT_HOST_SIM
	setenv("LWKT_FAIL", "membarrier:*", 1);
	sim_explore("never biased: the host refuses", never_biased, NULL, 1);
#endif
	return tap_done();
}
