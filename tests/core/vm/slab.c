/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Zones and blocks: each is what was asked for, and all come back.
 */
#include <lwkt/malloc.h>
#include <lwkt/spinlock.h>
#include <lwkt/systimer.h>

#include "core/util.h"
#include "vm/slab_var.h"

static LWKT_MALLOC_DEFINE(M_TEST, "test", "blocks of the tests");

#define MAXCPUS		8
#define ZONE_BLOCKS	7		/* of 16 KiB in a zone */
#define BIG		((size_t)16384)

/* Every CPU fetches what others freed; then it should own so many zones. */
static void
tidies(void *arg)
{
	struct slab *sl;

	lwkt_synchronize_ipiqs("tidy");
	lwkt_crit_enter();
	if ((sl = mygd()->gd_slab) != NULL) {
		slab_check(sl);
		slab_clean(sl);
		slab_check(sl);
		ADD(*(uint32_t *)arg, sl->sl_nzones);
	}
	lwkt_crit_exit();
}

static uint32_t
zones_left(void)
{
	uint32_t left = 0;
	int round, cpu;

	for (round = 0; round < 2; round++) {	/* messages, then zones */
		STORE(left, 0);
		for (cpu = 0; cpu < lwkt_ncpus(); cpu++)
			join(spawn(tidies, &left, 0, cpu));
	}
	return LOAD(left);
}

static void
all_came_back(struct lwkt_malloc_type *type)
{
	struct lwkt_malloc_stats ms;
	uint32_t zones;

	lwkt_kmalloc_stats(type, &ms);
	check(ms.ms_inuse == 0 && ms.ms_memuse == 0, "%lld blocks, %lld bytes "
	    "in use", (long long)ms.ms_inuse, (long long)ms.ms_memuse);
	zones = zones_left();
	check(zones == 0, "%u zones left", zones);
}

/* Contents by which a block is known. */
static void
mark(void *p, size_t size, unsigned seed)
{
	memset(p, (int)(seed & 0xff), size);
}

static int
marked(const void *p, size_t size, unsigned seed)
{
	const unsigned char *c = p;
	size_t i;

	for (i = 0; i < size; i++)
		if (c[i] != (seed & 0xff))
			return 0;
	return 1;
}

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

/*
 * Limits.
 */
static int
limits(void *arg)
{
	const int64_t most = 256 * 1024;
	struct lwkt_malloc_stats ms;
	void *p[600];
	unsigned n, i;

	(void)arg;
	check(lwkt_kmalloc_limit(M_TEST) > 0, "no limit at first");
	lwkt_kmalloc_raise_limit(M_TEST, most);
	check(lwkt_kmalloc_limit(M_TEST) == most, "limit not set");
	for (n = 0; n < nitems(p); n++)
		if ((p[n] = lwkt_kmalloc(1024, M_TEST, LWKT_M_NOWAIT)) == NULL)
			break;
	check(n == most / 1024, "%u blocks within the limit", n);
	check(lwkt_kmalloc(1, M_TEST, LWKT_M_WAITOK | LWKT_M_NULLOK) == NULL,
	    "more than the limit");
	check(lwkt_krealloc(p[0], 2000, M_TEST, LWKT_M_NOWAIT) == NULL,
	    "more than the limit by realloc");
	lwkt_kmalloc_stats(M_TEST, &ms);
	check(ms.ms_inuse == n && ms.ms_memuse == most && ms.ms_limit == most,
	    "%lld blocks, %lld bytes", (long long)ms.ms_inuse,
	    (long long)ms.ms_memuse);
	check(ms.ms_calls == n && ms.ms_failed == 3, "%llu calls, %llu failed",
	    (unsigned long long)ms.ms_calls, (unsigned long long)ms.ms_failed);
	lwkt_kfree(p[--n], M_TEST);
	check((p[n] = lwkt_kmalloc(1024, M_TEST, LWKT_M_NOWAIT)) != NULL,
	    "no room for what was freed");
	n++;
	lwkt_kmalloc_set_unlimited(M_TEST);
	check((p[n] = lwkt_kmalloc(BIG * 40, M_TEST, LWKT_M_NOWAIT)) != NULL,
	    "a limit where there is none");
	for (i = 0; i <= n; i++)
		lwkt_kfree(p[i], M_TEST);
	check(lwkt_kmalloc(SIZE_MAX / 2, M_TEST, LWKT_M_NOWAIT) == NULL,
	    "more than there can be");
	check(lwkt_kmalloc(SIZE_MAX, M_TEST, LWKT_M_NOWAIT | LWKT_M_POWEROF2)
	    == NULL, "more than there can be");
	return 0;
}

/* What all CPUs have taken together is within the limit. */
static uint32_t taken;

static void
takes_all(void *arg)
{
	void *p;

	while ((p = lwkt_kmalloc(2000, M_TEST, LWKT_M_NOWAIT)) != NULL) {
		*(void **)p = *(void **)arg;
		*(void **)arg = p;
		ADD(taken, 1);
		lwkt_yield();
	}
}

static int
limit_of_all(void *arg)
{
	const int64_t most = 60 * 2048;
	int i, n = lwkt_ncpus();
	lwkt_thread_t td[MAXCPUS];
	void *list[MAXCPUS] = { NULL }, *p;

	(void)arg;
	STORE(taken, 0);
	lwkt_kmalloc_raise_limit(M_TEST, most);
	for (i = 0; i < n; i++)
		td[i] = spawn(takes_all, &list[i], 0, i);
	join_all(td, n);
	check(taken >= 60 && taken <= (uint32_t)(60 + n), "%u taken", taken);
	for (i = 0; i < n; i++)
		while ((p = list[i]) != NULL) {
			list[i] = *(void **)p;
			lwkt_kfree(p, M_TEST);
		}
	all_came_back(M_TEST);
	return 0;
}

/*
 * Callbacks.
 */
static void
frees_in_callback(void *arg)
{
	void **p = arg;
	void *q = lwkt_kmalloc(100, M_TEST, LWKT_M_NOWAIT);

	lwkt_kfree(p[0], M_TEST);
	lwkt_kfree(p[1], M_TEST);
	p[0] = q;
	ADD(taken, 1);
}

static int
callbacks(void *arg)
{
	int64_t put, later;
	void *p[2];
	int cpu;

	(void)arg;
	for (cpu = 0; cpu < lwkt_ncpus(); cpu++) {
		STORE(taken, 0);
		p[0] = lwkt_kmalloc(100, M_TEST, LWKT_M_WAITOK);
		p[1] = lwkt_kmalloc(300000, M_TEST, LWKT_M_WAITOK);
		put = counter("vm.kmem_put");
		later = counter("vm.slab_deferred");
		lwkt_send_ipiq(cpu, frees_in_callback, p);
		await(&taken, 1);
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
	given = counter("vm.slab_released");
	check(given >= 80 - keep - 1 && given < 80 - keep / 2, "%lld zones of "
	    "80 given back", (long long)given);
	for (i = 0; i < N; i++)
		p[i] = lwkt_kmalloc(BIG, M_TEST, LWKT_M_WAITOK);
	for (i = 0; i < N; i++)
		lwkt_kfree(p[i], M_TEST);
	all_came_back(M_TEST);
	return 0;
}

#define BANKS		RESV_BANKS
#define MOST_OF_BANK	((size_t)4800)	/* slots: a bank has no two such runs */

/* A run of slots of which one page is in use; or NULL. */
static struct kmem_slot *
run(size_t nslots)
{
	struct kmem_slot *ks;

	lwkt_crit_enter();
	ks = kmem_alloc(nslots);
	lwkt_crit_exit();
	if (ks != NULL)
		ks->ks_size = machine_page_size();
	return ks;
}

static void
run_free(struct kmem_slot *ks)
{
	lwkt_crit_enter();
	kmem_free(ks);
	lwkt_crit_exit();
}

/* Take runs until there is no bank for another one.  Returns how many. */
static int
all_banks(struct kmem_slot **ks, int most)
{
	int n = 0;

	while (n < most && (ks[n] = run(MOST_OF_BANK)) != NULL)
		n++;
	return n;
}

/*
 * The table of banks is full, unless the host refuses address space before:
 * a request gets a longer run, and is refused if there is none.
 */
static int
full_table(void *arg)
{
	static struct kmem_slot *ks[BANKS + 1];
	struct kmem_slot *shorter;
	int n = all_banks(ks, BANKS + 1);

	(void)arg;
	check(n <= BANKS, "%d runs, each of a bank of its own", n);
	check(counter("vm.kmem_full") + counter("vm.kmem_refused") == 1,
	    "%lld banks found no room, the host refused %lld",
	    (long long)counter("vm.kmem_full"),
	    (long long)counter("vm.kmem_refused"));
	run_free(ks[0]);
	shorter = run(4000);
	check(shorter == ks[0], "the longer run is not used");
	check(run(4000) == NULL, "a run more than there are");
	if (shorter != NULL)
		run_free(shorter);
	for (int i = 1; i < n; i++)
		run_free(ks[i]);
	check(all_banks(ks, BANKS + 1) == n, "not all %d runs came back", n);
	check(counter("vm.kmem_banks") <= BANKS, "%lld banks",
	    (long long)counter("vm.kmem_banks"));
	return 0;
}

#define RESERVATIONS	16	/* more than a boot and a test make */

/* The host refuses memory: no block, and nothing else is the worse for it. */
static int
shortage(void *arg)
{
	struct lwkt_malloc_stats ms;
	void *p[60];
	unsigned i, got = 0, refused = 0;
	size_t size;

	for (i = 0; i < nitems(p); i++) {
		size = i % 3 == 0 ? 50000 : i % 3 == 1 ? 16000 : 40;
		p[i] = lwkt_kmalloc(size, M_TEST, LWKT_M_NOWAIT);
		got += p[i] != NULL;
		refused += p[i] == NULL;
		if (p[i] != NULL)
			mark(p[i], size, i);
	}
	lwkt_kmalloc_stats(M_TEST, &ms);
	check(ms.ms_inuse == got && ms.ms_failed == refused, "%lld in use, "
	    "%llu refused; %u and %u", (long long)ms.ms_inuse,
	    (unsigned long long)ms.ms_failed, got, refused);
	for (i = 0; i < nitems(p); i++)
		if (p[i] != NULL)
			lwkt_kfree(p[i], M_TEST);
	lwkt_kmalloc_stats(M_TEST, &ms);
	check(ms.ms_inuse == 0, "%lld left", (long long)ms.ms_inuse);
	if (arg != NULL)
		*(unsigned *)arg = refused;
	return 0;
}

/*
 * Refuse the n-th reservation, for n beyond the last one.  The first ones are
 * the boot's, which goes on with less or fails.
 */
static void
each_reservation(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_seed = 1 };
	char fail[32];
	unsigned n, refused = 0, with = 0;
	int error, result;

	for (n = 1; n <= RESERVATIONS; n++) {
		snprintf(fail, sizeof(fail), "mem.reserve:%u", n);
		setenv("LWKT_FAIL", fail, 1);
		error = lwkt_boot_result(&cfg, shortage, &refused, &result);
		with += error == 0 && refused > 0;
	}
	unsetenv("LWKT_FAIL");
	ok(with >= 2 && check_failures == 0, "each reservation of "
	    "memory may be refused: %u were of use", with);
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
	static const struct sim_scenario faults = {
		.ss_name = "the host refuses memory", .ss_body = shortage,
		.ss_seeds = 100, .ss_faults = 1,
	};

	sim_explore("every size", every_size, NULL, 10);
	sim_explore("rounded to powers of two and cache lines", rounded, NULL,
	    3);
	sim_explore("zeroed", zeroes, NULL, 3);
	sim_explore("realloc and strdup", resizes, NULL, 10);
	sim_explore("blocks go from CPU to CPU", storm, NULL, 100);
	sim_explore("zones are full and others free", full_zones, NULL, 200);
	sim_explore("race 27: a zone is free before the message that it has a "
	    "free block", late_message, NULL, 50);
	sim_explore("a zone is full again before the message about the last "
	    "time", late_message, (void *)1, 50);
	sim_explore("a zone falls asleep", falls_asleep, NULL, 200);
	sim_explore_with(&every);
	sim_explore("a type's limit", limits, NULL, 20);
	sim_explore("a limit of all CPUs together", limit_of_all, NULL, 50);
	sim_explore("in callbacks", callbacks, NULL, 100);
	sim_explore("under a spinlock", under_spinlock, NULL, 10);
	sim_explore("free zones go back to the host", gives_back, NULL, 3);
	if (LWKT_ASAN || fiber_wanted())
		skip("a checker has no memory to describe 1 TiB");
	else
		sim_explore("the table of banks is full", full_table, NULL,
		    2);
	sim_explore_with(&faults);
	each_reservation();
	return tap_done();
}
