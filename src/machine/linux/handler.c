/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handler of the signal that interrupts CPUs.
 *
 * THEORY
 * There is one signal (signal.c) for all reasons to interrupt a CPU.  The
 * handler first asks watch.c whether the signal is for that file; every other
 * signal is for timer.c.  Both files may set bits of mc_reqflags.  Then the
 * handler calls the kernel (mu_signal), which may request that the interrupted
 * thread serves these bits now (preempt.c).
 *
 * The handler runs on the host thread of the CPU, between any two instructions,
 * with all signals blocked.  On a host thread that is no CPU it does nothing.
 */
#include <errno.h>
#include <signal.h>

#include "machine/linux/host.h"

static const struct machine_upcalls *handler_up;	/* (i) */

static void
cpu_handler(int sig, siginfo_t *si, void *ucontext)
{
	struct mcpu *mc = machine_oncpu();
	int saved = errno;

	(void)sig;
	if (mc == NULL)
		return;
	if (likely(!lwkt__watch_signal(mc, si, ucontext)))
		lwkt__timer_gone_off(mc);
	if (handler_up->mu_signal != NULL)
		handler_up->mu_signal(mc, ucontext);
	errno = saved;
}

/* Choose the signal and install the handler.  Returns 0 or an errno. */
int
lwkt__handler_boot(const struct machine_upcalls *up)
{
	handler_up = up;
	return lwkt__signal_boot(cpu_handler);
}
