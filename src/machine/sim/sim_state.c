/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the run, below all other files of the simulated host.
 *
 * THEORY
 * machine_boot clears lwkt__sim, and sim_var.h says which file writes which
 * field.  The random numbers of the schedule come from s_rng, so they follow
 * from the seed and from the order of the calls.
 */
#include "machine/sim/sim_var.h"

struct sim lwkt__sim;

int64_t
sim_now(void)
{
	return lwkt__sim.s_now;
}

/* Draw a number below n; under DFS always 0.  No choice point. */
uint32_t
sim_random(uint32_t n)
{
	uint32_t r = 0;

	sim_enter();
	if (!sim_is_dfs())
		r = rng_below(&lwkt__sim.s_rng, n);
	sim_leave();
	return r;
}
