/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Priority that waiters lend to the holder of a lock (lend.c).
 *
 * The queue lock of a lock is what protects its queue of waiters: the lock of a
 * bucket (park.c) or a spinlock (mtx_wait.c).
 */
#ifndef LWKT_KERN_LOCK_LEND_VAR_H
#define LWKT_KERN_LOCK_LEND_VAR_H

#include <string.h>

#include "kern/cpu/crit.h"

#define LEND_HOPS	64		/* most holders that a fall passes */
#define LEND_LONG	(LEND_HOPS + 1)	/* length of all longer chains */

/*
 * The threads whose loans were changed under a queue lock.  After the release
 * of the queue lock the changes must be applied (lend_carry_out).
 */
struct lend_todo {
	lwkt_thread_t	lt_td[2];	/* each counted in its tc_lendrefs */
	uint32_t	lt_hops;	/* holders in the chain so far */
	int		lt_n;		/* number of entries of lt_td */
};

/*
 * A thread that waits in the queue of a lock.  lw_moved is called to give the
 * thread the priority `pri` in the queue: it moves the thread there, and notes
 * in *lt the loans that change.  The call is made on the thread's CPU, in a
 * critical section, between lend_wait_begin() and lend_wait_end().
 */
struct lend_wait {
	void		(*lw_moved)(struct lend_wait *lw, int pri,
			    struct lend_todo *lt);
};

/*
 * Lend td, the holder of a lock, the priority `new` instead of `old` (-1:
 * nothing).  The caller has the queue lock.  After it has released the queue
 * lock, the caller calls lend_carry_out(), in the same critical section.
 */
void	lend_change(struct lend_todo *lt, lwkt_thread_t td, int old, int new);
void	lend_carry_out(struct lend_todo *lt);

/*
 * Change td's own priority, on td's CPU, in a critical section.  Call this, not
 * sched_setpri(), which sets the priority that td runs with.
 */
void	lend_setpri(struct globaldata *gd, lwkt_thread_t td, int pri);
/* Apply changes of td's loans after td has arrived on this CPU. */
void	lend_apply_late(lwkt_thread_t td);
/* td, the caller, exits: wait until !lend_busy(td).  In a critical section. */
void	lend_drain(lwkt_thread_t td);
/* Panic unless td_pri and td_lent are as LD2 of lend.c says. */
void	lend_check(lwkt_thread_t td);

/*
 * mutex_wait.c: let the best waiter for mu lend to the holder, which has barged
 * (MU_BARGED) and whose own priority is about to be lowered.
 */
void	mutex_barged(struct lwkt_mutex *mu);

/* Return td's own priority, without what td is lent. */
static inline int
lend_ownpri(const struct lwkt_thread *td)
{
	return td->td_lent != 0 ? td->td_ownpri : td->td_pri;
}

/*
 * Return the priority with which td waits for a lock: td_pri, but for an lwp at
 * least LWKT_PRI_KERN_USER, the priority of an lwp in the library.
 */
static inline int
lend_rank(const struct lwkt_thread *td)
{
	return (td->td_leave & TDL_LWP) && td->td_pri < LWKT_PRI_KERN_USER ?
	    LWKT_PRI_KERN_USER : td->td_pri;
}

/* The same as lend_rank(), for td's own priority instead of td_pri. */
static inline int
lend_ownrank(const struct lwkt_thread *td)
{
	int pri = lend_ownpri(td);

	return (td->td_leave & TDL_LWP) && pri < LWKT_PRI_KERN_USER ?
	    LWKT_PRI_KERN_USER : pri;
}

/*
 * Note that td, the caller, waits: from now on lw->lw_moved is called when td's
 * priority changes.  The fence: the caller has stored all of *lw before a
 * callback on this CPU can find *lw.
 */
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
	td->td_cold->tc_lendhops = LEND_LONG;
	td->td_cold->tc_lendrefs = td->td_cold->tc_lendcut = 0;
	memset(td->td_cold->tc_lend, 0, sizeof(td->td_cold->tc_lend));
}

/*
 * The structure td is used for a new thread, which is lent nothing.  Only a
 * former thread that has ended with a lock, which is an error, left loans here.
 */
static inline void
lend_renew(lwkt_thread_t td)
{
	td->td_cold->tc_barged = NULL;
	if (unlikely(td->td_lent != 0))
		lend_init(td);
}

/* Return whether a change of what td is lent is still in progress. */
static inline int
lend_busy(const struct lwkt_thread *td)
{
	return atomic_load_32(&td->td_cold->tc_lendrefs) != 0;
}

/*
 * td has just arrived on this CPU: apply changes of its loans that were made
 * while td was between two CPUs.
 */
static inline void
lend_arrived(lwkt_thread_t td)
{
	if (unlikely(atomic_load_32(&td->td_mpflags) & TDF_MP_LEND))
		lend_apply_late(td);
}

#endif
