/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers: order, lateness of none, periods, and functions that change timers.
 */
#include <lwkt/systimer.h>

#include "core/util.h"

#define NTIMERS		40
#define SHORT		(MS / 20)

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

static int
order_body(void *arg)
{
	static const int64_t delay[] = { 5, 1, 3, 1, 4, 2, 1, 5 };
	int i, j, n = 8;

	(void)arg;
	reset();
	lwkt_crit_enter();
	for (i = 0; i < n; i++) {
		probe[i].p_due = lwkt_time_ns() + delay[i] * MS / 2;
		lwkt_systimer_init_oneshot(&probe[i].p_st, note, &probe[i],
		    delay[i] * MS / 2);
	}
	lwkt_crit_exit();
	wait_fired((uint32_t)n);
	for (i = 0; i < n; i++) {
		check(probe[i].p_fired_at >= probe[i].p_due, "%d early", i);
		for (j = 0; j < n; j++)
			if (delay[i] < delay[j] ||
			    (delay[i] == delay[j] && i < j))
				check(probe[i].p_order < probe[j].p_order,
				    "%d after %d", i, j);
	}
	return 0;
}

/* Random additions and deletions; who is left fires once, in order of time. */
static int
random_body(void *arg)
{
	struct rng r = { (uint64_t)(uintptr_t)arg };
	int i, j, left = 0;

	reset();
	lwkt_crit_enter();
	for (i = 0; i < NTIMERS; i++) {
		lwkt_systimer_init_oneshot(&probe[i].p_st, note, &probe[i],
		    2 * MS + rng_below(&r, 50) * MS / 25);
		probe[i].p_due = 1;
		j = (int)rng_below(&r, NTIMERS);
		if (j <= i && rng_below(&r, 2)) {
			lwkt_systimer_del(&probe[j].p_st);
			lwkt_systimer_del(&probe[j].p_st);	/* harmless */
			probe[j].p_due = 0;
		}
	}
	lwkt_crit_exit();
	for (i = 0; i < NTIMERS; i++)
		left += probe[i].p_due != 0;
	wait_fired((uint32_t)left);
	lwkt_sleep_ns(5 * MS);
	check(LOAD(fired) == (uint32_t)left, "%u of %d fired", LOAD(fired),
	    left);
	for (i = 0; i < NTIMERS; i++) {
		check(probe[i].p_count == (probe[i].p_due != 0),
		    "%d fired %d times", i, probe[i].p_count);
		for (j = 0; j < NTIMERS; j++)
			if (probe[i].p_count && probe[j].p_count &&
			    probe[i].p_st.st_time < probe[j].p_st.st_time)
				check(probe[i].p_order < probe[j].p_order,
				    "%d after %d", i, j);
	}
	return 0;
}

static int
periodic_body(void *arg)
{
	struct lwkt_systimer *st = &probe[0].p_st;
	int64_t start, phase;

	(void)arg;
	reset();
	start = lwkt_time_ns();
	lwkt_systimer_init_periodic(st, note, &probe[0], MS, 0);
	phase = st->st_time % MS;
	wait_fired(5);
	check(lwkt_time_ns() - start >= 5 * MS, "5 periods in %lld ns",
	    (long long)(lwkt_time_ns() - start));
	check(st->st_time % MS == phase, "the phase has moved");
	lwkt_systimer_adjust_periodic(st, 2 * MS);
	wait_fired(7);
	lwkt_systimer_del(st);
	STORE(fired, 0);
	lwkt_sleep_ns(5 * MS);
	check(LOAD(fired) == 0, "fired after its end");
	return 0;
}

/* Ten periods pass in a critical section: one call, or ten. */
static int
missed_body(void *arg)
{
	int64_t until, phase[2];
	int i;

	(void)arg;
	reset();
	lwkt_systimer_init_periodic(&probe[0].p_st, note, &probe[0], SHORT,
	    0);
	lwkt_systimer_init_periodic(&probe[1].p_st, note, &probe[1], SHORT,
	    LWKT_ST_BURST);
	for (i = 0; i < 2; i++)
		phase[i] = probe[i].p_st.st_time % SHORT;
	lwkt_crit_enter();
	probe[0].p_count = probe[1].p_count = 0;
	until = probe[1].p_st.st_time + 10 * SHORT - 1;
	if (probe[0].p_st.st_time + 10 * SHORT - 1 > until)
		until = probe[0].p_st.st_time + 10 * SHORT - 1;
	while (lwkt_time_ns() < until)
		continue;
	lwkt_crit_exit();
	while (LOAD(probe[1].p_count) < 10)
		lwkt_sleep_ns(SHORT);
	lwkt_crit_enter();
	lwkt_systimer_del(&probe[0].p_st);
	lwkt_systimer_del(&probe[1].p_st);
	lwkt_crit_exit();
	check(probe[0].p_count < probe[1].p_count - 5,
	    "%d calls, %d in a burst", probe[0].p_count, probe[1].p_count);
	for (i = 0; i < 2; i++)
		check(probe[i].p_st.st_time % SHORT == phase[i],
		    "timer %d lost its phase", i);
	return 0;
}

static int
self_delete_body(void *arg)
{
	(void)arg;
	reset();
	probe[0].p_limit = 3;
	lwkt_systimer_init_periodic(&probe[0].p_st, note, &probe[0], MS / 2,
	    0);
	lwkt_sleep_ns(6 * MS);
	wait_fired(3);
	check(LOAD(fired) == 3, "fired %u times", LOAD(fired));
	return 0;
}

/* Adds itself again, deletes its neighbour, as a one-shot and periodic. */
static void
restart(struct lwkt_systimer *st, void *arg)
{
	struct probe *p = arg;

	p->p_count++;
	ADD(fired, 1);
	lwkt_systimer_del(&probe[1].p_st);
	lwkt_systimer_del(st);
	if (p->p_count < 4)
		lwkt_systimer_init_oneshot(st, restart, p, MS / 4);
}

static int
restart_body(void *arg)
{
	(void)arg;
	reset();
	lwkt_crit_enter();
	lwkt_systimer_init_periodic(&probe[0].p_st, restart, &probe[0],
	    MS / 4, 0);
	lwkt_systimer_init_oneshot(&probe[1].p_st, note, &probe[1], 2 * MS);
	lwkt_crit_exit();
	lwkt_sleep_ns(6 * MS);
	wait_fired(4);
	check(probe[0].p_count == 4, "%d calls", probe[0].p_count);
	check(probe[1].p_count == 0, "the deleted one was called");
	return 0;
}

/* The storage of a one-shot is free when its function is called. */
static void
reuse(struct lwkt_systimer *st, void *arg)
{
	(void)arg;
	memset(st, 0xa5, sizeof(*st));
	ADD(fired, 1);
}

static int
reuse_body(void *arg)
{
	int i;

	(void)arg;
	reset();
	for (i = 0; i < 5; i++)
		lwkt_systimer_init_oneshot(&probe[i].p_st, reuse, NULL,
		    (i + 1) * MS / 4);
	wait_fired(5);
	return 0;
}

static int
oncpu_body(void *arg)
{
	int cpu, n = lwkt_ncpus();

	(void)arg;
	reset();
	for (cpu = 0; cpu < n; cpu++) {
		probe[cpu].p_limit = cpu == 0 ? 1 : 2;
		lwkt_systimer_init_oncpu(&probe[cpu].p_st, cpu, note,
		    &probe[cpu], MS, cpu == 0 ? 0 : MS);
	}
	wait_fired((uint32_t)(2 * n - 1));
	for (cpu = 0; cpu < n; cpu++)
		check(probe[cpu].p_cpu == cpu, "on cpu %d, not %d",
		    probe[cpu].p_cpu, cpu);
	return 0;
}

static int
foreign_delete_body(void *arg)
{
	(void)arg;
	reset();
	lwkt_systimer_init_oncpu(&probe[0].p_st, 1, note, &probe[0], 50 * MS,
	    0);
	lwkt_synchronize_ipiqs("test");
	lwkt_systimer_del(&probe[0].p_st);
	return 0;
}

int
main(void)
{
	panics("a timer deleted on another CPU panics", foreign_delete_body,
	    "deleted on cpu 0");
	sim_explore("one-shots fire in order, not early", order_body, NULL,
	    100);
	sim_explore("added and deleted at random", random_body, (void *)7,
	    100);
	sim_explore("a periodic timer keeps its phase", periodic_body, NULL,
	    50);
	sim_explore("missed periods are skipped, or called in a burst",
	    missed_body, NULL, 50);
	sim_explore("a timer deletes itself", self_delete_body, NULL, 50);
	sim_explore("a timer restarts itself and deletes another",
	    restart_body, NULL, 50);
	sim_explore("a one-shot's storage is free when it fires", reuse_body,
	    NULL, 50);
	sim_explore("a timer fires on the CPU it was given", oncpu_body, NULL,
	    100);
	return tap_done();
}
