/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An lwp that blocks, moves or ends gives up being current, and only then.
 */
#include <lwkt/token.h>

#include "core/usched/lwptest.h"

/* Lwps that end at once give the CPU to each other in turn. */
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

static void
wakes_blocked(void *arg)
{
	(void)arg;
	log_add(&trail, 'b');
	check(blocked->td_pri == LWKT_PRI_KERN_USER, "priority %d",
	    blocked->td_pri);
	lwkt_schedule(blocked);
}

/* Waiting in the library, it is out of the others' way, and above them. */
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

static const struct test tests[] = {
	{ "an lwp that ends hands the cpu on", exit_hands_on, 100, 0 },
	{ "one comes as another ends", comes_as_another_ends, 100, 0 },
	{ "to enter the library is free", release_is_passive, 100, 0 },
	{ "a blocked lwp makes room", blocked_makes_room, 100, 0 },
	{ "a slice leaves tokens alone", tokens_are_kept, 30, 0 },
	{ "race 7: one that moves makes room", moving_makes_room, 100, 0 },
};

int
main(void)
{
	run_all(tests, nitems(tests));
	return tap_done();
}
