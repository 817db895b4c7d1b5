/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of a pthread that is no CPU, but takes itself for one.
 */
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

int
main(void)
{
	if (FAULTS_TAKEN)
		skip_all("the sanitizer reports faults itself");
	test_stray();
	return tap_done();
}
