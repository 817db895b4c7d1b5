/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wakeups put off, so that several on one ident become one.
 *
 * THEORY
 * Code that changes one structure after the other, with a wakeup after each
 * change, wakes the same threads again and again.  Between
 * lwkt_wakeup_start_delayed() and lwkt_wakeup_end_delayed() the thread's own
 * calls of lwkt_wakeup() only note their ident.  There are two places; a third
 * ident pushes the older one out, so that no ident waits behind others for
 * ever.  A wakeup may come later than it was asked for, for the condition was
 * made true before: whoever looks in between does not sleep.
 *
 * A thread that blocks might wait for somebody whom it still has to wake.  So
 * everything that blocks does first what was put off, and so does any switch
 * of a thread that has tokens or wants one: another CPU may hold the token
 * until the wakeup comes.  Other yields do not: the thread stays runnable.  A
 * thread that goes on for long without an end is helped by the tick.
 *
 * Mostly the thread has tested its condition before that, in the critical
 * section in which it blocks.  The flush does not make the test stale.  It may
 * send, and a send may wait for room; but in a section such a wait executes no
 * callback (IR3 of lwkt_ipiq_room.c), so nothing comes that the thread waits
 * for.  By itself the flush changes nothing but sleep queues: it may take this
 * thread off one, which lwkt_tsleep() looks at afterwards.
 *
 * INVARIANTS
 * DW1 tc_delayed is filled from the front, its idents differ, and it is empty
 *    without TDF_DELAYED_WAKEUP.
 * DW2 Wakeups of callbacks are not the thread's and are never put off.
 * DW3 A thread that runs and has put wakeups off has a tick to come, which does
 *    them (hardclock), as a callback: the thread's own code is not in here.
 *
 * Source: DragonFly's wakeup_start_delayed; its places are the CPU's, and
 * the newest used to be pushed out (2e90abac59).
 */
#include "kern/time/systimer_var.h"
#include "kern/sleep/synch_var.h"

#include <lwkt/synch.h>

COUNTER(merged, "lwkt.wakeups_merged", "delayed wakeups merged with an equal "
    "one");

/* lwkt_wakeup, which would come here again. */
static void
wake_now(lwkt_thread_t td, const volatile void *ident)
{
	uint32_t delays = td->td_flags & TDF_DELAYED_WAKEUP;

	td->td_flags &= ~TDF_DELAYED_WAKEUP;
	lwkt_wakeup(ident);
	td->td_flags |= delays;
}

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
	crit_exit_td(td);
}

void
lwkt_wakeup_end_delayed(void)
{
	lwkt_thread_t td = caller_thread();

	crit_enter_td(td);
	KASSERTF(td->td_flags & TDF_DELAYED_WAKEUP, "thread \"%s\" ends "
	    "delayed wakeups that it has not started", td->td_name);
	delayed_flush(td);
	td->td_flags &= ~TDF_DELAYED_WAKEUP;
	crit_exit_td(td);
}
