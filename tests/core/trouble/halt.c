/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUs that are stopped for a report: one that does not stop holds nothing up,
 * and others still serve messages if that is safe.
 */
#include <pthread.h>

#include "core/trouble/crowd.h"
#include "kern/trouble/debug_var.h"

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

int
main(void)
{
	test_deaf();
	if (!SIGNALS_LATE)
		test_serve();
	return tap_done();
}
