/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that go up: from kern/ to the layers above it, and from a room of kern/
 * to a later room.
 *
 * Both tables are filled at boot, before the CPUs start.
 */
#ifndef LWKT_KERN_CPU_KERN_OPS_H
#define LWKT_KERN_CPU_KERN_OPS_H

#include "kern/cpu/globaldata.h"

/*
 * Functions of the layers above kern/: vm/, io/ and usched/.  Each layer sets
 * its functions in its boot hooks.
 */
struct kern_ops {
	/* Free an arena thread whose last reference is gone.  Any CPU. */
	void	(*ko_thread_free)(lwkt_thread_t td);
	/* gd_spare is set, the CPU idles: give memory back to the host. */
	void	(*ko_spare)(struct globaldata *gd);
	/* Reap host completions, without waiting.  NULL: io/ has not booted. */
	void	(*ko_poll)(struct globaldata *gd);
	/*
	 * For threads with TDL_LWP (usched/), called on the CPU of td, or of
	 * gd.  Except in ko_lwp_queue, td is the thread that runs.
	 * leave: td is about to switch.  return: td is about to go back to user
	 * mode, in no critical section; the function may block or migrate td.
	 * yield: td wants other threads to run.  queue: td has left the CPU
	 * with TDF_MIGRATING and no td_migrate_gd; its successor calls the
	 * function.  clock: a tick of any CPU, unless the tick stops.  check:
	 * for check_cpu() of trouble/; panics if the state of td is wrong.
	 */
	void	(*ko_lwp_leave)(lwkt_thread_t td);
	void	(*ko_lwp_return)(lwkt_thread_t td);
	void	(*ko_lwp_yield)(lwkt_thread_t td);
	void	(*ko_lwp_queue)(lwkt_thread_t td);
	void	(*ko_lwp_clock)(struct globaldata *gd, int64_t period_ns);
	void	(*ko_lwp_check)(lwkt_thread_t td);
	/*
	 * Return the thread in whose stack guard addr lies; or NULL.  Signal
	 * handler.
	 */
	lwkt_thread_t (*ko_fault_thread)(uintptr_t addr);
};
extern struct kern_ops lwkt__kern_ops __lwkt_hidden;

/* Functions of later rooms of kern/, set by boot/kern_init.c.  Own CPU. */
struct kern_hooks {
	/* sleep/: do td's deferred wakeups, before td leaves or at a tick. */
	void	(*kh_delayed_flush)(lwkt_thread_t td);
	/* lock/: td has come to this CPU: apply the changes of its loans. */
	void	(*kh_lend_late)(lwkt_thread_t td);
	/* trouble/: check the CPU.  Invariants builds on sim, at a switch. */
	void	(*kh_check)(struct globaldata *gd);
};
extern struct kern_hooks lwkt__kern_hooks __lwkt_hidden;

#endif
