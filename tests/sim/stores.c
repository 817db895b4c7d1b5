/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store buffers are those of x86-TSO: every outcome that the model allows
 * is met, and no other one.
 *
 * The small programs are the litmus tests of Owens, Sarkar and Sewell, "A
 * better x86 memory model: x86-TSO" (2009).  Each is enumerated, and run under
 * many seeds; a set of outcomes is a mask of bits.
 */
#include "toy.h"

#define SEEDS	400

static uint32_t	x, y, z;		/* what the CPUs share */
static uint32_t	seen[4];		/* what they loaded */
static uint64_t	outcomes;		/* met so far, a bit each */
static int	fenced;

static void
init(void)
{
	x = y = z = 0;
	memset(seen, 0, sizeof(seen));
}

/* The loads as a number, one bit each. */
static unsigned
outcome(int loads)
{
	unsigned n = 0;
	int i;

	for (i = 0; i < loads; i++)
		n = n << 1 | (seen[i] & 1);
	return n;
}

/* A step that orders nothing: what was stored may be pending after a load. */
static void
later(void)
{
	lwkt__choice(CHOICE_CRIT);
}

static void
fence(void)
{
	if (fenced)
		atomic_fence_seq_cst();
}

/* SB: each stores, then loads what the other stores. */
static void
sb_cpu(int cpu)
{
	atomic_store_32(cpu == 0 ? &x : &y, 1);
	fence();
	seen[cpu] = atomic_load_32(cpu == 0 ? &y : &x);
	later();
}

/* SB with a locked instruction on a word of no interest. */
static void
sb_locked_cpu(int cpu)
{
	atomic_store_32(cpu == 0 ? &x : &y, 1);
	(void)atomic_cmpset_32(&z, 7, 8);		/* it fails */
	seen[cpu] = atomic_load_32(cpu == 0 ? &y : &x);
	later();
}

/* SB with a fence of one CPU on all. */
static void
sb_fence_all_cpu(int cpu)
{
	atomic_store_32(cpu == 0 ? &x : &y, 1);
	if (cpu == 0)
		(void)machine_fence_all();
	seen[cpu] = atomic_load_32(cpu == 0 ? &y : &x);
	later();
}

/* MP: data, then a flag; the other the flag, then the data. */
static void
mp_cpu(int cpu)
{
	if (cpu == 0) {
		atomic_store_32(&x, 1);
		atomic_store_32(&y, 1);
	} else {
		seen[0] = atomic_load_32(&y);
		seen[1] = atomic_load_32(&x);
	}
}

/* LB: each loads, then stores what the other loads. */
static void
lb_cpu(int cpu)
{
	seen[cpu] = atomic_load_32(cpu == 0 ? &x : &y);
	atomic_store_32(cpu == 0 ? &y : &x, 1);
}

/* n6: a CPU sees its own store early, then not that of the other. */
static void
n6_cpu(int cpu)
{
	if (cpu == 0) {
		atomic_store_32(&x, 1);
		seen[0] = atomic_load_32(&x);
		seen[1] = atomic_load_32(&y);
		later();
	} else {
		atomic_store_32(&y, 1);
		atomic_store_32(&x, 2);
	}
	if (atomic_fetchadd_32(&z, 1) == 1)
		seen[2] = atomic_load_32(&x) == 1;
}

/* IRIW: two write, two readers do not differ about the order. */
static void
iriw_cpu(int cpu)
{
	switch (cpu) {
	case 0:
		atomic_store_32(&x, 1);
		break;
	case 1:
		atomic_store_32(&y, 1);
		break;
	case 2:
		seen[0] = atomic_load_32(&x);
		seen[1] = atomic_load_32(&y);
		break;
	default:
		seen[2] = atomic_load_32(&y);
		seen[3] = atomic_load_32(&x);
		break;
	}
}

/* Plain stores and loads of one CPU agree with its atomic ones. */
static void
own_cpu(int cpu)
{
	volatile uint32_t *p = cpu == 0 ? &x : &y;

	atomic_store_32(cpu == 0 ? &x : &y, 2);
	seen[cpu] = *p == 2;
	*p = 3;
	atomic_store_32(&z, (uint32_t)cpu);
	seen[cpu] &= atomic_load_32(cpu == 0 ? &x : &y) == 3;
	atomic_store_32(cpu == 0 ? &x : &y, *p + 1);
	seen[cpu] &= *p == 4;
	atomic_fence_seq_cst();
	seen[cpu] &= atomic_load_32(cpu == 0 ? &x : &y) == 4;
}

/* Two CPUs store to one word: one of the two values is left, whole. */
static uint64_t wide;

static void
same_word_cpu(int cpu)
{
	atomic_store_64(&wide, cpu == 0 ? 1 : UINT64_C(1) << 32);
	(void)atomic_fetchadd_32(&z, 1);
	if (cpu == 0)
		while (atomic_load_32(&z) < 2)
			machine_pause(0);
	if (cpu == 0)
		seen[0] = wide == 1 || wide == UINT64_C(1) << 32;
}

/* A store to a frame that is gone when it becomes visible. */
static __lwkt_noinline void
leaves_a_store(void)
{
	uint32_t words[64];
	int i;

	for (i = 0; i < (int)nitems(words); i += 32)
		atomic_store_32(&words[i], 0xdeadbeef);
}

static __lwkt_noinline uint32_t
recurse(uint32_t n)
{
	volatile uint32_t mine = n;

	if (n == 0)
		return 0;
	(void)atomic_load_32(&y);
	return recurse(n - 1) + (mine == n);
}

static void
stack_cpu(int cpu)
{
	int i;

	seen[cpu] = 1;
	for (i = 0; i < 2; i++) {
		leaves_a_store();
		seen[cpu] &= recurse(6) == 6;
	}
}

/* A store that nothing follows becomes visible all the same. */
static void
alone_cpu(int cpu)
{
	if (cpu == 0)
		atomic_store_32(&x, 1);
	while (atomic_load_32(&x) == 0 || (cpu == 0 && atomic_load_32(&y) == 0))
		machine_pause(0);
	if (cpu == 1)
		atomic_store_32(&y, 1);
}

static int
always_good(void)
{
	return 1;
}

static void
configure(enum sim_strategy s, enum sim_stores stores)
{
	struct sim_options so = { .so_strategy = s, .so_depth = 60,
		.so_preemptions = 2, .so_stores = stores };

	if (s == SIM_PCT)
		so.so_depth = 3;
	sim_configure(&so);
}

/* Every outcome of a program of so many loads. */
static uint64_t
met(const struct toy *t, int loads, int enumerated)
{
	uint64_t seed = 1;

	outcomes = 0;
	sim_dfs_begin();
	do {
		(void)toy_run(t, seed++, NULL);
		outcomes |= UINT64_C(1) << outcome(loads);
	} while (enumerated ? sim_dfs_next() : seed <= SEEDS);
	diag("%llu runs", (unsigned long long)seed - 1);
	return outcomes;
}

struct litmus {
	const char	*l_name;
	int		 l_ncpus;
	void		(*l_cpu)(int cpu);
	int		 l_loads;
	int		 l_fenced;
	uint64_t	 l_tso;		/* the outcomes that x86-TSO allows */
	uint64_t	 l_sc;		/* without buffers */
};

#define ALL(n)	((UINT64_C(1) << (1u << (n))) - 1)
#define BUT(n, o) (ALL(n) & ~(UINT64_C(1) << (o)))

static const struct litmus tests[] = {
	{ "SB", 2, sb_cpu, 2, 0, ALL(2), BUT(2, 0) },
	{ "SB with fences", 2, sb_cpu, 2, 1, BUT(2, 0), BUT(2, 0) },
	{ "SB with locked instructions", 2, sb_locked_cpu, 2, 0, BUT(2, 0),
	    BUT(2, 0) },
	{ "SB with a fence on all CPUs", 2, sb_fence_all_cpu, 2, 0, BUT(2, 0),
	    BUT(2, 0) },
	{ "MP", 2, mp_cpu, 2, 0, BUT(2, 2), BUT(2, 2) },
	{ "LB", 2, lb_cpu, 2, 0, BUT(2, 3), BUT(2, 3) },
	/* x == 1, y == 0, and x is 1 at the end: bits 101. */
	{ "n6", 2, n6_cpu, 3, 0, 0xf4, 0xd4 },
	{ "IRIW", 4, iriw_cpu, 4, 0, BUT(4, 10), BUT(4, 10) },
	{ "own stores, plain and atomic", 2, own_cpu, 2, 0, 1 << 3, 1 << 3 },
	{ "two stores to one word", 2, same_word_cpu, 1, 0, 1 << 1, 1 << 1 },
	{ "stores to frames that are gone", 2, stack_cpu, 2, 0, 1 << 3,
	    1 << 3 },
	{ "a store that nothing follows", 2, alone_cpu, 0, 0, 1, 1 },
};

static void
litmus(const struct litmus *l)
{
	struct toy t = { l->l_name, l->l_ncpus, init, l->l_cpu, always_good };
	uint64_t got;

	fenced = l->l_fenced;
	configure(SIM_DFS, SIM_STORES_ALL);
	got = met(&t, l->l_loads, 1);
	ok(got == l->l_tso, "%s, enumerated: what TSO allows", l->l_name);
	diag("%#llx of %#llx", (unsigned long long)got,
	    (unsigned long long)l->l_tso);
	configure(SIM_DFS, SIM_STORES_NONE);
	got = met(&t, l->l_loads, 1);
	ok(got == l->l_sc, "%s, enumerated, without buffers", l->l_name);
	diag("%#llx of %#llx", (unsigned long long)got,
	    (unsigned long long)l->l_sc);
	configure(SIM_SWARM, SIM_STORES_ALL);
	got = met(&t, l->l_loads, 0);
	ok((got & ~l->l_tso) == 0 && (l->l_tso & ~l->l_sc & ~got) == 0,
	    "%s, %d seeds: nothing else, and what only TSO allows", l->l_name,
	    SEEDS);
	diag("%#llx of %#llx", (unsigned long long)got,
	    (unsigned long long)l->l_tso);
}

int
main(void)
{
	size_t i;

	if (LWKT_TSAN)
		skip_all("TSan has its own model of memory");
	for (i = 0; i < nitems(tests); i++)
		litmus(&tests[i]);
	sim_configure(NULL);
	return tap_done();
}
