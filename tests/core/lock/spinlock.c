/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks: alone or shared, never both.
 */
#include <lwkt/spinlock.h>

#include "core/holders.h"

#define THREADS	6
#define ROUNDS	10
#define SHARED	0x80000000u

static struct lwkt_spin spin[3];
static uint32_t next_id;

/* Each run begins with locks that nobody has used. */
static void
fresh(void)
{
	lwkt_spin_init(&spin[0], "a");
	lwkt_spin_init(&spin[1], "b");
	lwkt_spin_init(&spin[2], "c");
	holders_fresh();
	next_id = 0;
}

static void
run_all(void (*fn)(void *), int n)
{
	fresh();
	run_threads(fn, n);
	check((spin[0].s_lock & ~SHARED) == 0, "left %#x", spin[0].s_lock);
	check(spin[0].s_exclwait == 0, "%u wait", spin[0].s_exclwait);
}

static void
adder(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_spin_lock(&spin[0]);
		check(lwkt_spin_held(&spin[0]), "not held");
		write_at_once();
		lwkt_spin_unlock(&spin[0]);
		lwkt_crit_enter();
		lwkt_spin_lock_quick(&spin[0]);
		write_at_once();
		lwkt_spin_unlock_quick(&spin[0]);
		lwkt_crit_exit();
		lwkt_yield();
	}
}

static int
exclusive_excludes(void *arg)
{
	(void)arg;
	run_all(adder, THREADS);
	check(total == 2 * THREADS * ROUNDS, "total %ld", total);
	return 0;
}

/* Every way in, at random. */
static void
mixer(void *arg)
{
	struct rng r = { atomic_fetchadd_32(&next_id, 1) };
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		switch (rng_below(&r, 6)) {
		case 0:
			lwkt_spin_lock(&spin[0]);
			write_at_once();
			lwkt_spin_unlock_any(&spin[0]);
			break;
		case 1:
			if (!lwkt_spin_trylock(&spin[0]))
				break;
			write_at_once();
			lwkt_spin_unlock(&spin[0]);
			break;
		case 2:
			lwkt_spin_lock_shared(&spin[0]);
			if (lwkt_spin_lock_upgrade_try(&spin[0]))
				write_at_once();
			else
				read_at_once();
			lwkt_spin_unlock_any(&spin[0]);
			break;
		case 3:
			lwkt_crit_enter();
			lwkt_spin_lock_shared_quick(&spin[0]);
			read_at_once();
			lwkt_spin_unlock_shared_quick(&spin[0]);
			lwkt_crit_exit();
			break;
		default:
			lwkt_spin_lock_shared(&spin[0]);
			read_at_once();
			lwkt_spin_unlock_shared(&spin[0]);
		}
	}
}

static int
shared_is_never_exclusive(void *arg)
{
	(void)arg;
	run_all(mixer, THREADS);
	return 0;
}

/* Few steps, all schedules: one wants it alone while the other shares it. */
static void
one_sharer(void *arg)
{
	(void)arg;
	lwkt_spin_lock_shared(&spin[0]);
	read_at_once();
	lwkt_spin_unlock_shared(&spin[0]);
}

static int
cached_bit_enumerated(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	fresh();
	one_sharer(NULL);
	td = spawn(one_sharer, NULL, LWKT_NOSTART, other_cpu());
	focus(1);
	lwkt_schedule(td);
	lwkt_spin_lock(&spin[0]);
	write_at_once();
	lwkt_spin_unlock(&spin[0]);
	focus(0);
	join(td);
	return 0;
}

static int
shared_bit_stays(void *arg)
{
	struct lwkt_spin s = LWKT_SPIN_INITIALIZER("s");

	(void)arg;
	lwkt_spin_lock_shared(&s);
	lwkt_spin_lock_shared(&s);
	check(s.s_lock == (SHARED | 2), "word %#x", s.s_lock);
	check(!lwkt_spin_lock_upgrade_try(&s), "upgraded one of two");
	check(!lwkt_spin_trylock(&s), "alone beside two");
	lwkt_spin_unlock_shared(&s);
	check(lwkt_spin_lock_upgrade_try(&s), "not upgraded");
	lwkt_spin_unlock_any(&s);
	check(s.s_lock == 0, "word %#x", s.s_lock);
	lwkt_spin_lock_shared(&s);
	lwkt_spin_unlock_any(&s);
	check(s.s_lock == SHARED, "word %#x", s.s_lock);
	lwkt_spin_lock(&s);
	check(s.s_lock == 1, "word %#x", s.s_lock);
	lwkt_spin_unlock(&s);
	lwkt_spin_uninit(&s);
	return 0;
}

static void
want_alone(void *arg)
{
	lwkt_spin_t s = arg;

	lwkt_spin_lock(s);
	lwkt_spin_unlock(s);
}

/* A second shared taking must not wait for one who waits for the first. */
static int
sharing_again_beside_a_waiter(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	fresh();
	if (lwkt_ncpus() == 1)
		return 0;
	td = spawn(want_alone, &spin[0], LWKT_NOSTART, other_cpu());
	lwkt_spin_lock_shared(&spin[0]);
	lwkt_schedule(td);
	await_deaf(&spin[0].s_exclwait, 1);
	lwkt_spin_lock_shared(&spin[0]);
	lwkt_spin_unlock_shared(&spin[0]);
	lwkt_spin_unlock_shared(&spin[0]);
	join(td);
	return 0;
}

static void
trier(void *arg)
{
	uint32_t *got = arg;
	int n = curthread->td_critcount;

	/* Pairs with try_does_not_wait. */
	atomic_store_rel_32(got, (uint32_t)lwkt_spin_trylock(&spin[0]));
	check(curthread->td_critcount == n && mygd()->gd_spinlocks == 0,
	    "a failed try leaves something");
}

static int
try_does_not_wait(void *arg)
{
	uint32_t got = 2;
	lwkt_thread_t td;
	unsigned turn;

	(void)arg;
	fresh();
	if (lwkt_ncpus() == 1)
		return 0;
	td = spawn(trier, &got, LWKT_NOSTART, other_cpu());
	lwkt_spin_lock(&spin[0]);
	lwkt_schedule(td);
	await_deaf(&got, 0);
	for (turn = 0; atomic_load_acq_32(&got) == 2; turn++)
		machine_pause(turn);
	check(LOAD(got) == 0, "got a held lock");
	lwkt_spin_unlock(&spin[0]);
	join(td);
	return 0;
}

static int
any_order_of_release(void *arg)
{
	int n = curthread->td_critcount;

	(void)arg;
	fresh();
	lwkt_spin_lock(&spin[0]);
	lwkt_spin_lock(&spin[1]);
	lwkt_spin_lock_shared(&spin[2]);
	lwkt_spin_unlock(&spin[0]);
	check(!lwkt_spin_held(&spin[0]) && lwkt_spin_held(&spin[1]) &&
	    lwkt_spin_held(&spin[2]), "wrong one released");
	lwkt_spin_unlock(&spin[1]);
	lwkt_spin_unlock_shared(&spin[2]);
	check(mygd()->gd_spinlocks == 0 && curthread->td_critcount == n,
	    "something is left");
	lwkt_yield();
	return 0;
}

/* Two words that are always equal, except during an update. */
static uint32_t pair[2];
static int only;

static void
updater(void *arg)
{
	uint32_t n;
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		lwkt_spin_lock(&spin[1]);
		if (only)
			lwkt_spin_lock_update_only(&spin[0]);
		else
			lwkt_spin_lock_update(&spin[0]);
		n = atomic_load_32(&pair[0]) + 1;
		atomic_store_32(&pair[0], n);
		atomic_store_32(&pair[1], n);
		if (only)
			lwkt_spin_unlock_update_only(&spin[0]);
		else
			lwkt_spin_unlock_update(&spin[0]);
		lwkt_spin_unlock(&spin[1]);
	}
}

static void
pair_reader(void *arg)
{
	uint32_t a, b;
	unsigned v;
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		do {
			v = only ? lwkt_spin_access_start_only(&spin[0]) :
			    lwkt_spin_access_start(&spin[0]);
			a = atomic_load_32(&pair[0]);
			b = atomic_load_32(&pair[1]);
			if (only && lwkt_spin_access_inprog(v))
				machine_pause(0);
		} while (only ? lwkt_spin_access_end_only(&spin[0], v) :
		    lwkt_spin_access_end(&spin[0], v));
		check(a == b, "%u and %u", a, b);
	}
}

static void
update_or_read(void *arg)
{
	if (atomic_fetchadd_32(&next_id, 1) < 2)
		updater(arg);
	else
		pair_reader(arg);
}

static int
readers_see_whole_updates(void *arg)
{
	only = arg != NULL;
	pair[0] = pair[1] = 0;
	run_all(update_or_read, THREADS);
	check((spin[0].s_update & 1) == 0, "still in progress");
	return 0;
}

static int
block_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_spin_lock(&spin[0]);
	lwkt_spin_lock(&spin[1]);
	lwkt_spin_unlock(&spin[1]);
	lwkt_sleep_ns(1);
	return 0;
}

static int
exit_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_spin_lock(&spin[0]);
	lwkt_exit();
}

static int
stranger_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_spin_lock(&spin[0]);
	lwkt_spin_unlock(&spin[1]);
	return 0;
}

static int
again_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_spin_lock(&spin[0]);
	lwkt_spin_lock(&spin[0]);
	return 0;
}

static int
upgrade_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_spin_lock_shared(&spin[0]);
	lwkt_spin_lock(&spin[0]);
	return 0;
}

static int
mode_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_spin_lock_shared(&spin[0]);
	lwkt_spin_unlock(&spin[0]);
	return 0;
}

static int
many_body(void *arg)
{
	static struct lwkt_spin s[LWKT_MAXSPINS + 1];
	int i;

	(void)arg;
	for (i = 0; i <= LWKT_MAXSPINS; i++) {
		lwkt_spin_init(&s[i], "many");
		lwkt_spin_lock(&s[i]);
	}
	return 0;
}

static int
uninit_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_spin_lock_shared(&spin[0]);
	lwkt_spin_uninit(&spin[0]);
	return 0;
}

static int
rank_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_spin_setrank(&spin[0], 2);
	lwkt_spin_setrank(&spin[1], 1);
	lwkt_spin_lock(&spin[0]);
	lwkt_spin_lock(&spin[1]);
	return 0;
}

static void
misuse(void)
{
	panics("a thread that blocks with a spinlock panics with its name",
	    block_body, "blocks with spinlock \"a\" held");
	panics("a thread that ends with a spinlock panics", exit_body,
	    "exits in a critical section");
	panics("giving back what one has not got panics", stranger_body,
	    "\"b\" is released by");
	panics("taking a spinlock again panics", again_body, "taken again");
	panics("taking alone what one shares panics", upgrade_body,
	    "taken again");
	panics("giving back in the wrong way panics", mode_body,
	    "not held exclusively");
	panics("too many spinlocks panic", many_body, "is number 17");
	panics("uninit of a held spinlock panics", uninit_body,
	    "is still held");
	if (config_invariants)
		panics("taking against the ranks panics", rank_body,
		    "\"b\" of rank 1 is taken while \"a\"");
}

static struct lwkt_spin stuck = LWKT_SPIN_INITIALIZER("stuck");

static void
never_gives_back(void *arg)
{
	lwkt_spin_lock(&stuck);
	STORE(*(uint32_t *)arg, 1);
	for (;;)
		machine_pause(1000);
}

static int
indefinite_body(void *arg)
{
	static uint32_t has;

	(void)arg;
	spawn_on(1, never_gives_back, &has);
	await(&has, 1);
	lwkt_spin_lock(&stuck);
	return 0;
}

static void
indefinite_wait(void)
{
	(void)setenv("LWKT_TUNE", "lwkt.spin_panic_s=3", 1);
	panics("an indefinite wait is complained of", indefinite_body,
	    "cpu 0 has waited for spinlock \"stuck\" for ");
	panics("and ends with a panic", indefinite_body,
	    "spinlock \"stuck\" has been waited for 3 s by cpu 0");
	(void)unsetenv("LWKT_TUNE");
}

int
main(void)
{
	static const struct sim_scenario all = {
		.ss_name = "race 30: setting and clearing SHARED checks the "
		    "whole word",
		.ss_body = cached_bit_enumerated, .ss_seeds = 3000,
		.ss_ncpus = 2, .ss_dfs = 40, .ss_focus = 1,
	};

	misuse();
	if (!config_host_sim)
		indefinite_wait();
	sim_explore("an exclusive spinlock excludes", exclusive_excludes, NULL,
	    200);
	sim_explore("a spinlock is never shared and exclusive at once",
	    shared_is_never_exclusive, NULL, 400);
	sim_explore_with(&all);
	sim_explore("the SHARED bit outlives its holders", shared_bit_stays,
	    NULL, 20);
	sim_explore("sharing again does not wait for a waiter",
	    sharing_again_beside_a_waiter, NULL, 200);
	sim_explore("a try does not wait and leaves nothing", try_does_not_wait,
	    NULL, 200);
	sim_explore("spinlocks are released in any order", any_order_of_release,
	    NULL, 20);
	sim_explore("readers see whole updates", readers_see_whole_updates,
	    NULL, 200);
	sim_explore("so they do without the lock", readers_see_whole_updates,
	    &only, 200);
	return tap_done();
}
