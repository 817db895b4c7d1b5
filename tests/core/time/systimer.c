/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of one CPU: each is called in order, not early, once a period, and may
 * be changed by timer functions.  unit/wheel tests their queue alone.
 */
#include "core/probe.h"
#include "kern/time/systimer_var.h"

#define SHORT		(MS / 20)

static struct lwkt_systimer forgotten[3];

static int
order_body(void *arg)
{
	static const int64_t delay[] = { 5, 1, 3, 1, 4, 2, 1, 5 };
	int64_t when[8];
	int i, j, n = 8;

	(void)arg;
	reset();
	lwkt_crit_enter();
	for (i = 0; i < n; i++) {
		probe[i].p_due = lwkt_time_ns() + delay[i] * MS / 2;
		lwkt_systimer_init_oneshot(&probe[i].p_st, note, &probe[i],
		    delay[i] * MS / 2);
		when[i] = probe[i].p_st.st_time;
	}
	lwkt_crit_exit();
	wait_fired((uint32_t)n);
	for (i = 0; i < n; i++) {
		check(probe[i].p_fired_at >= probe[i].p_due, "%d early", i);
		for (j = 0; j < n; j++)
			if (when[i] < when[j] ||
			    (when[i] == when[j] && i < j))
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

/*
 * Beside a model: the timers that run, in no order.  Whoever is called must be
 * the first of them; times of all sizes, as far as there is time to wait.
 */
#define FAR		TIMES(24, 42)	/* log2 ns: 17 ms, 73 minutes */

static struct {
	int		m_runs[NTIMERS];
	int64_t		m_time[NTIMERS];	/* as the timer has it */
	uint64_t	m_seq[NTIMERS];
	uint64_t	m_started, m_called, m_deleted;
	int		m_left;
	struct rng	m_rng;
} model;

static void	model_call(struct lwkt_systimer *st, void *arg);

static void
model_start(int i)
{
	int64_t delay = (int64_t)(rng_next(&model.m_rng) >>
	    (64 - 1 - rng_below(&model.m_rng, FAR)));
	struct lwkt_systimer *st = &probe[i].p_st;

	if (rng_below(&model.m_rng, 50) == 0)
		delay = INT64_MAX;		/* never, but deleted */
	probe[i].p_due = lwkt_time_ns() + (delay == INT64_MAX ? 0 : delay);
	if (rng_below(&model.m_rng, 2))
		memset(st, 0xa5, sizeof(*st));	/* may hold anything */
	lwkt_systimer_init_oneshot(st, model_call, &probe[i], delay);
	model.m_runs[i] = 1;
	model.m_time[i] = st->st_time;
	model.m_seq[i] = model.m_started++;
}

static void
model_change(void)
{
	int i = (int)rng_below(&model.m_rng, NTIMERS);

	if (model.m_runs[i]) {
		lwkt_systimer_del(&probe[i].p_st);
		model.m_runs[i] = 0;
		model.m_deleted++;
	} else if (model.m_left > 0) {
		model.m_left--;
		model_start(i);
	}
}

static void
model_call(struct lwkt_systimer *st, void *arg)
{
	struct probe *p = arg;
	int me = (int)(p - probe), i;

	check(model.m_runs[me] && st->st_time == model.m_time[me],
	    "%d is called and does not run", me);
	check(lwkt_time_ns() >= p->p_due, "%d early", me);
	for (i = 0; i < NTIMERS; i++)
		check(!model.m_runs[i] || i == me ||
		    model.m_time[me] < model.m_time[i] ||
		    (model.m_time[me] == model.m_time[i] &&
		    model.m_seq[me] < model.m_seq[i]), "%d before %d", me, i);
	model.m_runs[me] = 0;
	model.m_called++;
	for (i = (int)rng_below(&model.m_rng, 4); i > 0; i--)
		model_change();
}

static int
model_body(void *arg)
{
	int64_t wait;
	int i;

	reset();
	memset(&model, 0, sizeof(model));
	model.m_rng.r_state = (uint64_t)(uintptr_t)arg;
	model.m_left = 400;
	while (model.m_left > 0) {
		lwkt_crit_enter();
		for (i = 0; i < 8; i++)
			model_change();
		systimer_check(mygd());
		lwkt_crit_exit();
		wait = (int64_t)(rng_next(&model.m_rng) >> (64 - 1 -
		    rng_below(&model.m_rng, FAR - 2)));
		lwkt_sleep_ns(wait);
	}
	lwkt_crit_enter();
	for (i = 0; i < NTIMERS; i++) {
		lwkt_systimer_del(&probe[i].p_st);
		model.m_deleted += (uint64_t)model.m_runs[i];
	}
	check(model.m_started == model.m_called + model.m_deleted,
	    "%llu started, %llu called, %llu deleted",
	    (unsigned long long)model.m_started,
	    (unsigned long long)model.m_called,
	    (unsigned long long)model.m_deleted);
	check(model.m_called > 20 && model.m_deleted > 20, "%llu called, "
	    "%llu deleted", (unsigned long long)model.m_called,
	    (unsigned long long)model.m_deleted);
	lwkt_crit_exit();
	return 0;
}

/* Ends with its timers running; the next boot finds the same storage. */
static int
left_running_body(void *arg)
{
	struct lwkt_systimer *st = arg;
	int i;

	for (i = 0; i < 3; i++)
		lwkt_systimer_init_oneshot(&st[i], note, NULL,
		    (i * 3600 + 60) * 1000 * MS);	/* none comes */
	return 0;
}

static int
start_twice_body(void *arg)
{
	(void)arg;
	lwkt_systimer_init_oneshot(&probe[0].p_st, note, &probe[0], 900 * MS);
	lwkt_systimer_init_periodic(&probe[0].p_st, note, &probe[0], MS, 0);
	return 0;
}

int
main(void)
{
	panics("a running timer started again panics", start_twice_body,
	    "is already running on cpu 0");
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
	sim_explore("called in the order of a model", model_body, (void *)5,
	    100);
	sim_explore("left running at the end, and started again",
	    left_running_body, forgotten, 20);
	return tap_done();
}
