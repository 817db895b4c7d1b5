/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The filter of a sleep queue: a waker on another CPU reads it while the CPU
 * that owns it rewrites it, and still finds every sleeper.
 *
 * The idents of a scenario hash to one slot of the sleep table, so that they
 * share a filter.
 */
#include "core/util.h"
#include "kern/sleep/sleepq.h"
#include "kern/sleep/synch_var.h"

#define IDENTS		6	/* more than a filter holds */
#define SLOTS_LOG2	4	/* LWKT_TUNE below */
#define CROWD		(config_hard ? 4 : 17)	/* over TSLP_CLEAN_MAX */

static const char *ident[IDENTS];
static uint32_t wanted[IDENTS], got[IDENTS], asleep;

/* Find IDENTS addresses of one slot. */
static void
find_idents(void)
{
	static char pool[IDENTS << SLOTS_LOG2];
	unsigned slot, n;
	size_t i;

	for (slot = 0; slot < 1u << SLOTS_LOG2; slot++) {
		for (i = n = 0; i < sizeof(pool) && n < IDENTS; i++)
			if (sleepq_hash(&pool[i], SLOTS_LOG2) == slot)
				ident[n++] = &pool[i];
		if (n == IDENTS)
			return;
	}
	lwkt_panic("test: no slot has %d idents", IDENTS);
}

static void
sleeper(void *arg)
{
	const char *id = arg;

	lwkt_tsleep_interlock(id, 0);
	ADD(asleep, 1);
	check(lwkt_tsleep(id, LWKT_PINTERLOCKED, "test", LWKT_FOREVER) == 0,
	    "woken");
}

static void
waker(void *arg)
{
	lwkt_wakeup(arg);
}

/*
 * All sleepers but the last are woken by their own CPU, which leaves their
 * idents in the filter.  The next wakeup of ident 0 makes the owner rewrite
 * the filter while the last ident is being looked up in it.
 */
struct forget {
	int	f_sleepers;
	int	f_wakers;
};

static int
forget_body(void *arg)
{
	const struct forget *f = arg;
	int i, last = f->f_sleepers - 1;
	lwkt_thread_t td[IDENTS], other = NULL;

	find_idents();
	STORE(asleep, 0);
	for (i = 0; i <= last; i++) {
		td[i] = spawn_on(1, sleeper, (void *)(uintptr_t)ident[i]);
		await(&asleep, (uint32_t)i + 1);
	}
	for (i = 0; i < last; i++) {
		join(spawn_on(1, waker, (void *)(uintptr_t)ident[i]));
		join(td[i]);
	}
	if (f->f_wakers == 2)
		other = spawn_on(2, waker, (void *)(uintptr_t)ident[0]);
	else
		lwkt_wakeup(ident[0]);
	lwkt_wakeup(ident[last]);
	if (other != NULL)
		join(other);
	join(td[last]);
	return 0;
}

/* Sleep on ident i on CPU 1, and be woken there: the ident stays noted. */
static void
leave_ident(int i)
{
	lwkt_thread_t td;

	STORE(asleep, 0);
	td = spawn_on(1, sleeper, (void *)(uintptr_t)ident[i]);
	await(&asleep, 1);
	join(spawn_on(1, waker, (void *)(uintptr_t)ident[i]));
	join(td);
}

/*
 * So many threads sleep on ident 0 that their queue is not searched to its end,
 * where one sleeps on ident 1.  The filter is full when ident 1 comes, and a
 * wakeup without a sleeper tries to clean it.
 */
static int
crowd_body(void *arg)
{
	lwkt_thread_t td[CROWD + 1];
	int i;

	(void)arg;
	find_idents();
	for (i = 0; i < SLEEPQ_IDENTS - 1; i++)
		leave_ident(2 + i);
	STORE(asleep, 0);
	for (i = 0; i <= CROWD; i++) {
		td[i] = spawn_on(1, sleeper,
		    (void *)(uintptr_t)ident[i == CROWD]);
		await(&asleep, (uint32_t)i + 1);
	}
	lwkt_wakeup(ident[2]);
	lwkt_synchronize_ipiqs("test");
	lwkt_wakeup(ident[1]);
	join(td[CROWD]);
	lwkt_wakeup(ident[0]);
	join_all(td, CROWD);
	return 0;
}

/* Sleep on ident i until it was wanted once more, `rounds` times. */
static uint32_t rounds;

static void
waits(void *arg)
{
	size_t i = (size_t)(uintptr_t)arg;
	uint32_t round;

	for (round = 1; round <= rounds; round++) {
		for (;;) {
			lwkt_tsleep_interlock(ident[i], 0);
			if (LOAD(wanted[i]) >= round)
				break;
			(void)lwkt_tsleep(ident[i], LWKT_PINTERLOCKED, "test",
			    LWKT_FOREVER);
		}
		lwkt_tsleep_remove();
		STORE(got[i], round);
	}
}

static void
wants(void *arg)
{
	size_t i = (size_t)(uintptr_t)arg;
	uint32_t round;

	for (round = 1; round <= rounds; round++) {
		await(&got[i], round - 1);
		STORE(wanted[i], round);
		lwkt_wakeup(ident[i]);
	}
}

/*
 * Each ident has a sleeper and a waker, all over the CPUs: the filter fills,
 * overflows and is cleaned while every wake-up counts.
 */
static int
many_body(void *arg)
{
	lwkt_thread_t td[2 * IDENTS];
	struct rng r = { 7 };
	int i, n = (int)(intptr_t)arg;

	find_idents();
	rounds = (uint32_t)simrun_number("LWKT_ROUNDS", TIMES(5000, 6));
	for (i = 0; i < n; i++) {
		STORE(wanted[i], 0);
		STORE(got[i], 0);
	}
	for (i = 0; i < n; i++) {
		td[2 * i] = spawn_on(1, waits, (void *)(uintptr_t)i);
		td[2 * i + 1] = spawn_on((int)rng_below(&r, 4), wants,
		    (void *)(uintptr_t)i);
	}
	join_all(td, 2 * n);
	return 0;
}

int
main(void)
{
	static const struct forget forgets[] = {
		{ 2, 1 }, { 2, 2 }, { IDENTS, 1 }, { IDENTS, 2 },
	};
	static const char *const names[] = {
		"an ident is found while another is forgotten",
		"an ident is found so by two wakers on two CPUs",
		"an ident is found while it gets a place",
		"an ident is found then by two wakers on two CPUs",
	};
	struct sim_scenario ss = { .ss_body = forget_body, .ss_seeds = 300 };
	int i;

	setenv("LWKT_TUNE", "lwkt.tslp_size=16", 1);
	for (i = 0; i < 4; i++) {
		ss.ss_name = names[i];
		ss.ss_arg = (void *)(uintptr_t)&forgets[i];
		ss.ss_ncpus = 1 + forgets[i].f_wakers;
		sim_explore_with(&ss);
	}
	sim_explore("an ident behind a crowd is found", crowd_body, NULL, 30);
	sim_explore("idents that fit the filter lose no wake-up", many_body,
	    (void *)3, 100);
	sim_explore("idents that overflow the filter lose no wake-up",
	    many_body, (void *)IDENTS, 100);
	return tap_done();
}
