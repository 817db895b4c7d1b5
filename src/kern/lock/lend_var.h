/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Priority that waiters lend to the holder of a lock (lend.c).
 */
#ifndef LWKT_KERN_LOCK_LEND_VAR_H
#define LWKT_KERN_LOCK_LEND_VAR_H

#include <string.h>

#include "kern/cpu/crit.h"

/* The threads whose loans were changed under a guard. */
struct lend_todo {
	lwkt_thread_t	lt_td[2];	/* counted in tc_lendrefs */
	uint32_t	lt_hops;	/* links of the chain so far */
	int		lt_n;
};

/*
 * The place of a thread in the queue of a lock.  lw_moved moves it there: the
 * thread waits with priority `pri` from now on.  It is called on the thread's
 * CPU, in a critical section, between lend_wait_begin() and lend_wait_end().
 */
struct lend_wait {
	void		(*lw_moved)(struct lend_wait *lw, int pri,
			    struct lend_todo *lt);
};

/*
 * Lend td, the holder of a lock, `new` instead of `old` (-1: nothing).  The
 * caller has the guard of the lock.  It calls lend_carry_out() after it has
 * released the guard, in the same critical section.
 */
void	lend_change(struct lend_todo *lt, lwkt_thread_t td, int old, int new);
void	lend_carry_out(struct lend_todo *lt);

/* Change td's own priority; call this instead of sched_setpri. */
void	lend_setpri(struct globaldata *gd, lwkt_thread_t td, int pri);
/* Apply pending changes to td, which has arrived on this CPU. */
void	lend_apply_late(lwkt_thread_t td);
/* At the exit of td, in a critical section: wait while lend_busy(). */
void	lend_drain(lwkt_thread_t td);
/* In invariants builds: check that td_pri fits own and lent priority. */
void	lend_check(lwkt_thread_t td);

/* mutex.c: the own priority of the thread that barged for mu will fall. */
void	mutex_barged(struct lwkt_mutex *mu);

/* Return td's own priority. */
static inline int
lend_ownpri(const struct lwkt_thread *td)
{
	return td->td_lent != 0 ? td->td_ownpri : td->td_pri;
}

/*
 * Return the priority with which td waits.  An lwp, whatever its class, waits
 * at least with that of an lwp that works in the library.
 */
static inline int
lend_rank(const struct lwkt_thread *td)
{
	return (td->td_leave & TDL_LWP) && td->td_pri < LWKT_PRI_KERN_USER ?
	    LWKT_PRI_KERN_USER : td->td_pri;
}

/* The same for its own priority, without what it is lent. */
static inline int
lend_ownrank(const struct lwkt_thread *td)
{
	int pri = lend_ownpri(td);

	return (td->td_leave & TDL_LWP) && pri < LWKT_PRI_KERN_USER ?
	    LWKT_PRI_KERN_USER : pri;
}

/* Note that td waits, so that changes of its priority move it. */
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

/* Tell whether a change for td is still in progress. */
static inline int
lend_busy(const struct lwkt_thread *td)
{
	return atomic_load_32(&td->td_cold->tc_lendrefs) != 0;
}

/* Apply changes that came while td was between two CPUs. */
static inline void
lend_arrived(lwkt_thread_t td)
{
	if (unlikely(atomic_load_32(&td->td_mpflags) & TDF_MP_LEND))
		lend_apply_late(td);
}

#endif
