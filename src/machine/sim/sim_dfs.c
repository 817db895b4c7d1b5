/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounded depth-first search: every schedule of a small program, in order.
 *
 * THEORY
 * A schedule is the list of answers given at the points where more than one
 * answer was possible.  A run follows the prescribed list to its end, and
 * answers 0 from there on.  To go to the next schedule, the search increments
 * the last answer that can be incremented and cuts off the rest.
 *
 * If the CPU that runs may stay, answer 0 is "stay", so the first schedule has
 * no preemption.  Each other answer there spends one of so_preemptions.  When
 * no preemption is left, a CPU that may stay stays.  A CPU that must be
 * left (it cannot go on, or EX1 or EX2 of sim_explore.c demands it) costs no
 * preemption, and the answer is its successor.  After so_depth decisions (1024
 * at most), and outside the part that sim_focus() marks, nothing is decided: a
 * CPU that may stay stays, and one that must be left is followed by the CPU
 * that has waited longest.
 *
 * With store buffers there is one more decision at each switch, except at a
 * wait: how many of the pending stores stay pending.  It costs no preemption,
 * and answer 0 is "none".  Nothing else varies: under DFS each step takes the
 * same time (sim_time.c).
 *
 * INVARIANTS
 * DF1 The program depends on the answers only.  So a run that follows the same
 *    answers finds the same number of alternatives; otherwise answer() panics.
 *
 * Source: Musuvathi and Qadeer, "Iterative context bounding" (CHESS, 2007).
 */
#include <string.h>

#include "base/kassert.h"
#include "machine/sim/sim_var.h"

#define PATH_MAX_NODES	1024

static struct {
	uint8_t		d_answer[PATH_MAX_NODES]; /* of the present schedule */
	uint8_t		d_answers[PATH_MAX_NODES]; /* how many were possible */
	unsigned	d_len;		/* answers that are prescribed */
	unsigned	d_pos;		/* answers given in this run */
	unsigned	d_preemptions;	/* spent in this run */
	int		d_cut;		/* 1: so_depth left a decision out */
	uint64_t	d_index;	/* schedules before this one */
	uint64_t	d_lastrun[SIM_MAXCPU]; /* each CPU's last step */
} d;

/* Begin a new enumeration. */
void
sim_dfs_begin(void)
{
	memset(&d, 0, sizeof(d));
}

/* Begin the next run of the enumeration. */
void
sim_dfs_reset(void)
{
	d.d_pos = d.d_preemptions = 0;
	memset(d.d_lastrun, 0, sizeof(d.d_lastrun));
}

/*
 * Prescribe the next schedule, after a run.  Returns 1, or 0 if the enumeration
 * is over.
 */
int
sim_dfs_next(void)
{
	d.d_len = d.d_pos;
	while (d.d_len > 0 &&
	    d.d_answer[d.d_len - 1] + 1 >= d.d_answers[d.d_len - 1])
		d.d_len--;
	if (d.d_len == 0)
		return 0;
	d.d_answer[d.d_len - 1]++;
	d.d_index++;
	return 1;
}

int
sim_dfs_complete(void)
{
	return !d.d_cut;
}

uint64_t
sim_dfs_index(void)
{
	return d.d_index;
}

/* Return the CPU of a set that has waited longest since it ran. */
static int
longest_waiting(uint64_t set)
{
	int best = __builtin_ctzll(set), cpu;

	for (; set != 0; set &= set - 1) {
		cpu = __builtin_ctzll(set);
		if (d.d_lastrun[cpu] < d.d_lastrun[best])
			best = cpu;
	}
	return best;
}

/*
 * Return the answer at a point with n > 1 answers: the prescribed one, or 0
 * after the end of the list.
 */
static unsigned
answer(unsigned n)
{
	unsigned i = d.d_pos++;

	if (i >= d.d_len) {
		d.d_answer[i] = 0;
		d.d_answers[i] = (uint8_t)n;
	}
	KASSERTF(d.d_answers[i] == n,				/* DF1 */
	    "decision %u has %u alternatives, it had %u: the test is not "
	    "deterministic", i, n, d.d_answers[i]);
	return d.d_answer[i];
}

/*
 * Decide how many of n pending stores stay pending at a switch.  Returns 0 if
 * nothing is decided here: outside the focus, or after so_depth decisions.
 */
uint32_t
sim_dfs_hold(uint32_t n, int focus)
{
	if (!focus)
		return 0;
	if (d.d_pos >= lwkt__sim.s_opt.so_depth ||
	    d.d_pos >= PATH_MAX_NODES) {
		d.d_cut = 1;
		return 0;
	}
	return answer(n + 1);
}

/*
 * Decide which CPU goes on: self, the one that runs, or one of `others`.  If
 * `forced` is set, self must not go on.  `focus` is 1 in the part that is
 * explored.
 */
int
sim_dfs_pick(int self, uint64_t others, int forced, int focus)
{
	unsigned n = (unsigned)__builtin_popcountll(others), a;
	int next;

	d.d_lastrun[self] = lwkt__sim.s_steps;
	if (!focus)
		return forced ? longest_waiting(others) : self;
	if (!forced && d.d_preemptions >= lwkt__sim.s_opt.so_preemptions)
		return self;
	if (d.d_pos >= lwkt__sim.s_opt.so_depth ||
	    d.d_pos >= PATH_MAX_NODES) {
		d.d_cut = 1;
		return forced ? longest_waiting(others) : self;
	}
	if (forced) {
		a = n > 1 ? answer(n) : 0;
	} else {
		a = answer(n + 1);
		if (a-- == 0)
			return self;
		d.d_preemptions++;
	}
	for (next = __builtin_ctzll(others); a > 0; a--) {
		others &= others - 1;
		next = __builtin_ctzll(others);
	}
	return next;
}
