/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that execute messages, or wait until one is executed, panic where that
 * is not allowed.
 */
#include <lwkt/spinlock.h>
#include <lwkt/systimer.h>

#include "core/util.h"

static struct lwkt_systimer timer;
static struct lwkt_spin spin;

static void
nothing(void *arg)
{
	(void)arg;
}

static void
process_in_timer(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	lwkt_process_ipiq();
}

static int
process_in_timer_body(void *arg)
{
	(void)arg;
	lwkt_systimer_init_oneshot(&timer, process_in_timer, NULL, 1);
	lwkt_sleep_ns(10 * MS);
	return 0;
}

static int
wait_with_spinlock_body(void *arg)
{
	(void)arg;
	lwkt_spin_init(&spin, "mine");
	lwkt_spin_lock(&spin);
	lwkt_wait_ipiq(1, lwkt_send_ipiq(1, nothing, NULL));
	return 0;
}

static int
moved_body(void *arg)
{
	unsigned seq;
	int i;

	(void)arg;
	lwkt_migratecpu(0);
	for (i = 0; i < 100; i++)
		lwkt_send_ipiq(1, nothing, NULL);
	seq = lwkt_send_ipiq(1, nothing, NULL);
	lwkt_migratecpu(1);
	lwkt_wait_ipiq(0, seq);
	return 0;
}

static int
moved_there_body(void *arg)
{
	unsigned seq;

	(void)arg;
	lwkt_migratecpu(0);
	seq = lwkt_send_ipiq(1, nothing, NULL);
	lwkt_migratecpu(1);
	lwkt_wait_ipiq(1, seq);
	return 0;
}

int
main(void)
{
	panics("a timer that executes messages panics", process_in_timer_body,
	    "lwkt_process_ipiq is called in a callback");
	panics("to wait for a message with a spinlock panics",
	    wait_with_spinlock_body, "with spinlock \"mine\"");
	panics("to wait for another CPU's message panics", moved_body,
	    "the thread has moved");
	panics("so if it has moved to the target", moved_there_body,
	    "the thread has moved");
	return tap_done();
}
