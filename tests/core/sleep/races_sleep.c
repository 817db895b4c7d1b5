/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Races of DragonFly's history, of sleeps, timers and critical sections.
 *
 * The numbers are those of docs/races.md, which says for each what breaks it.
 */
#include <lwkt/systimer.h>
#include <pthread.h>
#include <sched.h>

#include "core/util.h"
#include "kern/cpu/crit.h"


static uint32_t told, heard, rounds;

/* A little while, of chance, on real processors. */
static void
dawdle(struct rng *r)
{
	uint32_t n;

	for (n = rng_below(r, TIMES(800, 2)); n > 0; n--)
		cc_fence();
}

/*
 * A wakeup looks for sleepers after the caller's last store, not before.  The
 * mask of sleepers is mostly empty when the waker comes, for it was cleaned.
 * Store buffers of the simulated host do it wrong, and real processors one time
 * of some 100,000: LWKT_ROUNDS=n.
 */
static void
hears(void *arg)
{
	struct rng r = { 19 };
	uint32_t i;
	int error = 0;

	(void)arg;
	for (i = 1; i <= rounds && error == 0; i++) {
		dawdle(&r);
		for (;;) {
			lwkt_tsleep_interlock(&told, 0);
			if (atomic_load_32(&told) >= i || error != 0)
				break;
			error = lwkt_tsleep(&told, LWKT_PINTERLOCKED, "told",
			    20000 * MS);
		}
		lwkt_tsleep_remove();
		check(error == 0, "wakeup %u was lost", i);
		atomic_store_rel_32(&heard, i);
	}
	atomic_store_rel_32(&heard, UINT32_MAX);
}

static void
tells(void *arg)
{
	struct rng r = { 20 };
	uint32_t i;

	(void)arg;
	for (i = 1; i <= rounds; i++) {
		await_deaf(&heard, i - 1);
		dawdle(&r);
		atomic_store_32(&told, i);
		lwkt_wakeup(&told);
	}
}

static int
race_20(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	told = heard = 0;
	rounds = (uint32_t)simrun_number("LWKT_ROUNDS", TIMES(3000, 30));
	td = spawn(hears, NULL, 0, other_cpu());
	tells(NULL);
	join(td);
	return 0;
}

/*
 * The end of the time against a wakeup: the sleep ends once, and what lost
 * does not come later, into another sleep.
 */
static uint32_t naps[2];
static uint32_t second, stop;

static void
naps_twice(void *arg)
{
	struct rng r = { 21 };
	int error;

	(void)arg;
	while (!LOAD(stop)) {
		(void)lwkt_tsleep(&naps[0], 0, "first", 1 +
		    rng_below(&r, 3000));
		lwkt_tsleep_interlock(&naps[1], 0);
		if (LOAD(stop))
			break;
		error = lwkt_tsleep(&naps[1], LWKT_PINTERLOCKED, "second",
		    LWKT_FOREVER);
		check(error == 0 && LOAD(second) != 0, "error %d; woken %u "
		    "times", error, second);
		ADD(second, -1);
	}
	lwkt_tsleep_remove();
}

static int
race_21(void *arg)
{
	struct rng r = { 22 };
	lwkt_thread_t td;
	int i;

	(void)arg;
	second = stop = 0;
	td = spawn(naps_twice, NULL, 0, other_cpu());
	for (i = 0; i < TIMES(2000, 40); i++) {
		lwkt_wakeup(&naps[0]);
		lwkt_sleep_ns(1 + rng_below(&r, 3000));
		if (LOAD(second) == 0) {
			ADD(second, 1);
			lwkt_wakeup(&naps[1]);
		}
	}
	STORE(stop, 1);
	/* One of the two: it may have looked just before. */
	ADD(second, 2);
	lwkt_wakeup(&naps[1]);
	join(td);
	return 0;
}

/*
 * A timer that its own function deletes stays deleted; one that it adds again
 * is added once.
 */
static struct lwkt_systimer timer;
static uint32_t calls;

static void
deletes_itself(struct lwkt_systimer *st, void *arg)
{
	(void)arg;
	calls++;
	lwkt_systimer_del(st);
	memset(st, 0xa5, sizeof(*st));
}

static void
adds_itself(struct lwkt_systimer *st, void *arg)
{
	if (++calls < 3) {
		lwkt_systimer_del(st);
		lwkt_systimer_init_periodic(st, adds_itself, arg, 3000, 0);
	} else {
		lwkt_systimer_del(st);
	}
}

static int
race_29(void *arg)
{
	int64_t fired = counter("lwkt.systimer_fired");

	(void)arg;
	calls = 0;
	lwkt_systimer_init_periodic(&timer, deletes_itself, NULL, 1000, 0);
	while (calls == 0)
		lwkt_sleep_ns(1000);
	lwkt_sleep_ns(20000);
	check(calls == 1, "called %u times", calls);
	calls = 0;
	lwkt_systimer_init_periodic(&timer, adds_itself, NULL, 1000, 0);
	while (calls < 3)
		lwkt_sleep_ns(1000);
	lwkt_sleep_ns(20000);
	check(calls == 3, "called %u times", calls);
	check(counter("lwkt.systimer_fired") - fired >= 4, "not counted");
	return 0;
}

#ifndef LWKT_HOST_SIM
/*
 * What stands in a critical section is done in it: the compiler moves neither
 * the counter nor the work.  Only a signal can look in between.
 */
static volatile int in_section;
static uint32_t looks, outside;

static void
look(int sig)
{
	struct mcpu *mc = machine_oncpu();

	(void)sig;
	if (mc != NULL && in_section) {
		looks++;
		outside += mc->mc_curthread->td_critcount == 0;
	}
}

static void *
kick(void *arg)
{
	while (!LOAD(stop)) {
		(void)pthread_kill(*(pthread_t *)arg, SIGUSR2);
		sched_yield();
	}
	return NULL;
}

static void
sections(void)
{
	int i;

	for (i = 0; i < 1000; i++) {
		crit_enter();
		/* Long enough for a signal, and nothing the counter minds. */
		in_section = 1, in_section = 1, in_section = 1, in_section = 1;
		in_section = 1, in_section = 1, in_section = 1, in_section = 1;
		in_section = 0;
		crit_exit();
	}
}

static int
race_31(void *arg)
{
	struct sigaction sa = { .sa_handler = look }, old;
	pthread_t me = pthread_self(), kicker;
	cpu_set_t all;

	(void)arg;
	if (fiber_wanted() && !LWKT_ASAN)
		return 0;	/* TSan and valgrind keep signals back */
	looks = outside = stop = 0;
	sigaction(SIGUSR2, &sa, &old);
	if (pthread_create(&kicker, NULL, kick, &me) != 0)
		abort();
	memset(&all, 0xff, sizeof(all));
	(void)pthread_setaffinity_np(kicker, sizeof(all), &all);
	while (LOAD(looks) < 20)
		sections();
	STORE(stop, 1);
	pthread_join(kicker, NULL);
	sigaction(SIGUSR2, &old, NULL);
	check(looks > 0 && outside == 0, "%u of %u looks", outside, looks);
	return 0;
}
#endif

int
main(void)
{
	static const struct sim_scenario on_two = {
		.ss_name = "race 20: a wakeup looks before the caller's store",
		.ss_body = race_20, .ss_seeds = 200, .ss_ncpus = 2,
	};

	sim_explore_with(&on_two);
	sim_explore("race 21: a timeout ends another sleep than its own",
	    race_21, NULL, 200);
	sim_explore("race 29: a timer deleted in its own function fires again",
	    race_29, NULL, 200);
#ifndef LWKT_HOST_SIM
	sim_explore("race 31: the counter of critical sections is moved",
	    race_31, NULL, 0);
#endif
	return tap_done();
}
