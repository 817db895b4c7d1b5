/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the successor completes for a thread that ends or moves to another CPU.
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
 * If the joiner is on the CPU of the ending thread, thread_exit() already calls
 * thread_join_done() before the last switch (exit_wake_joiner).  The td_join of
 * a thread that cannot be joined is TD_JOIN_NEVER and does not change.
 *
 * Source: DragonFly's lwkt_thread.c.
 */
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"

#include <lwkt/ipiq.h>

TRACEPOINT(exit, KTR_THREAD, "thread.exit", "td=%llu joined=%llu");

COUNTER(exited, "lwkt.threads_exited", "threads ended");

/*
 * Store TD_JOIN_EXITED in td_join of the thread arg, which has ended, and make
 * its joiner runnable.  Runs on the joiner's CPU, in a critical section: as a
 * plain call or as an IPI callback.  Never blocks.
 */
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
 * Complete the exit of td.  If td cannot be joined, release its own reference.
 * Else make td_join TD_JOIN_EXITED and wake the joiner, if any, unless
 * exit_wake_joiner() has done so.  If a joiner stores itself after the first
 * read, the cmpset fails, and the second read finds the joiner.
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
	if (join == TD_JOIN_EXITED)	/* stored by exit_wake_joiner */
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

/*
 * IPI callback on the new CPU of the thread arg: end its migration and make it
 * runnable.  TDF_MP_LEND: its lent priority changed on the way; apply it first.
 */
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

/*
 * Complete the departure of td, which migrates: hand td to its new CPU,
 * td_migrate_gd.  If td_migrate_gd is NULL, no CPU has been chosen yet: hand td
 * to its user scheduler, which chooses one.
 */
void
thread_finish_migrate(lwkt_thread_t td)
{
	struct globaldata *gd = td->td_migrate_gd;

	td->td_flags &= ~TDF_RUNNING;
	if (gd == NULL) {		/* CPU not chosen yet */
		lwkt__kern_ops.ko_lwp_queue(td);
		return;
	}
	/*
	 * This CPU, not the new one, stores td_gd.  If the new CPU stored it, a
	 * callback on this CPU could still find that td belongs to this CPU
	 * while the new CPU already runs td.  Release: pairs with the acquire
	 * loads of td_gd.
	 */
	atomic_store_rel_ptr((uintptr_t *)&td->td_gd, (uintptr_t)gd);
	lwkt_send_ipiq(gd->gd_m.mc_cpuid, migrate_remote, td);
}
