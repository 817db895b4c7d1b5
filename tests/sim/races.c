/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TSan on the simulated host sees what two processors would do to each other.
 *
 * The explorer alone only knows sequential consistency.  Under TSan a switch
 * between CPUs orders nothing, so a missing release is a report although
 * nothing else goes wrong.
 */
#include "toy.h"

static uint32_t	flag;
static volatile int data;
static int	buggy;

static void
init(void)
{
	flag = 0;
	data = 0;
}

static int
always_good(void)
{
	return 1;
}

/* A value handed over by a flag: relaxed, or released and acquired. */
static void
handover_cpu(int cpu)
{
	if (cpu == 0) {
		data = 1;
		if (buggy)
			atomic_store_32(&flag, 1);
		else
			atomic_store_rel_32(&flag, 1);
	} else {
		while (atomic_load_acq_32(&flag) == 0)
			machine_pause(0);
		data = 2;
	}
}

/* A value only one CPU has a right to, or both. */
static void
owner_cpu(int cpu)
{
	atomic_fetchadd_32(&flag, 1);
	if (buggy || cpu == 0)
		data = data + 1;
}

static const struct toy
    handover = { "a hand-over without release", 2, init, handover_cpu,
	always_good },
    owner = { "a plain word of two CPUs", 2, init, owner_cpu, always_good };

static void
both_ways(const struct toy *t)
{
	struct catch c;

	buggy = 1;
	c = toy_hunt(t, 1, 20);
	ok(strstr(c.c_report, "data race") != NULL, "TSan reports %s",
	    t->t_name);
	buggy = 0;
	c = toy_hunt(t, 1, 200);
	ok(c.c_report[0] == '\0' && c.c_runs == 200,
	    "and nothing when it is right");
	if (c.c_report[0] != '\0')
		diag("%s", c.c_report);
}

int
main(void)
{
	if (!LWKT_TSAN)
		skip_all("for builds with -Db_sanitize=thread");
	both_ways(&handover);
	both_ways(&owner);
	return tap_done();
}
