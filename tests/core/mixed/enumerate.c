/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small meetings of two CPUs in every schedule of up to two preemptions.
 *
 * Chance may miss what enumeration cannot.  Each body is a dozen steps or two
 * between focus(1) and focus(0); boot and shutdown go undisturbed.
 */
#include "core/util.h"

#define DEEP		1000	/* decisions: more than a body has */
#define MANY		50000	/* schedules: more than a body has */

static uint32_t count;

static void
add_one(void *arg)
{
	(void)arg;
	atomic_fetchadd_32(&count, 1);
}

static int
join_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	count = 0;
	focus(1);
	td = spawn(add_one, NULL, 0, 1);
	join(td);
	check(LOAD(count) == 1, "count %u", LOAD(count));
	focus(0);
	return 0;
}

static void
count_ipi(void *arg)
{
	(void)arg;
	atomic_fetchadd_32(&count, 1);
}

static int
ipi_body(void *arg)
{
	unsigned seq;

	(void)arg;
	count = 0;
	focus(1);
	(void)lwkt_send_ipiq(1, count_ipi, NULL);
	seq = lwkt_send_ipiq(1, count_ipi, NULL);
	lwkt_wait_ipiq(1, seq);
	check(LOAD(count) == 2, "count %u", LOAD(count));
	focus(0);
	return 0;
}

static void
sleeper(void *arg)
{
	(void)arg;
	for (;;) {
		lwkt_tsleep_interlock(&count, 0);
		if (atomic_load_acq_32(&count) != 0)
			break;
		(void)lwkt_tsleep(&count, LWKT_PINTERLOCKED, "enum",
		    LWKT_FOREVER);
	}
	lwkt_tsleep_remove();
}

static int
wakeup_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	count = 0;
	td = spawn(sleeper, NULL, LWKT_NOSTART, 1);
	focus(1);
	lwkt_schedule(td);
	atomic_store_rel_32(&count, 1);
	lwkt_wakeup(&count);
	join(td);
	focus(0);
	return 0;
}

static void
mover(void *arg)
{
	(void)arg;
	check(lwkt_migratecpu(0) == 0 && lwkt_cpuid() == 0, "moved");
	atomic_fetchadd_32(&count, 1);
}

static int
migrate_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	count = 0;
	td = spawn(mover, NULL, LWKT_NOSTART, 1);
	focus(1);
	lwkt_schedule(td);
	join(td);
	check(LOAD(count) == 1, "count %u", LOAD(count));
	focus(0);
	return 0;
}

static void
enumerate(const char *name, int (*body)(void *))
{
	struct sim_scenario ss = {
		.ss_name = name, .ss_body = body, .ss_ncpus = 2,
		.ss_dfs = DEEP, .ss_seeds = MANY, .ss_focus = 1,
	};

	sim_explore_with(&ss);
}

int
main(void)
{
	enumerate("a thread ends under its joiner", join_body);
	enumerate("two messages and their sender", ipi_body);
	enumerate("a sleep and its wakeup", wakeup_body);
	enumerate("a thread migrates to its joiner", migrate_body);
	return tap_done();
}
