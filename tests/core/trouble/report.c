/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is reported of the threads and CPUs when one panics, faults or asks.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/child.h"
#include "core/util.h"
#include "kern/trouble/debug_var.h"

static uint32_t hogs;			/* threads that keep a CPU */
static uint32_t served;

/* TSan keeps signals back; it and ASan report faults themselves. */
#define SIGNALS_LATE	LWKT_TSAN
#define FAULTS_TAKEN	(LWKT_TSAN || LWKT_ASAN)

/* Two CPUs, and no more said about the body's result. */
static void
boot2(void *body)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };

	(void)lwkt_boot(&cfg, *(int (**)(void *))body, NULL);
}

static struct child *
run(int (*body)(void *))
{
	static struct child c;

	child_run(&c, boot2, (void *)&body);
	return &c;
}

static __attribute__((noinline)) void
hog_forever(void)
{
	static volatile uint64_t n;

	for (;;)
		n = n + 1;
}

static void
hog(void *arg)
{
	lwkt_setname("the hog");
	(void)arg;
	ADD(hogs, 1);
	hog_forever();
}

static void
sleeper(void *arg)
{
	lwkt_setname("the sleeper");
	lwkt_tsleep(arg, 0, "nothing", LWKT_FOREVER);
}

static void
joiner(void *arg)
{
	lwkt_setname("the joiner");
	join(arg);
}

/* A hog on CPU 1, a sleeper and its joiner on CPU 0. */
static void
crowd(void)
{
	lwkt_thread_t td;

	td = spawn(sleeper, &served, 0, 0);
	spawn(joiner, td, 0, 0);
	spawn(hog, NULL, 0, 1);
	settle(0, LWKT_PRI_KERN_DAEMON);
	await(&hogs, 1);
}

static int
panic_body(void *arg)
{
	(void)arg;
	crowd();
	lwkt_panic("enough");
}

static int
fault_body(void *arg)
{
	crowd();
	*(volatile int *)arg = 1;
	return 0;
}

static int
shows_crowd(struct child *c)
{
	return child_said(c, "cpu 1:") &&
	    child_said(c, "thread \"the hog\"") &&
	    child_said(c, "hog_forever") &&
	    child_said(c, "sleeping on \"nothing\"") &&
	    child_said(c, "blocked for the end of thread \"the sleeper\"") &&
	    child_said(c, "lwkt_join+");
}

static void
test_panic(void)
{
	struct child *c = run(panic_body);

	if (!ok(child_died(c, SIGABRT) && shows_crowd(c) &&
	    child_said(c, "lwkt: panic: enough"),
	    "a panic shows what runs elsewhere and who waits for what"))
		child_diag(c);
	ok(child_said(c, "trace: cpu 0") && child_said(c, "cpu.boot cpu=0"),
	    "and the last records of the trace");
}

static void
test_fault(void)
{
	struct child *c = run(fault_body);

	if (!ok(child_died(c, SIGSEGV) && shows_crowd(c) &&
	    child_said(c, "memory fault (SIGSEGV) at 0"), "so does a fault"))
		child_diag(c);
}

/* Signals that end the process, by what causes them. */
static void
divides(void)
{
	volatile int zero = 0;

	served = (uint32_t)(7 / zero);
}

static void
executes_nothing(void)
{
	__asm__ __volatile__("ud2");
}

static void
breaks(void)
{
	__asm__ __volatile__("int3");
}

static void
reads_nowhere(void)
{
	served = *(volatile uint32_t *)UINT64_C(0x1234567812345678);
}

static void
bus(void)
{
	int fd = memfd_create("empty", 0);
	volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	served = (uint32_t)*p;
}

static void
sends(void)
{
	(void)raise(SIGBUS);
}

static const struct ending {
	void		(*e_fn)(void);
	int		 e_sig;
	const char	*e_says;
} endings[] = {
	{ divides, SIGFPE, "integer division by zero or overflow (SIGFPE) at "
	    "instruction 0x" },
	{ executes_nothing, SIGILL, "illegal instruction (SIGILL) at "
	    "instruction 0x" },
	{ breaks, SIGTRAP, "trap (SIGTRAP) at instruction 0x" },
	{ reads_nowhere, SIGSEGV, "access to an impossible address (SIGSEGV) "
	    "at instruction 0x" },
	{ bus, SIGBUS, "bus error (SIGBUS) at 0x" },
	{ sends, SIGBUS, "SIGBUS was sent" },
	{ abort, SIGABRT, "abort (SIGABRT)" },
};

static void
ends_thread(void *arg)
{
	const struct ending *e = arg;

	lwkt_setname("the culprit");
	e->e_fn();
}

static uint32_t which;

static int
ends_body(void *arg)
{
	(void)arg;
	join(spawn(ends_thread, (void *)(uintptr_t)&endings[which / 2], 0,
	    (int)which % 2));
	return 0;
}

/* The reader of the report goes away: the signal still says what it was. */
static void
unread(void *arg)
{
	int fd[2];

	(void)arg;
	if (pipe(fd) != 0)
		return;
	(void)dup2(fd[1], STDERR_FILENO);
	(void)close(fd[0]);
	(void)close(fd[1]);
	boot2(&(int (*)(void *)){ ends_body });
}

static void
test_endings(void)
{
	static struct child c;
	const struct ending *e;

	for (which = 0; which < 2 * nitems(endings); which++) {
		e = &endings[which / 2];
		if (!ok(child_died(run(ends_body), e->e_sig) &&
		    child_said(run(ends_body), e->e_says) &&
		    child_said(run(ends_body), "thread \"the culprit\""),
		    "cpu %u: %s, with the name of the thread", which % 2,
		    e->e_says))
			child_diag(run(ends_body));
		child_run(&c, unread, NULL);
		ok(child_died(&c, e->e_sig), "so if nobody reads it");
	}
}

/* A CPU that nothing can interrupt. */
static void
deaf_hog(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	hog(arg);
}

static int
deaf_body(void *arg)
{
	(void)arg;
	spawn(deaf_hog, NULL, 0, 1);
	await(&hogs, 1);
	lwkt_panic("enough");
}

static void
test_deaf(void)
{
	struct child *c = run(deaf_body);

	if (!ok(child_died(c, SIGABRT) &&
	    child_said(c, "cpu 1 did not answer") &&
	    child_said(c, "thread \"the hog\""),
	    "a CPU that does not stop holds nothing up"))
		child_diag(c);
}

/* Both CPUs panic. */
static void
panics_too(void *arg)
{
	ADD(hogs, 1);
	await_deaf(&hogs, 2);
	lwkt_panic("from cpu %d", lwkt_cpuid());
	(void)arg;
}

static int
both_body(void *arg)
{
	spawn(panics_too, arg, 0, 1);
	panics_too(arg);
	return 0;
}

static void
test_both(void)
{
	struct child *c = run(both_body);

	if (!ok(child_died(c, SIGABRT) && child_said(c, "lwkt: panic: from") &&
	    child_said(c, "thread \"main\"") &&
	    child_said(c, "trace: cpu 1"),
	    "two panics at once: one whole report"))
		child_diag(c);
}

/* A pthread that was made before there were CPUs calls as if it were one. */
static void *
stray(void *arg)
{
	while (LOAD(hogs) == 0)
		usleep(1000);
	lwkt_yield();
	return arg;
}

static int
stray_body(void *arg)
{
	(void)arg;
	ADD(hogs, 1);
	return lwkt_sleep_ns(2000 * MS);
}

static void
boot_stray(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };
	pthread_t pth;

	if (pthread_create(&pth, NULL, stray, arg) == 0)
		(void)lwkt_boot(&cfg, stray_body, NULL);
}

/* One that a CPU makes inherits its gs base. */
static void *
stray_inherits(void *arg)
{
	lwkt_crit_enter();
	return arg;
}

static int
inherit_body(void *arg)
{
	pthread_t pth;

	if (pthread_create(&pth, NULL, stray_inherits, arg) != 0)
		return 1;
	return pthread_join(pth, NULL);
}

static void
test_stray(void)
{
	static struct child c;

	child_run(&c, boot_stray, NULL);
	if (!ok(child_died(&c, SIGABRT) &&
	    child_said(&c, "call from a pthread that is not a cpu") &&
	    child_said(&c, "stray"),
	    "a pthread that takes itself for a CPU is told so"))
		child_diag(&c);
	if (!ok(child_died(run(inherit_body), SIGABRT) &&
	    child_said(run(inherit_body), "a pthread that is not a cpu"),
	    "also one that inherits the look of a CPU"))
		child_diag(run(inherit_body));
}

static void
serve_one(void *arg)
{
	(void)arg;
	ADD(served, 1);
}

/* In place of the report: halt, then have something done there. */
static void
hook_serves(const char *msg)
{
	unsigned turn;

	(void)msg;
	halt_others(HALT_FOREVER);
	lwkt_send_ipiq(1, serve_one, NULL);
	for (turn = 0; LOAD(served) == 0; turn++)
		machine_pause(turn);
	lwkt_printf("served, stopped %d", halt_stopped(1));
}

/* In place of the report: halt, send a message, and give it some time. */
static void
hook_waits(const char *msg)
{
	unsigned turn;

	(void)msg;
	halt_others(HALT_FOREVER);
	lwkt_send_ipiq(1, serve_one, NULL);
	for (turn = 0; turn < 5000; turn++)
		machine_pause(turn);
	lwkt_printf("served %u, stopped %d", LOAD(served), halt_stopped(1));
}

static void
in_libc(void *arg)
{
	(void)arg;
	ADD(hogs, 1);
	for (;;)
		(void)pause();
}

static int
serve_libc_body(void *arg)
{
	(void)arg;
	spawn(in_libc, NULL, 0, 1);
	await(&hogs, 1);
	lwkt__panic_hook = hook_waits;
	lwkt_panic("enough");
}

static int
serve_body(void *arg)
{
	(void)arg;
	crowd();
	if (machine_interrupt_off() != NULL)
		lwkt_printf("cannot tell: %s", machine_interrupt_off());
	lwkt__panic_hook = hook_serves;
	lwkt_panic("enough");
}

static int
serve_idle_body(void *arg)
{
	(void)arg;
	lwkt_sleep_ns(20 * MS);		/* CPU 1 sleeps */
	lwkt__panic_hook = hook_serves;
	lwkt_panic("enough");
}

static void
test_serve(void)
{
	struct child *c = run(serve_body);

	if (child_said(c, "cannot tell"))
		skip("a CPU stopped in a thread serves messages");
	else if (!ok(child_died(c, SIGABRT) &&
	    child_said(c, "served, stopped 1"),
	    "a CPU stopped in a thread serves messages"))
		child_diag(c);
	c = run(serve_libc_body);
	if (!ok(child_died(c, SIGABRT) && child_said(c, "served 0, stopped 1"),
	    "one stopped in a function that the library may have called "
	    "does not"))
		child_diag(c);
	c = run(serve_idle_body);
	if (!ok(child_died(c, SIGABRT) && child_said(c, "served, stopped 1"),
	    "so does one stopped in its idle loop"))
		child_diag(c);
}

static void
show_sig(int sig)
{
	(void)sig;
	lwkt_show_threads();
}

/* Asked twice, once from a signal handler; all goes on. */
static int
show_body(void *arg)
{
	lwkt_thread_t td = spawn(sleeper, &served, 0, 1);

	(void)arg;
	lwkt_sleep_ns(20 * MS);
	signal(SIGUSR1, show_sig);
	lwkt_show_threads();
	lwkt_printf("again");
	raise(SIGUSR1);
	lwkt_wakeup(&served);
	join(td);
	lwkt_printf("went on");
	return 0;
}

static void
test_show(void)
{
	struct child *c = run(show_body);
	const char *again = strstr(c->c_err, "again");

	if (!ok(c->c_status == 0 && again != NULL &&
	    strstr(again, "sleeping on \"nothing\"") != NULL &&
	    strstr(again, "cpu 1:") != NULL &&
	    strstr(again, "went on") != NULL &&
	    strstr(c->c_err, "sleeping on \"nothing\"") < again,
	    "lwkt_show_threads shows them and lets them go on"))
		child_diag(c);
}

int
main(void)
{
	test_deaf();
	test_both();
	if (!SIGNALS_LATE) {
		test_panic();
		test_serve();
		test_show();
	}
	if (!FAULTS_TAKEN) {
		test_fault();
		test_endings();
		test_stray();
	}
	return tap_done();
}
