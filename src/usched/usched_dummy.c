/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dummy: the minimum that a user scheduler must do.
 * USES usched_help.c, usched_return.c.
 *
 * THEORY
 * One queue for all CPUs, first come, first served.  Nice values and classes
 * have no effect here (but kern/ runs the current lwps of a CPU by their
 * class).  Only a CPU itself writes its current lwp.  The queue has a lock;
 * while it is held, no thread is woken and no IPI is sent.
 *
 * INVARIANTS
 * UD1 If lwps wait, each CPU has a current lwp or will search: its helper is
 *    scheduled, or it is busy with other threads and its helper runs later.
 *
 * Source: DragonFly usched_dummy.c.
 */
#include "usched/current_var.h"

#include <string.h>

TUNABLE_INT(rrinterval, "kern.usched_dummy_rrinterval", 5, 1, 10000,
    "slice of an lwp, ticks of kern.schedhz");

static struct {
	struct lwkt_spin q_lock;
	lwkt_lwp_t	 q_first;	/* under q_lock */
	lwkt_lwp_t	*q_lastp;	/* under q_lock */
	uint32_t	 q_count;	/* (a) written under q_lock */
} q;
static struct current currents[LWKT_MAXCPU];
static struct helpers help;

/* Return what dummy has of this CPU. */
static inline struct current *
mine(void)
{
	return &currents[mycpuid];
}

/* Take the first lwp that may run on this CPU off the queue, or NULL. */
static lwkt_lwp_t
choose(void)
{
	lwkt_lwp_t lp, *prevp;

	if (atomic_load_32(&q.q_count) == 0)
		return NULL;
	lwkt_spin_lock(&q.q_lock);
	for (prevp = &q.q_first; (lp = *prevp) != NULL; prevp = &lp->lp_next)
		if (lwp_allowed(lp, mycpuid))
			break;
	if (lp != NULL) {
		if ((*prevp = lp->lp_next) == NULL)
			q.q_lastp = prevp;
		atomic_store_32(&q.q_count, q.q_count - 1);
	}
	lwkt_spin_unlock(&q.q_lock);
	return lp;
}

/* Make the first lwp of the queue current.  Return 1 if there is one. */
static int
choose_next(struct current *cu)
{
	lwkt_lwp_t lp = choose();

	if (lp == NULL)
		return 0;
	current_bring(&help, cu, lp, CURRENT_NOPRI);
	return 1;
}

/* us_release_curproc: choose another current lwp if lp is it. */
static void
dummy_release(lwkt_lwp_t lp)
{
	current_release(&help, mine(), lp, CURRENT_NOPRI, choose_next);
}

/* us_acquire_curproc: wait until lp is current on a CPU that it may use. */
static void
dummy_acquire(lwkt_lwp_t lp)
{
	struct current *cu = mine();

	if (lwkt_usched_wanted() && cu->cu_lwp == lp)
		(void)choose_next(cu);
	for (;;) {
		if (!lwp_allowed(lp, mycpuid))
			dummy_release(lp);
		else if (cu->cu_lwp == lp)
			return;
		else if (cu->cu_lwp == NULL && !choose_next(cu)) {
			current_take(&help, cu, lp, CURRENT_NOPRI);
			return;
		}
		lwkt_usched_requeue(lp);
		cu = mine();
	}
}

/* us_setrunqueue: append lp to the queue, and wake a CPU for it. */
static void
dummy_setrunqueue(lwkt_lwp_t lp)
{
	lwkt_spin_lock(&q.q_lock);
	lp->lp_next = NULL;
	*q.q_lastp = lp;
	q.q_lastp = &lp->lp_next;
	atomic_store_32(&q.q_count, q.q_count + 1);
	lwkt_spin_unlock(&q.q_lock);
	(void)helpers_wake(&help, lp);				/* UD1 */
}

/* us_schedulerclock: end a slice that is used up, if another lwp waits. */
static void
dummy_schedulerclock(lwkt_lwp_t lp)
{
	(void)lp;
	if (current_tick(mine(), rrinterval) &&
	    atomic_load_32(&q.q_count) != 0)
		lwkt_usched_resched(mycpuid);
}

/*
 * Take an lwp for this CPU, which was woken (hp_look).  Then wake another CPU
 * for the first one that still waits: another CPU may have taken the lwp that
 * this one was woken for, and then no other wake-up is to come.
 */
static void
dummy_look(int cpu)
{
	lwkt_lwp_t first;

	(void)cpu;
	if (mine()->cu_lwp == NULL)
		(void)choose_next(mine());
	lwkt_spin_lock(&q.q_lock);
	first = q.q_first;
	if (first != NULL)
		lwkt_hold(first->lp_thread);
	lwkt_spin_unlock(&q.q_lock);
	if (first == NULL)
		return;
	(void)helpers_wake(&help, first);
	lwkt_rele(first->lp_thread);
}

/* us_resetpriority: a queued lp may have got CPUs on which it can run now. */
static void
dummy_resetpriority(lwkt_lwp_t lp)
{
	if (lp->lp_mode == LWKT_LWP_QUEUED)
		(void)helpers_wake(&help, lp);
}

/* us_register: start the helpers of all CPUs. */
static int
dummy_register(void)
{
	return helpers_start(&help, dummy_look, "usched dummy");
}

/* us_check: check what cpu has (UC1). */
static void
dummy_check(int cpu)
{
	if (config_host_sim)	/* else other CPUs change it meanwhile */
		current_check(&help, currents, cpu);
}

/* Reset all that a boot before this one may have left. */
void
dummy_boot(void)
{
	memset(currents, 0, sizeof(currents));
	memset(&help, 0, sizeof(help));
	memset(&q, 0, sizeof(q));
	lwkt_spin_init(&q.q_lock, "usched dummy");
	q.q_lastp = &q.q_first;
}

const struct lwkt_usched lwkt__usched_dummy = {
	.us_name = "dummy",
	.us_desc = "one queue, first come, first served",
	.us_register = dummy_register,
	.us_acquire_curproc = dummy_acquire,
	.us_release_curproc = dummy_release,
	.us_setrunqueue = dummy_setrunqueue,
	.us_schedulerclock = dummy_schedulerclock,
	.us_resetpriority = dummy_resetpriority,
	.us_check = dummy_check,
};
