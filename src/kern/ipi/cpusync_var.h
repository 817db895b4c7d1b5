/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of a rendezvous (lwkt_cpusync.c) that runs on a CPU of the set.
 */
#ifndef LWKT_KERN_IPI_CPUSYNC_VAR_H
#define LWKT_KERN_IPI_CPUSYNC_VAR_H

#include "kern/cpu/globaldata.h"

#include <lwkt/cpusync.h>

/* Call the function of the rendezvous, if it has one, on this CPU. */
static inline void
cpusync_run(struct lwkt_cpusync *cs)
{
	no_unwind();
	if (cs->cs_fn != NULL)
		cs->cs_fn(cs->cs_arg);
}

/*
 * On a target: return 1 while the master stops this CPU.  Once the master has
 * cleared the bit of this CPU in cs_ack, run fn, set the bit for the second
 * time and return 0.  Setting it is the last access to *cs, which the master
 * may reuse as soon as it sees the bit (CS2).
 */
static inline int
cpusync_poll(struct globaldata *gd)
{
	struct lwkt_cpusync *cs = gd->gd_csync;
	int cpu = gd->gd_m.mc_cpuid;

	if (cpumask_test_acq(&cs->cs_ack, cpu))
		return 1;
	gd->gd_csync = NULL;
	cpusync_run(cs);
	cpumask_set_atomic(&cs->cs_ack, cpu);			/* CS2 */
	return 0;
}

#endif
