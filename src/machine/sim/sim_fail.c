/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults: what the host refuses, because the seed or the user says so.
 *
 * LWKT_FAIL=point:nth fails the nth question at that point of a run, once;
 * with faults on, every question may fail, with a probability that belongs to
 * the run (and in some runs is 0).
 */
#include <stdlib.h>
#include <string.h>

#include "base/kassert.h"
#include "machine/sim/sim_var.h"

static char	fail_point[32];		/* "": none */
static uint64_t	fail_nth;		/* counts down */
static uint32_t	fail_period;		/* one question in so many; 0: none */

void
sim_fail_reset(void)
{
	static const uint16_t period[] = { 0, 2, 4, 16, 64, 256, 1024 };
	const char *s = getenv("LWKT_FAIL"), *colon;

	fail_point[0] = '\0';
	if (s != NULL && *s != '\0') {
		colon = strchr(s, ':');
		if (colon == NULL || colon - s >= (int)sizeof(fail_point))
			lwkt_panic("LWKT_FAIL=%s: want point:nth", s);
		memcpy(fail_point, s, (size_t)(colon - s));
		fail_point[colon - s] = '\0';
		fail_nth = strtoull(colon + 1, NULL, 10);
	}
	fail_period = lwkt__sim.s_opt.so_faults && !sim_is_dfs() ?
	    period[sim_random(nitems(period))] : 0;
}

int
machine_fail(const char *point)
{
	int yes = fail_period != 0 && sim_random(fail_period) == 0;

	if (strcmp(point, fail_point) == 0 && fail_nth > 0 &&
	    --fail_nth == 0)
		yes = 1;
	if (yes)
		sim_trace_event("sim.fail", point, 0, 0);
	return yes;
}
