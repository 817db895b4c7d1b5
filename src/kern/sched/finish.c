/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the successor completes for a thread that has left the CPU for good.
 *
 * THEORY
 * A thread that ends or moves to another CPU cannot announce that itself,
 * because it still uses its stack.  The thread that runs next on the CPU
 * announces it, right after the switch (lwkt_switch.c).
 *
 * The joiner and the end of the thread meet in one word, td_join.  It is 0
 * first; then the first to come stores the joiner or TD_JOIN_EXITED.  If the
 * joiner came first, EXITED is stored *on the joiner's CPU*, together with
 * making the joiner runnable.  A joiner that wakes for any other reason finds
 * itself still in the word, and sleeps again.  So a joiner that has already
 * continued and ended is never scheduled.
 *
 *	0 --lwkt_join--> joiner --thread_join_done--> EXITED  (joiner's CPU)
 *	0 --thread_finish_exit----------------------> EXITED
 *
 * Source: DragonFly's lwkt_thread.c.
 */
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"

#include <lwkt/ipiq.h>

TRACEPOINT(exit, KTR_THREAD, "thread.exit", "td=%llu joined=%llu");

COUNTER(exited, "lwkt.threads_exited", "threads ended");

/* Store EXITED for td, which has ended, and wake its joiner, on this CPU. */
void
thread_join_done(void *arg)
{
	lwkt_thread_t td = arg;
	lwkt_thread_t joiner = (lwkt_thread_t)atomic_load_acq_ptr(&td->td_join);

	INVARIANT(joiner->td_gd == mygd());
	atomic_store_rel_ptr(&td->td_join, TD_JOIN_EXITED);
	sched_enqueue(mygd(), joiner);
}

/*
 * Complete the exit of td.  If a joiner stores itself after the first read, the
 * cmpset fails, and the second read finds the joiner.
 */
void
thread_finish_exit(lwkt_thread_t td)
{
	struct globaldata *gd = mygd();
	uintptr_t join;

	counter_inc(gd->gd_cntbias, exited);
	td->td_flags &= ~TDF_RUNNING;
	join = atomic_load_acq_ptr(&td->td_join);	/* pairs: lwkt_join */
	if (join == TD_JOIN_NEVER) {
		ktr(gd, exit, td->td_id, 0);
		lwkt_rele(td);
		return;
	}
	ktr(gd, exit, td->td_id, join != 0);
	if (join == TD_JOIN_EXITED)		/* exit_wake_joiner */
		return;
	if (join == 0) {
		if (atomic_cmpset_ptr(&td->td_join, 0, TD_JOIN_EXITED))
			return;
		join = atomic_load_acq_ptr(&td->td_join);
	}
	if (((lwkt_thread_t)join)->td_gd == gd)
		thread_join_done(td);
	else
		lwkt_send_ipiq(((lwkt_thread_t)join)->td_gd->gd_m.mc_cpuid,
		    thread_join_done, td);
}

/* Make a thread that has arrived on this CPU runnable. */
static void
migrate_remote(void *arg)
{
	lwkt_thread_t td = arg;
	struct globaldata *gd = mygd();

	INVARIANT(td->td_gd == gd);
	td->td_flags &= ~TDF_MIGRATING;
	if (unlikely(atomic_load_32(&td->td_mpflags) & TDF_MP_LEND))
		lwkt__kern_hooks.kh_lend_late(td);
	sched_enqueue(gd, td);
}

/* Hand td to its new CPU, or to its user scheduler if it has none yet. */
void
thread_finish_migrate(lwkt_thread_t td)
{
	struct globaldata *gd = td->td_migrate_gd;

	td->td_flags &= ~TDF_RUNNING;
	if (gd == NULL) {		/* nowhere yet: to its scheduler */
		lwkt__kern_ops.ko_lwp_queue(td);
		return;
	}
	/*
	 * This CPU gives the thread away; the new CPU does not take it.
	 * Otherwise a callback here could find that td belongs to this CPU
	 * while the new CPU already runs it.  Release: pairs with the acquire
	 * loads of td_gd.
	 */
	atomic_store_rel_ptr((uintptr_t *)&td->td_gd, (uintptr_t)gd);
	lwkt_send_ipiq(gd->gd_m.mc_cpuid, migrate_remote, td);
}
