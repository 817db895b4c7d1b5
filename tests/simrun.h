/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run one body of a core test on either host, many times.
 *
 * THEORY
 * sim_explore boots the kernel, runs the body as its first thread, and shuts
 * down, again and again in the same process.  On the simulated host each run
 * is another schedule; the first that fails ends the scenario and leaves its
 * seed and trace in the log.  On Linux the body runs a few times each on 1, 2
 * and 4 CPUs, whatever the machine has.  A scenario is one line of TAP.
 *
 *	static int
 *	body(void *arg)
 *	{
 *		...
 *		check(n == 3, "%d messages arrived", n);
 *		return 0;
 *	}
 *
 *	int
 *	main(void)
 *	{
 *		sim_explore("three messages arrive", body, NULL, 200);
 *		return tap_done();
 *	}
 *
 * The body sets up all state it uses (it runs more than once in a process) and
 * returns 0, or anything else if it failed; check() counts a failure without
 * ending the run and says nothing when all is well.  sim_explore_with() takes
 * a number of CPUs and other wishes.
 *
 * Enumeration: a small body (two or three CPUs, a dozen steps that matter) can
 * be run in every schedule of up to two preemptions: ss_dfs says how many
 * decisions deep, ss_seeds how many schedules at most, and focus(1) and
 * focus(0) in the body, with ss_focus set, where they lie.
 *
 * Simulated host, environment: LWKT_SEED=n runs that seed alone.
 * LWKT_SIM_SEEDS=n replaces the test's own number of schedules, LWKT_SIM_BASE
 * its first seed (1).  Every tenth seed, or LWKT_SIM_CHECK=n every n-th, is run
 * twice, on other addresses, and must have the same trace hash: what differs
 * is state that outlives a run.  0: none.  More in machine/sim/sim.h.
 * Linux: LWKT_NCPU=n replaces the numbers of CPUs.
 * Both: LWKT_ONLY=words runs the scenarios whose sentence contains them.
 */
#ifndef LWKT_TESTS_SIMRUN_H
#define LWKT_TESTS_SIMRUN_H

#include <lwkt/boot.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

struct sim_scenario {
	const char	*ss_name;	/* a sentence */
	int		(*ss_body)(void *arg);
	void		*ss_arg;
	unsigned	 ss_seeds;	/* schedules, if nobody else says */
	int		 ss_ncpus;	/* 0: varied */
	int		 ss_faults;	/* sim: the host may refuse things */
	unsigned	 ss_dfs;	/* sim: decisions to enumerate, or 0 */
	int		 ss_focus;	/* sim: the body calls focus() */
	int		 ss_stores;	/* sim: store buffers in every run */
};

static unsigned check_failures;		/* atomic; of the run */

#define check(cond, ...) do {						\
	if (!(cond)) {							\
		diag("%s:%d: %s", __FILE__, __LINE__, #cond);		\
		diag(__VA_ARGS__);					\
		__atomic_fetch_add(&check_failures, 1,			\
		    __ATOMIC_SEQ_CST);					\
	}								\
} while (0)

/* LWKT_ONLY=words: only the scenarios whose sentence contains them. */
static inline int
simrun_skips(const struct sim_scenario *ss)
{
	const char *only = getenv("LWKT_ONLY");

	return only != NULL && strstr(ss->ss_name, only) == NULL;
}

static inline uint64_t
simrun_number(const char *name, uint64_t dflt)
{
	const char *s = getenv(name);

	return s != NULL && *s != '\0' ? strtoull(s, NULL, 0) : dflt;
}

/* One boot: 1 if all went well. */
static inline int
simrun_once(const struct sim_scenario *ss, uint64_t seed, int ncpus)
{
	struct lwkt_config cfg = { .lc_ncpus = ncpus, .lc_seed = seed };
	int error, result = 0;

	__atomic_store_n(&check_failures, 0, __ATOMIC_SEQ_CST);
	error = lwkt_boot_result(&cfg, ss->ss_body, ss->ss_arg, &result);
	if (error != 0 && !ss->ss_faults)
		diag("boot: %s", strerror(error));
	else if (error != 0)
		return 1;		/* the machine refused: allowed */
	if (result != 0)
		diag("the body returned %d", result);
	return error == 0 && result == 0 &&
	    __atomic_load_n(&check_failures, __ATOMIC_SEQ_CST) == 0;
}

#ifdef LWKT_HOST_SIM
#include <sys/mman.h>

#include "machine/sim/sim.h"

/* Distinct schedules: an open hash table, never more than half full. */
struct simrun_set {
	uint64_t	*s_key;
	uint64_t	 s_size;
	uint64_t	 s_count;
};

static inline void
simrun_set_add(struct simrun_set *s, uint64_t key)
{
	uint64_t i = key;

	key += key == 0;
	while (s->s_key[i % s->s_size] != 0 && s->s_key[i % s->s_size] != key)
		i++;
	s->s_count += s->s_key[i % s->s_size] == 0;
	s->s_key[i % s->s_size] = key;
}

/* The same seed again, with the memory elsewhere. */
static inline int
simrun_same_again(const struct sim_scenario *ss, const struct sim_result *sr)
{
	const size_t hole = (size_t)1 << 30;
	struct sim_result again;
	void *p;

	p = mmap(NULL, hole, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	(void)simrun_once(ss, sr->sr_seed, ss->ss_ncpus);
	if (p != MAP_FAILED)
		munmap(p, hole);
	sim_result_get(&again);
	if (again.sr_hash == sr->sr_hash)
		return 1;
	diag("seed %llu: hash %016llx, then %016llx; steps %llu, then %llu",
	    (unsigned long long)sr->sr_seed, (unsigned long long)sr->sr_hash,
	    (unsigned long long)again.sr_hash,
	    (unsigned long long)sr->sr_steps,
	    (unsigned long long)again.sr_steps);
	return 0;
}

/* The part of the body that matters begins (1), or ends (0). */
static inline void
focus(int on)
{
	sim_focus(on);
}

/* What has been run of a scenario. */
struct simrun {
	struct simrun_set r_schedules;
	struct sim_result r_last;
	uint64_t	 r_runs;
	uint64_t	 r_steps;
	uint64_t	 r_hash;	/* of all, in any order */
	int		 r_good;
};

/* One schedule more. */
static inline void
simrun_next(struct simrun *r, const struct sim_scenario *ss, uint64_t seed)
{
	uint64_t every = simrun_number("LWKT_SIM_CHECK", 10);
	int twice = !ss->ss_dfs && every != 0 && r->r_runs % every == 0;

	r->r_good = simrun_once(ss, seed, ss->ss_ncpus);
	sim_result_get(&r->r_last);
	if (!r->r_good)
		sim_report("the body failed");
	simrun_set_add(&r->r_schedules, r->r_last.sr_schedule);
	r->r_runs++;
	r->r_steps += r->r_last.sr_steps;
	r->r_hash ^= r->r_last.sr_hash;
	if (r->r_good && twice)
		r->r_good = simrun_same_again(ss, &r->r_last);
}

static inline void
simrun_tell(const struct simrun *r, const struct sim_scenario *ss)
{
	ok(r->r_good, "%s: %llu schedules, %llu distinct%s", ss->ss_name,
	    (unsigned long long)r->r_runs,
	    (unsigned long long)r->r_schedules.s_count,
	    ss->ss_dfs == 0 ? "" :
	    sim_dfs_complete() ? ", all there are" : ", bounded");
	if (!r->r_good && !ss->ss_dfs)
		diag("LWKT_SEED=%llu",
		    (unsigned long long)r->r_last.sr_seed);
	diag("%llu steps a schedule, hash %016llx",
	    (unsigned long long)(r->r_steps / r->r_runs),
	    (unsigned long long)r->r_hash);
}

/*
 * The number of schedules, if nobody else says.  TSan finds a race in each
 * schedule that has the two accesses without an order between them, so it needs
 * few; and each thread that starts costs it a millisecond.
 */
static inline unsigned
simrun_seeds(const struct sim_scenario *ss)
{
	return TAP_TSAN ? (ss->ss_seeds + 7) / 8 : ss->ss_seeds;
}

static inline int
sim_explore_with(const struct sim_scenario *ss)
{
	struct sim_options so = {
		.so_strategy = ss->ss_dfs ? SIM_DFS : SIM_SWARM,
		.so_depth = ss->ss_dfs, .so_faults = ss->ss_faults,
		.so_focus = ss->ss_focus,
		.so_stores = ss->ss_stores ? SIM_STORES_ALL : SIM_STORES_SOME,
	};
	uint64_t pinned = ss->ss_dfs ? 0 : simrun_number("LWKT_SEED", 0);
	uint64_t seed = pinned ? pinned : simrun_number("LWKT_SIM_BASE", 1);
	uint64_t n = pinned ? 1 : ss->ss_dfs ? ss->ss_seeds :
	    simrun_number("LWKT_SIM_SEEDS", simrun_seeds(ss));
	struct simrun r = { .r_schedules = { .s_size = 2 * n + 1 } };

	if (simrun_skips(ss))
		return 1;
	sim_configure(&so);
	sim_dfs_begin();
	r.r_schedules.s_key = calloc(2 * n + 1, sizeof(uint64_t));
	do
		simrun_next(&r, ss, seed++);
	while (r.r_good && r.r_runs < n && (!ss->ss_dfs || sim_dfs_next()));
	simrun_tell(&r, ss);
	free(r.r_schedules.s_key);
	sim_configure(NULL);
	return r.r_good;
}
#else
#define SIMRUN_REPEATS	3		/* runs for each number of CPUs */

static inline void
focus(int on)
{
	(void)on;
}

static inline int
sim_explore_with(const struct sim_scenario *ss)
{
	static const int ncpus[] = { 1, 2, 4 };
	int fixed = (int)simrun_number("LWKT_NCPU", (uint64_t)ss->ss_ncpus);
	unsigned kinds = fixed ? 1 : sizeof(ncpus) / sizeof(ncpus[0]);
	unsigned runs = kinds * SIMRUN_REPEATS, i;
	int good = 1, n = 0;

	if (simrun_skips(ss))
		return 1;
	for (i = 0; i < runs && good; i++) {
		n = fixed ? fixed : ncpus[i % kinds];
		good = simrun_once(ss, 0, n);
	}
	ok(good, "%s: %u runs", ss->ss_name, i);
	if (!good)
		diag("on %d CPUs", n);
	return good;
}
#endif

/* A scenario on any number of CPUs: 1 if no run failed. */
static inline int
sim_explore(const char *name, int (*body)(void *), void *arg, unsigned seeds)
{
	struct sim_scenario ss = { .ss_name = name, .ss_body = body,
		.ss_arg = arg, .ss_seeds = seeds };

	return sim_explore_with(&ss);
}

#endif
