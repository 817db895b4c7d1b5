/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU that waits for room in a ring inside a section executes nothing there;
 * a sender outside sections executes messages while it waits.
 */
#include <lwkt/cpusync.h>
#include <lwkt/systimer.h>

#include "core/ipi/room.h"

/*
 * Nothing is executed in a section that waits for room.
 */
static uint32_t inside;			/* CPU 0 is in the section */
static uint32_t broken;			/* callbacks that ran there */
static struct lwkt_systimer timer;

static void
look(void *arg)
{
	(void)arg;
	if (LOAD(inside))
		ADD(broken, 1);
}

static void
fills(void)
{
	STORE(inside, 1);
	send_nothing(1, FULL + 1);
	STORE(inside, 0);
}

static void
fills_in_timer(struct lwkt_systimer *st, void *arg)
{
	(void)st;
	fills();
	STORE(*(uint32_t *)arg, 1);
}

static void
in_section(void)
{
	lwkt_crit_enter();
	fills();
	lwkt_crit_exit();
}

static void
in_hard_section(void)
{
	lwkt_crit_enter_hard();
	fills();
	lwkt_crit_exit_hard();
}

static void
in_timer(void)
{
	uint32_t over = 0;

	lwkt_systimer_init_oneshot(&timer, fills_in_timer, &over, 1);
	await(&over, 1);
}

static void
call(void *arg)
{
	(*(void (**)(void))arg)();
}

static int
nothing_runs_inside(void *arg)
{
	lwkt_thread_t td[2];
	int i;

	inside = broken = 0;
	td[0] = deafen();
	td[1] = spawn(call, arg, 0, 0);
	await_deaf(&inside, 1);
	for (i = 0; i < FULL + 10; i++)
		lwkt_send_ipiq(0, look, NULL);
	STORE(undeaf, 1);
	join_all(td, 2);
	check(broken == 0, "%u callbacks ran inside", broken);
	return 0;
}

/* In the open a sender that waits for room serves others meanwhile. */
static uint32_t served;

static void
serve(void *arg)
{
	(void)arg;
	STORE(served, 1);
	STORE(undeaf, 1);
}

static void
fills_in_the_open(void *arg)
{
	(void)arg;
	STORE(inside, 1);
	send_nothing(1, FULL + 1);
}

static int
the_open_serves(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	inside = served = 0;
	td[0] = deafen();
	td[1] = spawn(fills_in_the_open, NULL, 0, 0);
	await_deaf(&inside, 1);
	lwkt_send_ipiq(0, serve, NULL);
	await_deaf(&served, 1);
	join_all(td, 2);
	return 0;
}

/*
 * A reader's section that waits for room keeps what it reads.
 */
static struct lwkt_retire retired;
static uint32_t freed, flooded;

static void
free_it(struct lwkt_retire *rt)
{
	(void)rt;
	STORE(freed, 1);
	STORE(undeaf, 1);
}

static void
reads(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(inside, 1);
	await_deaf(&deaf, 1);
	await_deaf(&flooded, FULL);
	send_nothing(1, FULL + 1);
	check(LOAD(freed) == 0, "freed under a reader");
	lwkt_crit_exit();
}

/* Deaf until the reader is through, or has been betrayed. */
static void
stop_when_through(void *arg)
{
	await_deaf(arg, FULL);
	lwkt_sleep_ns(5 * MS);
	STORE(undeaf, 1);
}

static int
readers_keep(void *arg)
{
	lwkt_thread_t td[3];
	int i;

	(void)arg;
	inside = freed = flooded = deaf = undeaf = 0;
	lwkt_migratecpu(2);
	td[0] = spawn(reads, NULL, 0, 0);
	await_deaf(&inside, 1);
	lwkt_retire(&retired, free_it);
	lwkt_sleep_ns(5 * MS);		/* CPU 1 answers */
	td[1] = spawn(be_deaf, NULL, 0, 1);
	await_deaf(&deaf, 1);
	td[2] = spawn(stop_when_through, &flooded, 0, 3);
	for (i = 0; i < FULL + 10; i++) {
		ADD(flooded, 1);
		send_nothing(0, 1);
	}
	join_all(td, 3);
	await(&freed, 1);
	return 0;
}

/*
 * A CPU that a rendezvous has stopped runs no thread, even if it waited for
 * room when the request came.
 */
static uint32_t stopped, ran, done;

static void
runs_on(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	STORE(inside, 1);
	await_deaf(&flooded, FULL);
	send_nothing(1, FULL + 1);
	if (LOAD(stopped))
		STORE(ran, 1);
	lwkt_crit_exit();
	STORE(done, 1);
}

static void
masters(void *arg)
{
	struct lwkt_cpusync cs;
	int i;

	(void)arg;
	lwkt_cpusync_init(&cs, lwkt_cpumask_one(0), NULL, NULL);
	lwkt_cpusync_interlock(&cs);
	STORE(stopped, LOAD(done) == 0);
	STORE(undeaf, 1);
	for (i = 0; i < 1000; i++)
		machine_pause((unsigned)i);
	STORE(stopped, 0);
	lwkt_cpusync_deinterlock(&cs);
}

static int
the_stopped_stand(void *arg)
{
	lwkt_thread_t td[4];
	int i;

	(void)arg;
	inside = flooded = stopped = ran = done = 0;
	td[0] = deafen();
	td[1] = spawn(runs_on, NULL, 0, 0);
	await_deaf(&inside, 1);
	td[2] = spawn(masters, NULL, 0, 3);
	td[3] = spawn(stop_when_through, &flooded, 0, 2);
	for (i = 0; i < FULL + 10; i++) {
		ADD(flooded, 1);
		send_nothing(0, 1);
	}
	join_all(td, 4);
	check(ran == 0, "a stopped CPU ran its thread");
	return 0;
}

int
main(void)
{
	static void (*section)(void) = in_section;
	static void (*hard)(void) = in_hard_section;
	static void (*in_a_timer)(void) = in_timer;

	explore("no callback runs in a section that waits for room",
	    nothing_runs_inside, &section, 20, 3);
	explore("nor in a hard section", nothing_runs_inside, &hard, 20, 3);
	explore("nor in a timer's function", nothing_runs_inside, &in_a_timer,
	    20, 3);
	explore("a sender in the open serves others", the_open_serves, NULL,
	    20, 3);
	explore("a reader that waits for room keeps what it reads",
	    readers_keep, NULL, 20, 4);
	explore("a CPU that waits for room is stopped afterwards",
	    the_stopped_stand, NULL, 20, 4);
	return tap_done();
}
