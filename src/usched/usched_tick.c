/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clock of user schedulers.  USES no other file of the layer.
 *
 * THEORY
 * kern/ calls at each tick of lwkt.hz, while it has one.  User schedulers get
 * kern.schedhz ticks a second of these.  Each CPU adds the time that has passed
 * to a credit, and pays for a tick with it.
 */
#include "usched/usched_var.h"

#include <string.h>

TUNABLE_INT(schedhz, "kern.schedhz", 50, 1, 10000,
    "clock of user schedulers, ticks a second (not above lwkt.hz)");

#define NS_PER_SEC	1000000000

static int64_t credit[LWKT_MAXCPU];	/* (c) ns since the last tick */

/* Return the length of a tick of kern.schedhz. */
int64_t
usched_tick_ns(void)
{
	return NS_PER_SEC / schedhz;
}

/*
 * Note that period_ns have passed on cpu, this CPU.  Return 1 if a tick is due.
 * The credit is at most one tick: more than lwkt.hz ticks a second cannot come.
 */
int
usched_tick_due(int cpu, int64_t period_ns)
{
	int64_t tick_ns = usched_tick_ns();
	int64_t *cr = &credit[cpu];

	*cr += period_ns;
	if (*cr < tick_ns)
		return 0;
	*cr -= tick_ns;
	if (*cr > tick_ns)
		*cr = tick_ns;
	return 1;
}

/* Reset all that a boot before this one may have left. */
void
usched_tick_boot(void)
{
	memset(credit, 0, sizeof(credit));
}
