/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the reports of panics, deadlocks and stuck threads share.
 *
 * Default context: any host thread, signal handlers included, while the CPUs
 * are at any instruction.  Nothing allocates, takes a lock or waits without a
 * limit.
 */
#ifndef LWKT_KERN_TROUBLE_DEBUG_VAR_H
#define LWKT_KERN_TROUBLE_DEBUG_VAR_H

#include "kern/cpu/crit.h"

#define BT_MAX		24	/* frames of a backtrace */

/*
 * halt.c: stop the other CPUs.  HALT_PAUSE: until halt_release, a few seconds
 * at most.  HALT_FOREVER: until the process ends; if that takes too long, a
 * stopped CPU ends the process itself.  A stopped CPU serves IPIs if the
 * interrupted code allows it.  halt_others returns 0 if another caller has
 * stopped them already.
 */
enum halt { HALT_NONE, HALT_PAUSE, HALT_FOREVER };
int	halt_others(enum halt how);
void	halt_release(void);
/* Tell whether the CPU is stopped, so that what it owns can be read. */
int	halt_stands(int cpu);
/* Copy the backtrace of a stopped CPU; return the number of frames. */
int	halt_backtrace(int cpu, void *pcs[BT_MAX]);
void	halt_nmi(struct mcpu *mc, void *ucontext);		/* mu_nmi */

/* watchdog.c: watch this CPU, which has threads to run.  CPU context. */
void	watch_start(struct globaldata *gd);
int	watch_wanted(void);			/* lwkt.watchdog_ms */
void	watch_later(struct globaldata *gd);	/* at different times */
void	watch_intr(struct mcpu *mc, void *ucontext);		/* mu_watch */

/* deadlock.c: check whether any thread can run again.  Idle loop. */
void	deadlock_boot(void);
void	deadlock_look(struct globaldata *gd);
void	deadlock_cycles(void);	/* print the cycles, on stderr */

/* liveness.c, simulated host. */
void	liveness_boot(void);
void	liveness_point(const struct machine_point *mp);		/* mu_point */

/* debug.c: on stderr. */
void	show_thread(const char *what, lwkt_thread_t td);
void	show_cpus(void);	/* what runs on the other CPUs, and where */
void	show_threads(void);
void	show_trace(void);	/* the last records of the rings */
/*
 * check.c: panic at a broken invariant, of one structure or of all that a CPU
 * owns; check_sometimes() checks at intervals.  Own CPU, a thread of which is
 * about to leave it.
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
 * Write to buf what a thread that does not run waits for.  Return the thread
 * that it waits for, or NULL if that is not known.
 */
lwkt_thread_t thread_waits(lwkt_thread_t td, char *buf, size_t size);

#endif
