/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping by number.
 */
#include "core/util.h"

#define WORKERS	4
#define ROUNDS	TIMES(300, 12)

static struct lwkt_xwait xw;
static uint32_t turn, next_id;

/* The look at the condition may be long: it is not interlocked. */
static int
my_turn(uint32_t me)
{
	uint32_t now = LOAD(turn);

	lwkt_yield();
	return now % WORKERS == me;
}

static void
worker(void *arg)
{
	uint32_t me = ADD(next_id, 1) - 1;
	unsigned gen;
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		gen = lwkt_xgen(&xw);
		while (!my_turn(me))
			check(lwkt_xsleep(&xw, 0, "test", LWKT_FOREVER,
			    &gen) == 0, "it ended otherwise");
		ADD(turn, 1);
		lwkt_xwakeup(&xw);
	}
}

static int
turns(void *arg)
{
	(void)arg;
	lwkt_xwait_init(&xw);
	STORE(turn, 0);
	STORE(next_id, 0);
	run_threads(worker, WORKERS);
	check(turn == WORKERS * ROUNDS, "%u turns", turn);
	return 0;
}

static int
numbers(void *arg)
{
	unsigned gen, old;
	int error;

	(void)arg;
	lwkt_xwait_init(&xw);
	gen = old = lwkt_xgen(&xw);
	error = lwkt_xsleep(&xw, 0, "test", MS, &gen);
	check(error == EWOULDBLOCK && gen == old, "time: errno %d", error);
	lwkt_xupdate(&xw);
	error = lwkt_xsleep(&xw, 0, "test", LWKT_FOREVER, &gen);
	check(error == 0 && gen == old + 1, "an update: errno %d", error);
	lwkt_interrupt(lwkt_self());
	error = lwkt_xsleep(&xw, LWKT_PCATCH, "test", LWKT_FOREVER, &gen);
	check(error == EINTR && gen == old + 1, "interrupt: errno %d", error);
	lwkt_xwakeup(&xw);
	check(lwkt_xgen(&xw) == old + 2, "a wakeup counts");
	lwkt_wakeup(&xw);		/* another domain: nobody */
	return 0;
}

static int
interlocked_body(void *arg)
{
	unsigned gen = 0;

	(void)arg;
	return lwkt_xsleep(&xw, LWKT_PINTERLOCKED, "test", 0, &gen);
}

int
main(void)
{
	panics("lwkt_xsleep does its own interlock", interlocked_body,
	    "flags 0x400");
	sim_explore("nobody sleeps whose number is old", turns, NULL, 300);
	sim_explore("the number is set, however it ends", numbers, NULL, 50);
	return tap_done();
}
