/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What those who report on a kernel in trouble share.
 *
 * Default context here: any host thread, signal handlers included, while the
 * CPUs may be anywhere: nothing allocates, takes a lock or waits without a
 * bound.
 */
#ifndef LWKT_KERN_TROUBLE_DEBUG_VAR_H
#define LWKT_KERN_TROUBLE_DEBUG_VAR_H

#include "kern/cpu/crit.h"

#define BT_MAX		24	/* frames of a backtrace */

/*
 * halt.c: have the other CPUs stand still.  HALT_PAUSE: until
 * halt_release, a few seconds at most.  HALT_FOREVER: until the process ends,
 * which a CPU that stands still brings about itself if it takes too long; IPIs
 * are served meanwhile where that can be done.  0: somebody else halts them.
 */
enum halt { HALT_NONE, HALT_PAUSE, HALT_FOREVER };
int	halt_others(enum halt how);
void	halt_release(void);
/* Does the CPU stand still, so that its things can be looked at? */
int	halt_stands(int cpu);
/* Where a CPU was when it was halted; the count. */
int	halt_backtrace(int cpu, void *pcs[BT_MAX]);
void	halt_nmi(struct mcpu *mc, void *ucontext);		/* mu_nmi */

/* watchdog.c: this CPU has threads to run.  CPU. */
void	watch_start(struct globaldata *gd);
int	watch_wanted(void);			/* lwkt.watchdog_ms */
void	watch_later(struct globaldata *gd);	/* at different times */
void	watch_intr(struct mcpu *mc, void *ucontext);		/* mu_watch */

/* deadlock.c: this CPU is idle, for good?  Idle loop. */
void	deadlock_boot(void);
void	deadlock_look(struct globaldata *gd);
void	deadlock_cycles(void);	/* those who wait for each other, on stderr */

/* liveness.c, simulated host. */
void	liveness_boot(void);
void	liveness_point(const struct machine_point *mp);		/* mu_point */

/* debug.c: on stderr. */
void	show_thread(const char *what, lwkt_thread_t td);
void	show_cpus(void);	/* who runs on the other CPUs, and where */
void	show_threads(void);
void	show_trace(void);	/* the last records of the rings */
/*
 * check.c: panic at what breaks an invariant, of one thing or of all that a CPU
 * owns; check_sometimes() does so at intervals.  Own CPU, a thread of which is
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
 * What a thread that does not run waits for, in words; and for whom, if that
 * is known.
 */
lwkt_thread_t thread_waits(lwkt_thread_t td, char *buf, size_t size);

#endif
