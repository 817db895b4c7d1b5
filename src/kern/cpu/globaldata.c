/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of CPUs, the tables of upward calls, and which CPU is calling.
 *
 * THEORY
 * Everything here is set at boot, before a second CPU starts, and constant
 * until all CPUs have stopped.
 */
#include "kern/cpu/kern_ops.h"

struct globaldata *lwkt__gd[LWKT_MAXCPU];
int lwkt__ncpus;
struct kern_ops lwkt__kern_ops;
struct kern_hooks lwkt__kern_hooks;

/* Any host thread; never blocks. */
lwkt_thread_t
lwkt_self(void)
{
	struct mcpu *mc = machine_oncpu();

	return mc != NULL ? curthread : NULL;
}

/* Any host thread; never blocks. */
int
lwkt_cpuid(void)
{
	struct mcpu *mc = machine_oncpu();

	return mc != NULL ? mycpuid : -1;
}

/* Any host thread; never blocks. */
int
lwkt_ncpus(void)
{
	return lwkt__ncpus;
}

/*
 * Any context; never blocks.  The answer may be old: td may migrate meanwhile.
 */
int
lwkt_getcpu(lwkt_thread_t td)
{
	return ((struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd))->gd_m.mc_cpuid;
}
