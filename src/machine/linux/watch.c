/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt a CPU at any instruction: by a second timer, and by a signal.
 *
 * THEORY
 * A CPU serves IPIs and the kernel's timers when it gets to the end of a
 * critical section or is idle.  The watchdog, a panic and a kick must also
 * reach a CPU that does not get there.  They interrupt the CPU, and mu_watch or
 * mu_nmi is called in the signal handler, on the CPU's host thread.  That
 * function sees the running thread and, in the ucontext, the instruction.  The
 * timer and the sender both use the signal of signal.c.  The signal of a timer
 * has the code SI_TIMER, and that of this file's timer has the value
 * WATCH_VALUE; a signal that was sent has another code.
 *
 * The timer goes off once for each setting, and only machine_watch sets it.  So
 * it does not disturb a CPU for which the kernel does not set it again.  If the
 * host refuses the timer, machine_watch does nothing.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine/linux/host.h"

#define NS_PER_S	1000000000
#define WATCH_VALUE	1		/* in the signal of this file's timer */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id	_sigev_un._tid
#endif

static const struct machine_upcalls *watch_up;	/* (i) */

void
lwkt__watch_boot(const struct machine_upcalls *up)
{
	watch_up = up;
}

void
lwkt__watch_start(struct machine_host *h)
{
	struct sigevent sev;

	memset(&sev, 0, sizeof(sev));
	sev.sigev_notify = SIGEV_THREAD_ID;
	sev.sigev_signo = lwkt__signal_number();
	sev.sigev_value.sival_int = WATCH_VALUE;
	sev.sigev_notify_thread_id = gettid();
	h->h_watched = !machine_fail("watch.create") &&
	    timer_create(CLOCK_MONOTONIC, &sev, &h->h_watch) == 0;
}

void
lwkt__watch_stop(struct machine_host *h)
{
	if (h->h_watched)
		(void)timer_delete(h->h_watch);
	h->h_watched = 0;
}

/*
 * If the signal is for this file, handle it and return 1, else return 0.  In
 * the signal handler.
 */
int
lwkt__watch_signal(struct mcpu *mc, const siginfo_t *si, void *ucontext)
{
	if (si->si_code == SI_TIMER) {
		if (si->si_value.sival_int != WATCH_VALUE)
			return 0;
		if (watch_up->mu_watch != NULL)
			watch_up->mu_watch(mc, ucontext);
	} else if (watch_up->mu_nmi != NULL) {
		watch_up->mu_nmi(mc, ucontext);
	}
	return 1;
}

/*
 * Let the second timer of the calling CPU, if it exists, go off in delay_ns; 0
 * disarms it.
 */
void
machine_watch(int64_t delay_ns)
{
	struct machine_host *h = myhost();
	struct itimerspec its;

	if (!h->h_watched)
		return;
	memset(&its, 0, sizeof(its));
	its.it_value.tv_sec = delay_ns / NS_PER_S;
	its.it_value.tv_nsec = delay_ns % NS_PER_S;
	(void)timer_settime(h->h_watch, 0, &its, NULL);
}

/*
 * Send the signal to a CPU, whose handler calls mu_nmi.  Returns 1; or 0 if the
 * CPU has not started, has ended, or the host refuses.  Async-signal-safe.
 */
int
machine_nmi(struct mcpu *mc)
{
	struct machine_host *h = mc->mc_host;
	pid_t tid = h != NULL ? __atomic_load_n(&h->h_tid,
	    __ATOMIC_RELAXED) : 0;
	int saved = errno, sent;

	sent = tid != 0 && syscall(SYS_tgkill, getpid(), tid,
	    lwkt__signal_number()) == 0;
	errno = saved;
	return sent;
}
