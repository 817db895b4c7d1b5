/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of waits for room in a ring share: messages that fill a ring,
 * and a CPU that does not read its rings.
 */
#ifndef LWKT_TESTS_CORE_IPI_ROOM_H
#define LWKT_TESTS_CORE_IPI_ROOM_H

#include "core/util.h"
#include "kern/ipi/ipiq_var.h"

#define FULL		IPIQ_HIGH	/* the next message waits for room */

static uint32_t deaf, undeaf;		/* CPU 1: has begun; may end */
static uint32_t calls;			/* of nothing() */

static void
nothing(void *arg)
{
	(void)arg;
	ADD(calls, 1);
}

static void
send_nothing(int cpu, int n)
{
	while (n-- > 0)
		lwkt_send_ipiq(cpu, nothing, NULL);
}

/* A section that executes nothing until undeaf. */
static void
be_deaf(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(deaf, 1);
	await_deaf(&undeaf, 1);
	lwkt_crit_exit();
}

/* CPU 1 is deaf from now on; the caller goes on on CPU 2. */
static lwkt_thread_t
deafen(void)
{
	lwkt_thread_t td;

	deaf = undeaf = calls = 0;
	lwkt_migratecpu(2);
	td = spawn(be_deaf, NULL, 0, 1);
	await_deaf(&deaf, 1);
	return td;
}

static void
explore(const char *name, int (*body)(void *), void *arg, unsigned seeds,
    int ncpus)
{
	struct sim_scenario ss = { .ss_name = name, .ss_body = body,
		.ss_arg = arg, .ss_seeds = seeds, .ss_ncpus = ncpus };

	sim_explore_with(&ss);
}

#endif
