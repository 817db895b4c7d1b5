/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LWKT_MSGF_NORESCHED: a message does not ask its sender to give up the CPU.
 */
#include "core/port/job.h"

static uint32_t outside, last;

static void
high(void *arg)
{
	struct job *j = lwkt_waitport(lwkt_curport(), 0);

	(void)arg;
	STORE(last, ADD(outside, 1));
	lwkt_replymsg(&j->j_msg, 0);
}

/* Does a better thread run at once, and not because a tick asked for it? */
static int
runs_at_once(int flags, int interrupt)
{
	lwkt_thread_t td;
	int64_t ticks;
	struct job j;
	int ran;

	STORE(outside, 0);
	td = spawn_pri(high, NULL, LWKT_PRI_SOFT_NORM, interrupt ?
	    LWKT_INTERRUPT : 0, lwkt_cpuid());
	lwkt_yield();		/* it waits now */
	lwkt_initmsg(&j.j_msg, lwkt_curport(), flags);
	ticks = counter("lwkt.ticks");
	lwkt_sendmsg(lwkt_threadport(td), &j.j_msg);
	lwkt_yield_quick();
	ran = LOAD(outside) == 1;
	if (flags & LWKT_MSGF_NORESCHED)
		ran = ran && counter("lwkt.ticks") == ticks;
	lwkt_yield();
	check(LOAD(outside) == 1, "it runs at a yield");
	lwkt_waitmsg(&j.j_msg, 0);
	join(td);
	return ran;
}

/* A better thread takes the CPU from its sender; not in this case. */
static int
noresched_body(void *arg)
{
	(void)arg;
	check(runs_at_once(0, 0), "the usual: at once");
	check(!runs_at_once(LWKT_MSGF_NORESCHED, 0), "it ran at once");
	check(runs_at_once(0, 1), "an interrupt thread: at once");
	check(!runs_at_once(LWKT_MSGF_NORESCHED, 1),
	    "the interrupt thread ran at once");
	return 0;
}

/* The tick ends what a sender that only computes would delay for ever. */
static int
noresched_tick_body(void *arg)
{
	lwkt_thread_t td = spawn_pri(high, NULL, LWKT_PRI_SOFT_NORM, 0,
	    lwkt_cpuid());
	struct job j;

	(void)arg;
	STORE(outside, 0);
	lwkt_yield();
	lwkt_initmsg(&j.j_msg, lwkt_curport(), LWKT_MSGF_NORESCHED);
	lwkt_sendmsg(lwkt_threadport(td), &j.j_msg);
	while (LOAD(outside) == 0) {
		machine_pause(1);
		lwkt_yield_quick();
	}
	lwkt_waitmsg(&j.j_msg, 0);
	join(td);
	return 0;
}

/* From another CPU, to a CPU that idles: it comes all the same. */
static int
noresched_far_body(void *arg)
{
	lwkt_thread_t td = spawn_on(1, high, NULL);
	struct job j;

	(void)arg;
	lwkt_initmsg(&j.j_msg, lwkt_curport(), LWKT_MSGF_NORESCHED);
	check(lwkt_domsg(lwkt_threadport(td), &j.j_msg, 0) == 0, "reply");
	join(td);
	return 0;
}

int
main(void)
{
	sim_explore("a message without a hurry leaves the CPU to its sender",
	    noresched_body, NULL, 50);
	if (TICKS_COME)
		sim_explore("until the next tick", noresched_tick_body, NULL,
		    50);
	sim_explore("and comes from another CPU too", noresched_far_body, NULL,
	    100);
	return tap_done();
}
