/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The failure report: why, where each CPU is, the last steps, the seed.
 *
 * THEORY
 * Panics, failed assertions and checkers end in abort(), so one handler for the
 * fatal signals catches all of them.  SIGTERM is among these signals because
 * test runners send it to a test that hangs between two choice points.  The
 * handlers are installed from machine_boot to machine_shutdown and run on a
 * stack of their own.  They restore the old disposition before they return, so
 * the process dies of the same signal as it would without them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/compiler.h"
#include "base/kassert.h"
#include "machine/sim/sim_var.h"

#define ALTSTACK_SIZE	65536

static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT,
	SIGTERM };
static struct sigaction old_action[nitems(fatal)];
static stack_t old_stack;
static char altstack[ALTSTACK_SIZE] __attribute__((aligned(16)));
static int booted, reported;

/*
 * Write to text, as a shell takes them, the variables of the environment that
 * can change a run.  A variable is left out if there is no room for it, or if
 * its value has a quote.
 */
static void
environment(char *text, size_t size)
{
	static const char *const names[] = {
		"LWKT_NCPU", "LWKT_SIM", "LWKT_SIM_FAULTS", "LWKT_SIM_STORES",
		"LWKT_SIM_STEPS", "LWKT_SIM_PREEMPTIONS", "LWKT_FAIL",
		"LWKT_TUNE", "LWKT_DEBUG", "LWKT_ONLY",
	};
	const char *value;
	size_t len = 0, i;
	int n;

	text[0] = '\0';
	for (i = 0; i < nitems(names); i++) {
		value = getenv(names[i]);
		if (value == NULL || strchr(value, '\'') != NULL)
			continue;
		n = snprintf(text + len, size - len, "%s='%s' ", names[i],
		    value);
		if (n < 0 || (size_t)n >= size - len)
			text[len] = '\0';
		else
			len += (size_t)n;
	}
}

/* Print how to repeat the run. */
static void
reproduce_print(void)
{
	const char *name = program_invocation_short_name;
	unsigned long long seed = lwkt__sim.s_seed;
	char env[256];

	if (sim_is_dfs())
		lwkt_printf("lwkt: sim: schedule %llu of the enumeration %s; "
		    "the same program repeats it",
		    (unsigned long long)sim_dfs_index(),
		    sim_explore_describe());
	else {
		environment(env, sizeof(env));
		lwkt_printf("lwkt: sim: seed %llu (%s, %s); again: "
		    "%sLWKT_SEED=%llu %s", seed, sim_explore_describe(),
		    sim_store_describe(), env, seed, name);
	}
}

/*
 * Print a CPU's state, and its backtrace unless it runs or has stopped.  Its
 * pending stores go to memory first (sim_store_reveal).
 */
static void
cpu_print(const struct machine_host *h)
{
	static const char *const state[] = {
		[SIM_RUNNABLE] = "runnable", [SIM_WAITING] = "waiting",
		[SIM_STOPPED] = "stopped",
	};
	int runs = h->h_mc == lwkt__sim_mcpu;
	void *pcs[16];
	int n;

	lwkt_printf("lwkt: sim: cpu %d %s, reqflags %#x, %u stores pending",
	    h->h_cpu, runs ? "running" : state[h->h_state],
	    h->h_mc->mc_reqflags, sim_store_reveal(h));
	if (runs || h->h_state == SIM_STOPPED)
		return;
	n = machine_backtrace(pcs, (int)nitems(pcs), h->h_sp, NULL);
	machine_backtrace_print(pcs, n);
}

/* Print the report, once in a run. */
void
sim_report(const char *why)
{
	int cpu;

	if (reported)
		return;
	reported = 1;
	sim_enter();
	lwkt__sim.s_muted++;
	lwkt_printf("lwkt: sim: %s", why);
	if (lwkt__sim_mcpu != NULL) {
		for (cpu = 0; cpu < lwkt__sim.s_ncpus; cpu++)
			cpu_print(&lwkt__sim.s_host[cpu]);
	}
	sim_trace_print();
	reproduce_print();
	lwkt__sim.s_muted--;
	sim_leave();
}

/* Report why the run cannot go on, and abort. */
void
sim_die(const char *why)
{
	sim_enter();
	lwkt__sim.s_muted++;
	if (lwkt__sim.s_runnable == 0 && lwkt__sim.s_up->mu_deadlock != NULL)
		lwkt__sim.s_up->mu_deadlock();
	sim_report(why);
	abort();
}

/* Handle a fatal signal: report, then let the signal end the process. */
static void
fatal_signal(int sig, siginfo_t *si, void *ucontext)
{
	ucontext_t *uc = ucontext;
	struct machine_fault mf = { "memory fault", (uintptr_t)si->si_addr, 1,
	    (uintptr_t)uc->uc_mcontext.gregs[REG_RSP], uc };
	size_t i;

	sim_enter();
	lwkt__sim.s_muted++;
	if ((sig == SIGSEGV || sig == SIGBUS) && !reported &&
	    lwkt__sim_mcpu != NULL && lwkt__sim.s_up->mu_fault != NULL)
		lwkt__sim.s_up->mu_fault(lwkt__sim_mcpu, &mf);
	sim_report(strsignal(sig));
	for (i = 0; i < nitems(fatal); i++) {
		if (fatal[i] == sig)
			(void)sigaction(sig, &old_action[i], NULL);
	}
	/* A signal that was sent does not recur; abort() sends it again. */
	if (si->si_code <= 0 && (sig != SIGABRT || si->si_code != SI_TKILL))
		(void)raise(sig);
	sim_leave();
}

/* Install the handlers of the fatal signals. */
void
sim_report_boot(void)
{
	struct sigaction sa;
	stack_t ss = { .ss_sp = altstack, .ss_size = sizeof(altstack) };
	size_t i;

	reported = 0;
	if (booted)
		return;
	booted = 1;
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = fatal_signal;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	(void)sigaltstack(&ss, &old_stack);
	for (i = 0; i < nitems(fatal); i++)
		(void)sigaction(fatal[i], &sa, &old_action[i]);
}

/* Restore the program's handlers. */
void
sim_report_shutdown(void)
{
	size_t i;

	if (!booted)
		return;
	booted = 0;
	for (i = 0; i < nitems(fatal); i++)
		(void)sigaction(fatal[i], &old_action[i], NULL);
	(void)sigaltstack(&old_stack, NULL);
}
