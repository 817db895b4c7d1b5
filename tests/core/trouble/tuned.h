/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel of two CPUs in a child process, with LWKT_TUNE and LWKT_DEBUG.
 */
#ifndef LWKT_TESTS_CORE_TUNED_H
#define LWKT_TESTS_CORE_TUNED_H

#include <stdlib.h>

#include "core/child.h"
#include "core/util.h"

struct run {
	int	(*r_body)(void *);
	const char *r_tune;
	const char *r_debug;
};

UTIL void
boot2(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };
	struct run *r = arg;

	setenv("LWKT_TUNE", r->r_tune, 1);
	setenv("LWKT_DEBUG", r->r_debug, 1);
	(void)lwkt_boot(&cfg, r->r_body, NULL);
}

/* See child_run_until(). */
UTIL struct child *
run_until(int (*body)(void *), const char *tune, const char *debug,
    const char *enough)
{
	static struct child c;
	struct run r = { body, tune, debug };

	child_run_until(&c, boot2, &r, enough);
	return &c;
}

UTIL struct child *
run(int (*body)(void *), const char *tune, const char *debug)
{
	return run_until(body, tune, debug, NULL);
}

#endif
