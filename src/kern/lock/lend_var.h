/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Priority that waiters lend to the holder of a lock (lend.c).
 */
#ifndef LWKT_KERN_LOCK_LEND_VAR_H
#define LWKT_KERN_LOCK_LEND_VAR_H

#include <string.h>

#include "kern/cpu/crit.h"

/* The threads for which a change under a lock has consequences. */
struct lend_todo {
	lwkt_thread_t	lt_td[2];	/* counted in tc_lendrefs */
	uint32_t	lt_hops;	/* links of the chain so far */
	int		lt_n;
};

/*
 * Where a thread stands in the queue of a lock.  lw_moved: the thread waits
 * with priority `pri` from now on; called on its CPU in a critical section,
 * between lend_wait_begin() and lend_wait_end().
 */
struct lend_wait {
	void		(*lw_moved)(struct lend_wait *lw, int pri,
			    struct lend_todo *lt);
};

/*
 * The guard of a lock is held: td, the holder, is lent `new` instead of `old`
 * (-1: nothing) by this lock.  Then, without the guard and in the same critical
 * section, lend_carry_out().
 */
void	lend_change(struct lend_todo *lt, lwkt_thread_t td, int old, int new);
void	lend_carry_out(struct lend_todo *lt);

/* Change the priority of td's own; instead of sched_setpri. */
void	lend_setpri(struct globaldata *gd, lwkt_thread_t td, int pri);
/* td, which was between two CPUs, belongs to this one now. */
void	lend_apply_late(lwkt_thread_t td);
/* The exit of td, in a critical section: wait until lend_busy() is false. */
void	lend_drain(lwkt_thread_t td);
/* In invariants builds: td's priority is what it has and is lent. */
void	lend_check(lwkt_thread_t td);

/* mutex.c: the thread that had mu past its waiters will be worse. */
void	mutex_barged(struct lwkt_mutex *mu);

static inline int
lend_ownpri(const struct lwkt_thread *td)
{
	return td->td_lent != 0 ? td->td_ownpri : td->td_pri;
}

/*
 * With which priority td waits: an lwp, whatever its class, as it works in the
 * library.
 */
static inline int
lend_rank(const struct lwkt_thread *td)
{
	return (td->td_leave & TDL_LWP) && td->td_pri < LWKT_PRI_KERN_USER ?
	    LWKT_PRI_KERN_USER : td->td_pri;
}

/* The same of its own priority: what it is lent is not for it. */
static inline int
lend_ownrank(const struct lwkt_thread *td)
{
	int pri = lend_ownpri(td);

	return (td->td_leave & TDL_LWP) && pri < LWKT_PRI_KERN_USER ?
	    LWKT_PRI_KERN_USER : pri;
}

static inline void
lend_wait_begin(lwkt_thread_t td, struct lend_wait *lw)
{
	cc_fence();
	td->td_cold->tc_lendwait = lw;
}

static inline void
lend_wait_end(lwkt_thread_t td)
{
	td->td_cold->tc_lendwait = NULL;
	cc_fence();
}

static inline void
lend_init(lwkt_thread_t td)
{
	td->td_lent = 0;
	td->td_cold->tc_lendwait = NULL;
	td->td_cold->tc_barged = NULL;
	td->td_cold->tc_lendhops = td->td_cold->tc_lendrefs = 0;
	memset(td->td_cold->tc_lend, 0, sizeof(td->td_cold->tc_lend));
}

/* Has somebody still to carry out a change for td? */
static inline int
lend_busy(const struct lwkt_thread *td)
{
	return atomic_load_32(&td->td_cold->tc_lendrefs) != 0;
}

static inline void
lend_arrived(lwkt_thread_t td)
{
	if (unlikely(atomic_load_32(&td->td_mpflags) & TDF_MP_LEND))
		lend_apply_late(td);
}

#endif
