/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A seed names a schedule: the same in every run, compiler and process.
 */
#include "toy.h"

#define SEEDS	500

static uint32_t	word[4];

static void
init(void)
{
	memset(word, 0, sizeof(word));
}

static int
always_good(void)
{
	return 1;
}

/* A bit of everything that is a choice point. */
static void
mixed_cpu(int cpu)
{
	struct mcpu *mc = &toy_mcpu[cpu], *peer = &toy_mcpu[(cpu + 1) % 3];
	uint32_t i, old;

	for (i = 0; i < 8; i++) {
		old = atomic_fetchadd_32(&word[0], i);
		machine_trace("toy.add", "old=%llu i=%llu", old, i);
		if (atomic_load_32(&word[1]) % 3 == (uint32_t)cpu)
			atomic_store_32(&word[1], old + i);
		if (atomic_fetchor_32(&peer->mc_reqflags, RQF_IPIQ) &
		    RQF_SLEEPING)
			machine_doorbell(peer);
		machine_timer_arm(machine_time_ns() + 2000);
		machine_idle(mc);
		atomic_clear_32(&mc->mc_reqflags, RQF_IPIQ | RQF_TIMER);
	}
}

/* Few locked instructions, so that stores stay pending. */
static void
delayed_cpu(int cpu)
{
	uint32_t i, got;

	for (i = 0; i < 24; i++) {
		atomic_store_32(&word[(i + (uint32_t)cpu) % 4], i);
		got = atomic_load_32(&word[(i + 2) % 4]);
		machine_trace("toy.load", "got=%llu i=%llu", got, i);
		if (got % 8 == 7)
			atomic_fence_seq_cst();
	}
}

static const struct toy delayed = { "delayed", 3, init, delayed_cpu,
	always_good };
static const struct toy mixed = { "mixed", 3, init, mixed_cpu, always_good };

/*
 * Recorded once.  They change when the explorer, the clock or the trace does,
 * and must be equal on every compiler and with every kind of optimization.
 */
static const uint64_t recorded[] = {
	0xdad6fabadd815854, 0xb6ac50d155dbf60d,
	0xc5dd2dfa825d77a7, 0x61d12314e39a811d,
	0x99f8a46b171bc71e, 0x80035525be397b1c,
	0xab9d9f2b6c8fba18, 0xa84f8f064889cc31,
};

/* Of delayed, where each CPU has a store buffer. */
static const uint64_t recorded_stores[] = {
	0x4689360b5485f7e5, 0x6b094980cf1221ca,
	0x81502d40e0cad11b, 0xb51b0193e89223aa,
	0x673833df583acdd1, 0x4397252803879576,
	0x6200ec6945e52c75, 0xdae8e3847ead6562,
};

static void
stores(enum sim_stores which)
{
	struct sim_options so = { .so_stores = which };

	sim_configure(&so);
}

static void
same_everywhere(const struct toy *t, const uint64_t *hash, int n,
    const char *how)
{
	struct sim_result sr;
	int same = 0, i;

	for (i = 0; i < n; i++) {
		toy_run(t, (uint64_t)i + 1, &sr);
		same += sr.sr_hash == hash[i];
		if (sr.sr_hash != hash[i])
			diag("seed %d: 0x%016llx", i + 1,
			    (unsigned long long)sr.sr_hash);
	}
	is_int(same, n, "recorded hashes come again, %s", how);
}

static void
same_twice(const struct toy *t, const char *how)
{
	struct sim_result a, b;
	int seed, differ = 0;

	for (seed = 1; seed <= SEEDS; seed++) {
		toy_run(t, (uint64_t)seed, &a);
		toy_run(t, (uint64_t)seed, &b);
		differ += a.sr_hash != b.sr_hash ||
		    a.sr_steps != b.sr_steps;
	}
	is_int(differ, 0, "%d seeds run twice are equal, %s", SEEDS, how);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int
distinct(uint64_t *v, size_t n)
{
	size_t i;
	int count = n > 0;

	qsort(v, n, sizeof(*v), compare);
	for (i = 1; i < n; i++)
		count += v[i] != v[i - 1];
	return count;
}

static void
seeds_differ(void)
{
	static uint64_t hash[SEEDS], schedule[SEEDS];
	struct sim_result sr;
	int i;

	for (i = 0; i < SEEDS; i++) {
		toy_run(&mixed, (uint64_t)i + 1, &sr);
		hash[i] = sr.sr_hash;
		schedule[i] = sr.sr_schedule;
	}
	is_int(distinct(hash, SEEDS), SEEDS, "no two seeds have one hash");
	i = distinct(schedule, SEEDS);
	ok(i > SEEDS * 3 / 4, "%d of %d seeds switch differently", i, SEEDS);
}

/* The kernel's events count, by their text and numbers. */

static int event_value;

static void
event_cpu(int cpu)
{
	(void)cpu;
	machine_trace("toy.event", "a=%llu b=%llu", 1,
	    (uint64_t)event_value);
}

static void
events_count(void)
{
	const struct toy t = { "event", 1, init, event_cpu, always_good };
	struct sim_result a, b;

	event_value = 1;
	toy_run(&t, 1, &a);
	event_value = 2;
	toy_run(&t, 1, &b);
	ok(a.sr_hash != b.sr_hash, "another event, another hash");
}

/*
 * Enumeration: as many schedules as a model of it counts.  Two CPUs do OPS
 * operations each, with a choice point before each.
 */

#define OPS	4

static void
ops_cpu(int cpu)
{
	int i;

	for (i = 0; i < OPS; i++)
		atomic_fetchadd_32(&word[cpu], 1);
}

/*
 * Ways to go on for a CPU at a choice point with `mine` operations to go,
 * while the other has `its` to go and has not begun or stands right before
 * one of them.
 */
static long
ways(int mine, int its, int begun, int preemptions)
{
	long n = mine == 1 ? 1 : ways(mine - 1, its, begun, preemptions);

	if (preemptions == 0)
		return n;
	if (!begun)
		return n + ways(its, mine, 1, preemptions - 1);
	return n + (its == 1 ? 1 : ways(its - 1, mine, 1, preemptions - 1));
}

static void
enumerate(unsigned preemptions)
{
	const struct toy t = { "ops", 2, init, ops_cpu, always_good };
	struct sim_options so = { .so_strategy = SIM_DFS, .so_depth = 100,
		.so_preemptions = preemptions };
	static uint64_t schedule[10000];
	struct sim_result sr;
	int n = 0;

	sim_configure(&so);
	sim_dfs_begin();
	do {
		toy_run(&t, 1, &sr);
		schedule[n++] = sr.sr_schedule;
	} while (sim_dfs_next() && n < (int)nitems(schedule));
	sim_configure(NULL);
	is_int(n, ways(OPS, OPS, 0, (int)preemptions),
	    "dfs makes every schedule of %u preemptions", preemptions);
	is_int(distinct(schedule, (size_t)n), n, "and each of them once");
	ok(sim_dfs_complete(), "and says that there are no more");
}

int
main(void)
{
	stores(SIM_STORES_NONE);
	same_everywhere(&mixed, recorded, nitems(recorded), "stores in order");
	same_twice(&mixed, "stores in order");
	stores(SIM_STORES_ALL);
	if (!LWKT_TSAN)			/* which has no store buffers */
		same_everywhere(&delayed, recorded_stores,
		    nitems(recorded_stores), "stores delayed");
	same_twice(&delayed, "stores delayed");
	sim_configure(NULL);
	seeds_differ();
	events_count();
	enumerate(1);
	enumerate(2);
	enumerate(8);
	return tap_done();
}
