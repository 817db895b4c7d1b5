/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lwps run on the CPUs that their masks allow, also when a mask changes.
 */
#include <lwkt/token.h>

#include "core/usched/lwptest.h"

static struct lwkt_token tok;

/* Move from CPU to CPU by the mask, and check that no other way moves it. */
static void
wanders(void *arg)
{
	struct worker *w = arg;
	struct rng r = { 3 + (uint64_t)(w - workers) };
	int i, cpu;

	w->w_lp = lwkt_lwp_self();
	for (i = 0; i < TIMES(200, 10); i++) {
		cpu = (int)rng_below(&r, (uint32_t)lwkt_ncpus());
		check(lwkt_lwp_setcpumask(w->w_lp, only(cpu)) == 0, "mask");
		check(lwkt_cpuid() == cpu, "on cpu %d, not %d", lwkt_cpuid(),
		    cpu);
		compute(w);
		switch (rng_below(&r, 4)) {
		case 0:
			lwkt_sleep_ns(1 + rng_below(&r, 2000));
			break;
		case 1:
			lwkt_migratecpu(other_cpu());
			compute(w);
			break;
		case 2:
			lwkt_user_yield();
			break;
		default:
			break;
		}
	}
	ADD(done, 1);
}

static int
masks_are_kept(void *arg)
{
	lwkt_lwp_t lp[5];
	int i;

	if (setup(arg))
		return 1;
	for (i = 0; i < 5; i++)
		lp[i] = make(wanders, &workers[i], 0);
	for (i = 0; i < 5; i++)
		join_lwp(lp[i]);
	check(done == 5, "%u of 5", done);
	return 0;
}

/* Has slept, but is not in user mode yet, because it has a token. */
static void
moves_late(void *arg)
{
	lwkt_lwp_t lp = lwkt_lwp_self();
	int cpu = other_cpu();

	(void)arg;
	lwkt_gettoken(&tok);
	lwkt_sleep_ns(1000);
	lwkt_reltoken(&tok);
	check(lwkt_lwp_setcpumask(lp, only(cpu)) == 0 && lwkt_cpuid() == cpu,
	    "on cpu %d, not %d", lwkt_cpuid(), cpu);
	check(lp->lp_mode == LWKT_LWP_USER, "mode %d", lp->lp_mode);
}

static int
masks_count_at_once(void *arg)
{
	if (setup(arg))
		return 1;
	lwkt_token_init(&tok, "lwp");
	join_lwp(make(moves_late, NULL, 0));
	return 0;
}

static void
sleeps_and_computes(void *arg)
{
	struct worker *w = arg;
	struct rng r = { 17 + (uint64_t)(w - workers) };

	w->w_changed = 1;
	w->w_lp = lwkt_lwp_self();
	while (LOAD(enough) == 0) {
		compute(w);
		if (rng_below(&r, 4) == 0)
			lwkt_sleep_ns(1 + rng_below(&r, 3000));
	}
	ADD(done, 1);
}

/* Everything about them is changed from outside while they run. */
static int
changed_by_others(void *arg)
{
	lwkt_lwp_t lp[4];
	struct rng r = { 11 };
	int i, n, cls, prio;

	if (setup(arg))
		return 1;
	for (i = 0; i < 4; i++)
		lp[i] = make(sleeps_and_computes, &workers[i], 0);
	for (n = 0; n < TIMES(200, 15); n++) {
		i = (int)rng_below(&r, 4);
		cls = (int)rng_below(&r, 3);
		prio = (int)rng_below(&r, 32);
		check(lwkt_lwp_setnice(lp[i], prio - 11) == 0, "nice");
		check(lwkt_lwp_setrtprio(lp[i], (enum lwkt_rtclass)cls,
		    prio) == 0, "class");
		check(lwkt_lwp_setcpumask(lp[i], only((int)rng_below(&r,
		    (uint32_t)lwkt_ncpus()))) == 0, "mask");
		lwkt_sleep_ns(1 + rng_below(&r, 5000));
	}
	STORE(enough, 1);
	for (i = 0; i < 4; i++)
		join_lwp(lp[i]);
	check(done == 4, "%u of 4", done);
	return 0;
}

/* Two that may run anywhere run at the same time, where there is room. */
static void
meets(void *arg)
{
	struct worker *w = arg, *other = &workers[1 - (w - workers)];

	w->w_lp = lwkt_lwp_self();
	while (LOAD(enough) == 0) {
		lwkt_crit_enter();
		STORE(w->w_turns, (uint32_t)lwkt_cpuid() + 1);
		if (LOAD(other->w_turns) != 0 &&
		    LOAD(other->w_turns) != LOAD(w->w_turns))
			STORE(enough, 1);
		lwkt_crit_exit();
	}
}

static int
idle_cpus_are_used(void *arg)
{
	lwkt_lwp_t lp[2];
	int i;

	if (setup(arg) || lwkt_ncpus() == 1)
		return us == NULL;
	for (i = 0; i < 2; i++)
		lp[i] = make(meets, &workers[i], 0);
	for (i = 0; i < 2; i++)
		join_lwp(lp[i]);
	return 0;
}

static const struct test tests[] = {
	{ "each stays where it may be", masks_are_kept, 100, 0 },
	{ "a mask counts at once", masks_count_at_once, 50, 0 },
	{ "changed by others while they run", changed_by_others, 100, 0 },
	{ "idle cpus are used", idle_cpus_are_used, 100, 0 },
};

int
main(void)
{
	run_all(tests, nitems(tests));
	return tap_done();
}
