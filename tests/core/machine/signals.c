/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals of the program beside the one that the library takes.
 */
#include <pthread.h>
#include <signal.h>

#include "core/child.h"
#include "core/util.h"

#define SIGNALS		200		/* sent to sigwaitinfo */

static volatile sig_atomic_t got;
static uint32_t stop;

static void
note(int sig)
{
	got = sig;
}

static int
ends(void *arg)
{
	(void)arg;
	return 0;
}

/* In a running kernel: the real-time signal with a handler, 0 or -1: several */
static int
find_taken(void *arg)
{
	struct sigaction sa;
	int found = 0;

	(void)arg;
	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++) {
		(void)sigaction(sig, NULL, &sa);
		if ((sa.sa_flags & SA_SIGINFO) == 0)
			continue;
		found = found == 0 ? sig : -1;
	}
	return found;
}

static void
test_choice(void)
{
	sigset_t set;

	is_int(lwkt_boot(NULL, find_taken, NULL), SIGRTMAX,
	    "the last real-time signal is taken");
	(void)signal(SIGRTMAX, note);
	is_int(lwkt_boot(NULL, find_taken, NULL), SIGRTMAX - 1,
	    "not one that has a handler");
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGRTMAX - 1);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	is_int(lwkt_boot(NULL, find_taken, NULL), SIGRTMAX - 2,
	    "nor one that the caller blocks");
	(void)setenv("LWKT_TUNE", "lwkt.signal=40", 1);
	is_int(lwkt_boot(NULL, find_taken, NULL), 40,
	    "the one that is named");
	(void)setenv("LWKT_TUNE", "lwkt.signal=64", 1);
	is_int(lwkt_boot_result(NULL, ends, NULL, NULL), EINVAL,
	    "but not if it has a handler");
	(void)setenv("LWKT_TUNE", "lwkt.signal=10", 1);
	is_int(lwkt_boot_result(NULL, ends, NULL, NULL), EINVAL,
	    "or is not a real-time signal");
	(void)unsetenv("LWKT_TUNE");
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	(void)signal(SIGRTMAX, SIG_DFL);
}

static void *
waits(void *arg)
{
	siginfo_t si;

	for (int n = 0; n < SIGNALS; n++)
		if (sigwaitinfo(arg, &si) != SIGRTMAX)
			return NULL;
	atomic_store_rel_32(&stop, 1);
	return arg;
}

static int
receives(void *arg)
{
	union sigval v = { .sival_int = 1 };

	for (int n = 0; n < SIGNALS; n++)
		if (sigqueue(getpid(), SIGRTMAX, v) != 0)
			return 1;
	while (LOAD(stop) == 0)
		lwkt_sleep_ns(MS);
	(void)arg;
	return 0;
}

static void
test_waited(void)
{
	void *result = NULL;
	pthread_t thread;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGRTMAX);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&thread, NULL, waits, &set) != 0)
		abort();
	is_int(lwkt_boot(NULL, receives, NULL), 0, "signals are sent");
	(void)pthread_join(thread, &result);
	ok(result == &set, "and sigwaitinfo in a pthread gets each");
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* It computes until it is told to stop, and makes no call. */
static void
spins(void *arg)
{
	(void)arg;
	while (LOAD(stop) == 0)
		continue;
}

static int
sleeps_beside_hog(void *arg)
{
	lwkt_thread_t td;
	sigset_t most;

	(void)sigfillset(&most);
	(void)sigdelset(&most, SIGALRM);	/* ends a test that hangs */
	if (arg != NULL)
		(void)signal(SIGRTMAX, note);
	else
		(void)pthread_sigmask(SIG_SETMASK, &most, NULL);
	(void)lwkt_create(spins, NULL, &td, NULL, LWKT_PREEMPTIBLE |
	    LWKT_JOINABLE, 0, "hog");
	(void)lwkt_sleep_ns(5 * MS);
	atomic_store_rel_32(&stop, 1);
	lwkt_join(td);
	return 7;
}

static void
boot_hog(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 1 };

	stop = 0;
	_exit(lwkt_boot(&cfg, sleeps_beside_hog, arg));
}

static void
test_taken_away(void)
{
	static struct child c;

	child_run(&c, boot_hog, &c);
	if (!ok(child_died(&c, SIGABRT) &&
	    child_said(&c, "replaced the handler of signal 64") &&
	    child_said(&c, "lwkt.signal"),
	    "a program that takes the signal away is told so"))
		child_diag(&c);
	child_run(&c, boot_hog, NULL);
	if (!ok(WIFEXITED(c.c_status) && WEXITSTATUS(c.c_status) == 7,
	    "a thread that blocks all signals does not stop the time"))
		child_diag(&c);
}

static void
raises(void *arg)
{
	int *seen = arg;

	got = 0;
	(void)raise(SIGUSR1);
	seen[0] = got;
	__asm__ __volatile__("int3");
	seen[1] = got;
}

static int
raises_everywhere(void *arg)
{
	int seen[2];

	(void)arg;
	for (int i = 0; i < lwkt_ncpus(); i++) {
		seen[0] = seen[1] = 0;
		join(spawn(raises, seen, 0, i));
		ok(seen[0] == SIGUSR1 && seen[1] == SIGTRAP,
		    "handlers are called on cpu %d: %d, %d", i, seen[0],
		    seen[1]);
	}
	return 0;
}

static void
test_raise(void)
{
	const struct lwkt_config cfg = { .lc_ncpus = 3 };
	struct sigaction sa;

	(void)signal(SIGUSR1, note);
	(void)signal(SIGTRAP, note);
	is_int(lwkt_boot(&cfg, raises_everywhere, NULL), 0,
	    "a program's own handlers");
	(void)sigaction(SIGTRAP, NULL, &sa);
	ok(sa.sa_handler == note, "are there again after the shutdown");
}

static int
replaces(void *arg)
{
	(void)arg;
	(void)signal(SIGSEGV, note);
	return 0;
}

static void
test_replaced(void)
{
	struct sigaction sa;

	(void)lwkt_boot(NULL, replaces, NULL);
	(void)sigaction(SIGSEGV, NULL, &sa);
	ok(sa.sa_handler == note,
	    "a handler that the program installs meanwhile stays");
	(void)signal(SIGSEGV, SIG_DFL);
}

static void
term_thread(void *arg)
{
	(void)arg;
	(void)raise(SIGTERM);
}

static int
term_body(void *arg)
{
	(void)arg;
	join(spawn(term_thread, NULL, 0, 1));
	return 0;
}

static void
boot_term(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };

	_exit(lwkt_boot(&cfg, term_body, arg));
}

int
main(void)
{
	static struct child c;

	(void)unsetenv("LWKT_TUNE");
	test_choice();
	test_waited();
	test_raise();
	if (LWKT_TSAN || LWKT_ASAN)
		return tap_done();	/* they have handlers, or delay them */
	test_taken_away();
	test_replaced();
	child_run(&c, boot_term, NULL);
	ok(child_died(&c, SIGTERM), "SIGTERM ends the process from any cpu");
	return tap_done();
}
