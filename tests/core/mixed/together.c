/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All mechanisms at once (together.h), a few rounds on either host.
 */
#include "core/mixed/together.h"

/*
 * Simulated: the schedule's seed chooses the deeds as well.  Linux: the clock
 * does, or LWKT_SEED.
 */
static uint64_t
new_seed(void)
{
#ifdef LWKT_HOST_SIM
	return sim_random(UINT32_MAX);
#else
	uint64_t seed = simrun_number("LWKT_SEED", (uint64_t)lwkt_time_ns());

	diag("LWKT_SEED=%llu", (unsigned long long)seed);
	return seed;
#endif
}

static int
body(void *arg)
{
	return together((enum kind)(uintptr_t)arg, TIMES(100, 3), new_seed());
}

int
main(void)
{
	sim_explore("threads do everything at once", body,
	    (void *)NATIVE, 100);
	sim_explore("lwps do everything at once", body, (void *)LWPS, 100);
	sim_explore("preemptible threads do everything at once", body,
	    (void *)PREEMPTIBLE, 100);
	return tap_done();
}
