/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals that interrupt a simulated CPU.
 *
 * THEORY
 * A CPU has a signal pending when its timer has fired, when another CPU has
 * interrupted it (machine_nmi), and when one more signal is due, for which the
 * kernel has asked (machine_interrupt_again).  The handler runs at the next
 * choice point of that CPU, of any kind and in any thread, as on a real host.
 * The signal is blocked while its handler runs.
 *
 * Only at CHOICE_USER can the thread be made to call the kernel: such a point
 * stands for an instruction of the program.  At the other points the thread is
 * in the library.  One time in REFUSE the simulator refuses at CHOICE_USER as
 * well, as a host does when the program is in libc.  But it does not if the
 * CPU's last signal was refused: a kernel that asks again must be called within
 * a bounded time.  Under DFS it never refuses at CHOICE_USER.
 *
 * At a point without a pending signal nothing happens, even if bits of
 * mc_reqflags are set.  Otherwise the simulator would hide the bug of a kernel
 * that forgets to ask for a signal.  Only a depth-first search interrupts at
 * each CHOICE_USER, because it has no time to wait for timers.
 *
 * Source: POSIX signals, as machine/linux/timer.c uses them.
 */
#include "machine/sim/sim_var.h"

#define REFUSE		4u		/* one signal in so many is refused */

/* Make the signal of machine_interrupt_again pending, when its time comes. */
static void
again_fire(struct sim_event *se)
{
	sim_signal_raise(container_of(se, struct machine_host, h_again));
}

/*
 * Run the signal handler at a choice point of kind `kind`, if a signal is
 * pending; under DFS also at each CHOICE_USER.  Not while the handler runs.
 */
void
sim_signal_point(enum choice kind)
{
	struct machine_host *h = lwkt__sim_mcpu->mc_host;
	int user = kind == CHOICE_USER;

	if ((h->h_signal == 0 && (!user || !sim_is_dfs())) || h->h_handler ||
	    lwkt__sim.s_up->mu_signal == NULL)
		return;
	h->h_signal = 0;
	h->h_handler = 1;
	choice_drain();		/* an interrupt empties the store buffer */
	h->h_user = user && (sim_is_dfs() || h->h_refused ||
	    sim_random(REFUSE) != 0);
	h->h_refused = !h->h_user;
	sim_trace_event("sim.signal", "cpu=%llu program=%llu",
	    (uint64_t)h->h_cpu, (uint64_t)h->h_user);
	lwkt__sim.s_up->mu_signal(lwkt__sim_mcpu, NULL);
	h->h_handler = 0;
}

/*
 * Make the thread call the kernel, before this function returns, if its code
 * may be interrupted here.  Returns MI_DONE, or MI_CODE if it may not.
 */
enum machine_refusal
machine_interrupt(struct mcpu *mc, void *ucontext, void *stack, size_t size)
{
	struct machine_host *h = mc->mc_host;

	(void)ucontext, (void)stack, (void)size;
	if (!h->h_user)
		return MI_CODE;
	h->h_handler = 0;		/* as if the handler had returned */
	lwkt__sim.s_up->mu_interrupted();
	return MI_DONE;
}

int
machine_in_program(void *ucontext)
{
	struct machine_host *h = lwkt__sim_mcpu->mc_host;

	(void)ucontext;
	return h->h_user;
}

/*
 * Ask for one more signal on this CPU, delay_ns from now.  If one was asked for
 * and is due earlier, it stays.
 */
void
machine_interrupt_again(int64_t delay_ns)
{
	struct machine_host *h = lwkt__sim_mcpu->mc_host;
	int64_t when = lwkt__sim.s_now + delay_ns;

	h->h_again.se_fn = again_fire;
	if (!h->h_again.se_armed || when < h->h_again.se_when)
		sim_event_add(&h->h_again, when);
}

/* Interrupt a CPU at its next choice point.  Returns 1: it always succeeds. */
int
machine_nmi(struct mcpu *mc)
{
	lwkt__choice(CHOICE_DOORBELL);
	sim_enter();
	sim_signal_raise(mc->mc_host);
	sim_trace_event("sim.nmi", "cpu=%llu by=%llu", (uint64_t)mc->mc_cpuid,
	    (uint64_t)lwkt__sim_mcpu->mc_cpuid);
	sim_leave();
	return 1;
}

const char *
machine_interrupt_off(void)
{
	return NULL;
}

int
machine_code_register(const void *start, size_t len)
{
	(void)start, (void)len;		/* CHOICE_USER marks the code */
	return 0;
}

int
machine_code_unregister(const void *start, size_t len)
{
	(void)start, (void)len;
	return 0;
}
