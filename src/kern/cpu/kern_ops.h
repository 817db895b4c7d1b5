/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that go up: from kern/ to the layers above, and from a room of kern/ to
 * a later one.
 *
 * Both tables are filled at boot, before a second CPU starts.
 */
#ifndef LWKT_KERN_CPU_KERN_OPS_H
#define LWKT_KERN_CPU_KERN_OPS_H

#include "kern/cpu/globaldata.h"

/*
 * What the layers above put in (kern/ never allocates and never looks up):
 * set once before the CPUs start.
 */
struct kern_ops {
	/* The last reference of an arena thread is gone; any CPU. */
	void	(*ko_thread_free)(lwkt_thread_t td);
	/* Reap host completions without waiting (NULL: there are none). */
	void	(*ko_poll)(struct globaldata *gd);
	/*
	 * Threads with TDL_LWP (usched/).  All but the last on the CPU of td,
	 * which runs there except in ko_lwp_queue.
	 * leave: it is about to switch; ret: it is about to go back to its own
	 * code, and may be held up or moved (in no critical section); yield: it
	 * wants others to run; queue: it has left with TDF_MIGRATING and no
	 * td_migrate_gd (by its successor).  clock: a tick of this CPU.
	 */
	void	(*ko_lwp_leave)(lwkt_thread_t td);
	void	(*ko_lwp_return)(lwkt_thread_t td);
	void	(*ko_lwp_yield)(lwkt_thread_t td);
	void	(*ko_lwp_queue)(lwkt_thread_t td);
	void	(*ko_lwp_clock)(struct globaldata *gd, int64_t period_ns);
	void	(*ko_lwp_check)(lwkt_thread_t td);	/* check_cpu */
	/* The thread in whose stack guard addr lies, or NULL.  Signals. */
	lwkt_thread_t (*ko_fault_thread)(uintptr_t addr);
};
extern struct kern_ops lwkt__kern_ops __lwkt_hidden;

/* The later rooms of kern/, put in by boot/kern_init.c.  Own CPU. */
struct kern_hooks {
	/* sleep/: do the wakeups that td has put off, before it leaves. */
	void	(*kh_delayed_flush)(lwkt_thread_t td);
	/* lock/: td has arrived on this CPU, and what it is lent changed. */
	void	(*kh_lend_late)(lwkt_thread_t td);
	/* trouble/: a switch, in invariants builds on the simulated host. */
	void	(*kh_check)(struct globaldata *gd);
};
extern struct kern_hooks lwkt__kern_hooks __lwkt_hidden;

#endif
