/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep on an address until the first of these: a wakeup of any CPU
 * (kern_wakeup.c), a time limit, an interrupt, lwkt_schedule().
 *
 * THEORY
 * A sleeper has an ident and a domain, and a wakeup wakes only sleepers with
 * the same ident and domain.  Functions without a domain argument use domain 0.
 *
 * An ident hashes to a slot.  Every CPU has a queue for each slot, and only
 * that CPU touches it.  Every slot also has one mask, which all CPUs share: the
 * CPUs that may have sleepers in the slot.  Beside each queue the CPU publishes
 * which idents are on it (sleepq_filter.h), so that a waker on another CPU need
 * not disturb this CPU for a different ident of the same slot.
 *
 * A candidate is another CPU whose mask bit is set and whose filter passes the
 * ident.  wakeup() serves the queue of its own CPU directly and sends a message
 * to each candidate.  wakeup_one() sends a message to one candidate, if it has
 * woken no thread of its own CPU.  If the handler there finds no sleeper, it
 * sends the message on to the next candidate (never recursively), until the
 * message would come back to its origin.  So at most one thread wakes.  If no
 * thread wakes, each CPU had no sleeper when the message passed it.  A thread
 * that sleeps on such a CPU later tests its condition after the caller of
 * wakeup_one() has made it true, so that thread needs no wakeup.
 *
 * The mask bit and the filter are cleaned lazily: when a message finds no
 * sleeper or leaves the queue empty; the filter also when it is full.  So a
 * thread that sleeps on the same ident again and again, the usual case,
 * publishes it once.  The price is a useless message after the last sleeper was
 * woken by its own CPU.
 *
 * tsleep_interlock() queues the thread while it still runs.  A wakeup then
 * takes the thread off the queue.  The tsleep with LWKT_PINTERLOCKED that
 * follows sees that and returns at once.  wakeup_one() does not count such a
 * thread as the one that it woke.  A thread whose sleep ends by timeout or
 * interrupt stays queued until it runs, so that a wakeup in between still
 * counts: every sleeper that a wakeup has counted returns 0.
 *
 * The timer of a timeout lies on the sleeper's stack and runs on the sleeper's
 * CPU, so the timer's function and the sleeper never race.
 *
 * INVARIANTS
 * SY1 TDF_TSLEEPQ <=> the thread is on the queue of its CPU, td_gd, for the
 *    slot of td_wchan.
 * SY2 A thread on a queue has its CPU's mask bit set, and its ident passes the
 *    filter (SF2).  Both became true before a full fence of that CPU, and that
 *    fence precedes the sleeper's test of its condition.  With one CPU neither
 *    is published.
 * SY3 TDF_TSLEEP_DESCHEDULED <=> the thread is in tsleep_block(), or in the
 *    usual case of lwkt_tsleep(): it sleeps, and is not only interlocked.
 *
 * ORDER
 * SO1 The sleeper publishes (the filter, then the mask by a locked
 *    instruction), then tests the condition.  The waker makes the condition
 *    true, executes a FENCE, reads the mask, then the filter.  Either the waker
 *    sees the sleeper, or the sleeper sees the condition.  A load fence is not
 *    enough (DragonFly e676ebdaf2).  If the filter and the mask still have what
 *    an earlier sleep published, no second fence is needed: the locked
 *    instruction of that sleep also precedes this test.
 *
 * Source: DragonFly kern_synch.c; exact wakeup_one by forwarding and the lazy
 * cleaning are ours.
 */
#include "kern/time/systimer_var.h"
#include "kern/sleep/sleepq.h"

#include <errno.h>
#include <lwkt/ipiq.h>
#include <lwkt/synch.h>

TRACEPOINT(sleep, KTR_SLEEP, "sleep.block", "td=%llu timed=%llu");

COUNTER(sleeps, "lwkt.tsleeps", "sleeps in lwkt_tsleep");
COUNTER(timeouts, "lwkt.tsleep_timeouts", "of these, ended by timeout");

/*
 * Put td, the caller, which has TDF_TSLEEPQ now, on the queue of ident, and
 * make SY2 true.
 */
static inline void
tslp_insert(struct globaldata *gd, lwkt_thread_t td,
    const volatile void *ident, uint32_t domain)
{
	unsigned slot = tslp_slot(ident);
	struct tslpque *tq = &gd->gd_tslpque[slot];

	if (unlikely(tq->tq_queue.tqh_last == NULL))
		TAILQ_INIT(&tq->tq_queue);
	TAILQ_INSERT_TAIL(&tq->tq_queue, td, td_sleepq);
	td->td_wchan = ident;
	td->td_wdomain = domain;
	tslp_publish(gd, tq, slot, (uintptr_t)ident);
}

/*
 * Queue td, the caller, on ident in `domain`.  No effect if td is queued there
 * already.  If td is on another queue, it leaves that queue first.
 */
static inline void
interlock(lwkt_thread_t td, const volatile void *ident, uint32_t domain)
{
	struct globaldata *gd = mygd();

	KASSERTF(ident != NULL, "thread \"%s\" sleeps on NULL", td->td_name);
	if (td->td_flags & TDF_TSLEEPQ) {
		if (td->td_wchan == ident && td->td_wdomain == domain)
			return;
		synch_leave_queue(td);
	}
	td->td_flags |= TDF_TSLEEPQ;				/* SY1 */
	tslp_insert(gd, td, ident, domain);
}

/*
 * Queue the caller on ident, in the domain that flags name; the caller still
 * runs.  If it is on another sleep queue, it leaves that queue first.  Panics
 * if ident is NULL.  Thread context; never blocks.
 */
void
lwkt_tsleep_interlock(const volatile void *ident, int flags)
{
	lwkt_thread_t td = caller_thread();

	crit_enter_td(td);
	interlock(td, ident, (uint32_t)flags & LWKT_PDOMAIN_MASK);
	crit_exit_td(td);
}

/*
 * Take the caller off its sleep queue, if it is on one.  Thread context; never
 * blocks.
 */
void
lwkt_tsleep_remove(void)
{
	lwkt_thread_t td = caller_thread();

	crit_enter_td(td);
	synch_leave_queue(td);
	crit_exit_td(td);
}

/*
 * Timer callback: end the sleep of the thread arg at its time limit.  A thread
 * on a sleep queue stays there until it runs, or until a wakeup takes it off.
 */
static void
sleep_timeout(struct lwkt_systimer *st, void *arg)
{
	lwkt_thread_t td = arg;

	(void)st;
	td->td_flags |= TDF_TIMEOUT;
	wake_local(mygd(), td);
}

/* Arm st to set TDF_TIMEOUT and schedule td, timeout_ns from now. */
static inline void
sleep_timer(struct lwkt_systimer *st, lwkt_thread_t td, int64_t timeout_ns)
{
	int64_t now = machine_time_ns();

	st->st_fn = sleep_timeout;
	st->st_arg = td;
	st->st_period = 0;
	st->st_flags = 0;
	systimer_add(st, timeout_ns < INT64_MAX - now ?
	    now + timeout_ns : INT64_MAX);
}

/*
 * Block td, the caller, until it is scheduled by a wakeup, a timeout, an
 * interrupt (with LWKT_PCATCH) or lwkt_schedule.  td is on its sleep queue and
 * in a critical section.
 */
static inline void
tsleep_block(lwkt_thread_t td, int flags, const char *wmesg)
{
	struct globaldata *gd = mygd();
	uint32_t how = TDF_TSLEEP_DESCHEDULED;			/* SY3 */

	if (unlikely(flags & (LWKT_PCATCH | LWKT_PNORESCHED)))
		how |= (flags & LWKT_PCATCH ? TDF_SINTR : 0) |
		    (flags & LWKT_PNORESCHED ? TDF_NORESCHED : 0);
	counter_inc(gd->gd_cntbias, sleeps);
	td->td_flags = (td->td_flags & ~(TDF_TIMEOUT | TDF_SINTR)) | how;
	td->td_wmesg = wmesg;
	if (likely(td->td_flags & TDF_RUNQ))
		dequeue_queued(gd, td);
	switch_fast(gd, td);
	INVARIANT(mygd() == gd);	/* sleepers do not migrate */
	td->td_wmesg = NULL;
	td->td_flags &= ~(TDF_TSLEEP_DESCHEDULED | TDF_SINTR | TDF_NORESCHED);
}

/* As tsleep_block, with a timeout of timeout_ns nanoseconds. */
static __lwkt_noinline void
tsleep_block_timed(lwkt_thread_t td, int flags, const char *wmesg,
    int64_t timeout_ns)
{
	struct lwkt_systimer st;

	sleep_timer(&st, td, timeout_ns);
	tsleep_block(td, flags, wmesg);
	systimer_remove(&st);
}

/*
 * lwkt_tsleep, in a critical section.  Without a sleep, the first case that is
 * true decides: return 0 if flags has LWKT_PINTERLOCKED and td is not queued on
 * ident, because it was woken since the interlock; EINTR if flags has
 * LWKT_PCATCH and an interrupt is pending; EWOULDBLOCK if timeout_ns is 0, or
 * below 0 and not LWKT_FOREVER.
 * After the sleep: return 0 if td is off the queue, because a wakeup has
 * counted it, even if its timeout or an interrupt came too; else EWOULDBLOCK
 * after the timeout; else EINTR after an interrupt; else 0: lwkt_schedule().
 * td may still be queued when this returns.
 */
static int
tsleep_crit(lwkt_thread_t td, const volatile void *ident, int flags,
    const char *wmesg, int64_t timeout_ns)
{
	uint32_t domain = (uint32_t)flags & LWKT_PDOMAIN_MASK;

	delayed_flush_if(td);	/* may take td off the queue */
	if ((flags & LWKT_PINTERLOCKED) == 0)
		interlock(td, ident, domain);
	else if ((td->td_flags & TDF_TSLEEPQ) == 0 || td->td_wchan != ident ||
	    td->td_wdomain != domain)
		return 0;		/* woken since the interlock */
	if ((flags & LWKT_PCATCH) && intr_take(td))
		return EINTR;
	if (limit_ns(timeout_ns) == 0)
		return EWOULDBLOCK;
	ktr(mygd(), sleep, td->td_id, timeout_ns >= 0);
	if (likely(timeout_ns < 0))
		tsleep_block(td, flags, wmesg);
	else
		tsleep_block_timed(td, flags, wmesg, timeout_ns);
	if ((td->td_flags & TDF_TSLEEPQ) == 0)
		return 0;
	if (td->td_flags & TDF_TIMEOUT) {
		counter_inc(mygd()->gd_cntbias, timeouts);
		return EWOULDBLOCK;
	}
	if ((flags & LWKT_PCATCH) && intr_take(td))
		return EINTR;
	return 0;			/* lwkt_schedule(td) ended it */
}

/* lwkt_tsleep(), whatever the arguments and the state of the caller are. */
static __lwkt_noinline int
tsleep_any(const volatile void *ident, int flags, const char *wmesg,
    int64_t timeout_ns)
{
	lwkt_thread_t td = curthread;
	int error;

	crit_enter_td(td);
	error = tsleep_crit(td, ident, flags, wmesg, timeout_ns);
	synch_leave_queue(td);
	crit_exit_td(td);
	return error;
}

/*
 * Sleep on ident; the results are those of tsleep_crit.  A timeout of 0 does
 * not block.  The caller is on no sleep queue afterwards.  Thread context;
 * blocks until woken, timed out, scheduled or, with LWKT_PCATCH, interrupted.
 *
 * The usual sleep is done here, in a leaf section: without a time limit, an
 * interlock, a deferred wakeup or a flag other than a domain, by a caller that
 * has not descheduled itself.
 */
int
lwkt_tsleep(const volatile void *ident, int flags, const char *wmesg,
    int64_t timeout_ns)
{
	lwkt_thread_t td = caller_thread();
	struct globaldata *gd;
	uint32_t tdf = td->td_flags;

	if (unlikely((flags & ~LWKT_PDOMAIN_MASK) != 0 ||
	    timeout_ns != LWKT_FOREVER || ident == NULL ||
	    (tdf & (TDF_TSLEEPQ | TDF_DELAYED_WAKEUP | TDF_RUNQ)) != TDF_RUNQ))
		return tsleep_any(ident, flags, wmesg, timeout_ns);
	leaf_enter(td);
	gd = mygd();
	td->td_flags = (tdf & ~(TDF_TIMEOUT | TDF_SINTR)) | TDF_TSLEEPQ |
	    TDF_TSLEEP_DESCHEDULED;				/* SY1 SY3 */
	td->td_wmesg = wmesg;
	tslp_insert(gd, td, ident, (uint32_t)flags);
	ktr(gd, sleep, td->td_id, 0);
	counter_inc(gd->gd_cntbias, sleeps);
	dequeue_queued(gd, td);
	switch_leaf(gd, td);
	td = curthread;
	td->td_wmesg = NULL;
	td->td_flags &= ~TDF_TSLEEP_DESCHEDULED;		/* SY3 */
	if (unlikely(td->td_flags & TDF_TSLEEPQ))
		synch_leave_queue(td);	/* lwkt_schedule(td) ended it */
	leaf_exit(td);
	return 0;
}

/*
 * Block until lwkt_schedule(caller), and return 0.  With LWKT_PCATCH an
 * interrupt also ends the wait, or prevents it; then return EINTR.  Thread
 * context.
 */
int
lwkt_sleep(const char *wmesg, int flags)
{
	lwkt_thread_t td = caller_thread();
	int catch = flags & LWKT_PCATCH, error = 0;
	uint32_t how = (catch ? TDF_SINTR : 0) |
	    (flags & LWKT_PNORESCHED ? TDF_NORESCHED : 0);

	crit_enter_td(td);
	if (catch && intr_take(td)) {
		error = EINTR;
	} else {
		td->td_flags |= how;
		block_self(td, wmesg);
		td->td_flags &= ~how;
		if (catch && intr_take(td))
			error = EINTR;
	}
	crit_exit_td(td);
	return error;
}

/*
 * If the thread arg is in an interruptible sleep and its interrupt is still
 * pending, make the thread runnable.  Then release the reference that
 * lwkt_interrupt() took.  If the thread belongs to another CPU, or has moved
 * there, send a message that does the same there.  Context: critical section.
 */
static void
interrupt_remote(void *arg)
{
	lwkt_thread_t td = arg;
	struct globaldata *gd = (struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd);	/* thread_finish_migrate */

	if (gd != mygd()) {
		lwkt_send_ipiq(gd->gd_m.mc_cpuid, interrupt_remote, td);
		return;
	}
	if ((td->td_flags & TDF_SINTR) &&
	    (atomic_load_32(&td->td_mpflags) & TDF_MP_INTR))
		wake_local(gd, td);
	lwkt_rele(td);
}

/*
 * Post an interrupt to td: it ends the interruptible sleep of td, or its next
 * one.  Any CPU context; never blocks.
 */
void
lwkt_interrupt(lwkt_thread_t td)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	intr_repost(td);
	lwkt_hold(td);
	interrupt_remote(td);
	crit_exit_td(self);
}

/*
 * Block for at least ns nanoseconds; if ns is 0 or less, only yield.  Returns
 * 0.  Neither an interrupt nor lwkt_schedule() ends the sleep.  Thread context.
 */
int
lwkt_sleep_ns(int64_t ns)
{
	lwkt_thread_t td = caller_thread();
	struct lwkt_systimer st;

	if (ns <= 0) {
		if (td->td_leave & TDL_LWP)
			lwkt_user_yield();
		else
			lwkt_yield();
		return 0;
	}
	crit_enter_td(td);
	td->td_flags &= ~TDF_TIMEOUT;
	sleep_timer(&st, td, ns);
	while ((td->td_flags & TDF_TIMEOUT) == 0)
		block_self(td, "sleep");
	crit_exit_td(td);
	return 0;
}
