/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stop the other CPUs at any instruction, to read what they own.
 *
 * THEORY
 * Each CPU is interrupted (machine_nmi), takes its own backtrace, notes that it
 * is stopped, and waits in the signal handler.  A CPU may fail to answer within
 * ANSWER_NS, because it handles a fault or its host thread gets no core.  Then
 * the report does not wait for it, and prints its threads without their stacks.
 *
 * For a panic a CPU stops for ever.  It still executes messages, because the
 * code that reports may need an answer.  It does so only if the interrupted
 * code cannot be in the middle of an update.  That is: the CPU is in no
 * callback, and either waits in the host, or is in no critical section and was
 * interrupted outside the library.  (Inside it may be in a leaf section, which
 * has no count.)  The interrupted thread never continues, so callbacks may use
 * whatever it had not protected.  The stopped CPU also measures the time: if
 * the report takes longer than FOREVER_NS, the stopped CPU aborts the
 * process.
 *
 * On the simulated host only one CPU runs at a time, so the others are stopped
 * already.
 *
 * halt_word says how to stop, and has the number of the halt.  A CPU that is
 * slow to leave the last halt has stored the old number, so it does not count
 * as stopped for the next halt.  The signal of the next halt is pending until
 * the CPU leaves the handler.
 *
 * ORDER
 * A stopped CPU stores ha_stopped (release), and the CPU that stops the others
 * loads it (acquire).  So all that the stopped CPU wrote before is visible.
 *
 * Source: DragonFly's stop_cpus and cpustop handler.
 */
#include "kern/ipi/ipi_var.h"
#include "kern/trouble/debug_var.h"

#include <stdlib.h>

#define HALT_STEP	4u		/* in halt_word: above enum halt */
#define ANSWER_NS	100000000	/* longest wait for all answers */
#define PAUSE_NS	5000000000	/* longest pause without a release */
#define FOREVER_NS	10000000000	/* longest report */

/* (w:c) written by the stopped CPU itself, in its signal handler */
struct halted {
	uint32_t	 ha_stopped;	/* (a) halt_word if stopped, else 0 */
	int		 ha_npcs;	/* (w:c) entries of ha_pcs */
	void		*ha_pcs[BT_MAX]; /* (w:c) its backtrace */
};

static struct halted halted[LWKT_MAXCPU];
static uint32_t halt_word;		/* (a) number * HALT_STEP + enum halt */

/*
 * Return 1 if the signal handler may run callbacks on this CPU, else 0 (see
 * THEORY).
 */
static int
can_serve(const struct globaldata *gd, void *ucontext)
{
	return gd->gd_intr_nesting == 0 && gd->gd_processing_ipiq == 0 &&
	    ((atomic_peek_32(&gd->gd_m.mc_reqflags) & RQF_SLEEPING) != 0 ||
	    (gd->gd_m.mc_curthread->td_critcount == 0 &&
	    machine_in_program(ucontext)));
}

/* Execute the messages of this CPU, if any, in a critical section. */
static void
serve(struct globaldata *gd)
{
	lwkt_thread_t td = gd->gd_m.mc_curthread;

	if (!ipiq_pending(gd))
		return;
	crit_enter_td(td);
	ipiq_process(gd);
	crit_exit_noyield(td);
}

/*
 * Wait in the signal handler until halt_word is no longer word.  In a
 * HALT_PAUSE, return after PAUSE_NS in any case.  In a HALT_FOREVER, abort the
 * process after FOREVER_NS.
 */
static void
halt_wait(struct globaldata *gd, uint32_t word, void *ucontext)
{
	int64_t begin = machine_time_ns(), waited;
	int forever = word % HALT_STEP == HALT_FOREVER;
	int serves = forever && can_serve(gd, ucontext);
	unsigned turn = 0;

	while (atomic_load_acq_32(&halt_word) == word) {
		waited = machine_time_ns() - begin;
		if (forever && waited > FOREVER_NS)
			abort();
		if (!forever && waited > PAUSE_NS)
			return;
		if (serves)
			serve(gd);
		machine_pause(turn++);
	}
}

/*
 * mu_nmi: take a backtrace of this CPU, and stop until the halt ends, but not
 * longer than halt_wait() allows.  Return at once if no halt is in force.
 * Signal handler.
 */
void
halt_nmi(struct mcpu *mc, void *ucontext)
{
	struct globaldata *gd = (struct globaldata *)(void *)mc;
	struct halted *ha = &halted[mc->mc_cpuid];
	uint32_t word = atomic_load_acq_32(&halt_word);

	if (word % HALT_STEP == HALT_NONE)
		return;			/* the halt has ended */
	ha->ha_npcs = machine_backtrace(ha->ha_pcs, BT_MAX, NULL, ucontext);
	atomic_store_rel_32(&ha->ha_stopped, word);
	halt_wait(gd, word, ucontext);
	atomic_store_rel_32(&ha->ha_stopped, 0);
}

/* Interrupt all other CPUs, and wait at most ANSWER_NS for their answers. */
static void
halt_send(void)
{
	struct mcpu *self = machine_oncpu();
	int64_t begin = machine_time_ns();
	uint64_t sent[howmany(LWKT_MAXCPU, 64)] = { 0 };
	unsigned turn = 0;
	int cpu;

	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		if (&gd_find(cpu)->gd_m != self &&
		    machine_nmi(&gd_find(cpu)->gd_m))
			sent[CPUMASK_WORD(cpu)] |= CPUMASK_BIT(cpu);
	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if ((sent[CPUMASK_WORD(cpu)] & CPUMASK_BIT(cpu)) == 0)
			continue;
		while (!halt_stopped(cpu) &&
		    machine_time_ns() - begin < ANSWER_NS)
			machine_pause(turn++);
	}
}

/*
 * Stop the other CPUs, and wait at most ANSWER_NS until they have stopped.
 * Returns 1; but with HALT_PAUSE it returns 0, and does nothing, if another
 * caller has begun a halt.  HALT_FOREVER replaces a halt of another caller.
 */
int
halt_others(enum halt how)
{
	uint32_t old, new;

	if (config_host_sim)
		return 1;
	old = atomic_load_32(&halt_word);
	if (how == HALT_PAUSE && old % HALT_STEP != HALT_NONE)
		return 0;
	new = roundup2(old + 1, HALT_STEP) + (uint32_t)how;
	if (!atomic_cmpset_32(&halt_word, old, new)) {
		if (how == HALT_PAUSE)
			return 0;
		atomic_store_rel_32(&halt_word, new);
	}
	halt_send();
	return 1;
}

/* End a HALT_PAUSE; leave a HALT_FOREVER that has replaced it. */
void
halt_release(void)
{
	uint32_t word;

	if (config_host_sim)
		return;
	word = atomic_load_32(&halt_word);
	if (word % HALT_STEP == HALT_PAUSE)
		(void)atomic_cmpset_32(&halt_word, word, word - HALT_PAUSE);
}

/*
 * Return 1 if the CPU is stopped by the current halt, else 0.  Always 1 on the
 * simulated host.
 */
int
halt_stopped(int cpu)
{
	uint32_t word;

	if (config_host_sim)
		return 1;
	word = atomic_load_32(&halt_word);
	return word % HALT_STEP != HALT_NONE &&
	    atomic_load_acq_32(&halted[cpu].ha_stopped) == word;
}

/*
 * Copy the backtrace of a stopped CPU; return the number of frames.  Return 0
 * if the CPU is not stopped, and on the simulated host.
 */
int
halt_backtrace(int cpu, void *pcs[BT_MAX])
{
	const struct halted *ha = &halted[cpu];
	int i;

	if (config_host_sim || !halt_stopped(cpu))
		return 0;
	for (i = 0; i < ha->ha_npcs; i++)
		pcs[i] = ha->ha_pcs[i];
	return i;
}
