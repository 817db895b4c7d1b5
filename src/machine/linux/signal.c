/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The signal that interrupts CPUs: which one it is, and whether it is still the
 * library's.
 *
 * THEORY
 * The signal is a real-time signal.  The search goes from SIGRTMAX down,
 * because programs use theirs from SIGRTMIN up.  It takes the first signal that
 * has the default disposition and that the caller of the boot does not block (a
 * blocked signal may be meant for sigwaitinfo or a signalfd).  lwkt.signal
 * names a signal instead.  The signal is delivered on the alternate stack, so a
 * thread's stack needs no room for the large signal frame of a machine with
 * wide vector registers.
 *
 * A program may take the signal away later: it installs its own handler, or
 * blocks every signal in a thread.  Then a thread that computes would never be
 * interrupted again, and sleeps on its CPU would not end.  Setting the timer
 * costs a system call anyway.  So machine_timer_arm calls lwkt__signal_check
 * before it sets the timer.  This function panics if the handler is another
 * one, and unblocks the signal.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/kassert.h"
#include "base/stat_decl.h"
#include "machine/linux/host.h"

TUNABLE_INT(wanted_sig, "lwkt.signal", 0, 0, 64,
    "the real-time signal that interrupts CPUs; 0: the library chooses");

static int signal_no;			/* (i) 0: none */
static struct sigaction signal_old;	/* (i) before the boot */
static void (*signal_handler)(int, siginfo_t *, void *);	/* (i) */

static int
signal_is_ours(const struct sigaction *sa)
{
	return (sa->sa_flags & SA_SIGINFO) != 0 &&
	    sa->sa_sigaction == signal_handler;
}

/* Panic if the program has replaced the handler; unblock the signal. */
void
lwkt__signal_check(void)
{
	struct sigaction now;
	sigset_t set;

	if (sigaction(signal_no, NULL, &now) == 0 && !signal_is_ours(&now))
		lwkt_panic("the program has replaced the handler of signal "
		    "%d, which interrupts the cpus (lwkt.signal takes another)",
		    signal_no);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, signal_no);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/*
 * Return whether the signal has the default disposition.  Stores the
 * disposition in signal_old.
 */
static int
signal_is_free(int sig)
{
	return !machine_fail("timer.signal") &&
	    sigaction(sig, NULL, &signal_old) == 0 &&
	    (signal_old.sa_flags & SA_SIGINFO) == 0 &&
	    signal_old.sa_handler == SIG_DFL;
}

/*
 * Return the number of the signal to use.  If there is none, print why, return
 * 0, and store EINVAL or EAGAIN in *error.
 */
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

/* Choose the signal and install the handler.  Returns 0 or an errno. */
int
lwkt__signal_boot(void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction sa;
	int error, sig = signal_choose(&error);

	if (sig == 0)
		return error;
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = signal_handler = handler;
	sa.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	(void)sigfillset(&sa.sa_mask);
	if (sigaction(sig, &sa, NULL) != 0)
		return errno;
	signal_no = sig;
	return 0;
}

/* Restore the disposition, unless the program has replaced the handler. */
void
lwkt__signal_shutdown(void)
{
	struct sigaction now;

	if (signal_no != 0 && sigaction(signal_no, NULL, &now) == 0 &&
	    signal_is_ours(&now))
		(void)sigaction(signal_no, &signal_old, NULL);
	signal_no = 0;
}

int
lwkt__signal_number(void)
{
	return signal_no;
}
