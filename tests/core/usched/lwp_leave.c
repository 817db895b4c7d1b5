/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An lwp loses its turn at an awkward moment: between two calls that belong
 * together.
 */
#include <lwkt/cpusync.h>
#include <lwkt/usched.h>

#include "core/util.h"
#include "usched/usched_var.h"

#define ROUNDS		TIMES(5, 3)
#define MOVES		TIMES(5, 8)
#define HOGS		3
#define SLEEPERS	2
#define SLICE_NS	500000		/* with the tunables of the test */

static uint32_t	ended;			/* the hogs shall end */
static uint32_t	down;			/* times it descheduled itself */
static uint32_t	up;			/* times it was scheduled */
static uint32_t	called;			/* wakeups */

static lwkt_lwp_t
start(void (*fn)(void *), lwkt_usched_t us, int bound)
{
	lwkt_cpumask_t here = lwkt_cpumask_one(lwkt_cpuid());
	lwkt_lwp_t lp = NULL;
	int error;

	error = lwkt_lwp_create(fn, NULL, &lp, us, LWKT_NOSTART |
	    LWKT_JOINABLE, "lwp");
	if (error == 0 && bound)
		error = lwkt_lwp_setcpumask(lp, here);
	if (error != 0)
		lwkt_panic("test: lwp: errno %d", error);
	lwkt_lwp_start(lp);
	return lp;
}

/* A place where the lwp may lose its turn. */
static void
step(void)
{
	lwkt_crit_enter();
	lwkt_crit_exit();
}

/* More steps than fit into a slice. */
static void
steps(void)
{
	int64_t until = machine_time_ns() + 2 * SLICE_NS;

	while (machine_time_ns() < until)
		step();
}

static void
hog(void *arg)
{
	(void)arg;
	while (LOAD(ended) == 0)
		step();
}

/* Runs on after it has descheduled itself, for longer than a slice. */
static void
descheduler(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= ROUNDS; i++) {
		lwkt_deschedule_self();
		STORE(down, i);
		steps();
		lwkt_switch();
		check(LOAD(up) >= i, "it ran %u times, scheduled %u times", i,
		    up);
	}
}

/* (UR3) A descheduled lwp sleeps until it is scheduled, whatever its turn. */
static int
descheduled(void *arg)
{
	lwkt_usched_t us = lwkt_usched_find(arg);
	lwkt_lwp_t lp[HOGS], one;
	uint32_t i;
	int k;

	STORE(ended, 0);
	STORE(down, 0);
	STORE(up, 0);
	one = start(descheduler, us, 1);
	for (k = 0; k < HOGS; k++)
		lp[k] = start(hog, us, 1);
	for (i = 1; i <= ROUNDS; i++) {
		while (LOAD(down) < i)
			lwkt_sleep_ns(SLICE_NS);
		lwkt_sleep_ns(3 * SLICE_NS);
		STORE(up, i);
		lwkt_schedule(one->lp_thread);
	}
	check(lwkt_lwp_join(one) == 0, "join");
	STORE(ended, 1);
	for (k = 0; k < HOGS; k++)
		check(lwkt_lwp_join(lp[k]) == 0, "join");
	return 0;
}

/* Queues itself as a sleeper, and is moved before it sleeps. */
static void
interlocker(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= MOVES; i++) {
		lwkt_tsleep_interlock(&called, 0);
		STORE(down, i);
		steps();
		while (LOAD(called) < i) {
			lwkt_tsleep(&called, LWKT_PINTERLOCKED, "called",
			    LWKT_FOREVER);
			lwkt_tsleep_interlock(&called, 0);
		}
		lwkt_tsleep_remove();
	}
}

/* Others sleep in the queues that the lwp leaves and comes to. */
static void
sleeper(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 1; i <= MOVES; i++)
		await_asleep(&called, i);
}

/* An lwp that waits for its turn is on no sleep queue: it may be moved. */
static int
interlocked(void *arg)
{
	lwkt_usched_t us = lwkt_usched_find(arg);
	lwkt_lwp_t lp[HOGS], one;
	lwkt_thread_t td[SLEEPERS];
	uint32_t i;
	int k;

	STORE(ended, 0);
	STORE(down, 0);
	STORE(called, 0);
	for (k = 0; k < SLEEPERS; k++)
		td[k] = spawn_on(k, sleeper, NULL);
	one = start(interlocker, us, 1);
	for (k = 0; k < HOGS; k++)
		lp[k] = start(hog, us, 0);
	for (i = 1; i <= MOVES; i++) {
		while (LOAD(down) < i)
			lwkt_sleep_ns(SLICE_NS / 4);
		check(lwkt_lwp_setcpumask(one, lwkt_cpumask_one((int)i %
		    lwkt_ncpus())) == 0, "mask");
		lwkt_sleep_ns(3 * SLICE_NS);
		STORE(called, i);
		lwkt_wakeup(&called);
	}
	check(lwkt_lwp_join(one) == 0, "join");
	STORE(ended, 1);
	for (k = 0; k < HOGS; k++)
		check(lwkt_lwp_join(lp[k]) == 0, "join");
	join_all(td, SLEEPERS);
	return 0;
}

int
main(void)
{
	static char bsd4[] = "bsd4", dummy[] = "dummy";
	struct sim_scenario two = {
		.ss_body = interlocked, .ss_seeds = 20, .ss_ncpus = 2,
	};

	if (!TICKS_COME)
		skip_all("no dependable ticks under TSan");
	sim_explore("a descheduled lwp sleeps though its slice ends, bsd4",
	    descheduled, bsd4, 20);
	sim_explore("a descheduled lwp sleeps though its slice ends, dummy",
	    descheduled, dummy, 20);
	two.ss_name = "an lwp leaves its sleep queue for its scheduler's, bsd4";
	two.ss_arg = bsd4;
	sim_explore_with(&two);
	two.ss_name = "an lwp leaves its sleep queue for its scheduler's, "
	    "dummy";
	two.ss_arg = dummy;
	sim_explore_with(&two);
	return tap_done();
}
