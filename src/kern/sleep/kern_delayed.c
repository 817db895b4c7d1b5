/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deferred wakeups, so that several on one ident become one.
 *
 * THEORY
 * Code that changes several structures, with a wakeup after each change, wakes
 * the same threads again and again.  Between lwkt_wakeup_start_delayed() and
 * lwkt_wakeup_end_delayed() a call of lwkt_wakeup() by the thread only notes
 * the ident (exceptions: DW2).  A thread has places for two idents.  A third
 * ident takes the place of the oldest one, and the wakeup of the oldest one is
 * done at once.  A late wakeup does no harm: the condition is already true, so
 * a thread that tests it meanwhile does not sleep.
 *
 * A thread that blocks may wait for a thread that it still has to wake.  So
 * every function that blocks first does the deferred wakeups.  The switch does
 * them too (TDL_DELAYED, SW6 of lwkt_switch.c) for a thread that has
 * descheduled itself, migrates, is an lwp, or has borrowed the CPU; and for one
 * that has tokens or wants one, because a thread that waits for these wakeups
 * may hold the token.  A yield in other cases does not do them.  If a thread
 * still runs at the next tick, the tick does its wakeups.
 *
 * Usually the thread has tested its condition before the flush, in the critical
 * section in which it blocks.  The flush does not make the test stale.  It may
 * send messages, and a send may wait for room.  But in a critical section such
 * a wait executes no callback (IR3 of lwkt_ipiq_room.c), so no event comes that
 * the thread waits for.  The flush itself changes only sleep queues.  It may
 * take this thread off one, and lwkt_tsleep() checks that afterwards.
 *
 * INVARIANTS
 * DW1 tc_delayed is filled from the front, its idents differ, and it is empty
 *    without TDF_DELAYED_WAKEUP (which wake_now clears for a moment).
 * DW2 A wakeup by a callback is not the thread's own, and is never deferred;
 *    nor is one in a hard section.
 * DW3 A thread with deferred wakeups is on the CPU where it deferred them.
 *    While it runs, the tick of that CPU is armed.  The tick does the wakeups
 *    (hardclock) as a callback, so never in the critical sections of this file.
 *
 * Source: DragonFly's wakeup_start_delayed.  Its places belong to the CPU, and
 * it used to push out the newest ident (2e90abac59).
 */
#include "kern/time/systimer_var.h"
#include "kern/sleep/synch_var.h"

#include <lwkt/synch.h>

COUNTER(merged, "lwkt.wakeups_merged", "delayed wakeups merged with an equal "
    "one");

/*
 * Do a wakeup of ident now.  While TDF_DELAYED_WAKEUP is set lwkt_wakeup()
 * would defer it again, so the flag is cleared meanwhile.
 */
static void
wake_now(lwkt_thread_t td, const volatile void *ident)
{
	uint32_t delays = td->td_flags & TDF_DELAYED_WAKEUP;

	td->td_flags &= ~TDF_DELAYED_WAKEUP;
	lwkt_wakeup(ident);
	td->td_flags |= delays;
}

/*
 * Defer a wakeup of ident by td, the caller, and return 1.  Return 0 in a
 * callback or hard section: the caller must do it now (DW2).  If both places
 * have other idents, the wakeup of the older one is done here.
 */
int
delay_wakeup(lwkt_thread_t td, const volatile void *ident)
{
	const volatile void **at = td->td_cold->tc_delayed, *out = NULL;

	crit_enter_td(td);
	if (mygd()->gd_intr_nesting != 0) {			/* DW2 */
		crit_exit_td(td);
		return 0;
	}
	if (at[0] == ident || at[1] == ident) {
		counter_inc(mygd()->gd_cntbias, merged);
	} else if (at[0] == NULL) {				/* DW1 */
		at[0] = ident;
	} else {
		if (at[1] != NULL) {
			out = at[0];
			at[0] = at[1];
		}
		at[1] = ident;
	}
	clock_need_tick(mygd());				/* DW3 */
	if (out != NULL)
		wake_now(td, out);
	crit_exit_td(td);
	return 1;
}

/* Do the deferred wakeups of td, the caller, which is in a critical section. */
void
delayed_flush(lwkt_thread_t td)
{
	const volatile void **at = td->td_cold->tc_delayed;
	const volatile void *first = at[0], *second = at[1];

	at[0] = at[1] = NULL;
	if (first != NULL)
		wake_now(td, first);
	if (second != NULL)
		wake_now(td, second);
}

/*
 * From now on, defer the caller's wakeups.  Panics if they are deferred
 * already, and in a callback or hard section.  Thread context; never blocks.
 */
void
lwkt_wakeup_start_delayed(void)
{
	lwkt_thread_t td = caller_thread();

	crit_enter_td(td);
	KASSERTF(mygd()->gd_intr_nesting == 0 &&
	    (td->td_flags & TDF_DELAYED_WAKEUP) == 0, "delayed wakeups are "
	    "already started by thread \"%s\", or started in a callback",
	    td->td_name);
	td->td_flags |= TDF_DELAYED_WAKEUP;
	td->td_leave |= TDL_DELAYED;				/* SW6 */
	crit_exit_td(td);
}

/*
 * Do the deferred wakeups of the caller, and defer no more.  Panics if
 * lwkt_wakeup_start_delayed() was not called before.  Thread context; never
 * blocks.
 */
void
lwkt_wakeup_end_delayed(void)
{
	lwkt_thread_t td = caller_thread();

	crit_enter_td(td);
	KASSERTF(td->td_flags & TDF_DELAYED_WAKEUP, "thread \"%s\" ends "
	    "delayed wakeups that it has not started", td->td_name);
	delayed_flush(td);
	td->td_flags &= ~TDF_DELAYED_WAKEUP;
	td->td_leave &= (uint8_t)~TDL_DELAYED;
	crit_exit_td(td);
}
