/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lwps: created, with what parameters, and ended.
 */
#include "core/usched/lwptest.h"

/* More of them than CPUs: each runs, and each ends. */
static int
all_end(void *arg)
{
	lwkt_lwp_t lp[MAXLWPS];
	int i;

	if (setup(arg))
		return 1;
	for (i = 0; i < MAXLWPS; i++)
		lp[i] = make(compute_for, &workers[i], 0);
	for (i = 0; i < MAXLWPS; i++)
		join_lwp(lp[i]);
	check(done == MAXLWPS, "%u of %d", done, MAXLWPS);
	return 0;
}

/* Those under different schedulers share a CPU, too. */
static int
schedulers_coexist(void *arg)
{
	lwkt_lwp_t lp[4];
	int i;

	for (i = 0; i < 4; i++) {
		if (i % 2 == 0 && setup(i == 0 ? arg : (void *)(uintptr_t)
		    "dummy"))
			return 1;
		lp[i] = make_here(ends, &done);
	}
	done = 0;
	for (i = 0; i < 4; i++)
		lwkt_lwp_start(lp[i]);
	for (i = 0; i < 4; i++)
		join_lwp(lp[i]);
	check(done == 4, "%u of 4", done);
	return 0;
}

static void
makes_child(void *arg)
{
	lwkt_lwp_t self = lwkt_lwp_self(), child;
	lwkt_cpumask_t mask;

	check(lwkt_lwp_setnice(self, 7) == 0, "nice");
	child = make(arg != NULL ? makes_child : ends, arg != NULL ? NULL :
	    (void *)&done, LWKT_NOSTART);
	mask = lwkt_lwp_getcpumask(child);
	check(child->lp_usched == us && lwkt_lwp_getnice(child) == 7 &&
	    lwkt_lwp_getrtprio(child, NULL) == LWKT_RTP_NORMAL &&
	    cpumask_test(&mask, lwkt_cpuid()), "not inherited");
	lwkt_lwp_start(child);
	join_lwp(child);
}

static int
children_inherit(void *arg)
{
	if (setup(arg))
		return 1;
	join_lwp(make(makes_child, arg, 0));
	check(done == 1, "the grandchild did not run");
	return 0;
}

static int
wrong_arguments(void *arg)
{
	static const struct lwkt_usched unknown = { .us_name = "unknown" };
	lwkt_cpumask_t none;
	lwkt_lwp_t lp;

	if (setup(arg))
		return 1;
	memset(&none, 0, sizeof(none));
	check(lwkt_lwp_self() == NULL, "the first thread is an lwp");
	check(lwkt_lwp_create(ends, &done, NULL, us, LWKT_GIANT, "x") ==
	    EINVAL, "a flag");
	check(lwkt_lwp_create(ends, &done, NULL, &unknown, 0, "x") == EINVAL,
	    "a scheduler");
	check(lwkt_usched_register(us) == EEXIST, "the name twice");
	lp = make(ends, &done, LWKT_NOSTART);
	lwkt_schedule(lwkt_lwp_thread(lp));	/* nothing */
	check(lwkt_lwp_setnice(lp, 21) == EINVAL &&
	    lwkt_lwp_setnice(lp, -21) == EINVAL &&
	    lwkt_lwp_setrtprio(lp, LWKT_RTP_IDLE, 32) == EINVAL &&
	    lwkt_lwp_setrtprio(lp, (enum lwkt_rtclass)3, 0) == EINVAL &&
	    lwkt_lwp_setcpumask(lp, none) == EINVAL, "an argument");
	lwkt_lwp_start(lp);
	join_lwp(lp);
	return 0;
}

/* Nothing ticks when they are gone. */
static int
rest_is_rest(void *arg)
{
	int64_t ticks;

	if (setup(arg) || !TICKS_COME)
		return us == NULL;
	workers[0].w_loops = 1;
	join_lwp(make(compute_for, &workers[0], 0));
	lwkt_sleep_ns(5 * MS);
	ticks = counter("lwkt.ticks");
	lwkt_sleep_ns(20 * MS);
	check(counter("lwkt.ticks") - ticks <= 1, "%lld ticks at rest",
	    (long long)(counter("lwkt.ticks") - ticks));
	return 0;
}

/*
 * A second start is refused even if the lwp has not run yet.  Others are queued
 * before and behind it.
 */
static int
starts_twice(void *arg)
{
	lwkt_lwp_t lp[3];
	int i;

	if (setup(arg))
		return 1;
	for (i = 0; i < 3; i++)
		lp[i] = make_here(ends, &done);
	lwkt_crit_enter();	/* none of them runs */
	for (i = 0; i < 3; i++)
		lwkt_lwp_start(lp[i]);
	lwkt_lwp_start(lp[1]);
	lwkt_crit_exit();
	for (i = 0; i < 3; i++)
		join_lwp(lp[i]);
	return 0;
}

static int
starts_twice_bsd4(void *arg)
{
	(void)arg;
	return starts_twice((void *)(uintptr_t)"bsd4");
}

static int
starts_twice_dummy(void *arg)
{
	(void)arg;
	return starts_twice((void *)(uintptr_t)"dummy");
}

/* A start after the end is refused too. */
static int
starts_ended(void *arg)
{
	lwkt_thread_t td;
	lwkt_lwp_t lp;

	(void)arg;
	if (setup((void *)(uintptr_t)"bsd4"))
		return 1;
	lp = make_here(ends, &done);
	td = lwkt_lwp_thread(lp);
	lwkt_hold(td);
	lwkt_lwp_start(lp);
	join_lwp(lp);
	lwkt_lwp_start(lp);
	lwkt_rele(td);
	return 0;
}

/* Nor can an lwp be freed that is queued and has not run yet. */
static int
frees_queued(void *arg)
{
	lwkt_lwp_t lp;

	(void)arg;
	if (setup((void *)(uintptr_t)"bsd4"))
		return 1;
	lp = make_here(ends, &done);
	lwkt_crit_enter();	/* it does not run */
	lwkt_lwp_start(lp);
	lwkt_free_thread(lwkt_lwp_thread(lp));
	lwkt_crit_exit();
	return 0;
}

static int
may_fail(void *arg)
{
	lwkt_lwp_t lp;
	int error;

	if (setup(arg))
		return 1;
	error = lwkt_lwp_create(ends, &done, &lp, us, LWKT_JOINABLE, "x");
	check(error == 0 || error == ENOMEM, "errno %d", error);
	if (error == 0) {
		join_lwp(lp);
		check(done == 1, "did not run");
	}
	return 0;
}

static const struct test tests[] = {
	{ "more lwps than cpus: all end", all_end, 100, 0 },
	{ "two schedulers at once", schedulers_coexist, 50, 1 },
	{ "children inherit", children_inherit, 50, 0 },
	{ "wrong arguments are refused", wrong_arguments, 20, 0 },
	{ "no tick at rest", rest_is_rest, 10, 0 },
};

int
main(void)
{
	struct sim_scenario poor = { .ss_name = "no memory for one",
		.ss_body = may_fail, .ss_arg = (void *)(uintptr_t)"bsd4",
		.ss_seeds = 100, .ss_faults = 1 };

	panics("bsd4: a second start before the lwp runs panics",
	    starts_twice_bsd4, "lwp \"lwp\" has started already");
	panics("dummy: a second start before the lwp runs panics",
	    starts_twice_dummy, "lwp \"lwp\" has started already");
	panics("a start after the end panics", starts_ended,
	    "lwp \"lwp\" has started already");
	panics("an lwp that is queued is not freed", frees_queued,
	    "thread \"lwp\" has started");
	run_all(tests, nitems(tests));
	sim_explore_with(&poor);
	return tap_done();
}
