/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dummy: the minimum that a user scheduler must do.
 * USES usched_help.c, usched_return.c.
 *
 * THEORY
 * One queue for all CPUs, first come, first served.  Nice values and classes
 * do not matter for the queue.  (But the class of a current lwp decides with
 * which priority kern/ runs it.)  Only a CPU itself writes its current lwp.
 * The queue has a lock; while it is held, no thread is woken and no IPI is
 * sent.
 *
 * INVARIANTS
 * UD1 While an lwp waits, each CPU on which it may run has a current lwp, or
 *    one of these CPUs will search the queue: its helper is runnable, or will
 *    be woken by a runnable one, or the CPU is in dummy_release().
 *
 * Source: DragonFly usched_dummy.c.
 */
#include "usched/current_var.h"

#include <string.h>

TUNABLE_INT(rrinterval, "kern.usched_dummy_rrinterval", 5, 1, 10000,
    "slice of an lwp, ticks of kern.schedhz");

/* The lwps that wait, linked by lp_next. */
static struct {
	struct lwkt_spin q_lock;
	lwkt_lwp_t	 q_first;	/* under q_lock; NULL: empty */
	lwkt_lwp_t	*q_lastp;	/* under q_lock; the last NULL link */
	uint32_t	 q_count;	/* (a) lwps; written under q_lock */
} q;
static struct current currents[LWKT_MAXCPU];
static struct helpers help;

/* Return dummy's state of this CPU. */
static inline struct current *
mine(void)
{
	return &currents[mycpuid];
}

/*
 * Dequeue the first lwp that may run on this CPU, and return it.  Return NULL
 * if there is none.
 */
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

/*
 * Make the first queued lwp that may run on this CPU current.  Return 1 if
 * there was one, else 0.
 */
static int
choose_next(struct current *cu)
{
	lwkt_lwp_t lp = choose();

	if (lp == NULL)
		return 0;
	current_bring(&help, cu, lp, CURRENT_NOPRI);
	return 1;
}

/* us_release_curproc: if lp is the current lwp, choose another one. */
static void
dummy_release(lwkt_lwp_t lp)
{
	current_release(&help, mine(), lp, CURRENT_NOPRI, choose_next);
}

/*
 * us_acquire_curproc: return when lp, the caller, is the current lwp of a CPU
 * on which it may run.  If lp is current and this CPU has a request of
 * lwkt_usched_resched(), lp gives up the CPU to the first lwp that waits and
 * may run there.  May block, and return on another CPU.
 */
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

/* us_setrunqueue: append lp to the queue; wake a CPU for it (helpers_wake). */
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

/*
 * us_schedulerclock: if the slice of the current lwp is used up and lwps wait,
 * ask the current lwp to call dummy_acquire().
 */
static void
dummy_schedulerclock(lwkt_lwp_t lp)
{
	(void)lp;
	if (current_tick(mine(), rrinterval) &&
	    atomic_load_32(&q.q_count) != 0)
		lwkt_usched_resched(mycpuid);
}

/*
 * Return the first lwp of the queue that may run on one of cpus, or NULL.  The
 * lwp stays queued.  The caller gets a reference to its thread (lwkt_rele).
 */
static lwkt_lwp_t
hold_first(const lwkt_cpumask_t *cpus)
{
	lwkt_lwp_t lp;

	lwkt_spin_lock(&q.q_lock);
	for (lp = q.q_first; lp != NULL; lp = lp->lp_next)
		if (lwp_allowed_any(lp, cpus))
			break;
	if (lp != NULL)
		lwkt_hold(lp->lp_thread);
	lwkt_spin_unlock(&q.q_lock);
	return lp;
}

/*
 * hp_choose: choose an lwp for this CPU, which was woken, if it has no current
 * lwp.  Then wake a CPU for an lwp that still waits.
 */
static void
dummy_help(int cpu)
{
	(void)cpu;
	if (mine()->cu_lwp == NULL)
		(void)choose_next(mine());
	helpers_wake_next(&help, hold_first);			/* UD1 */
}

/*
 * us_resetpriority: if lp is queued, wake a CPU for it, because lp may have got
 * another CPU mask.  Nothing else matters for this scheduler.
 */
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
	return helpers_start(&help, dummy_help, "usched dummy");
}

/* us_check: current_check() of cpu, on the simulated host only. */
static void
dummy_check(int cpu)
{
	if (config_host_sim)	/* else other CPUs run meanwhile */
		current_check(&help, currents, cpu);
}

/* Reset what an earlier boot may have left. */
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
