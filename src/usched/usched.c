/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of user schedulers.  USES the files of the schedulers,
 * usched_return.c, usched_tick.c.
 *
 * THEORY
 * kern/ schedules threads by strict priority.  A user scheduler decides which
 * lwp is the current one of each CPU.  Of the lwps in user mode only the
 * current one is runnable for kern/, with the priority of its class.  Several
 * schedulers can be in use at once: then each may have a current lwp on each
 * CPU, and to kern/ lwps of the same class have equal priority.
 *
 * A scheduler is started when its first lwp is created.  So a program without
 * lwps has no helper threads, and its ticks do no work for schedulers.  Until
 * the shutdown the list only grows, and an entry is complete before nscheds
 * counts it.  So readers need no lock.
 *
 * ORDER
 * nscheds: stored with release after the entry; pairs with the acquire loads.
 *
 * Source: DragonFly kern_usched.c, usched.h.
 */
#include "usched/usched_var.h"

#include <errno.h>
#include <lwkt/sync.h>
#include <string.h>

#include "kern/cpu/kern_ops.h"
#include "kern/boot/sysinit.h"

#define MAXSCHEDS	8	/* bsd4, dummy, and 6 of the program */

enum { DEFAULT_BSD4, DEFAULT_DUMMY };

static const char *const default_names[] = { "bsd4", "dummy", NULL };

TUNABLE_NAME(user_scheduler, "kern.user_scheduler", default_names,
    DEFAULT_BSD4, "scheduler of lwps that name none: bsd4 or dummy");
struct sched {
	lwkt_usched_t	 sc_ops;	/* (i) */
	uint32_t	 sc_started;	/* (a) 1: ready for lwps */
};

static struct sched scheds[MAXSCHEDS];	/* the first nscheds are in use */
static uint32_t nscheds;		/* (a) entries; written under lock */
static struct lwkt_mutex lock;	/* held to register or start a scheduler */

/* Return the entry of a scheduler; NULL if it is not registered. */
static struct sched *
sched_find(lwkt_usched_t us)
{
	uint32_t i, n = atomic_load_acq_32(&nscheds);

	for (i = 0; i < n; i++)
		if (scheds[i].sc_ops == us)
			return &scheds[i];
	return NULL;
}

/*
 * Return the registered scheduler of that name; NULL if there is none.  name
 * NULL: the default, kern.user_scheduler.  Thread; never blocks.
 */
lwkt_usched_t
lwkt_usched_find(const char *name)
{
	uint32_t i, n = atomic_load_acq_32(&nscheds);

	if (name == NULL)
		name = default_names[user_scheduler];
	for (i = 0; i < n; i++)
		if (strcmp(scheds[i].sc_ops->us_name, name) == 0)
			return scheds[i].sc_ops;
	return NULL;
}

/*
 * Append a scheduler to the list.  Returns 0, or ENOSPC if the list is full.
 * The caller holds the mutex `lock`, or is usched_boot().
 */
static int
sched_add(lwkt_usched_t us)
{
	uint32_t n = atomic_load_acq_32(&nscheds);

	if (n == MAXSCHEDS)
		return ENOSPC;
	scheds[n] = (struct sched){ .sc_ops = us };
	/* A reader that sees the new count also sees the entry: ORDER. */
	atomic_store_rel_32(&nscheds, n + 1);
	return 0;
}

/*
 * Register the scheduler us until the shutdown.  Returns 0, EEXIST if one of
 * that name is registered, or ENOSPC.  Thread; may block.
 */
int
lwkt_usched_register(lwkt_usched_t us)
{
	int error = EEXIST;

	lwkt_mutex_lock(&lock);
	if (lwkt_usched_find(us->us_name) == NULL)
		error = sched_add(us);
	lwkt_mutex_unlock(&lock);
	return error;
}

/*
 * Start the scheduler us if it has not been started.  Returns 0, EINVAL if us
 * is not registered, or the error of us_register.  Thread; may block if us has
 * not been started.
 */
int
usched_use(lwkt_usched_t us)
{
	struct sched *sc = sched_find(us);
	int error = 0;

	if (sc == NULL)
		return EINVAL;
	if (likely(atomic_load_acq_32(&sc->sc_started)))
		return 0;
	lwkt_mutex_lock(&lock);
	if (!sc->sc_started && us->us_register != NULL)
		error = us->us_register();
	if (error == 0)
		atomic_store_rel_32(&sc->sc_started, 1);
	lwkt_mutex_unlock(&lock);
	return error;
}

/*
 * Called by each tick of kern/ (ko_lwp_clock).  If a tick of kern.schedhz is
 * due, call us_schedulerclock of each scheduler that was started.
 */
static void
usched_clock(struct globaldata *gd, int64_t period_ns)
{
	lwkt_thread_t td = curthread;
	lwkt_lwp_t lp = td->td_leave & TDL_LWP ? td->td_lwp : NULL;
	uint32_t i, n = atomic_load_acq_32(&nscheds);
	lwkt_usched_t us;

	if (!usched_tick_due(gd->gd_m.mc_cpuid, period_ns))
		return;
	for (i = 0; i < n; i++) {
		if (!atomic_load_acq_32(&scheds[i].sc_started))
			continue;
		us = scheds[i].sc_ops;
		us->us_schedulerclock(lp != NULL && lp->lp_usched == us ? lp :
		    NULL);
	}
}

/* At boot: add bsd4 and dummy, and set the functions that kern/ calls. */
static int
usched_boot(void)
{
	lwkt_mutex_init(&lock, "usched");
	atomic_store_rel_32(&nscheds, 0);
	usched_tick_boot();
	bsd4_boot();
	dummy_boot();
	(void)sched_add(&lwkt__usched_bsd4);
	(void)sched_add(&lwkt__usched_dummy);
	lwkt__kern_ops.ko_lwp_leave = lwp_leave;
	lwkt__kern_ops.ko_lwp_return = lwp_return;
	lwkt__kern_ops.ko_lwp_yield = lwp_yield;
	lwkt__kern_ops.ko_lwp_queue = lwp_queue;
	lwkt__kern_ops.ko_lwp_clock = usched_clock;
	lwkt__kern_ops.ko_lwp_check = lwp_check;
	return 0;
}

SYSINIT(SI_USCHED, usched, usched_boot, NULL, NULL, NULL);
