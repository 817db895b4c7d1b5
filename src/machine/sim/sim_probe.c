/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Let the kernel check itself while no CPU runs.
 *
 * THEORY
 * mu_point is called at those kinds of choice points at which the kernel may
 * switch threads or do deferred work (CHOICE_CRIT, CHOICE_SWITCH, CHOICE_USER).
 * It is also called when every CPU waits, before the clock jumps.  Choice
 * points in mu_point do nothing, and mu_point draws no random numbers.  So the
 * schedule of a seed is the same with and without mu_point.
 */
#include "machine/sim/sim_var.h"

/* Call mu_point, if the kernel has set it; choice points in it do nothing. */
static void
probe(struct machine_point *mp)
{
	const struct machine_upcalls *up = lwkt__sim.s_up;

	if (up->mu_point == NULL)
		return;
	mp->mp_now = lwkt__sim.s_now;
	mp->mp_awake = lwkt__sim.s_runnable;
	lwkt__sim.s_muted++;
	up->mu_point(mp);
	lwkt__sim.s_muted--;
}

/*
 * Let the kernel check itself at a choice point of a CPU, if the point is of
 * one of the kinds that THEORY names.
 */
void
sim_probe(enum choice kind, int cpu)
{
	struct machine_point mp = { .mp_kind = kind, .mp_cpu = cpu };

	if (kind == CHOICE_CRIT || kind == CHOICE_SWITCH ||
	    kind == CHOICE_USER) {
		mp.mp_until = lwkt__sim.s_now;
		probe(&mp);
	}
}

/*
 * Let the kernel check itself when every CPU waits.  `until` is the time of the
 * next event, or INT64_MAX.
 */
void
sim_probe_wait(int64_t until)
{
	struct machine_point mp = { .mp_kind = CHOICE_PAUSE, .mp_cpu = -1,
	    .mp_until = until };

	probe(&mp);
}
