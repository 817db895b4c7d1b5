/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of a pthread that is no CPU, but takes itself for one.
 */
#include <lwkt/thread2.h>
#include <pthread.h>

#include "core/trouble/crowd.h"

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
boot_beside(void *(*fn)(void *))
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };
	pthread_t pth;

	if (pthread_create(&pth, NULL, fn, NULL) == 0)
		(void)lwkt_boot(&cfg, stray_body, NULL);
}

static void
boot_stray(void *arg)
{
	(void)arg;
	boot_beside(stray);
}

/* The same, but the call is inline and does not check: it faults. */
static void *
stray_inline(void *arg)
{
	while (LOAD(hogs) == 0)
		usleep(1000);
	lwkt_crit_enter_quick();
	return arg;
}

static void
boot_inline(void *arg)
{
	if (arg != NULL)
		stderr_unread();
	boot_beside(stray_inline);
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
test_inline(void)
{
	static struct child c;

	child_run(&c, boot_inline, NULL);
	if (!ok(child_died(&c, SIGSEGV) &&
	    child_said(&c, "a pthread that is not a cpu"),
	    "an inline call of a pthread faults, and it is told why"))
		child_diag(&c);
	child_run(&c, boot_inline, &c);
	if (!ok(child_died(&c, SIGSEGV),
	    "the fault ends the process also if nobody reads the report"))
		child_diag(&c);
}

int
main(void)
{
	if (FAULTS_TAKEN)
		skip_all("the sanitizer reports faults itself");
	test_stray();
	test_inline();
	return tap_done();
}
