/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations that the files of the simulated host share.
 *
 * THEORY
 * One host thread runs all CPUs, so nothing here needs to be atomic.
 *
 * The files have an order, lowest first.  A file calls functions and uses
 * variables of the files before it only:
 *
 *	sim_state.c	the run: CPUs, virtual time, random numbers
 *	sim_option.c	what the program and the environment ask for
 *	sim_key.c	numbers in place of addresses
 *	sim_trace.c	the hash of a run, and its last events
 *	sim_wake.c	which CPUs can run, and which have a signal pending
 *	sim_dfs.c	which CPU goes on, by enumeration
 *	sim_explore.c	which CPU goes on, by any strategy
 *	sim_store.c	store buffers
 *	sim_time.c	clock, timers and other events
 *	sim_signal.c	signal handlers
 *	sim_fail.c	refusals by chance
 *	sim_mem.c	memory
 *	sim_probe.c	checks of the kernel
 *	sim_file.c	descriptors
 *	sim_io.c	operations on descriptors
 *	sim_report.c	the report of a failure
 *	sim_cpu.c	the CPUs: choice points, switches, waits
 *	sim_boot.c	begin and end of a run
 *
 * These calls go to a higher file instead:
 *	lwkt__choice	of base/choice.h.  Entries from the kernel begin with a
 *			choice point; sim_cpu.c serves it.
 *	lwkt__fail_host	of machine/hostlib.h.  sim_fail.c sets it.
 *	se_fn		of struct sim_event.  sim_time.c calls the event.
 *	simfile_reset	its argument.  sim_file.c calls it when a file changes.
 *	s_up		the kernel's table, struct machine_upcalls.
 */
#ifndef LWKT_MACHINE_SIM_VAR_H
#define LWKT_MACHINE_SIM_VAR_H

#include "base/choice.h"
#include "base/rng.h"
#include "machine/fiber.h"
#include "machine/machine.h"
#include "machine/sim/sim.h"
#include "machine/sim/sim_tsan.h"

#define SIM_MAXCPU		64
#define SIM_BIT(cpu)		((uint64_t)1 << (cpu))

enum sim_state { SIM_RUNNABLE, SIM_WAITING, SIM_STOPPED };

/* One simulated CPU. */
struct machine_host {
	void		*h_sp;		/* stack pointer while suspended */
	struct mcpu	*h_mc;
	struct sim_event h_timer;	/* the CPU's timer */
	struct fiber	 h_first;	/* its first stack, for checkers */
	struct fiber	 h_fiber;	/* the stack that it is on */
	struct sim_event h_again;	/* machine_interrupt_again */
	int64_t		 h_watch;	/* when mu_watch is due, or 0 */
	struct machine_cxx h_cxx;	/* C++ exceptions while suspended */
	int		 h_errno;	/* errno while suspended */
	int		 h_cpu;		/* its number */
	int		 h_signal;	/* 1: a signal is pending */
	int		 h_handler;	/* 1: the signal's handler runs */
	int		 h_refused;	/* 1: the last signal was refused */
	int		 h_user;	/* 1: machine_interrupt is allowed */
	enum sim_state	 h_state;
};

/* The run.  machine_boot clears it; each field is written by the file named. */
struct sim {
	struct rng	 s_rng;		/* sim_boot.c seeds it; all draw */
	uint64_t	 s_runnable;	/* sim_cpu.c, sim_wake.c: CPU mask */
	uint64_t	 s_steps;	/* sim_cpu.c: choice points so far */
	uint64_t	 s_max_steps;	/* sim_boot.c */
	uint64_t	 s_switches;	/* sim_cpu.c */
	uint64_t	 s_seed;	/* sim_boot.c */
	int64_t		 s_now;		/* sim_time.c */
	int		 s_ncpus;	/* sim_boot.c, sim_cpu.c */
	int		 s_live;	/* sim_cpu.c: CPUs not stopped */
	int		 s_muted;	/* any; >0: choice points do nothing */
	const struct machine_upcalls *s_up;	/* sim_boot.c */
	struct sim_options s_opt;	/* sim_option.c */
	struct machine_host s_host[SIM_MAXCPU];	/* see its fields */
};

/* sim_state.c */
extern struct sim lwkt__sim;

/* sim_option.c */
void	sim_options_read(struct sim_options *so);
uint64_t sim_env_number(const char *name, uint64_t dflt);

/* sim_key.c */
void	sim_key_reset(void);

/* sim_trace.c */
void	sim_trace_reset(void);
void	sim_trace_step(enum choice kind, int self, int next, void *pc);
void	sim_trace_event(const char *name, const char *fmt, uint64_t a,
	    uint64_t b);
uint64_t sim_trace_schedule(void);
void	sim_trace_print(void);

/* sim_wake.c */
void	sim_block(struct machine_host *h, enum sim_state state);
void	sim_wake(struct machine_host *h);
void	sim_signal_raise(struct machine_host *h);

/* sim_dfs.c */
void	sim_dfs_reset(void);
uint32_t sim_dfs_hold(uint32_t n, int focus);
int	sim_dfs_pick(int self, uint64_t others, int forced, int focus);
uint64_t sim_dfs_index(void);

/* sim_explore.c: which CPU goes on.  bits are fresh random bits of the step. */
void	sim_explore_reset(void);
int	sim_explore_pick(enum choice kind, int self, uint32_t bits);
const char *sim_explore_describe(void);

/* Return how many of n pending stores the next CPU does not see at a switch. */
uint32_t sim_explore_hold(enum choice kind, uint32_t n);

/* sim_store.c: store buffers.  The last three only if lwkt__stores is set. */
void	sim_store_reset(void);
void	sim_store_begin(void);
void	sim_store_end(void);
const char *sim_store_describe(void);
uint32_t sim_store_reveal(const struct machine_host *h); /* for the report */
void	sim_store_drain_all(void);
void	sim_store_step(void *frame);
void	sim_store_leave(enum choice kind);
void	sim_store_arrive(void);

/* sim_time.c */
void	sim_time_reset(void);
void	sim_time_tick(uint32_t bits);
int	sim_time_jump(void);
int64_t	sim_time_next(void);	/* time of the next event, or INT64_MAX */

/* sim_signal.c */
void	sim_signal_point(enum choice kind);

/* sim_fail.c */
int	sim_fail_reset(void);

/* sim_probe.c: these call mu_point. */
void	sim_probe(enum choice kind, int cpu);
void	sim_probe_wait(int64_t until);

/* sim_io.c */
void	sim_io_reset(void);

/* sim_report.c */
void	sim_report_boot(void);
void	sim_report_shutdown(void);
void	sim_die(const char *why) __lwkt_noreturn;

static inline int
sim_is_dfs(void)
{
	return lwkt__sim.s_opt.so_strategy == SIM_DFS;
}

#endif
