/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of a CPU (kern_systimer.c) and the tick (tick.c).
 *
 * Default context: the owning CPU, in a critical section, never blocking.
 */
#ifndef LWKT_KERN_TIME_SYSTIMER_VAR_H
#define LWKT_KERN_TIME_SYSTIMER_VAR_H

#include "base/kassert.h"
#include "kern/cpu/crit.h"
#include "kern/cpu/ktr_rec.h"

size_t	systimer_bytes(int ncpus);		/* of all wheels */
void	systimer_place(void *mem, int ncpus);
void	systimer_intr(struct globaldata *gd);	/* serves RQF_TIMER */
int	systimer_none(struct globaldata *gd);	/* 1: gd has no timer */
/* Panic if TM1, TM2 or an invariant of the wheel (WH1 to WH5) is broken. */
void	systimer_check(struct globaldata *gd);
/*
 * Start a timer on this CPU, due at the absolute time when_ns.  The caller has
 * set st_fn, st_arg, st_period and st_flags.  st must not be in a wheel.
 */
void	systimer_add(struct lwkt_systimer *st, int64_t when_ns);
void	systimer_remove(struct lwkt_systimer *st); /* stop st if it runs */

/* tick.c.  clock_place sets the function that each tick calls, at boot. */
void	clock_place(struct globaldata *gd, lwkt_systimer_fn_t fn);
void	clock_need_tick(struct globaldata *gd);	/* start the tick */
void	clock_stop(struct globaldata *gd);	/* by the tick's function */
int64_t	clock_period(void);			/* ns between ticks */

extern uint64_t lwkt__timer_mark;	/* (i) differs at each boot */

/*
 * st_running of a timer in a wheel (TM1).  The storage of a timer may have any
 * contents before its start, so a plain 1 would not do (kern_systimer.c).
 */
static inline uint64_t
running_mark(const struct lwkt_systimer *st)
{
	return (uint64_t)(uintptr_t)st ^ lwkt__timer_mark;
}

static inline int
systimer_runs(const struct lwkt_systimer *st)
{
	return st->st_running == running_mark(st);
}

/* st_running while a message to CPU st_cpu is to start the timer (TC1). */
static inline uint64_t
starting_mark(const struct lwkt_systimer *st)
{
	return running_mark(st) + 1;
}

static inline int
systimer_starts(const struct lwkt_systimer *st)
{
	return st->st_running == starting_mark(st);
}

/*
 * The caller is about to stop st, or to start it anew, here or on another CPU.
 * If this is inside the function of st, systimer_fire() must not insert st
 * again.
 */
static inline void
systimer_leave(struct globaldata *gd, const struct lwkt_systimer *st)
{
	if (gd->gd_systimer_inprog == st)
		gd->gd_systimer_inprog = NULL;
}

/*
 * Return the time that is delay_ns from now; INT64_MAX if it would overflow.
 * A delay below 1 ns counts as 1 ns, so that a timer whose function starts it
 * again cannot keep its CPU in systimer_intr() for ever.
 */
static inline int64_t
systimer_when(int64_t delay_ns)
{
	int64_t now = machine_time_ns();

	if (delay_ns < 1)
		delay_ns = 1;
	return delay_ns < INT64_MAX - now ? now + delay_ns : INT64_MAX;
}

/*
 * Fill in a timer that is about to be started.  Panic if the timer runs, if a
 * message is about to start it, or if period_ns or flags is not valid.  Any CPU
 * context.
 */
static inline void
systimer_set(struct lwkt_systimer *st, lwkt_systimer_fn_t fn, void *arg,
    int64_t period_ns, int flags)
{
	KASSERTF(period_ns >= 0 && (flags & ~LWKT_ST_BURST) == 0,
	    "timer %p: period %lld ns, flags %#x (only LWKT_ST_BURST)",
	    (void *)st, (long long)period_ns, (unsigned)flags);
	if (fiber_wanted())	/* checkers: contents may be undefined */
		fiber_defined(&st->st_running, sizeof(st->st_running));
	KASSERTF(!systimer_runs(st) && !systimer_starts(st), "timer %p is "
	    "already running on cpu %d: lwkt_systimer_del it first",
	    (void *)st, st->st_cpu);
	st->st_fn = fn;
	st->st_arg = arg;
	st->st_period = period_ns;
	st->st_flags = flags;
}

#endif
