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
 * its exclusive holder.  So what a thread is lent is a multiset of priorities,
 * one for each of its locks that has waiters.  The holder keeps it as 32 counts
 * (tc_lend), one for each priority.  When the best waiter of a lock changes,
 * the CPU or pthread that changes the queue updates the holder's counts by one
 * or two locked additions.  It does so under the queue lock, which protects the
 * queue of the lock (lend_var.h).  No other lock is needed, and a loan is taken
 * back exactly, whatever other locks lend meanwhile.
 *
 * td_pri, with which a thread is scheduled, may be changed only by the thread's
 * CPU.  A CPU that has changed the counts sets TDF_MP_LEND in the holder.  If
 * the bit was clear before, that CPU sends a message to the holder's CPU, which
 * clears the bit, reads the counts and applies the result.  (If the holder is
 * on the CPU that has changed the counts, no message is needed.)  A second
 * change needs no second message while the first is under way.
 *
 * If the holder itself waits for another lock, the change goes on from lock to
 * lock: a new priority moves the holder in the queue in which it waits
 * (lw_moved); this changes what that lock lends to its own holder, and so on.
 * This chain may pass through many CPUs.  It ends where nothing changes.
 *
 * Holders that wait for each other in a cycle have deadlocked.  A rise and a
 * fall could follow each other around such a cycle for ever.  So falls are cut:
 * after LEND_HOPS holders, a change that would lower td_lent is counted but not
 * applied.  Each chain then lowers td_lent at most LEND_HOPS times, and between
 * two falls the td_lent of a thread can rise at most 31 times.  So all changes
 * end.  Rises are never cut: the holder at the end of the longest chain runs
 * with the priority of the best waiter.  A holder at which a fall was cut has
 * too high a priority until a shorter chain reaches it, at the latest when it
 * releases the lock whose loan fell: a release begins a new chain.  If several
 * changes of a holder are applied at once, the shortest of their chains
 * decides.  So a release is applied in any case.
 *
 * A thread that is moving between two CPUs belongs to none of them: the bit
 * stays set, and the CPU on which the thread arrives applies the change.
 *
 * A pthread is lent nothing.  As a waiter a pthread has the priority of a new
 * thread; the CPU of the holder applies what the pthread lends.  The shared
 * holders of a mtx are not recorded and are lent nothing.  An lwp that is lent
 * priority runs without waiting in the queue of its user scheduler; an lwp that
 * is already in that queue is not moved ahead.
 *
 * INVARIANTS
 * LD1 If a lock has waiters and its holder is a thread, the priority of the
 *     best waiter is counted once in tc_lend of the holder, from the release of
 *     the queue lock on.  (Exceptions: mtx, while it is held shared; mutex,
 *     while MU_BARGED is set and the holder's own priority is at least that of
 *     the waiters, or while a former holder has yet to call unlock_late().)
 * LD2 While TDF_MP_LEND is clear and no change is in progress (lend_busy),
 *     td_lent is the highest priority in tc_lend, or 0 if there is none (always
 *     0 for an idle thread).  If tc_lendcut is set, a fall was cut, and td_lent
 *     is higher than tc_lend says.  td_pri is the higher one of td_lent and the
 *     thread's own priority.
 * LD3 The thread's own priority is td_ownpri while td_lent != 0, else td_pri.
 * LD4 A thread whose loan is changed under a queue lock exists: it holds the
 *     lock, or is still in the call that has released the lock, and this call
 *     takes the queue lock before it returns (MU3 of mutex.c).  After the
 *     change, tc_lendrefs keeps the thread from ending: its exit waits until no
 *     change for it is in progress (lend_drain).  (A reference by lwkt_hold()
 *     would not be enough for a thread in storage of the program.)
 * LD5 An lwp with td_lent != 0 is not put into the queue of its scheduler.
 *
 * ORDER
 * LO1 A CPU that makes a change updates tc_lend, then tc_lendhops, then sets
 *     TDF_MP_LEND.  The CPU of the holder clears the bit, then takes
 *     tc_lendhops, then reads tc_lend.  All of these are locked instructions or
 *     sequentially consistent loads.  So either the CPU of the holder sees the
 *     change and the length of its chain, or the other CPU finds the bit clear
 *     and sends another message.  If the holder's CPU has taken the length, it
 *     also sees the change.
 * LO2 A CPU that makes a change sets the bit, then reads td_gd.  The CPU on
 *     which a thread arrives has stored td_gd, then reads the bit.  So either
 *     the message goes to the new CPU, or the new CPU sees the bit.
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
COUNTER(cut, "lwkt.lend_cut", "falls that were cut: too many holders");

#define LANES		4	/* counts in a word of tc_lend */
#define LANE_BITS	16	/* size of a count */

CTASSERT(LEND_WORDS * LANES == NPRI, "a count for each priority");

/* Add `by`, 1 or (uint64_t)-1, to td's count of loans of priority `pri`. */
static inline void
count(lwkt_thread_t td, int pri, uint64_t by)
{
	(void)atomic_fetchadd_64(&td->td_cold->tc_lend[pri / LANES],
	    by << pri % LANES * LANE_BITS);
}

/* Return the best priority that is counted in tc_lend of td, or 0 if none. */
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
 * Change one loan of td from priority `old` to `new` (-1: none) in tc_lend, and
 * add td to lt for lend_carry_out(), unless it is there.  If old == new, do
 * nothing.  The new priority is counted before the old one is subtracted, so
 * the counts always contain at least one of the two.  Queue lock held.
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

/*
 * Make td, a thread of this CPU, run with priority `pri`.  If td itself waits
 * for a lock, move td in the queue; loans that this changes are added to lt.
 */
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
 * Apply the counts of td, on td's own CPU (LD2); loans that this changes are
 * added to lt, and lt_hops is set for them.  Nothing is applied to an idle
 * thread.  If only long chains have changed the counts and td_lent would fall,
 * the change is cut.  TDF_MP_LEND is cleared before the counts are read: the
 * CPU that makes a later change finds the bit clear and sends another message
 * (LO1).
 */
static void
apply(struct globaldata *gd, lwkt_thread_t td, struct lend_todo *lt)
{
	int own = lend_ownpri(td), lent;
	uint32_t hops;

	(void)atomic_fetchand_32(&td->td_mpflags, ~TDF_MP_LEND);
	hops = atomic_swap_32(&td->td_cold->tc_lendhops, LEND_LONG);
	lent = best_lent(td);					/* LO1 */
	td->td_cold->tc_lendcut = lent < td->td_lent && hops == LEND_LONG;
	if (lent == td->td_lent || (td->td_flags & TDF_IDLE))
		return;
	if (td->td_cold->tc_lendcut) {
		counter_inc(gd->gd_cntbias, cut);
		return;
	}
	lt->lt_hops = hops < LEND_LONG ? hops + 1 : LEND_LONG;
	counter_inc(gd->gd_cntbias, changes);
	td->td_lent = (uint8_t)lent;
	td->td_ownpri = (uint8_t)own;				/* LD3 */
	effective(gd, td, lent > own ? lent : own, lt);
	if (lent == 0 && td == curthread)
		ast_raise(gd);					/* LD5 */
}

/*
 * Drop the reference to td that lend_change() took.  td may end at once: the
 * caller must not use td afterwards.
 */
static inline void
done_with(lwkt_thread_t td)
{
	(void)atomic_fetchadd_32(&td->td_cold->tc_lendrefs, (uint32_t)-1);
}

/*
 * Mark td: its counts have changed, `hops` holders from the beginning of the
 * chain.  Return 1 if the caller must make td's CPU apply the change.  Return 0
 * if that CPU will apply it anyway: td was marked before (TDF_MP_LEND).
 */
static int
ask(lwkt_thread_t td, uint32_t hops)
{
	uint32_t *least = &td->td_cold->tc_lendhops;
	uint32_t was = atomic_load_32(least);

	while (hops < was && !atomic_fcmpset_32(least, &was, hops))
		continue;
	return (atomic_fetchor_32(&td->td_mpflags, TDF_MP_LEND) &
	    TDF_MP_LEND) == 0;					/* LO1 */
}

static void	lend_remote(void *arg);

/* lend_remote() as the function of foreign_do(), for a pthread. */
static void
lend_foreign(void *arg, int unused)
{
	(void)unused;
	lend_remote(arg);
}

/*
 * After a change of td's counts: apply them if td belongs to this CPU, else
 * send a message to td's CPU.  Two cases need neither: a message is under way
 * (TDF_MP_LEND was set); td is leaving this CPU (its new CPU applies them).
 * Drops the reference to td, or passes it to the message.  lt_hops is the
 * length of the chain up to td.
 */
static void
carry_out_one(lwkt_thread_t td, struct lend_todo *lt)
{
	struct globaldata *gd = mygd(), *tgd;

	if (ask(td, lt->lt_hops)) {
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

/*
 * carry_out_one() for a pthread: let the CPU of td apply the counts, and wait
 * in the host until that is done, unless a message is already under way.  Drops
 * the reference to td.
 */
static __lwkt_noinline void
carry_out_by_cpu(lwkt_thread_t td)
{
	struct globaldata *tgd;

	if (!ask(td, 0)) {
		done_with(td);
		return;
	}
	tgd = (struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd);			/* LO2 */
	foreign_do(tgd->gd_m.mc_cpuid, lend_foreign, td, 0);
}

/*
 * Apply the changes that lend_change() has noted in lt, and those that follow
 * from them on this CPU.  For a thread of another CPU, send a message to that
 * CPU, which applies the change.  No queue lock is held.  On a CPU: in a
 * critical section, never blocks.  A pthread waits in the host for the CPUs of
 * the threads, except where a message is already under way.
 */
void
lend_carry_out(struct lend_todo *lt)
{
	struct lend_todo todo;
	int i;

	if (unlikely(machine_oncpu() == NULL)) {
		while (lt->lt_n > 0)
			carry_out_by_cpu(lt->lt_td[--lt->lt_n]);
		return;
	}
	/* Follow a chain on this CPU by a loop, not by nested calls. */
	while (lt->lt_n > 0) {
		todo = *lt;
		lt->lt_n = 0;
		for (i = 0; i < todo.lt_n; i++) {
			lt->lt_hops = todo.lt_hops;
			carry_out_one(todo.lt_td[i], lt);
		}
	}
}

/*
 * The callback of a message of carry_out_one(), which has passed on its
 * reference to td: apply the counts of td.  If td has moved to another CPU,
 * send the message on.  If td is between two CPUs, its new CPU applies the
 * counts.
 */
static void
lend_remote(void *arg)
{
	struct lend_todo lt = { .lt_n = 0 };
	lwkt_thread_t td = arg;
	struct globaldata *gd = (struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd);	/* LO2 */

	if (gd != mygd()) {
		lwkt_send_ipiq(gd->gd_m.mc_cpuid, lend_remote, td);
		return;
	}
	if ((td->td_flags & TDF_MIGRATING) == 0)
		apply(gd, td, &lt);
	lend_carry_out(&lt);
	done_with(td);
}

/*
 * Apply changes that were made while td was between two CPUs.  td has just
 * arrived on this CPU.  In a critical section.
 */
void
lend_apply_late(lwkt_thread_t td)
{
	struct lend_todo lt = { .lt_n = 0 };

	apply(mygd(), td, &lt);
	lend_carry_out(&lt);
}

/*
 * Wait until no change for td, the caller, is in progress; the CPU spins.  td
 * exits and holds no lock, so no new change begins.  Called in a critical
 * section, which is left meanwhile so that this CPU executes messages about td.
 */
void
lend_drain(lwkt_thread_t td)
{
	unsigned turn = 0;

	while (lend_busy(td)) {
		crit_exit_td(td);	/* executes messages about td */
		machine_pause(turn++);
		crit_enter_td(td);
	}
}

/*
 * Set the own priority of td, and td_pri to the higher one of that and td_lent.
 * On td's CPU, in a critical section.  If td has taken a mutex ahead of the
 * waiters (tc_barged) and td's own priority falls, the waiters begin to lend
 * before that.
 */
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

/* Panic unless LD2 holds for td, a thread of this CPU. */
void
lend_check(lwkt_thread_t td)
{
	int own = lend_ownpri(td), lent = best_lent(td);

	KASSERTF(td->td_pri == (td->td_lent > own ? td->td_lent : own),
	    "thread \"%s\" has priority %d; its own is %d, the lent one %d",
	    td->td_name, td->td_pri, own, td->td_lent);		/* LD2 */
	KASSERTF((td->td_flags & TDF_IDLE) || td->td_lent == lent ||
	    (td->td_cold->tc_lendcut && td->td_lent > lent) ||
	    atomic_peek_32(&td->td_cold->tc_lendrefs) != 0 ||
	    (atomic_peek_32(&td->td_mpflags) & TDF_MP_LEND), "thread \"%s\" "
	    "has priority %d lent; its waiters lend %d", td->td_name,
	    td->td_lent, lent);
}
