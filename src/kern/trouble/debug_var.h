/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the reports of panics, deadlocks and stuck threads share.
 *
 * If not said otherwise, a function may be called in any host thread and in a
 * signal handler, while the CPUs are at any instruction.  It allocates nothing,
 * takes no lock, and waits only for a limited time.  A function whose name ends
 * with _boot is called at boot, before the CPUs start.
 */
#ifndef LWKT_KERN_TROUBLE_DEBUG_VAR_H
#define LWKT_KERN_TROUBLE_DEBUG_VAR_H

#include "kern/cpu/crit.h"

#define BT_MAX		24	/* frames of a backtrace */

/*
 * halt.c: stop the other CPUs.  HALT_PAUSE: until halt_release, 5 s at most.
 * HALT_FOREVER: until the process ends; after 10 s a stopped CPU aborts the
 * process.  In a HALT_FOREVER a stopped CPU executes messages if the
 * interrupted code allows it.  halt_others returns 1; but with HALT_PAUSE it
 * returns 0, and does nothing, if another caller has stopped the CPUs already.
 * halt_others does not wait longer than 0.1 s for CPUs that do not answer.
 */
enum halt { HALT_NONE, HALT_PAUSE, HALT_FOREVER };
int	halt_others(enum halt how);
void	halt_release(void);
/* Return 1 if the CPU is stopped, so that what it owns can be read; else 0. */
int	halt_stopped(int cpu);
/* Copy the backtrace of a stopped CPU; return the number of frames.  Return 0
 * if the CPU is not stopped, and on the simulated host. */
int	halt_backtrace(int cpu, void *pcs[BT_MAX]);
void	halt_nmi(struct mcpu *mc, void *ucontext);		/* mu_nmi */

/* watchdog.c: watch this CPU, which has threads to run.  CPU context. */
void	watch_start(struct globaldata *gd);
int	watch_wanted(void);			/* 1: the watchdog is on */
void	watch_later(struct globaldata *gd);	/* one more check, when idle */
void	watch_intr(struct mcpu *mc, void *ucontext);		/* mu_watch */

/* deadlock.c.  deadlock_check: report if no thread can run again. */
void	deadlock_boot(void);
void	deadlock_check(struct globaldata *gd);	/* by the idle loop only */
void	deadlock_cycles(void);	/* print the cycles, on stderr */

/* liveness.c, simulated host. */
void	liveness_boot(void);
void	liveness_point(const struct machine_point *mp);		/* mu_point */

/* debug.c: print on stderr. */
void	show_thread(const char *what, lwkt_thread_t td);
void	show_cpus(void);	/* other CPUs: threads and backtraces */
void	show_threads(void);
void	show_trace(void);	/* the last records of the trace rings */
/*
 * check.c: panic if an invariant of a thread (thread_check), of a port
 * (port_check), or of a CPU and most of what it owns (check_cpu) is broken.
 * check_sometimes() calls check_cpu() at intervals.  Context: the owning CPU,
 * when a thread is about to leave it.
 */
void	thread_check(lwkt_thread_t td);
void	port_check(struct lwkt_port *port);
void	check_cpu(struct globaldata *gd);
void	check_sometimes(struct globaldata *gd);

/* panic.c. */
void	panic_boot(void);
void	panic_fault(struct mcpu *mc, const struct machine_fault *mf);
						/* mu_fault */
void	panic_deadlock(void);			/* mu_deadlock */
void	panic_escape(struct mcpu *mc, int forced);	/* mu_escape */

/*
 * Write to buf what td waits for; the empty string if td runs or waits for
 * nothing that is known.  Return the thread that td waits for, or NULL if that
 * is not known.
 */
lwkt_thread_t thread_waits(lwkt_thread_t td, char *buf, size_t size);

#endif
