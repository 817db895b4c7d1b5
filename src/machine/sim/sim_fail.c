/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults by chance: the seed decides which requests the host refuses.
 *
 * With so_faults on, each fault point (machine/fail.c) may fail, with a
 * probability that is fixed for the run: 0, or 1/2 to 1/1024.
 */
#include "machine/hostlib.h"
#include "machine/sim/sim_var.h"

static uint32_t	period;			/* one call in so many fails; 0: none */

/*
 * Return whether a call fails; `refused` is what LWKT_FAIL has decided.  Each
 * refusal is in the trace.
 */
static int
decide(const char *point, int refused)
{
	if (!refused && period != 0)
		refused = sim_random(period) == 0;
	if (unlikely(refused))
		machine_trace("host.fail", point, 0, 0);
	return refused;
}

/*
 * Choose the probability of faults in the run that begins.  Under DFS it is 0.
 * Returns 0, or an errno if LWKT_FAIL is invalid.
 */
int
sim_fail_reset(void)
{
	static const uint16_t periods[] = { 0, 2, 4, 16, 64, 256, 1024 };

	period = 0;
	if (lwkt__sim.s_opt.so_faults && !sim_is_dfs())
		period = periods[sim_random(nitems(periods))];
	lwkt__fail_host = decide;
	return lwkt__fail_boot();
}
