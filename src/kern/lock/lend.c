/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Priority that the waiters of a lock lend to its holder.
 *
 * THEORY
 * A thread that waits for a mutex or a mtx cannot continue before the holder
 * has run.  So the holder must be scheduled as if it had the priority of the
 * best waiter.  A thread runs with the highest of its own priority and those
 * that it is lent.
 *
 * A lock lends one priority at a time, that of its best waiter, to one thread,
 * its holder.  So what a thread is lent is a multiset of priorities, one for
 * each of its locks that has waiters.  The holder keeps it as 32 counts, one
 * for each priority.  There is no list to find and to lock: when the best
 * waiter of a lock changes, any CPU updates the holder's counts by two locked
 * additions, under the guard of that lock.  The loan of one lock is undone
 * exactly, whatever the others lend meanwhile.
 *
 * The priority itself belongs to the holder's CPU.  A thread that has changed
 * the counts sets TDF_MP_LEND and, if it was not set, sends a message to that
 * CPU, which clears the bit, reads the counts and applies the result.  A second
 * change needs no second message while the first is under way.
 *
 * A holder that itself waits for another lock passes the change on.  Applying a
 * priority moves the waiter in the queue in which it waits (lw_moved); that
 * changes what that lock lends, and so on, one CPU after the other.  Each step
 * reads the state at its own time, and the chain ends where nothing changes.
 * Holders that wait for each other in a cycle have deadlocked, and two changes
 * could follow each other round such a cycle forever.  So a chain is cut after
 * LEND_HOPS links.
 *
 * A thread between two CPUs belongs to none: the bit stays set, and the CPU on
 * which it arrives applies the change.
 *
 * A pthread is lent nothing.  As a waiter it counts as a new thread does, and
 * the CPU of the holder carries out what the pthread lends.  The shared holders
 * of a mtx are not recorded and are lent nothing.  An lwp that is lent priority
 * does not wait for its turn in its user scheduler; an lwp that already waits
 * for its turn is not moved ahead.
 *
 * INVARIANTS
 * LD1 Of each lock with a holder that is a thread and with waiters, the
 *     priority of the best waiter is counted once in tc_lend of the holder,
 *     from the time the guard is released (mutex.c: except while MU_BARGED is
 *     set and the holder's own priority is at least that of the waiters).
 * LD2 With TDF_MP_LEND clear td_lent is the highest priority in tc_lend, or 0,
 *     and td_pri is the higher of it and of the thread's own.
 * LD3 td_ownpri is the thread's own priority while td_lent != 0; else td_pri
 *     is.
 * LD4 A thread whose loan is changed under a guard is alive: it holds the lock
 *     and cannot release it without the guard.  Afterwards tc_lendrefs keeps
 *     it: its exit waits until no change for it is in progress (lend_drain).
 *     (A reference by lwkt_hold() would not keep a thread in storage of the
 *     program.)
 * LD5 An lwp with td_lent != 0 is not put into the queue of its scheduler.
 *
 * ORDER
 * LO1 changer: tc_lend, then TDF_MP_LEND; CPU: clears the bit, then reads
 *     tc_lend.  All are locked instructions: either the CPU sees the change or
 *     the changer finds the bit clear and sends another message.
 * LO2 changer: sets the bit, then reads td_gd; arrival: td_gd has been stored,
 *     then the bit is read.  Either the message goes to the new CPU or the
 *     arrival sees the bit.
 *
 * Source: L. Sha, R. Rajkumar, J. P. Lehoczky, "Priority Inheritance
 * Protocols" (1990); counts instead of lists, and messages, are ours.
 */
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"
#include "kern/lock/lend_var.h"

#include <lwkt/ipiq.h>

TRACEPOINT(lend, KTR_SCHED, "lend.apply", "td=%llu pri=%llu");

COUNTER(changes, "lwkt.lend_changes", "changes of a lent priority");
COUNTER(remote, "lwkt.lend_remote", "of these, asked for by another CPU");
COUNTER(cut, "lwkt.lend_cut", "chains of holders that were cut: too long");

#define LEND_HOPS	64	/* links of a chain */
#define LANES		4	/* counts in a word */
#define LANE_BITS	16

CTASSERT(LEND_WORDS * LANES == NPRI, "a count for each priority");

/* Add `by` to the count of loans of priority `pri`. */
static inline void
count(lwkt_thread_t td, int pri, uint64_t by)
{
	(void)atomic_fetchadd_64(&td->td_cold->tc_lend[pri / LANES],
	    by << pri % LANES * LANE_BITS);
}

/* Return the best priority that is lent to td, or 0. */
static int
best_lent(const struct lwkt_thread *td)
{
	uint64_t w;
	int i;

	for (i = LEND_WORDS - 1; i >= 0; i--) {
		w = __atomic_load_n(&td->td_cold->tc_lend[i],
		    __ATOMIC_SEQ_CST);	/* no choice point: lend_check() */
		if (w != 0)
			return i * LANES +
			    (63 - __builtin_clzll(w)) / LANE_BITS;
	}
	return 0;
}

/*
 * Count a change of one loan, and note td for lend_carry_out().  The new loan
 * is counted before the old one is taken off.
 */
void
lend_change(struct lend_todo *lt, lwkt_thread_t td, int old, int new)
{
	int i;

	if (old == new)
		return;
	for (i = 0; i < lt->lt_n; i++)
		if (lt->lt_td[i] == td)
			break;
	if (i == lt->lt_n) {
		INVARIANT(i < 2);
		(void)atomic_fetchadd_32(&td->td_cold->tc_lendrefs,
		    1);						/* LD4 */
		lt->lt_td[lt->lt_n++] = td;
	}
	if (new >= 0)
		count(td, new, 1);
	if (old >= 0)
		count(td, old, (uint64_t)-1);			/* LD1 */
}

/* Run td with priority `pri`.  If td itself waits for a lock, move it. */
static void
effective(struct globaldata *gd, lwkt_thread_t td, int pri,
    struct lend_todo *lt)
{
	struct lend_wait *lw = td->td_cold->tc_lendwait;

	if (td->td_pri != pri) {
		ktr(gd, lend, td->td_id, pri);
		sched_setpri(gd, td, pri);
	}
	if (lw != NULL)
		lw->lw_moved(lw, lend_rank(td), lt);
}

/*
 * Make LD2 true, on td's own CPU.  The bit is cleared before the counts are
 * read: a later change finds it clear and sends another message (LO1).
 */
static void
apply(struct globaldata *gd, lwkt_thread_t td, struct lend_todo *lt)
{
	int own = lend_ownpri(td), lent;

	(void)atomic_fetchand_32(&td->td_mpflags, ~TDF_MP_LEND);
	lent = best_lent(td);					/* LO1 */
	lt->lt_hops = atomic_load_32(&td->td_cold->tc_lendhops) + 1;
	atomic_store_32(&td->td_cold->tc_lendhops, 0);
	if (lent == td->td_lent || (td->td_flags & TDF_IDLE))
		return;
	counter_inc(gd->gd_cntbias, changes);
	td->td_lent = (uint8_t)lent;
	td->td_ownpri = (uint8_t)own;				/* LD3 */
	effective(gd, td, lent > own ? lent : own, lt);
	if (lent == 0 && td == curthread)
		ast_raise(gd);					/* LD5 */
}

/* Drop the reference, by the last access to td, which may end now. */
static inline void
done_with(lwkt_thread_t td)
{
	(void)atomic_fetchadd_32(&td->td_cold->tc_lendrefs, (uint32_t)-1);
}

static void	lend_remote(void *arg);

/* lend_remote() for a message from a pthread. */
static void
lend_foreign(void *arg, int unused)
{
	(void)unused;
	lend_remote(arg);
}

/*
 * Apply the changed counts of td here, or send them to its CPU.  Drops the
 * reference, or hands it to the message.
 */
static void
tell(lwkt_thread_t td, struct lend_todo *lt)
{
	uint32_t hops = lt->lt_hops;
	struct globaldata *gd = mygd(), *tgd;

	if (hops > atomic_load_32(&td->td_cold->tc_lendhops))
		atomic_store_32(&td->td_cold->tc_lendhops, hops);
	if (hops > LEND_HOPS)
		counter_inc(gd->gd_cntbias, cut);
	else if ((atomic_fetchor_32(&td->td_mpflags, TDF_MP_LEND) &
	    TDF_MP_LEND) == 0) {				/* LO1 */
		tgd = (struct globaldata *)atomic_load_acq_ptr(
		    (const uintptr_t *)&td->td_gd);		/* LO2 */
		if (tgd != gd) {
			counter_inc(gd->gd_cntbias, remote);
			lwkt_send_ipiq(tgd->gd_m.mc_cpuid, lend_remote, td);
			return;
		}
		if ((td->td_flags & TDF_MIGRATING) == 0)
			apply(gd, td, lt);
	}
	done_with(td);
}

/* Have the CPU of td apply its changed counts, for a pthread. */
static __lwkt_noinline void
tell_by_cpu(lwkt_thread_t td)
{
	struct globaldata *tgd;

	if ((atomic_fetchor_32(&td->td_mpflags, TDF_MP_LEND) &
	    TDF_MP_LEND) != 0) {				/* LO1 */
		done_with(td);
		return;
	}
	tgd = (struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd);			/* LO2 */
	foreign_do(tgd->gd_m.mc_cpuid, lend_foreign, td, 0);
}

/* Do what lend_change() has noted. */
void
lend_carry_out(struct lend_todo *lt)
{
	struct lend_todo todo;
	int i;

	if (unlikely(machine_oncpu() == NULL)) {
		while (lt->lt_n > 0)
			tell_by_cpu(lt->lt_td[--lt->lt_n]);
		return;
	}
	/* Follow a chain on this CPU by a loop, not by nested calls. */
	while (lt->lt_n > 0) {
		todo = *lt;
		lt->lt_n = 0;
		for (i = 0; i < todo.lt_n; i++) {
			lt->lt_hops = todo.lt_hops;
			tell(todo.lt_td[i], lt);
		}
	}
}

/*
 * Execute the message: apply the counts, or follow a thread that has moved to
 * another CPU.
 */
static void
lend_remote(void *arg)
{
	struct lend_todo lt = { .lt_n = 0 };
	lwkt_thread_t td = arg;
	struct globaldata *gd = (struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd);	/* thread_finish_migrate */

	if (gd != mygd()) {
		lwkt_send_ipiq(gd->gd_m.mc_cpuid, lend_remote, td);
		return;
	}
	if ((td->td_flags & TDF_MIGRATING) == 0)
		apply(gd, td, &lt);
	lend_carry_out(&lt);
	done_with(td);
}

/* Apply changes that came while td was between two CPUs. */
void
lend_apply_late(lwkt_thread_t td)
{
	struct lend_todo lt = { .lt_n = 0 };

	apply(mygd(), td, &lt);
	lend_carry_out(&lt);
}

/*
 * Wait until no change for td is in progress.  td ends and holds no lock, so no
 * new change begins.
 */
void
lend_drain(lwkt_thread_t td)
{
	unsigned turn = 0;

	while (lend_busy(td)) {
		crit_exit_td(td);	/* messages for it */
		machine_pause(turn++);
		crit_enter_td(td);
	}
}

/* Set the own priority of td, and the effective one accordingly. */
void
lend_setpri(struct globaldata *gd, lwkt_thread_t td, int pri)
{
	struct lend_todo lt = { .lt_n = 0 };
	struct lwkt_mutex *mu;
	int own = lend_ownpri(td);

	if (own == pri)
		return;
	if (pri < own && (mu = td->td_cold->tc_barged) != NULL)
		mutex_barged(mu);				/* LD1 */
	if (td->td_lent != 0)
		td->td_ownpri = (uint8_t)pri;			/* LD3 */
	effective(gd, td, pri > td->td_lent ? pri : td->td_lent, &lt);
	lend_carry_out(&lt);
}

/* Check LD2, in invariants builds. */
void
lend_check(lwkt_thread_t td)
{
	int own = lend_ownpri(td), lent = best_lent(td);

	KASSERTF(td->td_pri == (td->td_lent > own ? td->td_lent : own),
	    "thread \"%s\" has priority %d; its own is %d, the lent one %d",
	    td->td_name, td->td_pri, own, td->td_lent);		/* LD2 */
	KASSERTF((td->td_flags & TDF_IDLE) || td->td_lent == lent ||
	    atomic_peek_32(&td->td_cold->tc_lendrefs) != 0 ||
	    (atomic_peek_32(&td->td_mpflags) & TDF_MP_LEND), "thread \"%s\" "
	    "has priority %d lent; its waiters lend %d", td->td_name,
	    td->td_lent, lent);
}
