/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is reported of the threads and CPUs when a thread panics, faults or
 * asks.
 */
#include "core/trouble/crowd.h"

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
	test_both();
	if (!SIGNALS_LATE) {
		test_panic();
		test_show();
	}
	if (!FAULTS_TAKEN)
		test_fault();
	return tap_done();
}
