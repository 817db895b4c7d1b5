/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One host timer per CPU, which interrupts the host thread of that CPU.
 *
 * THEORY
 * The timer sends a real-time signal to the host thread of its CPU
 * (SIGEV_THREAD_ID).  The handler (handler.c) calls this file, which sets
 * RQF_TIMER if the deadline has come.  Then the handler calls the kernel, which
 * may interrupt the running thread so that the timer is served now.  Each
 * setting of the timer takes a system call (0.7 us).  So the timer is set only
 * when the new deadline is earlier than its current setting.  When the timer
 * goes off before the current deadline, the handler sets it again.
 *
 *	h_deadline	what the kernel asked for	INT64_MAX: nothing
 *	h_armed		what the timer is set to	INT64_MAX: not set
 *	h_quiet		machine_timer_arm sets the timer to no earlier time
 *
 * A timer interrupt costs as much as hundreds of switches.  So after one the
 * CPU gets no other for lwkt.timer_gap_us, except by lwkt__timer_again.  The
 * deadlines that pass meanwhile are served together.  Without that gap, ten
 * thousand sleepers would leave no time to run any of them.  An idle CPU does
 * not need the signal: the idle loop compares the time with h_deadline, and a
 * wait in the host has a time limit (idle.c).
 *
 * INVARIANTS
 * HT1 h_armed <= max(h_deadline, h_quiet) outside machine_timer_arm and the
 *    handler.  So the timer may go off too early, and is late by the gap at
 *    most.
 * HT2 If h_armed != INT64_MAX the timer is set or about to be.
 *
 * The handler may run between any two instructions of machine_timer_arm.
 * machine_timer_arm writes h_deadline first, so the handler sees the new one.
 * timer_move writes h_armed before it sets the timer.  A handler in between may
 * make h_armed later: that is harmless, because the timer only goes off once
 * too early.  Or the handler makes h_armed earlier, because it requests another
 * signal (lwkt__timer_again).  Then timer_move replaces the handler's setting
 * by a later one; so timer_move reads h_armed again afterwards.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/kassert.h"
#include "base/stat_decl.h"
#include "machine/linux/host.h"

#define NS_PER_S	1000000000

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id	_sigev_un._tid
#endif

TUNABLE_INT(timer_gap_us, "lwkt.timer_gap_us", 50, 0, 100000,
    "time that a CPU works undisturbed after a timer interrupt, us");

/* Make the host timer go off at deadline_ns, a time of machine_time_ns(). */
static void
timer_set(struct machine_host *h, int64_t deadline_ns)
{
	int64_t at = deadline_ns - lwkt__clock_offset();
	struct itimerspec its;

	if (at < 1)
		at = 1;			/* 0 would disarm it */
	memset(&its, 0, sizeof(its));
	its.it_value.tv_sec = at / NS_PER_S;
	its.it_value.tv_nsec = at % NS_PER_S;
	(void)timer_settime(h->h_timer, TIMER_ABSTIME, &its, NULL);
}

/*
 * Set the timer to at_ns unless it is set to an earlier time.  The handler may
 * change h_armed at any instruction here.  Before the exchange, the change
 * makes the exchange fail.  Between the exchange and timer_set, the loop at the
 * end sees the change in h_armed.
 */
static void
timer_move(struct machine_host *h, int64_t at_ns)
{
	int64_t armed = h->h_armed;

	do {
		if (at_ns >= armed)
			return;
	} while (!__atomic_compare_exchange_n(&h->h_armed, &armed, at_ns, 0,
	    __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	timer_set(h, at_ns);					/* HT2 */
	cc_fence();
	while (unlikely(h->h_armed < at_ns)) {
		at_ns = h->h_armed;
		timer_set(h, at_ns);
		cc_fence();
	}
}

/*
 * Handle the timer's signal.  If the deadline has come, set RQF_TIMER.  If the
 * timer went off too early, set it to the deadline, if there is one.  In the
 * signal handler.
 */
void
lwkt__timer_gone_off(struct mcpu *mc)
{
	struct machine_host *h = mc->mc_host;

	if (h->h_deadline <= h->h_armed) {
		h->h_armed = h->h_deadline = INT64_MAX;
		h->h_fired = 1;
		atomic_set_32(&mc->mc_reqflags, RQF_TIMER);
	} else {
		h->h_armed = h->h_deadline;
		if (h->h_armed != INT64_MAX)
			timer_set(h, h->h_armed);		/* HT2 */
	}
}

/*
 * Request the signal at at_ns or earlier.  On the CPU or in its signal handler;
 * async-signal-safe.
 */
void
lwkt__timer_again(struct machine_host *h, int64_t at_ns)
{
	timer_move(h, at_ns);
}

/*
 * Set the deadline of the calling CPU; INT64_MAX: none.  CPU context; never
 * blocks.
 */
void
machine_timer_arm(int64_t deadline_ns)
{
	struct machine_host *h = myhost();
	int64_t at = deadline_ns;

	/* First: a handler that runs from here on sees this deadline. */
	h->h_deadline = deadline_ns;
	cc_fence();
	if (at >= h->h_armed)
		return;
	if (h->h_fired) {
		h->h_fired = 0;
		h->h_quiet = machine_time_ns() + (int64_t)timer_gap_us * 1000;
	}
	if (at < h->h_quiet && (at = h->h_quiet) >= h->h_armed)
		return;
	lwkt__signal_check();
	timer_move(h, at);					/* HT1 */
}

/* Create the timers of the calling CPU.  Returns 0 or an errno. */
int
lwkt__timer_start(struct machine_host *h)
{
	struct sigevent sev;

	h->h_deadline = h->h_armed = INT64_MAX;
	h->h_quiet = INT64_MIN;
	h->h_fired = 0;
	if (machine_fail("timer.create"))
		return EAGAIN;
	memset(&sev, 0, sizeof(sev));
	sev.sigev_notify = SIGEV_THREAD_ID;
	sev.sigev_signo = lwkt__signal_number();
	sev.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &sev, &h->h_timer) != 0)
		return errno;
	lwkt__watch_start(h);
	return 0;
}

/*
 * Delete the timers of the calling CPU.  Their signal is blocked only if the
 * timers were never used.  Otherwise a signal that is already queued arrives
 * before timer_delete returns, and none after.
 */
void
lwkt__timer_stop(struct machine_host *h)
{
	h->h_deadline = INT64_MAX;
	lwkt__watch_stop(h);
	(void)timer_delete(h->h_timer);
}
