/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of lwps share: lwps that compute, and a table of scenarios.
 *
 * An lwp here computes by entering and leaving critical sections, where it can
 * lose the CPU.
 */
#ifndef LWKT_TESTS_CORE_LWPTEST_H
#define LWKT_TESTS_CORE_LWPTEST_H

#include <lwkt/usched.h>

#include "core/util.h"
#include "usched/usched_var.h"

#define MAXLWPS		8
#define MAXCPUS		8

static lwkt_usched_t us;
static struct log trail;		/* what ran, in order */

/* A turn: the time during which no other worker runs on the CPU. */
struct worker {
	lwkt_lwp_t	w_lp;
	int		w_changed;	/* others change where it may be */
	uint32_t	w_turns;	/* its own */
	uint32_t	w_loops;	/* its own */
};

static struct worker workers[MAXLWPS];
static struct worker *on_cpu[MAXCPUS];	/* the worker that ran last */
static uint32_t done;			/* workers that have ended */
static uint32_t enough;			/* 1: the other workers end */

UTIL int
setup(void *arg)
{
	us = lwkt_usched_find(arg);
	trail = (struct log){ 0 };
	memset(workers, 0, sizeof(workers));
	memset(on_cpu, 0, sizeof(on_cpu));
	done = enough = 0;
	return us == NULL;
}

UTIL lwkt_lwp_t
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

UTIL lwkt_cpumask_t
only(int cpu)
{
	lwkt_cpumask_t mask;

	memset(&mask, 0, sizeof(mask));
	cpumask_set(&mask, cpu);
	return mask;
}

/* Make an lwp that is not started and may run only on this CPU. */
UTIL lwkt_lwp_t
make_here(void (*fn)(void *), void *arg)
{
	lwkt_lwp_t lp = make(fn, arg, LWKT_NOSTART);

	check(lwkt_lwp_setcpumask(lp, only(lwkt_cpuid())) == 0, "mask");
	return lp;
}

UTIL void
join_lwp(lwkt_lwp_t lp)
{
	int error = lwkt_lwp_join(lp);

	check(error == 0, "join: errno %d", error);
}

/* Compute for a moment, and check that the lwp may run here. */
UTIL void
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

UTIL void
compute_for(void *arg)
{
	struct worker *w = arg;

	w->w_lp = lwkt_lwp_self();
	while (w->w_loops < TIMES(2000, 60))
		compute(w);
	ADD(done, 1);
}

/* End at once; count that. */
UTIL void
ends(void *arg)
{
	ADD(*(uint32_t *)arg, 1);
}

static lwkt_thread_t blocked;		/* the lwp in blocks() */

/* Wait until another thread wakes this lwp. */
UTIL void
blocks(void *arg)
{
	(void)arg;
	blocked = lwkt_self();
	log_add(&trail, 'a');
	lwkt_sleep("test", 0);
	log_add(&trail, 'c');
}

struct test {
	const char	*t_name;
	int		(*t_body)(void *);
	unsigned	 t_seeds;
	int		 t_bsd4;	/* 1: not for dummy */
};

/* Run a scenario under the scheduler of that name. */
UTIL void
run(const struct test *t, const char *name)
{
	char what[100];

	(void)snprintf(what, sizeof(what), "%s: %s", name, t->t_name);
	sim_explore(what, t->t_body, (void *)(uintptr_t)name, t->t_seeds);
}

/* Run each scenario under bsd4 and, unless it is not for dummy, under dummy. */
UTIL void
run_all(const struct test *tests, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		run(&tests[i], "bsd4");
		if (!tests[i].t_bsd4)
			run(&tests[i], "dummy");
	}
}

#endif
