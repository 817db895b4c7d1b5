/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The current lwp of each CPU: how a scheduler takes, drops and replaces it.
 *
 * THEORY
 * Each scheduler has an array of struct current, one for each CPU, and a set of
 * helper threads (usched_help.c).  Only a CPU itself writes its current lwp.
 * Other CPUs read the CPU's bit of hp_busy, which tells that the CPU has a
 * current lwp.  They read cu_pri, the priority of that lwp, if the scheduler
 * compares priorities.  cu_pri is stored before the bit is set.
 *
 * A CPU whose current lwp leaves drops that lwp before it searches for another
 * one.  If an lwp is queued after a search that found none, the CPU that queued
 * it finds the searching CPU not busy (ORDER of usched_help.c).
 *
 * All functions: on the CPU of cu, in a critical section; they never block.
 *
 * INVARIANTS
 * UC1 An lwp is the current lwp of at most one CPU.  A current lwp is not
 *     queued.
 *
 * Source: what DragonFly's usched_bsd4.c and usched_dummy.c have in common.
 */
#ifndef LWKT_USCHED_CURRENT_VAR_H
#define LWKT_USCHED_CURRENT_VAR_H

#include "usched/usched_var.h"

#define CURRENT_NOPRI	UINT32_MAX	/* the scheduler does not use cu_pri */

/* (c) used by the CPU of the entry, in a critical section; (a) atomic. */
struct current {
	LWKT_CACHEALIGN
	lwkt_lwp_t	 cu_lwp;	/* (c) the current lwp, or NULL (UC1) */
	int		 cu_rrcount;	/* (c) ticks used of the slice */
	uint32_t	 cu_pri;	/* (a) priority of cu_lwp; (c) writes */
};

/* Make lp, which is not queued, the current lwp of this CPU (UC1). */
static inline void
current_take(struct helpers *hp, struct current *cu, lwkt_lwp_t lp,
    uint32_t pri)
{
	cu->cu_lwp = lp;
	cu->cu_rrcount = 0;
	if (pri != CURRENT_NOPRI)
		atomic_store_32(&cu->cu_pri, pri);
	cpumask_set_atomic(&hp->hp_busy, mycpuid);		/* UH2 */
}

/*
 * Drop the current lwp of this CPU, which then has none.  Stores nullpri in
 * cu_pri, unless nullpri is CURRENT_NOPRI.
 */
static inline void
current_drop(struct helpers *hp, struct current *cu, uint32_t nullpri)
{
	cu->cu_lwp = NULL;
	if (nullpri != CURRENT_NOPRI)
		atomic_store_32(&cu->cu_pri, nullpri);
	cpumask_clear_atomic(&hp->hp_busy, mycpuid);		/* UH2 */
}

/*
 * Make lp, which was just taken off a queue, the current lwp of this CPU, and
 * have its thread moved to this CPU.  The thread may arrive after the return.
 */
static inline void
current_bring(struct helpers *hp, struct current *cu, lwkt_lwp_t lp,
    uint32_t pri)
{
	current_take(hp, cu, lp, pri);
	lwkt_usched_dispatch(lp);
}

/*
 * If lp is the current lwp, drop it, and call `choose` to make another lwp
 * current.  Else do nothing.
 */
static inline void
current_release(struct helpers *hp, struct current *cu, lwkt_lwp_t lp,
    uint32_t nullpri, int (*choose)(struct current *cu))
{
	if (cu->cu_lwp != lp)
		return;
	current_drop(hp, cu, nullpri);	/* before the search: helpers' ORDER */
	(void)choose(cu);
}

/*
 * Count a tick of the current lwp.  If its slice is used up, begin a new slice
 * and return 1.  Else, or if there is no current lwp, return 0.
 */
static inline int
current_tick(struct current *cu, int slice)
{
	if (cu->cu_lwp == NULL || ++cu->cu_rrcount < slice)
		return 0;
	cu->cu_rrcount = 0;
	return 1;
}

/*
 * usched_help.c: panic if the current lwp of cpu is also current on another CPU
 * (UC1), or UH2 is broken for cpu.  Simulated host only.
 */
void	current_check(const struct helpers *hp, const struct current *cus,
	    int cpu);

#endif
