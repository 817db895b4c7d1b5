/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lwps of one CPU: which one runs, before which others, and for how long.
 */
#include "core/usched/lwptest.h"

static int
all_had_turns(unsigned n, uint32_t turns)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (LOAD(workers[i].w_turns) < turns)
			return 0;
	return 1;
}

#define EQUALS	3
#define TURNS	4u

static void
compute_until_turns(void *arg)
{
	struct worker *w = arg;

	w->w_lp = lwkt_lwp_self();
	while (LOAD(enough) == 0 && !all_had_turns(EQUALS, TURNS))
		compute(w);
	STORE(enough, 1);
}

/* Equals on one CPU get about the same number of slices. */
static int
equals_share(void *arg)
{
	lwkt_lwp_t lp[EQUALS];
	uint32_t most = 0;
	int i;

	if (setup(arg) || !TICKS_COME)
		return us == NULL;
	for (i = 0; i < EQUALS; i++)
		lp[i] = make_here(compute_until_turns, &workers[i]);
	for (i = 0; i < EQUALS; i++)
		lwkt_lwp_start(lp[i]);
	for (i = 0; i < EQUALS; i++)
		join_lwp(lp[i]);
	for (i = 0; i < EQUALS; i++)
		if (workers[i].w_turns > most)
			most = workers[i].w_turns;
	check(all_had_turns(EQUALS, TURNS) && most <= 3 * TURNS,
	    "%u turns of one while others had %u", most, TURNS);
	return 0;
}

/* Hogs until somebody says that it is enough. */
static void
hog(void *arg)
{
	struct worker *w = arg;

	w->w_lp = lwkt_lwp_self();
	while (LOAD(enough) == 0)
		compute(w);
	ADD(done, 1);
}

static void
compute_and_say(void *arg)
{
	compute_for(arg);
	STORE(enough, 1);
}

/* The lesser one hardly runs as long as the better one wants the CPU. */
static int
nice_orders(void *arg)
{
	lwkt_lwp_t better, lesser;

	if (setup(arg) || !TICKS_COME)
		return us == NULL;
	lesser = make_here(hog, &workers[1]);
	better = make_here(compute_and_say, &workers[0]);
	check(lwkt_lwp_setnice(lesser, LWKT_NICE_MAX) == 0 &&
	    lwkt_lwp_setnice(better, LWKT_NICE_MIN) == 0, "nice");
	lwkt_lwp_start(lesser);
	lwkt_lwp_start(better);
	join_lwp(better);
	join_lwp(lesser);
	check(workers[1].w_loops < workers[0].w_loops, "%u loops beside %u",
	    workers[1].w_loops, workers[0].w_loops);
	return 0;
}

static void
compute_and_log(void *arg)
{
	struct worker *w = arg;

	w->w_lp = lwkt_lwp_self();
	while (w->w_loops < TIMES(500, 20))
		compute(w);
	log_add(&trail, "rni"[w - workers]);
}

static int
classes_are_strict(void *arg)
{
	lwkt_lwp_t lp[3];
	int i, prio;

	if (setup(arg))
		return 1;
	for (i = 3; i-- > 0; ) {
		lp[i] = make_here(compute_and_log, &workers[i]);
		check(lwkt_lwp_setrtprio(lp[i], (enum lwkt_rtclass)i, 3) == 0,
		    "class %d", i);
		check(lwkt_lwp_getrtprio(lp[i], &prio) ==
		    (enum lwkt_rtclass)i && prio == 3, "class not kept");
		lwkt_lwp_start(lp[i]);
	}
	for (i = 0; i < 3; i++)
		join_lwp(lp[i]);
	check(strcmp(trail.l_text, "rni") == 0, "order %s", trail.l_text);
	return 0;
}

/* A real-time lwp that comes later takes the CPU from one that computes. */
static int
realtime_interrupts(void *arg)
{
	lwkt_lwp_t h, rt;
	uint32_t loops;

	if (setup(arg) || !TICKS_COME)
		return us == NULL;
	h = make_here(hog, &workers[1]);
	lwkt_lwp_start(h);
	rt = make_here(compute_and_say, &workers[0]);
	check(lwkt_lwp_setrtprio(rt, LWKT_RTP_REALTIME, 0) == 0, "class");
	lwkt_sleep_ns(200000);
	loops = LOAD(workers[1].w_loops);
	lwkt_lwp_start(rt);
	join_lwp(rt);
	check(LOAD(done) == 1, "the hog ended first");
	(void)loops;
	join_lwp(h);
	return 0;
}

static void
says_x(void *arg)
{
	(void)arg;
	log_add(&trail, 'x');
}

static void
schedules_better(void *arg)
{
	lwkt_thread_t td = arg;

	log_add(&trail, 'a');
	lwkt_schedule(td);
	log_add(&trail, 'b');
}

/* Made runnable by an lwp, any other thread of its CPU runs at once. */
static int
threads_come_first(void *arg)
{
	lwkt_thread_t td;
	lwkt_lwp_t lp;

	if (setup(arg))
		return 1;
	td = spawn_pri(says_x, NULL, LWKT_PRI_KERN_DAEMON, LWKT_NOSTART,
	    lwkt_cpuid());
	lp = make_here(schedules_better, td);
	lwkt_lwp_start(lp);
	join_lwp(lp);
	join(td);
	check(strcmp(trail.l_text, "axb") == 0, "order %s", trail.l_text);
	return 0;
}

static void
sleeps_often(void *arg)
{
	struct worker *w = arg;
	int i;

	w->w_lp = lwkt_lwp_self();
	for (i = 0; i < 5; i++) {
		lwkt_sleep_ns(30000);
		compute(w);
	}
	STORE(enough, 1);
}

/* One that sleeps most of the time gets its turns beside two that compute. */
static int
sleepers_get_in(void *arg)
{
	lwkt_lwp_t lp[3];
	int i;

	if (setup(arg) || !TICKS_COME)
		return us == NULL;
	for (i = 0; i < 3; i++)
		lp[i] = make_here(i == 0 ? sleeps_often : hog, &workers[i]);
	for (i = 3; i-- > 0; )
		lwkt_lwp_start(lp[i]);
	for (i = 0; i < 3; i++)
		join_lwp(lp[i]);
	check(workers[0].w_loops == 5, "%u turns", workers[0].w_loops);
	return 0;
}

static void
yields(void *arg)
{
	int i;

	for (i = 0; i < 5; i++) {
		log_add(&trail, (int)(intptr_t)arg);
		lwkt_user_yield();
	}
}

static int
yield_lets_equals_run(void *arg)
{
	lwkt_lwp_t lp[2];
	const char *s = trail.l_text;
	int i, run = 0;

	if (setup(arg))
		return 1;
	for (i = 0; i < 2; i++)
		lp[i] = make_here(yields, (void *)(intptr_t)("ab"[i]));
	for (i = 0; i < 2; i++)
		lwkt_lwp_start(lp[i]);
	for (i = 0; i < 2; i++)
		join_lwp(lp[i]);
	for (i = 1; s[i] != '\0'; i++)
		run += s[i] == s[i - 1];
	/* A tick may pass the CPU on once more, or make one of them worse. */
	check(trail.l_len == 10 && run <= 4, "order %s", s);
	return 0;
}

/*
 * Race 35: an lwp that wakes does not disturb an equal at once, but at the
 * tick.
 */
static void
wakes_equal(void *arg)
{
	int64_t ticks = counter("lwkt.ticks");
	uint64_t switches;

	(void)arg;
	check(blocked != NULL, "the other did not run first");
	switches = blocked->td_switches;
	lwkt_schedule(blocked);
	check(blocked->td_switches == switches ||
	    counter("lwkt.ticks") != ticks, "it ran at once");
	log_add(&trail, 'b');
}

static int
equals_wait_for_the_tick(void *arg)
{
	lwkt_lwp_t lp[2];
	int i;

	if (setup(arg))
		return 1;
	blocked = NULL;
	lp[0] = make_here(blocks, NULL);
	lp[1] = make_here(wakes_equal, NULL);
	for (i = 0; i < 2; i++)
		lwkt_lwp_start(lp[i]);
	for (i = 0; i < 2; i++)
		join_lwp(lp[i]);
	check(trail.l_len == 3, "turns %s", trail.l_text);
	return 0;
}

static const struct test tests[] = {
	{ "equals share a cpu", equals_share, 30, 0 },
	{ "the lesser by nice hardly runs", nice_orders, 30, 1 },
	{ "real-time before normal before idle", classes_are_strict, 50, 1 },
	{ "a real-time lwp takes the cpu", realtime_interrupts, 50, 1 },
	{ "other threads come first", threads_come_first, 100, 0 },
	{ "a sleeper gets in", sleepers_get_in, 30, 1 },
	{ "a yield lets equals run", yield_lets_equals_run, 50, 0 },
	{ "race 35: equals wait for the tick", equals_wait_for_the_tick, 100,
	    0 },
};

int
main(void)
{
	run_all(tests, nitems(tests));
	return tap_done();
}
