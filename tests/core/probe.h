/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers that note what happened to them, for the tests of timers.
 */
#ifndef LWKT_TESTS_CORE_PROBE_H
#define LWKT_TESTS_CORE_PROBE_H

#include <lwkt/systimer.h>

#include "core/util.h"

#define NTIMERS		40

struct probe {
	struct lwkt_systimer p_st;
	int64_t		 p_due;		/* not before */
	int64_t		 p_fired_at;
	int		 p_count;
	int		 p_cpu;
	int		 p_order;	/* rank among all that fired */
	int		 p_limit;	/* periodic: delete itself after */
};

static struct probe probe[NTIMERS];
static uint32_t fired;
static void
note(struct lwkt_systimer *st, void *arg)
{
	struct probe *p = arg;

	check(st == &p->p_st, "the wrong timer");
	p->p_fired_at = lwkt_time_ns();
	p->p_count++;
	p->p_cpu = lwkt_cpuid();
	p->p_order = (int)ADD(fired, 1);
	if (p->p_count == p->p_limit)
		lwkt_systimer_del(st);
}

static void
reset(void)
{
	memset(probe, 0, sizeof(probe));
	STORE(fired, 0);
}

static void
wait_fired(uint32_t n)
{
	while (LOAD(fired) < n)
		lwkt_sleep_ns(MS / 10);
}

#endif
