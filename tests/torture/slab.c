/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: blocks and objects of all sizes that go from CPU to CPU, freed by
 * threads, callbacks and timers, resized, refused by limits.
 *
 * Conservation: of each type as many blocks are freed as were given out, and 0
 * bytes are in use in the end; each block has the contents that it was given
 * until it is freed, and each object is of its type; when all is freed and
 * fetched no zone is left.
 */
#include <lwkt/malloc.h>
#include <lwkt/systimer.h>

#include "core/util.h"
#include "torture/torture.h"
#include "vm/slab_var.h"

#define TRAYS		512		/* blocks on their way */
#define THINGS		8192		/* objects on their way */
#define MAXCPUS		64
#define LIMIT		(256 << 10)	/* of M_TIGHT */

static LWKT_MALLOC_DEFINE(M_WIDE, "wide", "blocks");
static LWKT_MALLOC_DEFINE(M_TIGHT, "tight", "blocks with a limit");

struct block {
	size_t		b_size;		/* with this */
	uint64_t	b_seed;
	struct lwkt_malloc_type *b_type;
	uint64_t	b_word[];
};

struct thing {
	uint64_t	t_self;		/* its own address, free or not */
	uint64_t	t_busy;		/* (a) 1 from its birth to its death */
	uint64_t	t_rest[20];
};
static LWKT_MALLOC_DEFINE_OBJ(M_THING, sizeof(struct thing), "thing",
    "objects");

/* Of one CPU: its threads, and its callbacks. */
struct cpu {
	LWKT_CACHEALIGN
	uint64_t	c_born, c_died;
	uint64_t	c_things_born, c_things_died;
	uint64_t	c_refused, c_wrong, c_in_callback;
	struct lwkt_systimer c_timer;
	struct rng	c_rng;		/* of the timer's */
};

static struct cpu cpus[MAXCPUS];
static uintptr_t tray[TRAYS];		/* (a) blocks, or 0 */
static uintptr_t things[THINGS];	/* (a) objects, or 0 */

static inline struct cpu *
mine(void)
{
	return &cpus[lwkt_cpuid()];
}

static size_t
pick_size(struct rng *r)
{
	uint32_t kind = rng_below(r, 100);

	if (kind < 80)
		return rng_below(r, 1000);
	if (kind < 99)
		return rng_below(r, 16384);
	return 16384 + rng_below(r, 200000);
}

/* A word here and there, so that large ones do not take all the time. */
static size_t
words_of(const struct block *b, size_t *step)
{
	size_t n = (b->b_size - sizeof(*b)) / sizeof(uint64_t);

	*step = n / 64 + 1;
	return n;
}

static void
block_fill(struct block *b)
{
	size_t step, n = words_of(b, &step), i;

	for (i = 0; i < n; i += step)
		b->b_word[i] = mix64(b->b_seed + i);
}

static int
block_wrong(const struct block *b, size_t upto)
{
	size_t step, n = words_of(b, &step), i;

	for (i = 0; i < n && sizeof(*b) + (i + 1) * sizeof(uint64_t) <= upto;
	    i += step)
		if (b->b_word[i] != mix64(b->b_seed + i))
			return 1;
	return 0;
}

static struct block *
block_new(struct rng *r, int flags)
{
	struct lwkt_malloc_type *type = rng_below(r, 4) ? M_WIDE : M_TIGHT;
	size_t size = sizeof(struct block) + pick_size(r);
	struct block *b;

	b = lwkt_kmalloc(size, type, flags | LWKT_M_NULLOK |
	    (rng_below(r, 8) == 0 ? LWKT_M_ZERO : 0));
	if (b == NULL) {
		mine()->c_refused++;
		return NULL;
	}
	b->b_size = size;
	b->b_seed = rng_next(r);
	b->b_type = type;
	block_fill(b);
	mine()->c_born++;
	return b;
}

static void
block_free(struct block *b)
{
	mine()->c_wrong += (uint64_t)block_wrong(b, b->b_size);
	mine()->c_died++;
	lwkt_kfree(b, b->b_type);
}

static struct block *
block_resize(struct block *b, struct rng *r)
{
	size_t size = sizeof(*b) + pick_size(r), old = b->b_size, least;
	struct block *c;

	c = lwkt_krealloc(b, size, b->b_type, LWKT_M_NOWAIT);
	if (c == NULL) {
		mine()->c_refused++;
		return b;
	}
	least = old < size ? old : size;
	c->b_size = old;		/* what was filled, and how densely */
	mine()->c_wrong += (uint64_t)block_wrong(c, least);
	c->b_size = size;
	block_fill(c);
	return c;
}

/* Lay down what we have, and take up what lies there. */
static void
swap_block(struct rng *r, struct block *b)
{
	b = (struct block *)atomic_swap_ptr(&tray[rng_below(r, TRAYS)],
	    (uintptr_t)b);
	if (b == NULL)
		return;
	if (rng_below(r, 16) == 0)
		b = block_resize(b, r);
	block_free(b);
}

static void
thing_free(struct thing *t)
{
	mine()->c_wrong += t->t_self != (uintptr_t)t ||
	    atomic_swap_64(&t->t_busy, 0) != 1;
	mine()->c_things_died++;
	lwkt_kfree_obj(t, M_THING);
}

static void
swap_thing(struct rng *r)
{
	struct thing *t = NULL;

	if (rng_below(r, 2) == 0) {
		t = lwkt_kmalloc_obj(sizeof(*t), M_THING, LWKT_M_NOWAIT);
		if (t == NULL)
			return;
		atomic_store_64(&t->t_self, (uintptr_t)t);
		mine()->c_wrong += atomic_swap_64(&t->t_busy, 1) != 0;
		mine()->c_things_born++;
	}
	t = (struct thing *)atomic_swap_ptr(&things[rng_below(r, THINGS)],
	    (uintptr_t)t);
	if (t != NULL)
		thing_free(t);
}

/* Without a lock: what was a thing when we looked is one while we look. */
static void
read_thing(struct rng *r)
{
	uint64_t self;
	struct thing *t;

	lwkt_crit_enter();
	t = (struct thing *)atomic_load_acq_ptr(
	    &things[rng_below(r, THINGS)]);
	if (t != NULL) {
		self = atomic_load_64(&t->t_self);
		mine()->c_wrong += self != (uintptr_t)t;
	}
	lwkt_crit_exit();
}

/* Callback of an IPI or a timer. */
static void
callback(void *arg)
{
	struct cpu *c = mine();

	(void)arg;
	c->c_in_callback++;
	swap_block(&c->c_rng, rng_below(&c->c_rng, 2) ?
	    block_new(&c->c_rng, LWKT_M_NOWAIT) : NULL);
	swap_thing(&c->c_rng);
}

static void
on_timer(struct lwkt_systimer *st, void *arg)
{
	if (torture_over())
		lwkt_systimer_del(st);
	else
		callback(arg);
}

static void
worker(void *arg)
{
	struct rng r = { torture_seed + 31 * (uintptr_t)arg };
	int i;

	while (!torture_over()) {
		for (i = 0; i < 100; i++) {
			lwkt_crit_enter();	/* c_ counters */
			swap_block(&r, block_new(&r, LWKT_M_WAITOK));
			swap_thing(&r);
			lwkt_crit_exit();
			read_thing(&r);
		}
		if (rng_below(&r, 4) == 0)
			lwkt_send_ipiq((int)rng_below(&r,
			    (uint32_t)lwkt_ncpus()), callback, NULL);
		if (rng_below(&r, 200) == 0)
			lwkt_migratecpu((int)rng_below(&r,
			    (uint32_t)lwkt_ncpus()));
		if (rng_below(&r, 500) == 0) {
			lwkt_crit_enter();
			slab_check(mygd()->gd_slab);
			lwkt_crit_exit();
		}
		lwkt_yield();
	}
}

static void
start_timer(void *arg)
{
	struct cpu *c = mine();

	(void)arg;
	lwkt_crit_enter();
	lwkt_systimer_init_periodic(&c->c_timer, on_timer, NULL, 200000, 0);
	lwkt_crit_exit();
}

static void
tidies(void *arg)
{
	struct slab *sl;

	lwkt_synchronize_ipiqs("tidy");
	lwkt_crit_enter();
	if ((sl = mygd()->gd_slab) != NULL) {
		slab_check(sl);
		slab_clean(sl);
		ADD(*(uint64_t *)arg, sl->sl_nzones);
	}
	lwkt_crit_exit();
}

static void
none_left(struct lwkt_malloc_type *type)
{
	struct lwkt_malloc_stats ms;

	lwkt_kmalloc_stats(type, &ms);
	check(ms.ms_inuse == 0 && ms.ms_memuse == 0 && ms.ms_calls > 0,
	    "%s: %lld in use, %lld bytes, of %llu", type->mt_name,
	    (long long)ms.ms_inuse, (long long)ms.ms_memuse,
	    (unsigned long long)ms.ms_calls);
	diag("%s: %llu given out, %llu refused", type->mt_name,
	    (unsigned long long)ms.ms_calls, (unsigned long long)ms.ms_failed);
}

static void
account(int n)
{
	uint64_t born = 0, died = 0, tborn = 0, tdied = 0, wrong = 0;
	uint64_t callbacks = 0, zones = 0;
	int i, round;

	for (i = 0; i < n; i++) {
		born += cpus[i].c_born;
		died += cpus[i].c_died;
		tborn += cpus[i].c_things_born;
		tdied += cpus[i].c_things_died;
		wrong += cpus[i].c_wrong;
		callbacks += cpus[i].c_in_callback;
	}
	check(born == died && tborn == tdied && born > 0 && tborn > 0,
	    "%llu blocks, %llu freed; %llu objects, %llu freed",
	    (unsigned long long)born, (unsigned long long)died,
	    (unsigned long long)tborn, (unsigned long long)tdied);
	check(wrong == 0, "%llu with wrong contents",
	    (unsigned long long)wrong);
	none_left(M_WIDE);
	none_left(M_TIGHT);
	none_left(M_THING);
	for (round = 0; round < 2; round++)
		for (zones = 0, i = 0; i < n; i++)
			join(spawn(tidies, &zones, 0, i));
	/* The queue of the slabs of M_THING is a block, too. */
	check(zones <= 1, "%llu zones left", (unsigned long long)zones);
	diag("%llu callbacks, %lld freed elsewhere, %lld messages, %lld zones",
	    (unsigned long long)callbacks,
	    (long long)counter("vm.slab_remote"),
	    (long long)counter("vm.slab_signals"),
	    (long long)counter("vm.slab_zones"));
}

static int
body(void *arg)
{
	lwkt_thread_t td[2 * MAXCPUS];
	int i, n = lwkt_ncpus();

	(void)arg;
	lwkt_kmalloc_raise_limit(M_TIGHT, LIMIT);
	for (i = 0; i < n; i++) {
		cpus[i].c_rng.r_state = torture_seed ^ (uint64_t)i;
		join(spawn(start_timer, NULL, 0, i));
	}
	for (i = 0; i < 2 * n; i++)
		td[i] = spawn(worker, (void *)(uintptr_t)(i + 1), 0, i % n);
	join_all(td, 2 * n);
	lwkt_sleep_ns(10000000);	/* the timers delete themselves */
	for (i = 0; i < n; i++)
		join(spawn(tidies, &(uint64_t){ 0 }, 0, i));
	lwkt_crit_enter();
	for (i = 0; i < TRAYS; i++)
		if (tray[i] != 0)
			block_free((struct block *)tray[i]);
	for (i = 0; i < THINGS; i++)
		if (things[i] != 0)
			thing_free((struct thing *)things[i]);
	lwkt_crit_exit();
	account(n);
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "what was given out came back", body);
}
