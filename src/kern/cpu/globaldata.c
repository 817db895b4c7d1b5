/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of CPUs, the tables of calls that go up (kern_ops.h), and the
 * functions that tell a caller its thread and CPU.
 *
 * THEORY
 * All variables here are set at boot, before a CPU runs, and are constant until
 * all CPUs have stopped, except lwkt_quick_: each host thread has its own
 * (inline_allow).
 */
#include "kern/cpu/kern_ops.h"

struct globaldata *lwkt__gd[LWKT_MAXCPU];
int lwkt__ncpus;
struct kern_ops lwkt__kern_ops;
struct kern_hooks lwkt__kern_hooks;

__thread const struct lwkt_quick_words_ *lwkt_quick_;

/*
 * Return the calling thread; NULL if the caller is a plain pthread.  Any host
 * thread; never blocks.
 */
lwkt_thread_t
lwkt_self(void)
{
	struct mcpu *mc = machine_oncpu();

	return mc != NULL ? curthread : NULL;
}

/*
 * Return the number of the calling CPU; -1 if the caller is a plain pthread.
 * Any host thread; never blocks.
 */
int
lwkt_cpuid(void)
{
	struct mcpu *mc = machine_oncpu();

	return mc != NULL ? mycpuid : -1;
}

/*
 * Return the number of CPUs; 0 before boot and after shutdown.  Any host
 * thread; never blocks.
 */
int
lwkt_ncpus(void)
{
	return lwkt__ncpus;
}

/*
 * Return the number of the CPU that td belongs to.  td must be alive or held,
 * and may have migrated when the caller uses the result.  Any context; never
 * blocks.
 */
int
lwkt_getcpu(lwkt_thread_t td)
{
	return ((struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd))->gd_m.mc_cpuid;
}
