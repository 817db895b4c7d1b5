/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The look for a deadlock does not take CPUs that wake each other in turn for
 * CPUs that are all at rest.
 */
#include "core/util.h"

#define ROUNDS	TIMES(2000, 12)

static uint32_t turns[2];

/* The idle thread of this CPU is to look whether all are at rest. */
static void
look(void *arg)
{
	(void)arg;
	mygd()->gd_deadlock_due = 1;
}

static void
ping(void *arg)
{
	uint32_t *mine = arg, *other = &turns[mine == &turns[0]], n;

	for (n = 1; n <= ROUNDS; n++) {
		await_asleep(mine, n);
		lwkt_send_ipiq(0, look, NULL);
		ADD(*other, 1);
		lwkt_wakeup(other);
	}
}

/* At any time one CPU is awake, or a message is on its way. */
static int
in_turn(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	STORE(turns[0], 1);
	STORE(turns[1], 0);
	td[0] = spawn(ping, &turns[0], 0, 1);
	td[1] = spawn(ping, &turns[1], 0, 2);
	join_all(td, 2);
	check(counter("lwkt.deadlock_reports") == 0, "a deadlock was reported");
	return 0;
}

int
main(void)
{
	const struct sim_scenario ss = { .ss_name = "CPUs that wake each other "
	    "in turn are not taken for a deadlock", .ss_body = in_turn,
	    .ss_seeds = 500, .ss_ncpus = 3 };

	sim_explore_with(&ss);
	return tap_done();
}
