/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which simulated CPUs can run: how a CPU's wait begins and ends.
 *
 * THEORY
 * A CPU that waits does not run, so it cannot end the wait itself.  Another CPU
 * ends it (by a doorbell), or an event does (a timer, a completion).  Both set
 * the state of the CPU here, and the explorer chooses among the CPUs that can
 * run.  A pending signal is only a flag, which the CPU tests at its next choice
 * point (sim_signal.c).
 *
 * INVARIANTS
 * WK1 A CPU's bit in s_runnable is set exactly if its state is SIM_RUNNABLE.
 * WK2 A waiting CPU becomes runnable only by a doorbell, a timer, an event or
 *    a spurious wake-up: a bit in mc_reqflags alone does not wake it.
 */
#include "machine/sim/sim_var.h"

static struct sim *const sim = &lwkt__sim;

/* Make a CPU unable to run: it waits or has stopped. */
void
sim_block(struct machine_host *h, enum sim_state state)
{
	h->h_state = state;
	sim->s_runnable &= ~SIM_BIT(h->h_cpu);			/* WK1 */
}

/* End a CPU's wait, if it waits. */
void
sim_wake(struct machine_host *h)
{
	if (h->h_state == SIM_WAITING) {			/* WK2 */
		h->h_state = SIM_RUNNABLE;
		sim->s_runnable |= SIM_BIT(h->h_cpu);		/* WK1 */
	}
}

/* Set request bits of a CPU and end its wait, as a real host does. */
void
sim_interrupt(struct mcpu *mc, uint32_t bits)
{
	sim_enter();
	mc->mc_reqflags |= bits;
	sim_trace_event("sim.interrupt", "cpu=%llu bits=%#llx",
	    (uint64_t)mc->mc_cpuid, bits);
	sim_wake(mc->mc_host);
	sim_leave();
}

/* Make a signal pending on a CPU. */
void
sim_signal_raise(struct machine_host *h)
{
	h->h_signal = 1;
}
