/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lwps: the sets of CPUs on which they may run.
 */
#include <lwkt/cpusync.h>
#include <lwkt/usched.h>
#include <stdlib.h>

#include "base/cpumask.h"
#include "core/util.h"

#define LWPS	6

static lwkt_usched_t us;
static uint32_t started, enough, changes;

static int
setup(void *arg)
{
	us = lwkt_usched_find(arg);
	started = enough = changes = 0;
	return us == NULL;
}

/* An lwp that is not started. */
static lwkt_lwp_t
make(void (*fn)(void *), enum lwkt_rtclass cls, lwkt_cpumask_t mask)
{
	lwkt_lwp_t lp = NULL;
	int error;

	error = lwkt_lwp_create(fn, NULL, &lp, us, LWKT_NOSTART |
	    LWKT_JOINABLE, "lwp");
	if (error != 0)
		lwkt_panic("test: lwp: errno %d", error);
	check(lwkt_lwp_setcpumask(lp, mask) == 0, "mask");
	check(lwkt_lwp_setrtprio(lp, cls, (int)cls) == 0, "class");
	return lp;
}

static void
join_lwp(lwkt_lwp_t lp)
{
	int error = lwkt_lwp_join(lp);

	check(error == 0, "join: errno %d", error);
}

/* A mask with all words equal: it has CPU 0, and some that do not exist. */
static lwkt_cpumask_t
all_words(uint64_t n)
{
	lwkt_cpumask_t mask;
	int w;

	for (w = 0; w < CPUMASK_WORDS; w++)
		mask.cm_word[w] = n << 1 | 1;
	return mask;
}

/* All words of its mask are equal, and its class is its place in the class. */
static int
is_whole(lwkt_lwp_t lp)
{
	lwkt_cpumask_t mask = lwkt_lwp_getcpumask(lp);
	enum lwkt_rtclass cls;
	int prio, w;

	for (w = 1; w < CPUMASK_WORDS; w++)
		if (mask.cm_word[w] != mask.cm_word[0])
			return 0;
	cls = lwkt_lwp_getrtprio(lp, &prio);
	return (int)cls == prio;
}

static void
changes_all(void *arg)
{
	enum lwkt_rtclass cls;
	int i;

	for (i = 0; i < TIMES(500, 5); i++) {
		cls = (enum lwkt_rtclass)(ADD(changes, 1) % 2 + 1);
		check(lwkt_lwp_setcpumask(arg, all_words(cls)) == 0, "mask");
		check(lwkt_lwp_setrtprio(arg, cls, (int)cls) == 0, "class");
		check(is_whole(arg), "parts of two masks or classes");
	}
}

static void
sets_free(void *arg)
{
	(void)arg;
	STORE(enough, 1);
}

static int
masks_are_whole(void *arg)
{
	lwkt_thread_t td[3];
	lwkt_lwp_t lp;
	int i;

	if (setup(arg))
		return 1;
	lp = make(sets_free, LWKT_RTP_IDLE, all_words(1));
	for (i = 0; i < 3; i++)
		td[i] = spawn_on(i, changes_all, lp);
	join_all(td, 3);
	check(is_whole(lp), "parts of two masks or classes are left");
	lwkt_lwp_start(lp);
	join_lwp(lp);
	return 0;
}

/* Compute until the lwp that waits has run. */
static void
holds_out(void *arg)
{
	(void)arg;
	ADD(started, 1);
	lwkt_wakeup(&started);
	while (LOAD(enough) == 0) {
		lwkt_crit_enter();
		lwkt_crit_exit();
	}
}

static lwkt_cpumask_t
either(int a, int b)
{
	lwkt_cpumask_t mask = lwkt_cpumask_one(a);

	cpumask_set(&mask, b);
	return mask;
}

/*
 * CPU 2 is woken for an lwp, and takes a better or earlier one.  It has to wake
 * CPU 3 for the lwp that still waits, although other lwps wait before it: they
 * are bound to CPU 0, which is not free.  No slice ends.
 */
static int
woken_past_others(void *arg)
{
	lwkt_lwp_t lp[LWPS];
	int i;

	if (setup(arg) || lwkt_ncpus() < 4)
		return us == NULL;
	for (i = 0; i < 4; i++)
		lp[i] = make(holds_out, LWKT_RTP_REALTIME,
		    lwkt_cpumask_one(0));
	lwkt_lwp_start(lp[0]);
	await_asleep(&started, 1);
	for (i = 1; i < 4; i++)
		lwkt_lwp_start(lp[i]);
	lp[4] = make(holds_out, LWKT_RTP_REALTIME, either(1, 2));
	lp[5] = make(sets_free, LWKT_RTP_NORMAL, either(2, 3));
	lwkt_crit_enter();
	lwkt_lwp_start(lp[4]);
	lwkt_lwp_start(lp[5]);
	lwkt_crit_exit();
	for (i = 0; i < LWPS; i++)
		join_lwp(lp[i]);
	return 0;
}

static void
run(const char *name, const char *what, int (*body)(void *), int ncpus)
{
	char sentence[100];
	struct sim_scenario ss = {
		.ss_name = sentence, .ss_body = body,
		.ss_arg = (void *)(uintptr_t)name, .ss_seeds = 100,
		.ss_ncpus = ncpus,
	};

	(void)snprintf(sentence, sizeof(sentence), "%s: %s", name, what);
	sim_explore_with(&ss);
}

int
main(void)
{
	static const char *const names[] = { "bsd4", "dummy" };
	unsigned i;

	setenv("LWKT_TUNE", "kern.usched_bsd4.rrinterval=10000,"
	    "kern.usched_dummy_rrinterval=10000", 1);
	for (i = 0; i < nitems(names); i++) {
		run(names[i], "a mask is set as a whole", masks_are_whole, 0);
		run(names[i], "an idle cpu is woken past others that wait",
		    woken_past_others, 4);
	}
	return tap_done();
}
