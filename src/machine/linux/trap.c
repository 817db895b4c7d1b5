/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults: SIGSEGV, SIGBUS, SIGILL and SIGFPE.
 *
 * THEORY
 * A fault on a CPU is reported by the kernel's mu_fault, on the alternate
 * stack because the fault may be the thread's stack running into its guard.
 * Then the disposition from before the boot is put back and the handler
 * returns: the instruction faults again, now with its own context, and the
 * process dies by that signal with a core that shows the place.  A signal that
 * somebody sent would not come again, so it is sent once more.
 *
 * A program that handles these signals itself (a collector's write barrier, a
 * checker) knows more about an address outside our memory than we do: its
 * handler is called, nothing is printed and we stay installed.  A fault inside
 * our reservations on a CPU is always reported first.  Other host threads are
 * none of our business: their faults go where they went before.  But one that
 * calls the kernel as if it were a CPU reads %gs:0 with gs at 0: an instruction
 * with that prefix faults at an address near 0, and that is said.
 *
 * The signals stay blocked while a handler runs, so a fault inside the report
 * ends the process at once instead of going round.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/compiler.h"
#include "machine/linux/host.h"

static const int trap_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
#define NTRAPS		nitems(trap_signals)

static struct sigaction trap_old[NTRAPS];	/* (i) before the boot */
static const struct machine_upcalls *trap_up;	/* (i) */

static const struct sigaction *
trap_before(int sig)
{
	size_t i;

	for (i = 0; i < NTRAPS - 1 && trap_signals[i] != sig; i++)
		continue;
	return &trap_old[i];
}

static int
trap_has_handler(const struct sigaction *sa)
{
	return (sa->sa_flags & SA_SIGINFO) != 0 ||
	    (sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN);
}

static void
trap_chain(const struct sigaction *sa, int sig, siginfo_t *si, void *uc)
{
	(void)pthread_sigmask(SIG_BLOCK, &sa->sa_mask, NULL);
	if ((sa->sa_flags & SA_SIGINFO) != 0)
		sa->sa_sigaction(sig, si, uc);
	else
		sa->sa_handler(sig);
}

/* Let it happen as if we had never been there. */
static void
trap_die(const struct sigaction *sa, int sig, const siginfo_t *si)
{
	(void)sigaction(sig, sa, NULL);
	if (si->si_code <= 0)
		(void)syscall(SYS_tgkill, getpid(), gettid(), sig);
}

/* No CPU, but it believed so. */
static int
trap_strayed(const struct mcpu *mc, int sig, uintptr_t addr,
    const ucontext_t *uc)
{
	uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	return mc == NULL && sig == SIGSEGV && addr < 64 && pc >= 4096 &&
	    *(const uint8_t *)pc == 0x65;		/* the prefix of gs */
}

static void
trap_handler(int sig, siginfo_t *si, void *ucontext)
{
	const struct sigaction *sa = trap_before(sig);
	const ucontext_t *uc = ucontext;
	struct mcpu *mc = machine_oncpu();
	uintptr_t addr = (uintptr_t)si->si_addr;
	int saved = errno, handled = trap_has_handler(sa);

	if (si->si_code > 0 && trap_strayed(mc, sig, addr, uc))
		trap_up->mu_fault(NULL, addr, 0, ucontext);
	if (mc != NULL && (!handled ||
	    (si->si_code > 0 && lwkt__mem_is_ours(addr)))) {
		trap_up->mu_fault(mc, addr,
		    (uintptr_t)uc->uc_mcontext.gregs[REG_RSP], ucontext);
		trap_die(sa, sig, si);
	} else if (handled) {
		trap_chain(sa, sig, si, ucontext);
	} else if (sa->sa_handler != SIG_IGN || si->si_code > 0) {
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
	lwkt__trap_mask(&sa.sa_mask, lwkt__timer_signal());
	for (size_t i = 0; i < NTRAPS; i++) {
		if (sigaction(trap_signals[i], &sa, &trap_old[i]) != 0) {
			while (i-- > 0)
				(void)sigaction(trap_signals[i],
				    &trap_old[i], NULL);
			return EINVAL;
		}
	}
	return 0;
}

void
lwkt__trap_shutdown(void)
{
	for (size_t i = 0; i < NTRAPS; i++)
		(void)sigaction(trap_signals[i], &trap_old[i], NULL);
}

/* The signals that a CPU's thread must not block. */
void
lwkt__trap_mask(sigset_t *set, int timer_sig)
{
	(void)sigemptyset(set);
	for (size_t i = 0; i < NTRAPS; i++)
		(void)sigaddset(set, trap_signals[i]);
	(void)sigaddset(set, timer_sig);
}
