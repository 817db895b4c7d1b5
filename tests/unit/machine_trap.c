/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults: reported on a CPU, left alone elsewhere, the program's own handlers
 * respected, and the process dies by the signal.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "machine_util.h"

#define DEPTH	20

static int report[2];			/* a pipe from the child */
static char *bad;			/* an address that faults */
static size_t page;

/* Not the child's own stack: run on the alternate one. */
static void
heard(uintptr_t addr, uintptr_t sp, void *ucontext)
{
	const ucontext_t *uc = ucontext;
	void *pcs[DEPTH];
	char here, word = 'F';
	stack_t ss;
	int n = machine_backtrace(pcs, DEPTH, NULL, ucontext);

	(void)sigaltstack(NULL, &ss);
	if (addr != (uintptr_t)bad)
		word = 'a';
	else if (sp != (uintptr_t)uc->uc_mcontext.gregs[REG_RSP])
		word = 's';
	else if (n < 2 || (uintptr_t)pcs[0] !=
	    (uintptr_t)uc->uc_mcontext.gregs[REG_RIP])
		word = 'b';
	else if (!CHECKED && ((uintptr_t)&here < (uintptr_t)ss.ss_sp ||
	    (uintptr_t)&here - (uintptr_t)ss.ss_sp >= ss.ss_size))
		word = 'o';
	machine_backtrace_print(pcs, n < 3 ? n : 3);
	(void)!write(report[1], &word, 1);
}

static void
touch(struct mcpu *mc)
{
	(void)mc;
	*(volatile char *)bad = 1;
}

static void
child_touch(void)
{
	(void)on_cpus(1, touch);
}

/* On CPU 1 and not the first. */
static void
touch_second(struct mcpu *mc)
{
	if (mc->mc_cpuid == 1)
		touch(mc);
	machine_idle(mc);
}

static void
child_second(void)
{
	(void)on_cpus(2, touch_second);
}

static void
sent(struct mcpu *mc)
{
	(void)mc;
	(void)raise(SIGSEGV);
}

static void
child_sent(void)
{
	(void)on_cpus(1, sent);
}

/* Sent signals that the program ignores do nothing; faults still end it. */
static void
sent_ignored(struct mcpu *mc)
{
	(void)mc;
	(void)raise(SIGSEGV);
	(void)kill(getpid(), SIGTRAP);
	(void)raise(SIGABRT);
	(void)!write(report[1], "I", 1);
}

static void
child_ignored(void)
{
	(void)signal(SIGSEGV, SIG_IGN);
	(void)signal(SIGTRAP, SIG_IGN);
	(void)signal(SIGABRT, SIG_IGN);
	_exit(on_cpus(1, sent_ignored) != 0 ||
	    signal(SIGSEGV, SIG_DFL) != SIG_IGN);
}

static void
child_ignored_fault(void)
{
	(void)signal(SIGSEGV, SIG_IGN);
	(void)on_cpus(1, touch);
}

static void *
foreign(void *arg)
{
	*(volatile char *)bad = 1;
	return arg;
}

static void
with_foreign(struct mcpu *mc)
{
	pthread_t t;

	(void)mc;
	if (pthread_create(&t, NULL, foreign, NULL) == 0)
		(void)pthread_join(t, NULL);
}

static void
child_foreign(void)
{
	(void)on_cpus(1, with_foreign);
}

/* A program that makes pages writable when they are touched. */
static void
mend(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	(void)mprotect(si->si_addr, page, PROT_READ | PROT_WRITE);
	(void)!write(report[1], "M", 1);
}

static void
child_mend(void)
{
	struct sigaction sa, now;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = mend;
	sa.sa_flags = SA_SIGINFO;
	(void)sigaction(SIGSEGV, &sa, NULL);
	bad = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (on_cpus(1, touch) != 0 || bad[0] != 1)
		_exit(1);
	(void)sigaction(SIGSEGV, NULL, &now);
	_exit(now.sa_sigaction == mend ? 0 : 2);
}

/* The same program, but the fault is in memory of ours. */
static void
child_ours(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = _exit;
	(void)sigaction(SIGSEGV, &sa, NULL);
	bad = machine_mem_reserve(page);
	(void)mprotect(bad, page, PROT_NONE);
	(void)on_cpus(1, touch);
}

/* Run it in a child; what it reported, as a string. */
static const char *
reported(void (*fn)(void), int *status)
{
	static char buf[16];
	ssize_t n;

	if (pipe(report) != 0)
		return "no pipe";
	*status = mu_child(fn);
	(void)close(report[1]);
	n = read(report[0], buf, sizeof(buf) - 1);
	(void)close(report[0]);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void
test_default(void)
{
	int status;

	is_str(reported(child_touch, &status), CHECKED ? "" : "F",
	    "a fault on a CPU is reported once, on the alternate stack");
	ok(mu_died(status, SIGSEGV), "and ends the process by its signal");
	(void)reported(child_second, &status);
	ok(mu_died(status, SIGSEGV), "on another CPU too");
	(void)reported(child_sent, &status);
	ok(mu_died(status, SIGSEGV), "a signal that was sent ends it as well");
	is_str(reported(child_ignored, &status), "I",
	    "signals that were sent and are ignored are not reported");
	is_int(status, 0, "and do nothing");
	(void)reported(child_ignored_fault, &status);
	ok(mu_died(status, SIGSEGV), "a fault cannot be ignored");
	is_str(reported(child_foreign, &status), "",
	    "a fault of another pthread is not ours to report");
	ok(mu_died(status, SIGSEGV), "but ends the process");
}

int
main(void)
{
	int status;

	mu_on_fault = heard;
	page = machine_page_size();
	bad = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	test_default();
	is_str(reported(child_mend, &status), "M",
	    "a program's own handler gets its faults");
	is_int(status, 0, "mends them, and has its handler back at the end");
	is_str(reported(child_ours, &status), "F",
	    "a fault in our memory is reported all the same");
	ok(WIFEXITED(status) && WEXITSTATUS(status) == SIGSEGV,
	    "and then goes to the program's handler");
	return tap_done();
}
