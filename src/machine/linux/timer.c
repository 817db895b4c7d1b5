/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One host timer a CPU, which interrupts that CPU's own thread.
 *
 * THEORY
 * timer_create with SIGEV_THREAD_ID sends a real-time signal to the thread
 * that created it.  The handler sets RQF_TIMER, and asks preempt.c whether the
 * thread that runs can be made to look at it now.  Setting the
 * timer is a system call (0.7 us), so it is only moved when the new deadline
 * is earlier than what it is set to; when it goes off too early for the
 * deadline that counts now, the handler sets it again.
 *
 *	h_deadline	what the kernel asked for	INT64_MAX: nothing
 *	h_armed		what the timer is set to	INT64_MAX: not set
 *	h_quiet		not set to anything earlier than that
 *
 * An interrupt costs as much as hundreds of switches, so a CPU that has just
 * had one is left alone for lwkt.timer_gap_us: what falls due meanwhile is
 * done together.  Without that, ten thousand sleepers leave no time for any of
 * them.  A CPU that has nothing to run does not wait for the signal: the idle
 * loop goes by h_deadline.
 *
 * INVARIANTS
 * HT1 h_armed <= max(h_deadline, h_quiet) outside machine_timer_arm and the
 *    handler: the timer goes off in time, perhaps too early, and too late by
 *    the gap at most.
 * HT2 If h_armed != INT64_MAX the timer is set or about to be.
 *
 * The handler may come between any two lines of machine_timer_arm.  That
 * writes h_deadline first, so the handler sees the new one; and timer_move
 * writes h_armed before it sets the timer.  A handler that comes in between and
 * makes h_armed later is harmless: the timer goes off once for nothing.  If it
 * makes h_armed earlier, because it asks for another signal, timer_move has
 * overwritten its setting by a later one; so timer_move looks at h_armed again.
 *
 * The signal is a real-time one, looked for from SIGRTMAX down, as programs
 * take theirs from SIGRTMIN up: the first that has no handler and that the
 * caller of the boot does not block (a blocked one may be meant for sigwaitinfo
 * or a signalfd).  lwkt.signal names another one.  It is delivered on the
 * alternate stack, so a thread's own stack need not have room for the frame of
 * a machine with wide vector registers.
 *
 * A program may take the signal away later: install a handler of its own, or
 * block every signal in a thread.  Then a thread that computes would never be
 * interrupted again, and sleeps on its CPU would not end.  So each setting of
 * the timer, which costs a system call anyway, first looks whether the handler
 * is still ours (if not, it panics) and unblocks the signal.
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

TUNABLE_INT(wanted_sig, "lwkt.signal", 0, 0, 64,
    "the real-time signal that interrupts CPUs; 0: the library chooses");

static int timer_sig;			/* (i) 0: none */
static struct sigaction timer_old;	/* (i) */

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
 * Let the timer go off at_ns, if it would not before.  A handler may change
 * h_armed at any instruction here: one that comes before the exchange makes it
 * fail, one that comes after it and before the setting is seen in h_armed.
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

static void
timer_gone_off(struct mcpu *mc, struct machine_host *h)
{
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

static void
timer_handler(int sig, siginfo_t *si, void *ucontext)
{
	struct mcpu *mc = machine_oncpu();
	struct machine_host *h;
	int saved = errno;

	(void)sig;
	if (mc == NULL)
		return;
	h = mc->mc_host;
	if (likely(!lwkt__watch_signal(mc, si, ucontext)))
		timer_gone_off(mc, h);
	lwkt__preempt_signal(mc, ucontext);
	errno = saved;
}

static int
timer_is_ours(const struct sigaction *sa)
{
	return (sa->sa_flags & SA_SIGINFO) != 0 &&
	    sa->sa_sigaction == timer_handler;
}

/* Has the program taken the signal away? */
static void
timer_check(void)
{
	struct sigaction now;
	sigset_t set;

	if (sigaction(timer_sig, NULL, &now) == 0 && !timer_is_ours(&now))
		lwkt_panic("the program has replaced the handler of signal "
		    "%d, which interrupts the cpus (lwkt.signal takes another)",
		    timer_sig);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, timer_sig);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* On the CPU, or in its handler: let the signal come at_ns, if not before. */
void
lwkt__timer_again(struct machine_host *h, int64_t at_ns)
{
	timer_move(h, at_ns);
}

void
machine_timer_arm(int64_t deadline_ns)
{
	struct machine_host *h = myhost();
	int64_t at = deadline_ns;

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
	timer_check();
	timer_move(h, at);					/* HT1 */
}

/* Has the program no use for the signal?  What it was goes to timer_old. */
static int
signal_is_free(int sig)
{
	return !machine_fail("timer.signal") &&
	    sigaction(sig, NULL, &timer_old) == 0 &&
	    (timer_old.sa_flags & SA_SIGINFO) == 0 &&
	    timer_old.sa_handler == SIG_DFL;
}

static int
signal_choose(int *error)
{
	sigset_t blocked;
	int sig = wanted_sig;

	*error = EINVAL;
	if (sig != 0 && sig >= SIGRTMIN && sig <= SIGRTMAX) {
		if (signal_is_free(sig))
			return sig;
		lwkt_printf("lwkt: lwkt.signal=%d: the program has a handler "
		    "for it", sig);
		return 0;
	}
	if (sig != 0) {
		lwkt_printf("lwkt: lwkt.signal=%d: must be from %d to %d", sig,
		    SIGRTMIN, SIGRTMAX);
		return 0;
	}
	(void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	for (sig = SIGRTMAX; sig >= SIGRTMIN; sig--)
		if (sigismember(&blocked, sig) == 0 && signal_is_free(sig))
			return sig;
	lwkt_printf("lwkt: each real-time signal has a handler or is blocked: "
	    "none is left for the timers (lwkt.signal)");
	*error = EAGAIN;
	return 0;
}

/* Choose the signal and catch it. */
int
lwkt__timer_boot(void)
{
	struct sigaction sa;
	int error, sig = signal_choose(&error);

	if (sig == 0)
		return error;
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = timer_handler;
	sa.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	(void)sigfillset(&sa.sa_mask);
	if (sigaction(sig, &sa, NULL) != 0)
		return errno;
	timer_sig = sig;
	return 0;
}

/* Put back what was there, unless the program has replaced ours since. */
void
lwkt__timer_shutdown(void)
{
	struct sigaction now;

	if (timer_sig != 0 && sigaction(timer_sig, NULL, &now) == 0 &&
	    timer_is_ours(&now))
		(void)sigaction(timer_sig, &timer_old, NULL);
	timer_sig = 0;
}

int
lwkt__timer_signal(void)
{
	return timer_sig;
}

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
	sev.sigev_signo = timer_sig;
	sev.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &sev, &h->h_timer) != 0)
		return errno;
	lwkt__watch_start(h);
	return 0;
}

/*
 * On the timer's own thread with its signal unblocked: a signal that is
 * already queued arrives before timer_delete returns, and none after it.
 */
void
lwkt__timer_stop(struct machine_host *h)
{
	h->h_deadline = INT64_MAX;
	lwkt__watch_stop(h);
	(void)timer_delete(h->h_timer);
}
