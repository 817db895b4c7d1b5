/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main returns while other threads run, and never blocks or ends: the kernel
 * stops all the same, and nothing of them is left for the next boot.
 */
#include <lwkt/lwp.h>
#include <lwkt/token.h>

#include "base/choice.h"
#include "core/child.h"
#include "core/util.h"

static struct lwkt_token tok = LWKT_TOKEN_INITIALIZER("shutdown");
static uint32_t begun, over;

/* An instruction of the program's own. */
static inline void
crunch(void)
{
	lwkt__choice(CHOICE_USER);
	__asm__ __volatile__("" ::: "memory");
}

static void
yields(void *arg)
{
	(void)arg;
	for (ADD(begun, 1);; )
		lwkt_yield_quick();
}

static void
leaves_sections(void *arg)
{
	(void)arg;
	for (ADD(begun, 1);; ) {
		lwkt_crit_enter();
		lwkt_crit_exit();
	}
}

static void
computes(void *arg)
{
	(void)arg;
	for (ADD(begun, 1);; )
		crunch();
}

static void
computes_with_token(void *arg)
{
	lwkt_gettoken(&tok);
	computes(arg);
}

static void
leaves_with_token(void *arg)
{
	lwkt_gettoken(&tok);
	leaves_sections(arg);
}

/* Tries for a token that is not given back, for longer than shutdown waits. */
static void
wants_token(void *arg)
{
	int64_t end = lwkt_time_ns() + 5 * MS;

	(void)arg;
	ADD(begun, 1);
	lwkt_crit_enter();
	while (lwkt_time_ns() < end) {
		if (lwkt_trytoken(&tok)) {
			STORE(over, 1);
			lwkt_reltoken(&tok);
		}
		machine_pause(1);
	}
	lwkt_crit_exit();
}

struct way {
	void	(*w_fn)(void *);
	int	 w_flags;
};

static int
runs_on(void *arg)
{
	struct way *w = arg;

	STORE(begun, 0);
	check(lwkt_trytoken(&tok), "a token of the last boot is held");
	lwkt_reltoken(&tok);
	spawn(w->w_fn, NULL, w->w_flags, other_cpu());
	if (lwkt_ncpus() > 1)
		await(&begun, 1);
	return 0;
}

static int
lwps_run_on(void *arg)
{
	lwkt_lwp_t lp[2];
	int i;

	(void)arg;
	STORE(begun, 0);
	for (i = 0; i < 2; i++)
		check(lwkt_lwp_create(computes, NULL, &lp[i], NULL, 0,
		    "hog %d", i) == 0, "no lwp");
	lwkt_sleep_ns(MS / 10);
	return 0;
}

/* A third CPU wants the token of the abandoned thread; it must not get it. */
static int
token_stays(void *arg)
{
	(void)arg;
	STORE(begun, 0);
	check(LOAD(over) == 0, "it had the token at the last shutdown");
	lwkt_token_init(&tok, "shutdown");
	spawn(leaves_with_token, NULL, 0, 1);
	await(&begun, 1);
	spawn(wants_token, NULL, 0, 2);
	await(&begun, 2);
	return 0;
}

static struct way ways[] = {
	{ yields, 0 }, { leaves_sections, 0 }, { leaves_with_token, 0 },
	{ computes, LWKT_PREEMPTIBLE },
	{ computes_with_token, LWKT_PREEMPTIBLE },
};

#ifndef LWKT_HOST_SIM
#include <time.h>

/* Computes for a second, and calls nothing. */
static void
stubborn(void *arg)
{
	struct timespec ts;
	int64_t now, end = 0;

	(void)arg;
	lwkt_setname("stubborn");
	ADD(begun, 1);
	do {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		now = ts.tv_sec * 1000 * MS + ts.tv_nsec;
		end = end == 0 ? now + 1000 * MS : end;
	} while (now < end);
}

static int
stubborn_body(void *arg)
{
	(void)arg;
	spawn(stubborn, NULL, 0, 1);
	await(&begun, 1);
	return 0;
}

static void
stubborn_boot(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };

	(void)arg;
	(void)lwkt_boot(&cfg, stubborn_body, NULL);
}

static void
test_named(void)
{
	static struct child c;

	child_run(&c, stubborn_boot, NULL);
	if (!ok(c.c_status == 0 && child_said(&c, "shutdown: thread "
	    "\"stubborn\"") && strstr(strstr(c.c_err, "shutdown:") + 1,
	    "shutdown:") == NULL,
	    "one that computes and calls nothing is named, once"))
		child_diag(&c);
}
#else
static void
test_named(void)
{
}
#endif

int
main(void)
{
	const struct sim_scenario three = { .ss_name = "its token is not free "
	    "before all have stopped", .ss_body = token_stays,
	    .ss_seeds = 100, .ss_ncpus = 3 };

	test_named();
	sim_explore("a thread that yields is left behind", runs_on, &ways[0],
	    50);
	sim_explore("so is one that leaves critical sections", runs_on,
	    &ways[1], 50);
	sim_explore("and with a token, which is free at the next boot",
	    runs_on, &ways[2], 50);
	if (TICKS_COME) {
		sim_explore("and one that computes", runs_on, &ways[3], 50);
		sim_explore("and one that computes with a token", runs_on,
		    &ways[4], 50);
		sim_explore("and lwps that compute", lwps_run_on, NULL, 50);
	}
	sim_explore_with(&three);
	return tap_done();
}
