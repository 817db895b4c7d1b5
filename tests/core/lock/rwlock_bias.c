/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday rwlock: readers that count by CPU, and what becomes of them when a
 * writer comes.  The locks become biased at the first reading, except in the
 * last scenario.
 */
#include "core/lock/rwlock.h"

#define ROUNDS		TIMES(400, 8)
#define MANY		20		/* locks; more than a CPU has slots */

static struct lwkt_rwlock many[MANY];

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

/* The slot of its CPU names the lock before the writer comes. */
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

/* The reader unlocks as the writer comes. */
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
		atomic_fence_seq_cst();	/* no store of this CPU comes later */
		memset(&rw, 0xa5, sizeof(rw));
		await_asleep(&done, i);
		check(is_poisoned(), "the reader used it after that");
	}
	join(td);
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
	panics("unlocking it when it is biased panics", nobody_biased_body,
	    "rwlock \"rw\" is unlocked");
	order("RWO1, RWO2: a reader comes and goes as a writer comes",
	    again_as_a_writer_comes, NULL);
	order("RWO3: the first reader of a CPU comes as a writer comes",
	    first_as_a_writer_comes, &rw);
	sim_explore("more locks than slots", many_locks, NULL, 20);
	order("a lock is gone after its last writer", gone_after_the_writer,
	    NULL);
	order("RWO4: a lock becomes biased as a writer comes",
	    first_as_a_writer_comes, NULL);
	setenv("LWKT_TUNE", "lwkt.rwlock_bias=3", 1);
	sim_explore("biased again after some readings", biased_again, NULL,
	    20);
	return tap_done();
}
