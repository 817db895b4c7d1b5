/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Zones: chunks that other CPUs free come back to their zone, and zones without
 * a chunk in use go back to the host.
 */
#include "core/vm/slabtest.h"

/*
 * Zones that fall asleep while others free, again and again.
 */
static uintptr_t hand;			/* (a) a block for the other CPU */

static void
frees_what_comes(void *arg)
{
	uint32_t *left = arg;
	uintptr_t p;
	unsigned turn = 0;

	while (LOAD(*left) > 0) {
		if ((p = atomic_swap_ptr(&hand, 0)) == 0) {
			lwkt_yield();
			machine_pause(turn++);
			continue;
		}
		lwkt_kfree((void *)p, M_TEST);
		ADD(*left, (uint32_t)-1);
	}
}

static int
full_zones(void *arg)
{
	uint32_t left = (uint32_t)TIMES(3000, 25);
	lwkt_thread_t td;
	uint32_t i, n = left;
	uintptr_t p;

	(void)arg;
	STORE(hand, 0);
	td = spawn(frees_what_comes, &left, 0, other_cpu());
	focus(1);
	for (i = 0; i < n; i++) {
		p = (uintptr_t)lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
		*(volatile uint32_t *)p = i;
		while (!atomic_cmpset_ptr(&hand, 0, p))
			lwkt_yield();
	}
	focus(0);
	join(td);
	all_came_back(M_TEST);
	return 0;
}

/*
 * A message that a zone has a free block again comes when its owner has found
 * that out by itself, and has freed all of it, or filled it again.
 */
static uint32_t done_there;

static void
frees_there(void *arg)
{
	lwkt_kfree(arg, M_TEST);
	STORE(done_there, 1);
}

static int
late_message(void *arg)
{
	int fill = arg != NULL, i;
	void *p[ZONE_BLOCKS], *other;
	lwkt_thread_t td;

	STORE(done_there, lwkt_ncpus() == 1);
	for (i = 0; i < ZONE_BLOCKS; i++)
		p[i] = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
	other = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK); /* another zone */
	lwkt_crit_enter();
	td = spawn(frees_there, p[0], 0, other_cpu());
	await_deaf(&done_there, 1);	/* its message is under way */
	for (i = 1; i < ZONE_BLOCKS; i++)
		lwkt_kfree(p[i], M_TEST);
	if (fill) {
		lwkt_kfree(other, M_TEST);
		for (i = 0; i < ZONE_BLOCKS; i++)
			p[i] = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
		other = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
	}
	lwkt_crit_exit();
	join(td);
	lwkt_synchronize_ipiqs("late");
	lwkt_crit_enter();
	slab_check(mygd()->gd_slab);
	lwkt_crit_exit();
	if (fill)
		for (i = 0; i < ZONE_BLOCKS; i++)
			lwkt_kfree(p[i], M_TEST);
	lwkt_kfree(other, M_TEST);
	all_came_back(M_TEST);
	return 0;
}

/* The last chunk is taken while the other CPU frees one. */
static int
falls_asleep(void *arg)
{
	void *p[ZONE_BLOCKS];
	uint32_t one = 1;
	int64_t made = counter("vm.slab_zones");
	lwkt_thread_t td;
	int i;

	(void)arg;
	for (i = 0; i < ZONE_BLOCKS - 1; i++)
		p[i] = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
	STORE(hand, (uintptr_t)p[0]);
	focus(1);
	td = spawn(frees_what_comes, &one, 0, other_cpu());
	p[0] = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
	lwkt_kfree(p[1], M_TEST);
	p[1] = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
	focus(0);
	join(td);
	lwkt_synchronize_ipiqs("asleep");	/* the message is served */
	p[ZONE_BLOCKS - 1] = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
	check(counter("vm.slab_zones") - made == 1, "%lld zones for what fits "
	    "into one", (long long)(counter("vm.slab_zones") - made));
	for (i = 0; i < ZONE_BLOCKS; i++)
		lwkt_kfree(p[i], M_TEST);
	all_came_back(M_TEST);
	return 0;
}

/* Free zones are kept, but not too many. */
static int
gives_back(void *arg)
{
	enum { N = 80 * ZONE_BLOCKS };
	static void *p[N];
	int64_t given, keep = config_hard ? 1 : 32;
	int i;

	(void)arg;
	for (i = 0; i < N; i++)
		p[i] = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
	for (i = 0; i < N; i++)
		lwkt_kfree(p[i], M_TEST);
	check(counter("vm.slab_released") == 0 || TIMES(config_hard, 1),
	    "%lld zones given back at once",
	    (long long)counter("vm.slab_released"));
	for (i = 1; i < 1000; i++) {
		given = counter("vm.slab_released");
		if (given >= 80 - keep - 1)
			break;
		lwkt_sleep_ns(i * MS);	/* the CPU is idle */
	}
	check(given >= 80 - keep - 1 && given < 80 - keep / 2, "%lld zones of "
	    "80 given back", (long long)given);
	for (i = 0; i < N; i++)
		p[i] = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
	for (i = 0; i < N; i++)
		lwkt_kfree(p[i], M_TEST);
	all_came_back(M_TEST);
	return 0;
}

int
main(void)
{
	static const struct sim_scenario every = {
		.ss_name = "a zone falls asleep, every schedule of two "
		    "preemptions", .ss_body = falls_asleep,
		.ss_seeds = 20000, .ss_ncpus = 2, .ss_dfs = 300,
		.ss_focus = 1,
	};

	sim_explore("zones are full and others free", full_zones, NULL, 200);
	sim_explore("race 27: a zone is free before the message that it has a "
	    "free block", late_message, NULL, 50);
	sim_explore("a zone is full again before the message about the last "
	    "time", late_message, (void *)1, 50);
	sim_explore("a zone falls asleep", falls_asleep, NULL, 200);
	sim_explore_with(&every);
	(void)setenv("LWKT_TUNE", "lwkt.cache_ms=20", 1);
	sim_explore("free zones go back to the host", gives_back, NULL, 3);
	(void)unsetenv("LWKT_TUNE");
	return tap_done();
}
