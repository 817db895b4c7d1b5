/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals that end the process: faults, traps and abort.
 *
 * THEORY
 * The handler calls the kernel's mu_fault, which reports a signal on a CPU.
 * The handler runs on the alternate stack, because the cause may be that the
 * thread's stack has run into its guard.  After the report the handler restores
 * the disposition from before the boot and returns.  The instruction faults
 * again, with its own context.  The process dies by that signal, with a core
 * file that shows the place, or the program's own handler is called.  A signal
 * that does not occur again by itself (it was sent, or is raised after its
 * instruction, as SIGTRAP is) is sent once more.
 *
 * A signal that was sent and that the program ignores (SIG_IGN before the boot)
 * has no effect, on a CPU too.  If the processor raised the signal it cannot be
 * ignored.  If the program ignores SIGABRT, abort(3) therefore ends the process
 * without a report: its first SIGABRT looks as if it was sent.
 *
 * SIGABRT is handled because assert(3) and an uncaught exception of C++ end in
 * abort(3): the report names the thread.  lwkt_panic has reported before it
 * aborts, so its own SIGABRT is not reported.
 *
 * A program may handle these signals itself (the write barrier of a garbage
 * collector, a checker).  If the signal is no access to the library's
 * reservations, the program's handler is called, nothing is printed and this
 * handler stays installed.  On a CPU, an access to a reservation is always
 * reported first.  Faults of other host threads get the disposition from before
 * the boot.  But a host thread that made a call as if it were a CPU is reported
 * (outside.c).  Such a call faults at NOWHERE.  In a child of fork it faults in
 * the address range of the arena.  In a host thread created before the library
 * was loaded it faults near 0, by an instruction with the gs prefix.
 *
 * The signals stay blocked while a handler runs, so a fault inside the report
 * ends the process at once and does not recur.  SIGPIPE stays blocked from the
 * report on: a closed stderr must not replace the cause of death.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/kassert.h"
#include "machine/linux/host.h"

#define PREFIX_GS	0x65		/* first byte: access through gs */

/*
 * Texts for a signal: t_what if an instruction or abort(3) caused it, t_sent if
 * it was sent.
 */
struct trap {
	int		 t_sig;
	const char	*t_what;
	const char	*t_sent;
};

static const struct trap traps[] = {
	{ SIGSEGV, "memory fault (SIGSEGV)", "SIGSEGV was sent" },
	{ SIGBUS, "bus error (SIGBUS)", "SIGBUS was sent" },
	{ SIGILL, "illegal instruction (SIGILL)", "SIGILL was sent" },
	{ SIGFPE, "arithmetic error (SIGFPE)", "SIGFPE was sent" },
	{ SIGTRAP, "trap (SIGTRAP)", "SIGTRAP was sent" },
	{ SIGABRT, "abort (SIGABRT)", "SIGABRT was sent" },
};
#define NTRAPS		nitems(traps)

static struct sigaction trap_old[NTRAPS];	/* (i) as before the boot */
static const struct machine_upcalls *trap_up;	/* (i) */

static size_t
trap_index(int sig)
{
	size_t i;

	for (i = 0; i < NTRAPS - 1 && traps[i].t_sig != sig; i++)
		continue;
	return i;
}

static int
trap_has_handler(const struct sigaction *sa)
{
	return (sa->sa_flags & SA_SIGINFO) != 0 ||
	    (sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN);
}

/* Call the program's handler, with the signals of its mask blocked. */
static void
trap_chain(const struct sigaction *sa, int sig, siginfo_t *si, void *uc)
{
	(void)pthread_sigmask(SIG_BLOCK, &sa->sa_mask, NULL);
	if ((sa->sa_flags & SA_SIGINFO) != 0)
		sa->sa_sigaction(sig, si, uc);
	else
		sa->sa_handler(sig);
}

/*
 * Restore the old disposition, and send the signal again if it does not occur
 * by itself when the handler returns.
 */
static void
trap_die(const struct sigaction *sa, int sig, const siginfo_t *si)
{
	(void)sigaction(sig, sa, NULL);
	if (si->si_code <= 0 || sig == SIGTRAP)
		(void)syscall(SYS_tgkill, getpid(), gettid(), sig);
}

/* Describe the signal for the report. */
static void
trap_describe(struct machine_fault *mf, int sig, const siginfo_t *si,
    ucontext_t *uc)
{
	const struct trap *t = &traps[trap_index(sig)];
	int aborted = sig == SIGABRT && si->si_code == SI_TKILL &&
	    si->si_pid == getpid();

	mf->mf_what = si->si_code > 0 || aborted ? t->t_what : t->t_sent;
	mf->mf_sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
	mf->mf_ucontext = uc;
	/* SI_KERNEL: not a canonical address, and si_addr does not have it. */
	mf->mf_touched = si->si_code > 0 && si->si_code != SI_KERNEL &&
	    (sig == SIGSEGV || sig == SIGBUS);
	mf->mf_addr = mf->mf_touched ? (uintptr_t)si->si_addr :
	    (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	if (si->si_code == SI_KERNEL && sig == SIGSEGV)
		mf->mf_what = "access to an impossible address (SIGSEGV)";
	else if (si->si_code == FPE_INTDIV && sig == SIGFPE)
		mf->mf_what = "integer division by zero or overflow (SIGFPE)";
}

/*
 * Return 1 if this is the fault of a host thread that made a call as if it were
 * a CPU, else 0.
 */
static int
trap_not_cpu(int sig, const struct machine_fault *mf)
{
	const ucontext_t *uc = mf->mf_ucontext;
	uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	if (sig != SIGSEGV || !mf->mf_touched)
		return 0;
	return lwkt__outside_is_nowhere(mf->mf_addr) ||
	    lwkt__mem_is_arena(mf->mf_addr) ||
	    (mf->mf_addr < 64 && pc >= 4096 &&
	    *(const uint8_t *)pc == PREFIX_GS);
}

/*
 * Report the signal.  SIGPIPE stays blocked in the interrupted code, so that a
 * closed stderr does not end the process.
 */
static void
trap_report(struct mcpu *mc, const struct machine_fault *mf)
{
	(void)sigaddset(&((ucontext_t *)mf->mf_ucontext)->uc_sigmask, SIGPIPE);
	trap_up->mu_fault(mc, mf);
}

/*
 * Handle a signal as THEORY says.  On the alternate stack, if the host thread
 * has one; any host thread.
 */
static void
trap_handler(int sig, siginfo_t *si, void *ucontext)
{
	const struct sigaction *sa = &trap_old[trap_index(sig)];
	struct mcpu *mc = machine_forked() ? NULL : machine_oncpu();
	int saved = errno, handled = trap_has_handler(sa);
	int ignored = !handled && sa->sa_handler == SIG_IGN && si->si_code <= 0;
	struct machine_fault mf;

	trap_describe(&mf, sig, si, ucontext);
	if (mc == NULL && trap_not_cpu(sig, &mf)) {
		mf.mf_what = lwkt__outside_reason();
		trap_report(NULL, &mf);
	}
	if (mc != NULL && !ignored && !(sig == SIGABRT && lwkt__panicking()) &&
	    (!handled || (mf.mf_touched && lwkt__mem_is_ours(mf.mf_addr)))) {
		trap_report(mc, &mf);
		trap_die(sa, sig, si);
	} else if (handled) {
		trap_chain(sa, sig, si, ucontext);
	} else if (!ignored) {
		trap_die(sa, sig, si);
	}
	errno = saved;
}

int
lwkt__trap_boot(const struct machine_upcalls *up)
{
	struct sigaction sa;

	trap_up = up;
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = trap_handler;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	lwkt__trap_mask(&sa.sa_mask, lwkt__signal_number());
	(void)sigaddset(&sa.sa_mask, SIGPIPE);
	for (size_t i = 0; i < NTRAPS; i++) {
		if (sigaction(traps[i].t_sig, &sa, &trap_old[i]) != 0) {
			while (i-- > 0)
				(void)sigaction(traps[i].t_sig, &trap_old[i],
				    NULL);
			return EINVAL;
		}
	}
	return 0;
}

/* Restore the dispositions, except where the program has replaced ours. */
void
lwkt__trap_shutdown(void)
{
	struct sigaction now;

	for (size_t i = 0; i < NTRAPS; i++)
		if (sigaction(traps[i].t_sig, NULL, &now) == 0 &&
		    (now.sa_flags & SA_SIGINFO) != 0 &&
		    now.sa_sigaction == trap_handler)
			(void)sigaction(traps[i].t_sig, &trap_old[i], NULL);
}

/* Store in *set the signals that a CPU must not block. */
void
lwkt__trap_mask(sigset_t *set, int cpu_sig)
{
	(void)sigemptyset(set);
	for (size_t i = 0; i < NTRAPS; i++)
		(void)sigaddset(set, traps[i].t_sig);
	(void)sigaddset(set, cpu_sig);
}
