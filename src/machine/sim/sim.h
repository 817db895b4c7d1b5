/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated host, as tests and models of devices use it.
 *
 * THEORY
 * A run lasts from machine_boot() to machine_shutdown().  Everything that
 * happens in it follows from its options and its seed: the strategy, the number
 * of CPUs (if the caller asked for none), each switch between CPUs, the speed
 * of the clock, late timers, spurious wake-ups and injected faults.  (Under dfs
 * the number of the schedule takes the place of the seed.)  So a seed names a
 * schedule, and the trace hash tells whether two runs were the same.
 *
 * Environment, read at each boot:
 *	LWKT_SEED=n		the seed, when the caller gave none
 *	LWKT_SIM=random		only that strategy; also swarm, pct:DEPTH (the
 *				number of ordered steps a bug needs), dfs:DEPTH
 *				(the number of decisions enumerated)
 *	LWKT_SIM_PREEMPTIONS=n	most preemptions of a schedule under dfs (2)
 *	LWKT_SIM_STEPS=n	choice points until a run counts as livelocked
 *	LWKT_SIM_STORES=1	stores are delayed in every run (no effect under
 *				dfs or TSan); 0: in none
 *	LWKT_SIM_FAULTS=1	machine_fail() injects faults by chance; no
 *				effect under dfs
 *	LWKT_SIM_TRACE=1	print each event and switch as it happens
 *	LWKT_NCPU=n		CPUs, when the caller gave no number
 *	LWKT_FAIL=name:n	the n-th call at that point fails (fail.c)
 */
#ifndef LWKT_MACHINE_SIM_H
#define LWKT_MACHINE_SIM_H

#include <bsd/sys/queue.h>
#include <stdint.h>

struct mcpu;

enum sim_strategy {
	SIM_SWARM,		/* the seed chooses PCT or a kind of RANDOM */
	SIM_RANDOM,		/* each choice point may switch, by chance */
	SIM_PCT,		/* random priorities, so_depth - 1 changes */
	SIM_DFS			/* every schedule up to the bounds, in order */
};

/* Which runs have store buffers (x86-TSO).  Under TSan no run has them. */
enum sim_stores {
	SIM_STORES_SOME,	/* one run in four, by the seed; not DFS */
	SIM_STORES_ALL,
	SIM_STORES_NONE
};

/* Zero means the default.  The environment overrules these options. */
struct sim_options {
	enum sim_strategy so_strategy;
	unsigned	so_depth;	/* PCT (0: 3); DFS: decisions (0: 40) */
	unsigned	so_preemptions;	/* DFS: most in a schedule; 0: 2 */
	int		so_faults;	/* 1: inject faults; not under DFS */
	int		so_focus;	/* 1: DFS, PCT obey sim_focus() */
	enum sim_stores	so_stores;
	uint64_t	so_max_steps;	/* choice points; 0: 5,000,000 */
};

/* The result of the last run; valid until the next boot. */
struct sim_result {
	uint64_t	sr_seed;
	uint64_t	sr_hash;	/* of all that happened in the run */
	uint64_t	sr_schedule;	/* the switches alone, without time */
	uint64_t	sr_steps;	/* choice points */
	uint64_t	sr_switches;	/* from one CPU to another */
	int64_t		sr_time_ns;	/* virtual time at the end */
	int		sr_ncpus;
};

/* Set the options of later runs; NULL sets the defaults.  Not during a run. */
void	sim_configure(const struct sim_options *so);
void	sim_result_get(struct sim_result *sr);

/*
 * Mark the part of a run to explore, between sim_focus(1) and sim_focus(0).
 * The calls have an effect only if so_focus is set.  DFS enumerates only in
 * this part, and PCT counts its steps from the start of this part.  So neither
 * spends effort on boot and shutdown.  The strategy "random" explores the whole
 * run.  Context: CPU.
 */
void	sim_focus(int on);

/*
 * For DFS.  sim_dfs_begin begins a new enumeration.  sim_dfs_next goes to the
 * next schedule after a run, and returns 1, or 0 if there is none.
 * sim_dfs_complete returns 1 if so far no decision was left out because of
 * so_depth (or the limit of 1024 decisions), else 0.
 */
void	sim_dfs_begin(void);
int	sim_dfs_next(void);
int	sim_dfs_complete(void);

/*
 * Print why a run failed, where each CPU is, the last steps and how to repeat
 * the run.  Only the first call in a run prints.  A fatal signal or abort()
 * calls this.
 */
void	sim_report(const char *why);

/*
 * An event of a model of a device: se_fn is called at virtual time se_when or
 * later, on the CPU that runs then, or that ran last if every CPU waits.  se_fn
 * must not block; choice points in it do nothing.  A boot forgets all events:
 * set the structure to zero before its first use in each run.
 */
struct sim_event {
	TAILQ_ENTRY(sim_event) se_link;
	int64_t		se_when;
	void		(*se_fn)(struct sim_event *se);
	int		se_armed;	/* 1: se_fn will be called */
};

void	sim_event_add(struct sim_event *se, int64_t when);
void	sim_event_del(struct sim_event *se);
int64_t	sim_now(void);			/* virtual time; no choice point */
uint32_t sim_random(uint32_t n);	/* in [0, n), by the seed; DFS: 0 */
/* Set bits in mc_reqflags and end the CPU's wait, as a real host does. */
void	sim_interrupt(struct mcpu *mc, uint32_t bits);

#endif
