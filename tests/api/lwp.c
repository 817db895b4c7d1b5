/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lwps by the public interface, and a scheduler of a program's own: last come,
 * first served, one lwp at a time on each CPU, no slices.
 */
#include <lwkt/cpusync.h>
#include <lwkt/ipiq.h>
#include <lwkt/lwkt.h>
#include <lwkt/spinlock.h>
#include <lwkt/usched.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "simrun.h"

static struct lwkt_spin lock = LWKT_SPIN_INITIALIZER("lifo");
static lwkt_lwp_t stack;		/* under lock */
static lwkt_lwp_t current[LWKT_MAXCPU];	/* each of its own CPU */
static int forked, exited, registered, clocks;
static char order[16];
static int norder;

static lwkt_lwp_t
pop(void)
{
	lwkt_lwp_t lp;

	lwkt_spin_lock(&lock);
	if ((lp = stack) != NULL)
		stack = lp->lp_next;
	lwkt_spin_unlock(&lock);
	return lp;
}

static void
choose_here(void *arg, int unused)
{
	int cpu = lwkt_cpuid();

	(void)arg, (void)unused;
	if (current[cpu] == NULL && (current[cpu] = pop()) != NULL)
		lwkt_usched_dispatch(current[cpu]);
}

static void
lifo_acquire(lwkt_lwp_t lp)
{
	(void)lwkt_usched_wanted();
	while (current[lwkt_cpuid()] != lp) {
		if (current[lwkt_cpuid()] == NULL)
			current[lwkt_cpuid()] = lp;
		else
			lwkt_usched_requeue(lp);
	}
}

static void
lifo_release(lwkt_lwp_t lp)
{
	if (current[lwkt_cpuid()] != lp)
		return;
	current[lwkt_cpuid()] = NULL;
	choose_here(NULL, 0);
}

static void
lifo_setrunqueue(lwkt_lwp_t lp)
{
	lwkt_spin_lock(&lock);
	lp->lp_next = stack;
	stack = lp;
	lwkt_spin_unlock(&lock);
	(void)lwkt_send_ipiq_bcast(choose_here, NULL, 0);
}

static void
lifo_clock(lwkt_lwp_t lp)
{
	__atomic_fetch_add(&clocks, lp != NULL, __ATOMIC_SEQ_CST);
}

static void
lifo_resetpriority(lwkt_lwp_t lp)
{
	lwkt_usched_setupri(lp, -lwkt_lwp_getnice(lp));
}

static void
lifo_forking(lwkt_lwp_t parent, lwkt_lwp_t child)
{
	(void)parent;
	check(child->lp_data[0] == 0, "data of another");
	__atomic_fetch_add(&forked, 1, __ATOMIC_SEQ_CST);
}

static void
lifo_exiting(lwkt_lwp_t lp)
{
	(void)lp;
	__atomic_fetch_add(&exited, 1, __ATOMIC_SEQ_CST);
}

static int
lifo_register(void)
{
	registered++;
	return registered == 1 ? ENOMEM : 0;	/* once refused */
}

static const struct lwkt_usched lifo = {
	.us_name = "lifo",
	.us_desc = "last come, first served",
	.us_register = lifo_register,
	.us_acquire_curproc = lifo_acquire,
	.us_release_curproc = lifo_release,
	.us_setrunqueue = lifo_setrunqueue,
	.us_schedulerclock = lifo_clock,
	.us_resetpriority = lifo_resetpriority,
	.us_heuristic_forking = lifo_forking,
	.us_heuristic_exiting = lifo_exiting,
};

static void
writes_letter(void *arg)
{
	check(lwkt_lwp_self() != NULL, "no lwp");
	order[norder++] = (char)(intptr_t)arg;
	lwkt_user_yield();
}

/* On one CPU: whoever was started last runs first. */
static int
own_scheduler(void *arg)
{
	lwkt_lwp_t lp[3];
	int i, error;

	(void)arg;
	stack = NULL;
	memset(current, 0, sizeof(current));
	memset(order, 0, sizeof(order));
	norder = forked = exited = registered = 0;
	check(lwkt_usched_find("lifo") == NULL, "known before");
	check(lwkt_lwp_create(writes_letter, NULL, NULL, &lifo, 0, "x") ==
	    EINVAL, "used before it is registered");
	check(lwkt_usched_register(&lifo) == 0 &&
	    lwkt_usched_register(&lifo) == EEXIST &&
	    lwkt_usched_find("lifo") == &lifo, "registered");
	check(lwkt_lwp_create(writes_letter, NULL, NULL, &lifo, 0, "x") ==
	    ENOMEM, "its refusal is lost");
	for (i = 0; i < 3; i++) {
		error = lwkt_lwp_create(writes_letter,
		    (void *)(intptr_t)("abc"[i]), &lp[i], &lifo,
		    LWKT_JOINABLE | LWKT_NOSTART, "lwp %d", i);
		if (error != 0)
			return error;
	}
	lwkt_crit_enter();
	for (i = 0; i < 3; i++)
		lwkt_lwp_start(lp[i]);
	lwkt_crit_exit();
	for (i = 0; i < 3; i++)
		check(lwkt_lwp_join(lp[i]) == 0, "join");
	/* The first one was chosen before the others came. */
	check(strcmp(order, "acb") == 0, "order %s", order);
	check(forked == 3 && exited == 3 && registered == 2,
	    "%d forked, %d exited, registered %d times", forked, exited,
	    registered);
	return 0;
}

static void
counts(void *arg)
{
	int i;

	for (i = 0; i < 1000; i++)
		__atomic_fetch_add((int *)arg, 1, __ATOMIC_SEQ_CST);
	lwkt_exit();
}

static int
everyday(void *arg)
{
	lwkt_lwp_t lp[8];
	int i, sum = 0;

	(void)arg;
	check(lwkt_lwp_self() == NULL, "the first thread is none");
	for (i = 0; i < 8; i++) {
		if (lwkt_lwp_create(counts, &sum, &lp[i], NULL, LWKT_JOINABLE |
		    LWKT_NOSTART, "lwp %d", i) != 0)
			return 1;
		check(strncmp(lwkt_name(lwkt_lwp_thread(lp[i])), "lwp ", 4) ==
		    0, "name");
		check(lwkt_lwp_setnice(lp[i], i) == 0 &&
		    lwkt_lwp_getnice(lp[i]) == i, "nice");
		check(lwkt_lwp_setcpumask(lp[i], lwkt_cpumask_all()) == 0,
		    "mask");
		lwkt_lwp_start(lp[i]);
	}
	for (i = 0; i < 8; i++)
		check(lwkt_lwp_join(lp[i]) == 0, "join");
	check(sum == 8000, "%d of 8000", sum);
	return 0;
}

static int
which(void *arg)
{
	const char *name = arg;

	check(lwkt_usched_find(NULL) == lwkt_usched_find(name) &&
	    lwkt_usched_find(name) != NULL &&
	    strcmp(lwkt_usched_find(name)->us_name, name) == 0,
	    "the default is not %s", name);
	return everyday(NULL);
}

static int
never(void *arg)
{
	(void)arg;
	return 0;
}

int
main(void)
{
	struct sim_scenario one = { .ss_name = "a scheduler of one's own",
		.ss_body = own_scheduler, .ss_ncpus = 1 };
	struct lwkt_config cfg = { .lc_ncpus = 1 };

	sim_explore("lwps", everyday, NULL, 1);
	sim_explore_with(&one);
	sim_explore("bsd4 is the default", which, (void *)(uintptr_t)"bsd4",
	    1);
	setenv("LWKT_TUNE", "kern.user_scheduler=dummy", 1);
	sim_explore("kern.user_scheduler names another", which,
	    (void *)(uintptr_t)"dummy", 1);
	setenv("LWKT_TUNE", "kern.user_scheduler=nobody", 1);
	ok(lwkt_boot_result(&cfg, never, NULL, NULL) == EINVAL,
	    "an unknown one ends the boot");
	return tap_done();
}
