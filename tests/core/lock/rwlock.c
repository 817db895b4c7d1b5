/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday rwlock: readers share it, writers exclude, wherever readers unlock.
 * In most scenarios the locks become biased at the first reading: see main().
 */
#include "core/lock/rwlock.h"

#define THREADS		5
#define ROUNDS		TIMES(400, 8)

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
shares_and_excludes(void *arg)
{
	(void)arg;
	fresh();
	run_threads(reader_or_writer, THREADS);
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

/* Two readers change CPUs; or one moves to a CPU where no reader counted. */
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
	panics("a rwlock written again panics", rwlock_body,
	    "rwlock \"rw\" is locked again");
	sim_explore("a rwlock shares and excludes", shares_and_excludes,
	    NULL, 200);
	setenv("LWKT_TUNE", "lwkt.rwlock_bias=1", 1);
	panics("unlocking what nobody holds panics", nobody_body,
	    "rwlock \"rw\" is unlocked");
	sim_explore("readers share, writers exclude", all_at_once, NULL, 300);
	sim_explore("a reader is unlocked on another CPU", unlocked_elsewhere,
	    NULL, 100);
	sim_explore("a reader is unlocked in a callback",
	    unlocked_in_a_callback, NULL, 20);
	sim_explore("a writer gives up", writer_gives_up, NULL, 100);
	sim_explore("a writer is not kept out", not_kept_out, NULL, 50);
	setenv("LWKT_TUNE", "lwkt.rwlock_bias=0", 1);
	sim_explore("never biased: tuned", never_biased, NULL, 50);
	setenv("LWKT_TUNE", "lwkt.rwlock_bias=1", 1);
#ifndef LWKT_HOST_SIM
	setenv("LWKT_FAIL", "membarrier:*", 1);
	sim_explore("never biased: the host refuses", never_biased, NULL, 1);
#endif
	return tap_done();
}
