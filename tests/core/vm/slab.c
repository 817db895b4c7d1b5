/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks: each is what was asked for, wherever it is allocated and freed.
 */
#include <lwkt/spinlock.h>

#include "core/vm/slabtest.h"

static void
one_size(size_t size)
{
	size_t align = size == 0 ? 1 : size & -size;
	void *p, *q;

	align = (size & (size - 1)) != 0 && align > 64 ? 64 : align;
	align = align > ZONE_SIZE ? ZONE_SIZE : align;
	p = lwkt_kmalloc(size, M_TEST, LWKT_M_WAITOK);
	q = lwkt_kmalloc(size, M_TEST, LWKT_M_NOWAIT | LWKT_M_ZERO);
	check(p != NULL && q != NULL && (p != q || size == 0), "size %zu",
	    size);
	check(((uintptr_t)p & (align - 1)) == 0, "%p for size %zu", p, size);
	check(((uintptr_t)p & 7) == 0, "%p for size %zu", p, size);
	check(lwkt_kmalloc_usable(p) >= size, "usable %zu of %zu",
	    lwkt_kmalloc_usable(p), size);
	if (size != 0) {
		mark(p, size, 0xa5);
		check(marked(q, size, 0), "not zero, size %zu", size);
		mark(q, size, 0x5a);
		check(marked(p, size, 0xa5), "overlap, size %zu", size);
	}
	lwkt_kfree(p, M_TEST);
	lwkt_kfree(q, M_TEST);
}

static int
every_size(void *arg)
{
	size_t size, step = (size_t)TIMES(1, 97);

	(void)arg;
	for (size = 0; size <= 2100; size += step)
		one_size(size);
	for (; size < 20000; size += 61 * step)
		one_size(size);
	for (size = 8; size <= (size_t)1 << TIMES(21, 18); size *= 2) {
		one_size(size - 1);
		one_size(size);
		one_size(size + 1);
	}
	all_came_back(M_TEST);
	return 0;
}

static int
rounded(void *arg)
{
	size_t size;
	void *p;

	(void)arg;
	for (size = 1; size < 5000; size += 1 + size / 7) {
		p = lwkt_kmalloc(size, M_TEST, LWKT_M_WAITOK |
		    LWKT_M_POWEROF2);
		check(lwkt_kmalloc_usable(p) >= size &&
		    ((uintptr_t)p & (lwkt_kmalloc_usable(p) - 1)) == 0,
		    "%p, %zu bytes for %zu", p, lwkt_kmalloc_usable(p), size);
		lwkt_kfree(p, M_TEST);
		p = lwkt_kmalloc(size, M_TEST, LWKT_M_WAITOK |
		    LWKT_M_CACHEALIGN);
		check(((uintptr_t)p & 63) == 0 &&
		    lwkt_kmalloc_usable(p) % 64 == 0, "%p, %zu bytes for %zu",
		    p, lwkt_kmalloc_usable(p), size);
		lwkt_kfree(p, M_TEST);
	}
	return 0;
}

/* Zeroed memory is zero also where it was used before. */
static int
zeroes(void *arg)
{
	void *p[40];
	unsigned round, i;
	size_t size;

	(void)arg;
	for (round = 0; round < 4; round++) {
		size = round % 2 == 0 ? 4000 : 40000;
		for (i = 0; i < nitems(p); i++) {
			p[i] = lwkt_kmalloc(size, M_TEST, LWKT_M_WAITOK |
			    LWKT_M_ZERO);
			check(marked(p[i], size, 0), "block %u", i);
			mark(p[i], size, 0xff);
		}
		for (i = 0; i < nitems(p); i++)
			lwkt_kfree(p[i], M_TEST);
	}
	return 0;
}

static int
resizes(void *arg)
{
	static const size_t sizes[] = { 1, 8, 9, 200, 201, 4096, 16384, 16385,
	    20000, 20001, 300000, 70, 0, 5 };
	unsigned i;
	size_t had = 0, both;
	char *p = NULL, *s;

	(void)arg;
	for (i = 0; i < nitems(sizes); i++) {
		p = lwkt_krealloc(p, sizes[i], M_TEST, LWKT_M_WAITOK);
		both = had < sizes[i] ? had : sizes[i];
		check(both == 0 || marked(p, both, i - 1), "contents, %zu to "
		    "%zu", had, sizes[i]);
		if (sizes[i] != 0)
			mark(p, sizes[i], i);
		had = sizes[i];
	}
	lwkt_kfree(p, M_TEST);
	s = lwkt_kstrdup("slab", M_TEST);
	check(strcmp(s, "slab") == 0, "%s", s);
	lwkt_kfree(s, M_TEST);
	s = lwkt_kstrndup("slabs", 2, M_TEST);
	check(strcmp(s, "sl") == 0, "%s", s);
	lwkt_kfree(s, M_TEST);
	all_came_back(M_TEST);
	return 0;
}

/*
 * Blocks go from hand to hand, over all CPUs.
 */
#define TRAYS		16

struct block {
	size_t		b_size;
	unsigned	b_seed;
	char		b_rest[];
};

static uintptr_t tray[TRAYS];		/* (a) struct block, or 0 */

static void
block_free(struct block *b)
{
	check(marked(b->b_rest, b->b_size, b->b_seed), "contents of %zu",
	    b->b_size);
	lwkt_kfree(b, M_TEST);
}

static void
trades(void *arg)
{
	struct rng r = { (uintptr_t)arg };
	struct block *b;
	size_t size;
	int i;

	for (i = 0; i < TIMES(20000, 60); i++) {
		size = rng_below(&r, rng_below(&r, 3) == 0 ? 16300 : 300);
		if (rng_below(&r, 50) == 0)
			size = 20000;
		b = lwkt_kmalloc(sizeof(*b) + size, M_TEST, LWKT_M_WAITOK);
		b->b_size = size;
		b->b_seed = (unsigned)i;
		mark(b->b_rest, size, b->b_seed);
		b = (struct block *)atomic_swap_ptr(
		    &tray[rng_below(&r, TRAYS)], (uintptr_t)b);
		if (b != NULL)
			block_free(b);
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
			block_free((struct block *)tray[i]);
	all_came_back(M_TEST);
	return 0;
}

static uint32_t called;		/* callbacks that have run */

/* Allocate and free in a callback. */
static void
frees_in_callback(void *arg)
{
	void **p = arg;
	void *q = lwkt_kmalloc(100, M_TEST, LWKT_M_NOWAIT);

	lwkt_kfree(p[0], M_TEST);
	lwkt_kfree(p[1], M_TEST);
	p[0] = q;
	ADD(called, 1);
}

static int
callbacks(void *arg)
{
	int64_t put, later;
	void *p[2];
	int cpu;

	(void)arg;
	for (cpu = 0; cpu < lwkt_ncpus(); cpu++) {
		STORE(called, 0);
		p[0] = lwkt_kmalloc(100, M_TEST, LWKT_M_WAITOK);
		p[1] = lwkt_kmalloc(300000, M_TEST, LWKT_M_WAITOK);
		put = counter("vm.kmem_put");
		later = counter("vm.slab_deferred");
		lwkt_send_ipiq(cpu, frees_in_callback, p);
		await(&called, 1);
		check(counter("vm.slab_deferred") == later + 1 &&
		    counter("vm.kmem_put") == put, "given back in a callback");
		lwkt_migratecpu(cpu);
		lwkt_kfree(p[0], M_TEST);
		check(counter("vm.kmem_put") == put + 1, "not given back by "
		    "the next call");
		lwkt_migratecpu(0);
	}
	all_came_back(M_TEST);
	return 0;
}

static struct lwkt_spin lock;

static int
under_spinlock(void *arg)
{
	int64_t put = counter("vm.kmem_put");
	void *p;

	(void)arg;
	lwkt_spin_init(&lock, "lock");
	lwkt_spin_lock(&lock);
	p = lwkt_kmalloc(300000, M_TEST, LWKT_M_WAITOK | LWKT_M_ZERO);
	lwkt_kfree(p, M_TEST);
	check(counter("vm.kmem_put") == put, "the host asked under a lock");
	lwkt_spin_unlock(&lock);
	p = lwkt_kmalloc(1, M_TEST, LWKT_M_WAITOK);
	check(counter("vm.kmem_put") == put + 1, "forgotten");
	lwkt_kfree(p, M_TEST);
	return 0;
}

int
main(void)
{
	sim_explore("every size", every_size, NULL, 10);
	sim_explore("rounded to powers of two and cache lines", rounded, NULL,
	    3);
	sim_explore("zeroed", zeroes, NULL, 3);
	sim_explore("realloc and strdup", resizes, NULL, 10);
	sim_explore("blocks go from CPU to CPU", storm, NULL, 100);
	sim_explore("in callbacks", callbacks, NULL, 100);
	sim_explore("under a spinlock", under_spinlock, NULL, 10);
	return tap_done();
}
