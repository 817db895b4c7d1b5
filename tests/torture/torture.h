/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A torture program: one boot, one body that runs for some seconds.
 *
 *	--seconds N	how long (5)
 *	--cpus N	0: the library's choice (4)
 *	--seed N	of the random choices (the time)
 */
#ifndef LWKT_TESTS_TORTURE_H
#define LWKT_TESTS_TORTURE_H

#include <lwkt/synch.h>
#include <time.h>

#include "simrun.h"

static uint64_t torture_seed;
static int64_t torture_ns, torture_end;

/* Is the time up?  Any thread. */
static inline int
torture_over(void)
{
	return lwkt_time_ns() >= torture_end;
}

static int (*torture_body)(void *);

static int
torture_main(void *arg)
{
	torture_end = lwkt_time_ns() + torture_ns;
	return torture_body(arg);
}

static inline int
torture_run(int argc, char **argv, const char *name, int (*body)(void *))
{
	struct sim_scenario ss = { .ss_name = name, .ss_body = torture_main };
	uint64_t seconds = 5, cpus = 4;
	int i, good;

	torture_seed = (uint64_t)time(NULL);
	for (i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seconds") == 0)
			seconds = strtoull(argv[i + 1], NULL, 0);
		else if (strcmp(argv[i], "--cpus") == 0)
			cpus = strtoull(argv[i + 1], NULL, 0);
		else if (strcmp(argv[i], "--seed") == 0)
			torture_seed = strtoull(argv[i + 1], NULL, 0);
	}
	diag("seed %llu, %llu seconds, %llu cpus",
	    (unsigned long long)torture_seed, (unsigned long long)seconds,
	    (unsigned long long)cpus);
	torture_ns = (int64_t)seconds * 1000000000;
	torture_body = body;
	good = simrun_once(&ss, torture_seed, (int)cpus);
	ok(good, "%s", name);
	return tap_done();
}

#endif
