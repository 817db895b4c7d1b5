/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clock of user schedulers.  USES no other file of the layer.
 *
 * THEORY
 * While a CPU has a tick (kern/time/tick.c), kern/ calls usched_clock() lwkt.hz
 * times a second.  Only kern.schedhz of these calls a second are ticks for the
 * user schedulers.  Each CPU adds the time that has passed to its credit.  When
 * the credit reaches the length of a tick of kern.schedhz, a tick is due, and
 * its length is subtracted from the credit.
 */
#include "usched/usched_var.h"

#include <string.h>

TUNABLE_INT(schedhz, "kern.schedhz", 50, 1, 10000,
    "clock of user schedulers, ticks a second (not above lwkt.hz)");

#define NS_PER_SEC	1000000000

static int64_t credit[LWKT_MAXCPU];	/* (c) ns not used for a tick yet */

/* Return the length of a tick of kern.schedhz, in ns. */
int64_t
usched_tick_ns(void)
{
	return NS_PER_SEC / schedhz;
}

/*
 * Count period_ns that have passed on cpu, the calling CPU.  Return 1 if a tick
 * is due, else 0.  If kern.schedhz is above lwkt.hz, a tick is due at each call
 * and time is left over; at most one tick of it is kept.
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

/* Reset what an earlier boot may have left. */
void
usched_tick_boot(void)
{
	memset(credit, 0, sizeof(credit));
}
