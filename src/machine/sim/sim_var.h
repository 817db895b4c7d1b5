/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations that the files of the simulated host share.
 *
 * One host thread runs all CPUs, so nothing here is atomic.
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
	void		*h_sp;		/* its stack while it does not run */
	struct mcpu	*h_mc;
	struct sim_event h_timer;	/* its armed deadline */
	struct fiber	 h_first;	/* its first stack, for checkers */
	struct fiber	 h_fiber;	/* the stack that it is on */
	struct sim_event h_again;	/* machine_interrupt_again */
	int64_t		 h_watch;	/* when mu_watch is due, or 0 */
	struct machine_cxx h_cxx;	/* its C++ exceptions */
	int		 h_errno;
	int		 h_cpu;
	int		 h_signal;	/* one is pending */
	int		 h_handler;	/* its handler runs */
	int		 h_refused;	/* the last one was */
	int		 h_user;	/* it interrupted a program: divert */
	enum sim_state	 h_state;
};

/* The run. */
struct sim {
	struct rng	 s_rng;
	uint64_t	 s_runnable;	/* mask of SIM_RUNNABLE CPUs */
	uint64_t	 s_steps;
	uint64_t	 s_max_steps;
	uint64_t	 s_switches;
	uint64_t	 s_seed;
	int64_t		 s_now;
	int		 s_ncpus;
	int		 s_live;	/* CPUs not stopped */
	int		 s_muted;	/* >0: choice points do nothing */
	const struct machine_upcalls *s_up;
	struct sim_options s_opt;
	struct machine_host s_host[SIM_MAXCPU];
};

extern struct sim lwkt__sim;

/* sim_cpu.c */
void	sim_wake(struct machine_host *h);

/* sim_option.c */
void	sim_options_read(struct sim_options *so);
uint64_t sim_env_number(const char *name, uint64_t dflt);

/* sim_explore.c: which CPU goes on.  bits are fresh random bits of the step. */
void	sim_explore_reset(void);
int	sim_explore_pick(enum choice kind, int self, uint32_t bits);
const char *sim_explore_describe(void);

/* At a switch: how many of n pending stores the other CPU does not see. */
uint32_t sim_explore_hold(enum choice kind, uint32_t n);

/* sim_dfs.c */
void	sim_dfs_reset(void);
uint32_t sim_dfs_hold(uint32_t n, int focus);
int	sim_dfs_pick(int self, uint64_t others, int forced, int focus);
uint64_t sim_dfs_index(void);

/* sim_time.c */
void	sim_time_reset(void);
void	sim_time_tick(uint32_t bits);
int	sim_time_jump(void);
int64_t	sim_time_next(void);		/* of the next event; or INT64_MAX */

/* sim_signal.c */
void	sim_signal_raise(struct machine_host *h);
void	sim_signal_point(enum choice kind);

/* sim_probe.c: mu_point. */
void	sim_probe(enum choice kind, int cpu);
void	sim_probe_wait(int64_t until);

/* sim_fail.c */
int	sim_fail_reset(void);

/* sim_io.c */
void	sim_io_reset(void);

/* sim_key.c */
void	sim_key_reset(void);

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

/* sim_trace.c */
void	sim_trace_reset(void);
void	sim_trace_step(enum choice kind, int self, int next, void *pc);
void	sim_trace_event(const char *name, const char *fmt, uint64_t a,
	    uint64_t b);
uint64_t sim_trace_schedule(void);
void	sim_trace_print(void);

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
