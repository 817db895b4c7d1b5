/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bit of everything, each schedule twice: with LWKT_SIM_CHECK=1 the second
 * run of a seed, with its memory elsewhere, must have the same trace.
 */
#include "core/util.h"

static uint32_t ran;

static void
bit(void *arg)
{
	struct rng r = { (uint64_t)(uintptr_t)arg };
	int i;

	for (i = 0; i < 6; i++) {
		switch (rng_below(&r, 6)) {
		case 0:
			lwkt_migratecpu((int)rng_below(&r,
			    (uint32_t)lwkt_ncpus()));
			break;
		case 1:
			lwkt_sleep_ns(rng_below(&r, 100000));
			break;
		case 2:
			lwkt_synchronize_ipiqs("test");
			break;
		case 3:
			(void)lwkt_tsleep(&ran, 0, "bit", 5000);
			break;
		case 4:
			lwkt_wakeup(&ran);
			break;
		default:
			lwkt_yield();
			break;
		}
	}
	atomic_fetchadd_32(&ran, 1);
}

static int
everything(void *arg)
{
	lwkt_thread_t td[10];
	unsigned i;

	(void)arg;
	ran = 0;
	for (i = 0; i < nitems(td); i++)
		td[i] = spawn(bit, (void *)(uintptr_t)i, 0, LWKT_CPU_ROTATE);
	for (i = 0; i < nitems(td); i++)
		join(td[i]);
	check(ran == nitems(td), "%u ran", ran);
	return 0;
}

int
main(void)
{
	sim_explore("a seed has one trace", everything, NULL, 100);
	return tap_done();
}
