/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The explorer: which CPU goes on at a choice point.
 *
 * THEORY
 * No single strategy finds all bugs, so by default the seed picks random or PCT
 * ("swarm").  The strategies:
 *
 * random	switch to a random other CPU with a probability that is fixed
 *		for the run, 1/2 to 1/4096.  Variants prefer one CPU, or
 *		starve one CPU, which changes from epoch to epoch.
 * PCT		every CPU has a random priority, and of the CPUs that can run
 *		the one of the highest runs.  At depth - 1 random steps, and
 *		where EX1 or EX2 demands it, the CPU that runs falls to the
 *		lowest priority.  A run of n CPUs and k steps meets a bug
 *		that needs `depth` ordered steps with probability
 *		>= 1 / (n * k^(depth-1)).  k is not known in advance and must
 *		not depend on earlier runs, so the seed guesses it,
 *		log-uniformly.
 * DFS		sim_dfs.c.
 *
 * INVARIANTS
 * EX1 At CHOICE_PAUSE another CPU goes on if one can run.  So a wait loop
 *    cannot starve the CPU that it waits for.
 * EX2 No CPU runs more than x_fair steps in a row while another can run.  So a
 *    loop that polls without a pause ends, too.
 *
 * Source: Burckhardt et al., "A randomized scheduler with probabilistic
 * guarantees of finding bugs" (2010); Groce et al., "Swarm testing" (2012).
 */
#include <stdio.h>
#include <string.h>

#include "base/kassert.h"
#include "machine/sim/sim_var.h"

#define PCT_MAXDEPTH	16
#define NOBODY		(-1)

static struct {
	enum sim_strategy x_strategy;
	uint32_t	x_threshold;	/* random: switch if bits are below */
	uint32_t	x_period;	/* random: steps for each switch */
	int		x_favour;	/* random: preferred CPU, or NOBODY */
	int		x_starve;	/* random: avoided CPU, or NOBODY */
	uint64_t	x_epoch;	/* steps that x_starve stays; 0: none */
	uint64_t	x_epoch_end;	/* step when x_starve changes next */
	uint64_t	x_fair;		/* EX2 */
	uint64_t	x_since;	/* step when x_last was chosen */
	int		x_last;		/* the CPU that was chosen last */
	unsigned	x_depth;	/* PCT: number of changes, plus 1 */
	uint64_t	x_change[PCT_MAXDEPTH]; /* PCT: steps of changes */
	int64_t		x_pri[SIM_MAXCPU]; /* PCT: priority of each CPU */
	int64_t		x_bottom;	/* PCT: the lowest priority given */
	int		x_focus;	/* 1: in the part that is explored */
	uint64_t	x_origin;	/* PCT: step when that part began */
	char		x_text[64];	/* the strategy, for reports */
} x;

static uint32_t
below(uint32_t n)
{
	return rng_below(&lwkt__sim.s_rng, n);
}

/* Draw a power of two, 2^lo to 2^hi, each exponent equally likely. */
static uint64_t
log_uniform(uint32_t lo, uint32_t hi)
{
	return (uint64_t)1 << (lo + below(hi - lo + 1));
}

/* Choose "random": one switch in 2^lo to 2^hi steps, on average. */
static void
random_reset(uint32_t lo, uint32_t hi)
{
	x.x_strategy = SIM_RANDOM;
	x.x_period = (uint32_t)log_uniform(lo, hi);
	x.x_threshold = (uint32_t)(((uint64_t)1 << 32) / x.x_period);
	snprintf(x.x_text, sizeof(x.x_text), "random 1/%u", x.x_period);
}

/* Choose the variant of "random" that prefers one CPU. */
static void
favour_reset(void)
{
	random_reset(1, 6);
	x.x_favour = (int)below((uint32_t)lwkt__sim.s_ncpus);
	snprintf(x.x_text, sizeof(x.x_text), "random 1/%u favours cpu %d",
	    x.x_period, x.x_favour);
}

/* Choose the variant of "random" that starves one CPU in each epoch. */
static void
starve_reset(void)
{
	random_reset(1, 6);
	x.x_epoch = log_uniform(8, 14);
	snprintf(x.x_text, sizeof(x.x_text), "random 1/%u starves for %u",
	    x.x_period, (unsigned)x.x_epoch);
}

/*
 * Choose PCT.  Draws the priorities, a random permutation of 1 to n, and the
 * steps at which the running CPU gets the lowest priority (x_bottom, which goes
 * down from 0).
 */
static void
pct_reset(unsigned depth)
{
	uint32_t n = (uint32_t)lwkt__sim.s_ncpus, i, j;
	uint64_t steps = log_uniform(4, 15);

	x.x_strategy = SIM_PCT;
	x.x_depth = depth < 1 ? 1 : depth > PCT_MAXDEPTH ?
	    PCT_MAXDEPTH : depth;
	for (i = 0; i < n; i++) {
		j = below(i + 1);
		x.x_pri[i] = x.x_pri[j];
		x.x_pri[j] = (int64_t)i + 1;
	}
	for (i = 0; i + 1 < x.x_depth; i++)
		x.x_change[i] = 1 + below((uint32_t)steps);
	x.x_fair = log_uniform(11, 14);
	snprintf(x.x_text, sizeof(x.x_text), "pct:%u in %u steps", x.x_depth,
	    (unsigned)steps);
}

/* Choose a strategy by the seed: neighbouring seeds get different ones. */
static void
swarm_reset(void)
{
	switch (lwkt__sim.s_seed % 8) {
	case 0:
		favour_reset();
		break;
	case 1:
		random_reset(1, 3);
		break;
	case 2:
		pct_reset(2);
		break;
	case 3:
		pct_reset(3);
		break;
	case 4:
		random_reset(3, 7);
		break;
	case 5:
		starve_reset();
		break;
	case 6:
		pct_reset(2 + below(4));
		break;
	default:
		random_reset(6, 12);
		break;
	}
}

/* Choose the strategy of the run that begins. */
void
sim_explore_reset(void)
{
	const struct sim_options *so = &lwkt__sim.s_opt;

	memset(&x, 0, sizeof(x));
	x.x_favour = x.x_starve = NOBODY;
	x.x_focus = !so->so_focus;
	x.x_fair = 1 << 14;
	switch (so->so_strategy) {
	case SIM_RANDOM:
		random_reset(1, 10);
		break;
	case SIM_PCT:
		pct_reset(so->so_depth);
		break;
	case SIM_DFS:
		x.x_strategy = SIM_DFS;
		sim_dfs_reset();
		snprintf(x.x_text, sizeof(x.x_text), "dfs:%u", so->so_depth);
		break;
	default:
		swarm_reset();
		break;
	}
}

/* Begin or end the part of a run that is explored (so_focus). */
void
sim_focus(int on)
{
	sim_enter();
	if (lwkt__sim.s_opt.so_focus) {
		x.x_focus = on;
		x.x_origin = lwkt__sim.s_steps;
	}
	sim_leave();
}

const char *
sim_explore_describe(void)
{
	return x.x_text;
}

/* Return the n-th CPU of a mask; n begins at 0. */
static int
mask_nth(uint64_t mask, uint32_t n)
{
	while (n-- > 0)
		mask &= mask - 1;
	return __builtin_ctzll(mask);
}

/*
 * Choose the CPU that goes on, by the strategy "random".  `bits` are random.
 * If `forced` is set, self must not go on.
 */
static int
random_pick(int self, uint64_t others, int forced, uint32_t bits)
{
	uint64_t set = others;

	if (!forced && bits >= x.x_threshold)
		return self;
	if (x.x_epoch != 0) {
		if (lwkt__sim.s_steps >= x.x_epoch_end) {
			x.x_epoch_end = lwkt__sim.s_steps + x.x_epoch;
			x.x_starve = (int)below((uint32_t)lwkt__sim.s_ncpus);
		}
		set &= ~SIM_BIT(x.x_starve);
		if (set == 0 && !forced)
			return self;
		if (set == 0 || below(32) == 0)
			set = others;
	}
	if (x.x_favour >= 0 && (set & SIM_BIT(x.x_favour)) != 0 &&
	    below(4) != 0)
		return x.x_favour;
	return mask_nth(set, below((uint32_t)__builtin_popcountll(set)));
}

/*
 * Choose the CPU that goes on, by PCT.  At a change, or if `forced` is set,
 * self first gets the lowest priority.
 */
static int
pct_pick(int self, uint64_t runnable, int forced)
{
	int best = self, cpu;
	uint64_t m;
	unsigned i;

	for (i = 0; i + 1 < x.x_depth; i++) {
		if (x.x_focus &&
		    x.x_change[i] == lwkt__sim.s_steps - x.x_origin)
			forced = 1;
	}
	if (forced)
		x.x_pri[self] = --x.x_bottom;
	for (m = runnable; m != 0; m &= m - 1) {
		cpu = __builtin_ctzll(m);
		if ((runnable & SIM_BIT(best)) == 0 ||
		    x.x_pri[cpu] > x.x_pri[best])
			best = cpu;
	}
	return best;
}

/*
 * Return how many of n pending stores stay pending at a switch.  Under DFS this
 * is a decision, except at a wait, where none stays.  Under other strategies
 * all stay, until their lifetimes end (sim_store.c).
 */
uint32_t
sim_explore_hold(enum choice kind, uint32_t n)
{
	if (x.x_strategy != SIM_DFS)
		return n;
	return kind == CHOICE_PAUSE ? 0 : sim_dfs_hold(n, x.x_focus);
}

/*
 * Choose the CPU that goes on at a choice point of CPU self, which may be
 * unable to go on.  At least one CPU can run.
 */
int
sim_explore_pick(enum choice kind, int self, uint32_t bits)
{
	uint64_t runnable = lwkt__sim.s_runnable;
	uint64_t others = runnable & ~SIM_BIT(self);
	int forced, next;

	if (others == 0)
		return self;
	forced = others == runnable || kind == CHOICE_PAUSE ||	/* EX1 */
	    lwkt__sim.s_steps - x.x_since > x.x_fair;		/* EX2 */
	if (x.x_strategy == SIM_RANDOM)
		next = random_pick(self, others, forced, bits);
	else if (x.x_strategy == SIM_PCT)
		next = pct_pick(self, runnable, forced &&
		    others != runnable);
	else
		next = sim_dfs_pick(self, others, forced, x.x_focus);
	if (next != x.x_last) {
		x.x_last = next;
		x.x_since = lwkt__sim.s_steps;
	}
	return next;
}
