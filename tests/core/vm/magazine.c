/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks at hand: what was freed is given out again, is counted, and holds no
 * memory that another needs.
 */
#include <lwkt/malloc2.h>

#include "core/util.h"
#include "machine/hostlib.h"
#include "vm/vm_magazine.h"

static LWKT_MALLOC_DEFINE(M_HAND, "hand", "blocks of the tests");

#define SIZE		((size_t)64)
#define MANY		100		/* more than a magazine has */

static void
counts(uint64_t calls, int64_t inuse)
{
	struct lwkt_malloc_stats ms;

	lwkt_kmalloc_stats(M_HAND, &ms);
	check(ms.ms_calls == calls && ms.ms_inuse == inuse &&
	    ms.ms_memuse == inuse * (int64_t)SIZE, "%llu calls, %lld blocks, "
	    "%lld bytes", (unsigned long long)ms.ms_calls,
	    (long long)ms.ms_inuse, (long long)ms.ms_memuse);
}

static void
looks(void)
{
	lwkt_crit_enter();
	slab_check(mygd()->gd_slab);
	lwkt_crit_exit();
}

/* All zones of this CPU are given up, if no block is in use. */
static void
no_zone_left(void)
{
	struct slab *sl;

	lwkt_crit_enter();
	sl = mygd()->gd_slab;
	slab_clean(sl);
	slab_check(sl);
	check(sl->sl_nzones == 0, "%u zones left", sl->sl_nzones);
	lwkt_crit_exit();
}

static void *
block(void)
{
	return lwkt_kmalloc(SIZE, M_HAND, LWKT_M_WAITOK);
}

static int
last_is_first(void *arg)
{
	void *p, *q;
	int i;

	(void)arg;
	p = block();
	for (i = 1; i < 5; i++) {
		counts((uint64_t)i, 1);
		*(uint64_t *)p = (uint64_t)i;
		lwkt_kfree(p, M_HAND);
		counts((uint64_t)i, 0);
		q = block();
		check(q == p, "%p after %p", q, p);
		looks();
	}
	lwkt_kfree(p, M_HAND);
	counts(5, 0);
	no_zone_left();
	return 0;
}

static int
more_than_it_holds(void *arg)
{
	int64_t filled, emptied;
	void *p[MANY];
	int i, round;

	(void)arg;
	filled = counter("vm.mag_filled");
	emptied = counter("vm.mag_emptied");
	for (round = 1; round <= 2; round++) {
		for (i = 0; i < MANY; i++) {
			p[i] = block();
			*(int *)p[i] = i;
		}
		counts((uint64_t)(round * MANY), MANY);
		looks();
		for (i = 0; i < MANY; i++) {
			check(*(int *)p[i] == i, "block %d has %d", i,
			    *(int *)p[i]);
			lwkt_kfree(p[i], M_HAND);
		}
		counts((uint64_t)(round * MANY), 0);
		looks();
	}
	check(fiber_wanted() || (counter("vm.mag_filled") > filled &&
	    counter("vm.mag_emptied") > emptied), "no magazine was used");
	no_zone_left();
	return 0;
}

/*
 * The host has no memory: a zone that only chunks at hand keep is given up for
 * another class.
 */
static int refuses;

static int
no_reservation(const char *point, int refused)
{
	return refused || (refuses && strcmp(point, "mem.reserve") == 0);
}

static void
take_all_slots(void)
{
	size_t n;

	lwkt_crit_enter();
	for (n = 4096; n > 0; n /= 2)
		while (kmem_alloc(n) != NULL)
			continue;
	lwkt_crit_exit();
}

static int
none_refused(void *arg)
{
	int (*host)(const char *, int) = lwkt__fail_host;
	void *p;

	(void)arg;
	lwkt_kfree(block(), M_HAND);
	lwkt__fail_host = no_reservation;
	refuses = 1;
	take_all_slots();
	p = lwkt_kmalloc(3 * SIZE, M_HAND, LWKT_M_NOWAIT);
	check(p != NULL, "refused, though a zone is all free");
	if (p != NULL)
		lwkt_kfree(p, M_HAND);
	refuses = 0;
	lwkt__fail_host = host;
	return 0;
}

/* A limit counts at once, whatever a CPU was allowed before. */
static int
new_limit(void *arg)
{
	void *p, *q;

	(void)arg;
	lwkt_kfree(block(), M_HAND);
	lwkt_kmalloc_raise_limit(M_HAND, (int64_t)SIZE - 1);
	check(lwkt_kmalloc(SIZE, M_HAND, LWKT_M_NOWAIT) == NULL,
	    "more than the limit");
	lwkt_kmalloc_raise_limit(M_HAND, (int64_t)SIZE);
	p = lwkt_kmalloc(SIZE, M_HAND, LWKT_M_NOWAIT);
	check(p != NULL, "less than the limit");
	check(lwkt_kmalloc(SIZE, M_HAND, LWKT_M_NOWAIT) == NULL,
	    "one more than the limit");
	lwkt_kfree(p, M_HAND);
	p = lwkt_kmalloc(SIZE, M_HAND, LWKT_M_NOWAIT);
	check(p != NULL, "no room for what was freed");
	lwkt_kmalloc_set_unlimited(M_HAND);
	q = lwkt_kmalloc(SIZE, M_HAND, LWKT_M_NOWAIT);
	check(q != NULL, "a limit where there is none");
	lwkt_kfree(p, M_HAND);
	lwkt_kfree(q, M_HAND);
	no_zone_left();
	return 0;
}

/* A constant size takes the same chunks, and is counted and limited alike. */
static int
constant_size(void *arg)
{
	size_t size, got;
	void *p, *q;

	(void)arg;
	p = lwkt_kmalloc_quick(SIZE, M_HAND, LWKT_M_WAITOK);
	counts(1, 1);
	lwkt_kfree(p, M_HAND);
	counts(1, 0);
	q = lwkt_kmalloc_quick(SIZE, M_HAND, LWKT_M_NOWAIT);
	check(q == p, "%p after %p", q, p);
	looks();
	lwkt_kmalloc_raise_limit(M_HAND, (int64_t)SIZE);
	check(lwkt_kmalloc_quick(SIZE, M_HAND, LWKT_M_NOWAIT) == NULL,
	    "one more than the limit");
	lwkt_kmalloc_set_unlimited(M_HAND);
	lwkt_kfree(q, M_HAND);
	for (size = 1; size <= LWKT_KMALLOC_QUICK; size++) {
		p = lwkt_kmalloc_class(size, M_HAND, LWKT_M_WAITOK,
		    lwkt_kmalloc_class_of(size));
		got = lwkt_kmalloc_usable(p);
		lwkt_kfree(p, M_HAND);
		q = lwkt_kmalloc(size, M_HAND, LWKT_M_WAITOK);
		check(got >= size && lwkt_kmalloc_usable(q) == got,
		    "%zu bytes: %zu and %zu", size, got,
		    lwkt_kmalloc_usable(q));
		lwkt_kfree(q, M_HAND);
	}
	no_zone_left();
	return 0;
}

/* WAITOK in a callback is noticed, though a chunk is at hand. */
static void
waits(void *arg)
{
	lwkt_kfree(lwkt_kmalloc(SIZE, M_HAND, LWKT_M_WAITOK), M_HAND);
	lwkt_kfree(lwkt_kmalloc_quick(SIZE, M_HAND, LWKT_M_WAITOK), M_HAND);
	ADD(*(uint32_t *)arg, 1);
}

static int
in_callback(void *arg)
{
	int64_t warned = counter("vm.malloc_waitok_intr");
	uint32_t done = 0;

	(void)arg;
	lwkt_kfree(block(), M_HAND);
	lwkt_send_ipiq(lwkt_cpuid(), waits, &done);
	await(&done, 1);
	check(counter("vm.malloc_waitok_intr") == warned + 2, "not noticed");
	return 0;
}

/*
 * Wrong programs.  The first word of a free block has the mark, which the first
 * of them overwrites: the state tells nevertheless.
 */
#define UNCHECKED __attribute__((no_sanitize_address))

static UNCHECKED int
twice_and_written(void *arg)
{
	uint64_t *volatile p = block();

	(void)arg;
	lwkt_kfree(p, M_HAND);
	*p = 1;
	lwkt_kfree(p, M_HAND);
	return 0;
}

static int
twice_when_back(void *arg)
{
	void *p[MANY];
	int i;

	(void)arg;
	for (i = 0; i < MANY; i++)
		p[i] = block();
	for (i = 0; i < MANY; i++)
		if (i != 1)			/* which keeps the zone */
			lwkt_kfree(p[i], M_HAND);
	lwkt_kfree(p[0], M_HAND);
	return 0;
}

static UNCHECKED int
written_on_the_way_back(void *arg)
{
	void *p[MANY];
	int i;

	(void)arg;
	for (i = 0; i < MANY; i++)
		p[i] = block();
	lwkt_kfree(p[0], M_HAND);
	*(uint64_t *)p[0] = 1;
	for (i = 1; i < MANY; i++)
		lwkt_kfree(p[i], M_HAND);
	return 0;
}

static UNCHECKED int
written_at_the_end(void *arg)
{
	uint64_t *volatile p = block();

	(void)arg;
	lwkt_kfree(p, M_HAND);
	*p = 1;
	return 0;
}

int
main(void)
{
	fiber_boot();
	if (fiber_wanted()) {
		skip("a checker reports it in its own words");
	} else {
		panics("freed twice, written to in between", twice_and_written,
		    "is freed twice; seen by thread \"main\"");
		panics("freed twice, in its zone by then", twice_when_back,
		    "is freed twice");
		panics("written to, seen when it goes back to its zone",
		    written_on_the_way_back, "was written after the free");
		panics("written to, seen at the shutdown", written_at_the_end,
		    "was written after the free");
	}
	sim_explore("the block freed last comes first", last_is_first, NULL,
	    10);
	sim_explore("more blocks than a magazine holds", more_than_it_holds,
	    NULL, 20);
	if (fiber_wanted())
		skip("no chunk is at hand under a checker");
	else
		sim_explore("a zone of chunks at hand is given up",
		    none_refused, NULL, 3);
	sim_explore("a constant size", constant_size, NULL, 3);
	sim_explore("a new limit counts at once", new_limit, NULL, 20);
	sim_explore("WAITOK in a callback", in_callback, NULL, 20);
	return tap_done();
}
