/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lwps: who runs, for how long, and where.
 *
 * An lwp here computes by entering and leaving critical sections, where it can
 * lose the CPU.
 */
#include <lwkt/usched.h>
#include <lwkt/token.h>

#include "core/util.h"
#include "usched/usched_var.h"

#define MAXLWPS		8
#define MAXCPUS		8

static lwkt_usched_t us;
static struct log trail;

/* A turn: the time during which no other of them runs on its CPU. */
struct worker {
	lwkt_lwp_t	w_lp;
	int		w_changed;	/* others change where it may be */
	uint32_t	w_turns;	/* its own */
	uint32_t	w_loops;	/* its own */
};

static struct worker workers[MAXLWPS];
static struct worker *on_cpu[MAXCPUS];	/* of that CPU: who ran last */
static uint32_t done;			/* workers that have ended */
static uint32_t enough;			/* the others shall end */

static int
setup(void *arg)
{
	us = lwkt_usched_find(arg);
	trail = (struct log){ 0 };
	memset(workers, 0, sizeof(workers));
	memset(on_cpu, 0, sizeof(on_cpu));
	done = enough = 0;
	return us == NULL;
}

static lwkt_lwp_t
make(void (*fn)(void *), void *arg, int flags)
{
	lwkt_lwp_t lp = NULL;
	int error;

	error = lwkt_lwp_create(fn, arg, &lp, us, flags | LWKT_JOINABLE,
	    "lwp");
	if (error != 0)
		lwkt_panic("test: lwp: errno %d", error);
	return lp;
}

static lwkt_cpumask_t
only(int cpu)
{
	lwkt_cpumask_t mask;

	memset(&mask, 0, sizeof(mask));
	cpumask_set(&mask, cpu);
	return mask;
}

/* Not started, bound to this CPU. */
static lwkt_lwp_t
make_here(void (*fn)(void *), void *arg)
{
	lwkt_lwp_t lp = make(fn, arg, LWKT_NOSTART);

	check(lwkt_lwp_setcpumask(lp, only(lwkt_cpuid())) == 0, "mask");
	return lp;
}

static void
join_lwp(lwkt_lwp_t lp)
{
	int error = lwkt_lwp_join(lp);

	check(error == 0, "join: errno %d", error);
}

/* A moment of computing. */
static void
compute(struct worker *w)
{
	lwkt_thread_t td = lwkt_self();
	int cpu;

	lwkt_crit_enter();
	cpu = lwkt_cpuid();
	check(w->w_changed || (lwp_allowed(w->w_lp, cpu) &&
	    td->td_pri == lwp_user_pri(w->w_lp)), "cpu %d, priority %d", cpu,
	    td->td_pri);
	check(td->td_pri < LWKT_PRI_KERN_USER &&
	    w->w_lp->lp_mode == LWKT_LWP_USER, "priority %d, mode %d",
	    td->td_pri, w->w_lp->lp_mode);
	if (us->us_check != NULL && !LWKT_TSAN)	/* it looks at others */
		us->us_check(cpu);
	if (on_cpu[cpu] != w) {
		on_cpu[cpu] = w;
		w->w_turns++;
	}
	w->w_loops++;
	lwkt_crit_exit();
}

static void
compute_for(void *arg)
{
	struct worker *w = arg;

	w->w_lp = lwkt_lwp_self();
	while (w->w_loops < TIMES(2000, 60))
		compute(w);
	ADD(done, 1);
}

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

/* Those that end at once hand the CPU on, each to the next. */
static void
ends(void *arg)
{
	ADD(*(uint32_t *)arg, 1);
}

static int
exit_hands_on(void *arg)
{
	lwkt_lwp_t lp[MAXLWPS];
	int i;

	if (setup(arg))
		return 1;
	for (i = 0; i < MAXLWPS; i++)
		lp[i] = make_here(ends, &done);
	for (i = 0; i < MAXLWPS; i++)
		lwkt_lwp_start(lp[i]);
	check(done == 0, "an lwp ran before its creator left the cpu");
	for (i = 0; i < MAXLWPS; i++)
		join_lwp(lp[i]);
	check(done == MAXLWPS, "%u of %d", done, MAXLWPS);
	return 0;
}

/* One comes to a CPU whose only other one ends just now. */
static int
comes_as_another_ends(void *arg)
{
	lwkt_lwp_t lp[2];
	int i, n, wait;

	if (setup(arg))
		return 1;
	for (n = 0; n < TIMES(200, 20); n++) {
		for (i = 0; i < 2; i++) {
			lp[i] = make(ends, &done, LWKT_NOSTART);
			check(lwkt_lwp_setcpumask(lp[i], only(other_cpu())) ==
			    0, "mask");
		}
		lwkt_lwp_start(lp[0]);
		for (wait = 3 * n; wait > 0; wait--)
			lwkt_yield();
		lwkt_lwp_start(lp[1]);
		for (i = 0; i < 2; i++)
			join_lwp(lp[i]);
	}
	return 0;
}

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

/*
 * What entering the library costs: nothing, unless the lwp waits there.
 */
static void
enters(void *arg)
{
	struct worker w = { .w_lp = lwkt_lwp_self() };
	int64_t releases = counter("lwkt.lwp_releases");
	int i;

	(void)arg;
	for (i = 0; i < 50; i++) {
		compute(&w);
		lwkt_wakeup(&w);
	}
	check(counter("lwkt.lwp_releases") == releases, "released for nothing");
	lwkt_sleep_ns(1000);
	check(counter("lwkt.lwp_releases") == releases + 1, "not released");
	compute(&w);
}

static int
release_is_passive(void *arg)
{
	if (setup(arg))
		return 1;
	join_lwp(make(enters, NULL, 0));
	return 0;
}

/* Waiting in the library, it is out of the others' way, and above them. */
static lwkt_thread_t blocked;

static void
blocks(void *arg)
{
	(void)arg;
	blocked = lwkt_self();
	log_add(&trail, 'a');
	lwkt_sleep("test", 0);
	log_add(&trail, 'c');
}

static void
wakes_blocked(void *arg)
{
	(void)arg;
	log_add(&trail, 'b');
	check(blocked->td_pri == LWKT_PRI_KERN_USER, "priority %d",
	    blocked->td_pri);
	lwkt_schedule(blocked);
}

static int
blocked_makes_room(void *arg)
{
	lwkt_lwp_t lp[2];
	int i;

	if (setup(arg))
		return 1;
	lp[0] = make_here(blocks, NULL);
	lp[1] = make_here(wakes_blocked, NULL);
	for (i = 0; i < 2; i++)
		lwkt_lwp_start(lp[i]);
	for (i = 0; i < 2; i++)
		join_lwp(lp[i]);
	check(strcmp(trail.l_text, "abc") == 0, "order %s", trail.l_text);
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
 * Tokens
 */
static struct lwkt_token tok;
static uint32_t held;

static void
wants_token(void *arg)
{
	(void)arg;
	while (LOAD(held) == 0)
		lwkt_user_yield();
	lwkt_gettoken(&tok);
	log_add(&trail, 'w');
	STORE(enough, 1);
	lwkt_reltoken(&tok);
}

/* Its slice does not end while it holds a token; it blocks as anybody does. */
static void
computes_with_token(void *arg)
{
	struct worker w = { .w_lp = lwkt_lwp_self() };
	int64_t deferred = counter("lwkt.lwp_deferred");

	(void)arg;
	lwkt_gettoken(&tok);
	STORE(held, 1);
	while (counter("lwkt.lwp_deferred") < deferred + TIMES(30, 6)) {
		lwkt_crit_enter();
		lwkt_crit_exit();
		check(lwkt_token_held_excl(&tok), "lost without a wait");
	}
	log_add(&trail, 'h');
	while (LOAD(enough) == 0)
		lwkt_sleep_ns(30000);
	check(lwkt_token_held_excl(&tok), "not back");
	log_add(&trail, 'i');
	lwkt_reltoken(&tok);
	while (w.w_lp->lp_mode != LWKT_LWP_USER) {	/* by the next tick */
		lwkt_crit_enter();
		lwkt_crit_exit();
	}
	compute(&w);
}

static int
tokens_are_kept(void *arg)
{
	lwkt_lwp_t lp[2];
	int i;

	if (setup(arg) || !TICKS_COME)
		return us == NULL;
	lwkt_token_init(&tok, "lwp");
	held = 0;
	lp[0] = make_here(computes_with_token, NULL);
	lp[1] = make_here(wants_token, NULL);
	for (i = 0; i < 2; i++)
		lwkt_lwp_start(lp[i]);
	for (i = 0; i < 2; i++)
		join_lwp(lp[i]);
	check(strcmp(trail.l_text, "hwi") == 0, "order %s", trail.l_text);
	return 0;
}

/*
 * Masks
 */
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

/* Back from a sleep, but not yet let into its own code, for it had a token. */
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

/*
 * Race 7: an lwp that moves itself gives up being current before it is on its
 * way.
 */
static void
moves_away(void *arg)
{
	int cpu = other_cpu();

	(void)arg;
	check(lwkt_migratecpu(cpu) == 0, "move");
	ADD(done, 1);
}

static int
moving_makes_room(void *arg)
{
	lwkt_lwp_t lp[3];
	int i;

	if (setup(arg))
		return 1;
	for (i = 0; i < 2; i++)
		lp[i] = make(moves_away, NULL, 0);
	lp[2] = make_here(ends, &done);
	lwkt_lwp_start(lp[2]);
	for (i = 0; i < 3; i++)
		join_lwp(lp[i]);
	check(done == 3, "%u of 3", done);
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

struct test {
	const char	*t_name;
	int		(*t_body)(void *);
	unsigned	 t_seeds;
	int		 t_bsd4;	/* dummy knows no such thing */
};

static const struct test tests[] = {
	{ "more lwps than cpus: all end", all_end, 100, 0 },
	{ "an lwp that ends hands the cpu on", exit_hands_on, 100, 0 },
	{ "one comes as another ends", comes_as_another_ends, 100, 0 },
	{ "equals share a cpu", equals_share, 30, 0 },
	{ "the lesser by nice hardly runs", nice_orders, 30, 1 },
	{ "real-time before normal before idle", classes_are_strict, 50, 1 },
	{ "a real-time lwp takes the cpu", realtime_interrupts, 50, 1 },
	{ "other threads come first", threads_come_first, 100, 0 },
	{ "a sleeper gets in", sleepers_get_in, 30, 1 },
	{ "to enter the library is free", release_is_passive, 100, 0 },
	{ "a blocked lwp makes room", blocked_makes_room, 100, 0 },
	{ "a yield lets equals run", yield_lets_equals_run, 50, 0 },
	{ "a slice leaves tokens alone", tokens_are_kept, 30, 0 },
	{ "each stays where it may be", masks_are_kept, 100, 0 },
	{ "race 7: one that moves makes room", moving_makes_room, 100, 0 },
	{ "race 35: equals wait for the tick", equals_wait_for_the_tick, 100,
	    0 },
	{ "a mask counts at once", masks_count_at_once, 50, 0 },
	{ "changed by others while they run", changed_by_others, 100, 0 },
	{ "idle cpus are used", idle_cpus_are_used, 100, 0 },
	{ "two schedulers at once", schedulers_coexist, 50, 1 },
	{ "children inherit", children_inherit, 50, 0 },
	{ "wrong arguments are refused", wrong_arguments, 20, 0 },
	{ "no tick at rest", rest_is_rest, 10, 0 },
};

static void
run(const struct test *t, const char *name)
{
	char what[100];

	(void)snprintf(what, sizeof(what), "%s: %s", name, t->t_name);
	sim_explore(what, t->t_body, (void *)(uintptr_t)name, t->t_seeds);
}

int
main(void)
{
	struct sim_scenario poor = { .ss_name = "no memory for one",
		.ss_body = may_fail, .ss_arg = (void *)(uintptr_t)"bsd4",
		.ss_seeds = 100, .ss_faults = 1 };
	unsigned i;

	for (i = 0; i < nitems(tests); i++) {
		run(&tests[i], "bsd4");
		if (!tests[i].t_bsd4)
			run(&tests[i], "dummy");
	}
	sim_explore_with(&poor);
	return tap_done();
}
