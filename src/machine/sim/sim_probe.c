/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Let the kernel look at itself while all CPUs stand still.
 *
 * THEORY
 * mu_point is called at choice points of the kinds at which the kernel has its
 * chances (critical exits, yields, points of a preemptible program) and when
 * every CPU waits, before the clock jumps.  Nothing in it is a choice point and
 * it draws no random numbers, so the schedule of a seed is the same with and
 * without it.
 */
#include "machine/sim/sim_var.h"

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

/* Every CPU waits until that time. */
void
sim_probe_wait(int64_t until)
{
	struct machine_point mp = { .mp_kind = CHOICE_PAUSE, .mp_cpu = -1,
	    .mp_until = until };

	probe(&mp);
}
