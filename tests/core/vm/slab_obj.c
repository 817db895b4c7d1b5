/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects: freed by anybody, and theirs is the memory until nobody looks.
 */
#include <lwkt/malloc.h>

#include "core/util.h"
#include "vm/slab_var.h"

#define MAXCPUS		8
#define ALIVE		0x6f626a656374u

struct object {
	uint64_t	o_alive;	/* stays when it is free */
	uint64_t	o_owner;
	char		o_rest[2000];
};

static LWKT_MALLOC_DEFINE_OBJ(M_OBJECT, sizeof(struct object), "object",
    "objects of the tests");
static LWKT_MALLOC_DEFINE_OBJ(M_TINY, 1, "tiny", "one byte");
static LWKT_MALLOC_DEFINE_OBJ(M_ODD, 4000, "odd", "of 64 and 32 bytes");
static LWKT_MALLOC_DEFINE_OBJ(M_LARGE, 16384, "large", "the largest");

static void
none_in_use(struct lwkt_malloc_type *type)
{
	struct lwkt_malloc_stats ms;

	lwkt_kmalloc_stats(type, &ms);
	check(ms.ms_inuse == 0 && ms.ms_memuse == 0, "%lld %s, %lld bytes",
	    (long long)ms.ms_inuse, type->mt_name, (long long)ms.ms_memuse);
}

static LWKT_MALLOC_DEFINE(M_OTHER, "other", "blocks in between");

/* More than one slab of them, all different, all zero when asked for so. */
static void
many_of(struct lwkt_malloc_type *type, size_t size)
{
	enum { N = 300 };
	unsigned char *p[N];
	int i, n = size > 10000 ? 20 : N;

	for (i = 0; i < n; i++) {
		p[i] = lwkt_kmalloc_obj(size, type, LWKT_M_WAITOK |
		    LWKT_M_ZERO);
		check(p[i][0] == 0 && p[i][size - 1] == 0, "not zero");
		check(((uintptr_t)p[i] & 7) == 0, "%p", (void *)p[i]);
		memset(p[i], i, size);
	}
	for (i = 0; i < n; i++) {
		check(p[i][0] == (unsigned char)i &&
		    p[i][size - 1] == (unsigned char)i, "overwritten");
		lwkt_kfree_obj(p[i], type);
	}
	none_in_use(type);
}

static int
sizes(void *arg)
{
	int round;

	(void)arg;
	for (round = 0; round < 2; round++) {
		many_of(M_TINY, 1);
		many_of(M_OBJECT, sizeof(struct object));
		many_of(M_ODD, 4000);
		many_of(M_LARGE, 16384);
	}
	return 0;
}

/*
 * From hand to hand, over all CPUs.
 */
#define TRAYS		40

static uintptr_t tray[TRAYS];		/* (a) struct object, or 0 */

static void
object_free(struct object *o)
{
	check(o->o_alive == ALIVE && o->o_owner == (uintptr_t)o, "not itself");
	lwkt_kfree_obj(o, M_OBJECT);
}

static void
trades(void *arg)
{
	struct rng r = { (uintptr_t)arg };
	struct object *o;
	int i;

	for (i = 0; i < TIMES(30000, 80); i++) {
		o = lwkt_kmalloc_obj(sizeof(*o), M_OBJECT, LWKT_M_WAITOK);
		o->o_alive = ALIVE;
		o->o_owner = (uintptr_t)o;
		o = (struct object *)atomic_swap_ptr(
		    &tray[rng_below(&r, TRAYS)], (uintptr_t)o);
		if (o != NULL)
			object_free(o);
		if (rng_below(&r, 16) == 0)
			lwkt_yield();
	}
}

static int
storm(void *arg)
{
	lwkt_thread_t td[MAXCPUS];
	int i, n = lwkt_ncpus();

	(void)arg;
	memset(tray, 0, sizeof(tray));
	for (i = 0; i < n; i++)
		td[i] = spawn(trades, (void *)(uintptr_t)(i + 1), 0, i);
	join_all(td, n);
	for (i = 0; i < TRAYS; i++)
		if (tray[i] != 0)
			object_free((struct object *)tray[i]);
	none_in_use(M_OBJECT);
	return 0;
}

/*
 * A reader in a critical section looks at an object that is freed meanwhile,
 * with all others: its memory is not gone.
 */
#define CROWD		1000		/* many slabs */

static struct object *crowd[CROWD];

/* Whoever gives memory away too early: it is written to. */
static void
write_all_over(void)
{
	void *p[20];
	unsigned i;

	for (i = 0; i < nitems(p); i++) {
		p[i] = lwkt_kmalloc(ZONE_SIZE, M_OTHER, LWKT_M_WAITOK);
		memset(p[i], 0xee, ZONE_SIZE);
	}
	for (i = 0; i < nitems(p); i++)
		lwkt_kfree(p[i], M_OTHER);
}

static uint32_t reads, freed;

static void
reader(void *arg)
{
	struct object *o;
	unsigned i;

	(void)arg;
	lwkt_crit_enter();
	STORE(reads, 1);
	await_deaf(&freed, 1);
	for (i = 0; i < CROWD; i++) {
		o = crowd[i];
		check(o->o_alive == ALIVE, "object %u is something else", i);
	}
	lwkt_crit_exit();
}

static int
readers(void *arg)
{
	int64_t gone = counter("vm.obj_slabs_gone"), fresh;
	lwkt_thread_t td = NULL;
	unsigned i;

	(void)arg;
	STORE(reads, 0);
	STORE(freed, 0);
	for (i = 0; i < CROWD; i++) {
		crowd[i] = lwkt_kmalloc_obj(sizeof(**crowd), M_OBJECT,
		    LWKT_M_WAITOK);
		crowd[i]->o_alive = ALIVE;
	}
	if (lwkt_ncpus() > 1) {
		td = spawn(reader, NULL, 0, other_cpu());
		await(&reads, 1);
	}
	for (i = 0; i < CROWD; i++)
		lwkt_kfree_obj(crowd[i], M_OBJECT);
	if (td != NULL) {
		lwkt_yield();
		check(counter("vm.obj_slabs_gone") == gone, "given back "
		    "although somebody looks");
		write_all_over();
		STORE(freed, 1);
		join(td);
	}
	for (i = 0; i < 1000 && counter("vm.obj_slabs_gone") == gone; i++)
		lwkt_sleep_ns(1000000);
	check(counter("vm.obj_slabs_gone") > gone, "never given back");
	gone = counter("vm.obj_slabs_gone") - gone;
	fresh = counter("vm.kmem_get");
	write_all_over();
	fresh = counter("vm.kmem_get") - fresh;
	check(config_hard || fresh + (gone < 20 ? gone : 20) <= 20, "%lld "
	    "slabs gone, and %lld slots are new", (long long)gone,
	    (long long)fresh);
	none_in_use(M_OBJECT);
	return 0;
}

static int
limited(void *arg)
{
	struct object *o[21];
	unsigned i, n = 0;

	(void)arg;
	lwkt_kmalloc_raise_limit(M_OBJECT, 20 * sizeof(struct object));
	while (n < nitems(o) && (o[n] = lwkt_kmalloc_obj(sizeof(**o),
	    M_OBJECT, LWKT_M_NOWAIT)) != NULL)
		n++;
	check(n == 20, "%u of 20", n);
	for (i = 0; i < n; i++)
		lwkt_kfree_obj(o[i], M_OBJECT);
	return 0;
}

/* The host may refuse slabs. */
static int
shortage(void *arg)
{
	struct object *o[100];
	unsigned i;

	(void)arg;
	for (i = 0; i < nitems(o); i++)
		o[i] = lwkt_kmalloc_obj(sizeof(**o), M_OBJECT, LWKT_M_NOWAIT);
	for (i = 0; i < nitems(o); i++)
		if (o[i] != NULL)
			lwkt_kfree_obj(o[i], M_OBJECT);
	none_in_use(M_OBJECT);
	return 0;
}

int
main(void)
{
	static const struct sim_scenario faults = {
		.ss_name = "the host refuses memory", .ss_body = shortage,
		.ss_seeds = 100, .ss_faults = 1,
	};

	sim_explore("objects of every kind of size", sizes, NULL, 5);
	sim_explore("objects go from CPU to CPU", storm, NULL, 200);
	sim_explore("the memory of objects is theirs while a reader looks",
	    readers, NULL, 50);
	sim_explore("objects have the limit of their type", limited, NULL, 10);
	sim_explore_with(&faults);
	return tap_done();
}
