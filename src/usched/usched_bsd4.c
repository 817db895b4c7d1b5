/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bsd4: which lwp is the current one of which CPU.
 * USES usched_bsd4_queue.c, usched_bsd4_pri.c, usched_help.c, usched_return.c.
 *
 * THEORY
 * All lwps that wait are in queues which all CPUs share (usched_bsd4_queue.c).
 * Only a CPU itself writes its current lwp.  So an lwp that blocks, and returns
 * to a CPU that no other lwp wants, takes no lock.  The priority of the current
 * lwp is stored beside it, for other CPUs to compare with.
 *
 * An lwp that returns to user mode has three cases.  It takes a CPU that has no
 * current lwp, unless a better lwp waits.  It takes the CPU from a current lwp
 * of a worse queue: that lwp is not running at this moment, and notices the
 * loss when it returns itself.  Otherwise it goes to the queue.
 *
 * A CPU whose current lwp is released chooses the next one.  A CPU that queues
 * an lwp looks for a CPU that can run it: one that is ready and has no current
 * lwp, else one whose current lwp is worse.
 *
 * Slices: after rrinterval ticks the scheduler asks the current lwp to call
 * acquire.  There the lwp gives up the CPU if another one waits in its own
 * queue or in a better one.
 *
 * INVARIANTS
 * UB1 If lwps wait, each CPU on which they may run has a current lwp that is no
 *    worse, or was asked to call acquire, or its helper will search.
 *
 * Source: DragonFly usched_bsd4.c, without its knowledge of CPU topology.
 */
#include "usched/bsd4_var.h"
#include "usched/current_var.h"

#include <string.h>

TUNABLE_INT(rrinterval, "kern.usched_bsd4.rrinterval", 5, 1, 10000,
    "slice of an lwp, ticks of kern.schedhz");

COUNTER(taken, "kern.usched_bsd4.taken", "CPUs taken from a worse lwp");
COUNTER(slices, "kern.usched_bsd4.slices", "slices that ended for another lwp");
COUNTER(asked, "kern.usched_bsd4.asked", "CPUs asked to run a better lwp");

static struct current currents[LWKT_MAXCPU];
static struct helpers help;

/* Return what bsd4 has of this CPU. */
static inline struct current *
mine(void)
{
	return &currents[mycpuid];
}

/* Make the best lwp of queues 0 to last current.  Return 1 if there is one. */
static int
choose_next(struct current *cu, int last)
{
	lwkt_lwp_t lp = bsd4_queued() != 0 ? bsd4_choose(last) : NULL;

	if (lp == NULL)
		return 0;
	current_bring(&help, cu, lp, bsd4_pri(lp));
	return 1;
}

/* Make the best lwp of all queues current.  Return 1 if there is one. */
static int
choose_any(struct current *cu)
{
	return choose_next(cu, BSD4_NQS);
}

/* us_release_curproc: choose another current lwp if lp is it. */
static void
bsd4_release(lwkt_lwp_t lp)
{
	current_release(&help, mine(), lp, BSD4_NULLPRI, choose_any);
}

/* Give the CPU of lp to an lwp of its queue or a better one, if one waits. */
static void
make_room(struct current *cu, lwkt_lwp_t lp)
{
	cu->cu_rrcount = 0;
	if (choose_next(cu, bsd4_queue(bsd4_pri(lp))))
		counter_inc(mygd()->gd_cntbias, slices);
}

/*
 * Try to make lp current on this CPU, where it may run.  Return 0 if a better
 * lwp that waits gets the CPU, or the current one keeps it.
 */
static int
try_take(struct current *cu, lwkt_lwp_t lp)
{
	int n = bsd4_queue(bsd4_pri(lp));

	/* If the CPU is free, a better lwp that waits comes first. */
	if (cu->cu_lwp == NULL && choose_next(cu, n - 1))
		return 0;
	if (bsd4_queue(atomic_peek_32(&cu->cu_pri)) <= n)
		return 0;
	if (cu->cu_lwp != NULL)
		counter_inc(mygd()->gd_cntbias, taken);
	current_take(&help, cu, lp, bsd4_pri(lp));
	return 1;
}

static void	bsd4_resetpriority(lwkt_lwp_t lp);

/* us_acquire_curproc: wait until lp is current on a CPU that it may use. */
static void
bsd4_acquire(lwkt_lwp_t lp)
{
	struct current *cu = mine();

	bsd4_recalculate(lp);
	bsd4_resetpriority(lp);
	if (lwkt_usched_wanted() && cu->cu_lwp == lp)
		make_room(cu, lp);
	for (;;) {
		if (!lwp_allowed(lp, mycpuid))
			bsd4_release(lp);
		else if (cu->cu_lwp == lp || try_take(cu, lp))
			return;
		lwkt_usched_requeue(lp);
		cu = mine();
	}
}

/* Ask a CPU whose current lwp is in a worse queue than n to make room. */
static void
ask_worse(lwkt_lwp_t lp, int n)
{
	int i, cpu, home = lwkt_getcpu(lp->lp_thread);

	for (i = 0; i < lwkt__ncpus; i++) {
		cpu = (home + i) % lwkt__ncpus;
		if (lwp_allowed(lp, cpu) &&
		    cpumask_test_atomic(&help.hp_busy, cpu) &&
		    bsd4_queue(atomic_load_32(&currents[cpu].cu_pri)) > n) {
			counter_inc(mygd()->gd_cntbias, asked);
			lwkt_usched_resched(cpu);
			return;
		}
	}
}

/*
 * us_setrunqueue: queue lp and find a CPU for it.  This is the CPU of lp: so lp
 * cannot be given away, or end, before this function returns.
 */
static void
bsd4_setrunqueue(lwkt_lwp_t lp)
{
	int n = bsd4_queue(bsd4_pri(lp));

	bsd4_enqueue(lp);
	if (!helpers_wake(&help, lp))
		ask_worse(lp, n);				/* UB1 */
}

/*
 * us_resetpriority: compute the priority of lp again, and move lp to its new
 * queue.  Another CPU may take lp off its queue at the same time.
 */
static void
bsd4_resetpriority(lwkt_lwp_t lp)
{
	struct current *cu = mine();
	uint32_t pri = bsd4_priority(lp);
	int again;

	if (cu->cu_lwp == lp && atomic_peek_32(&cu->cu_pri) != pri)
		atomic_store_32(&cu->cu_pri, pri);
	if (pri == bsd4_lwp(lp)->bl_pri && lp->lp_mode != LWKT_LWP_QUEUED)
		return;
	again = bsd4_setpri(lp, pri);
	lwkt_usched_setupri(lp, -bsd4_queue(pri));
	if (again)
		bsd4_setrunqueue(lp);
}

/* us_schedulerclock: charge lp a tick, and end a slice that is used up. */
static void
bsd4_schedulerclock(lwkt_lwp_t lp)
{
	struct current *cu = mine();

	if (lp != NULL) {
		bsd4_charge(lp);
		bsd4_resetpriority(lp);
	}
	if (current_tick(cu, rrinterval) && bsd4_queued() != 0)
		lwkt_usched_resched(mycpuid);
}

/*
 * Take an lwp for this CPU, which was woken (hp_look).  Then wake another CPU
 * for the best one that still waits: another CPU may have taken the lwp that
 * this one was woken for, and then no other wake-up is to come.
 */
static void
bsd4_look(int cpu)
{
	struct current *cu = mine();
	lwkt_lwp_t lp;

	if (cu->cu_lwp == NULL)
		(void)choose_any(cu);
	lp = bsd4_hold_first();
	(void)cpu;
	if (lp == NULL)
		return;
	(void)helpers_wake(&help, lp);
	lwkt_rele(lp->lp_thread);
}

/* us_register: start the helpers of all CPUs. */
static int
bsd4_register(void)
{
	return helpers_start(&help, bsd4_look, "usched bsd4");
}

/* us_check: check what cpu has (UC1), and the queues. */
static void
bsd4_check(int cpu)
{
	lwkt_lwp_t lp = currents[cpu].cu_lwp;

	if (!config_host_sim)
		return;			/* other CPUs change it meanwhile */
	current_check(&help, currents, cpu);
	KASSERTF(lp == NULL || bsd4_lwp(lp)->bl_queue < 0,	/* UC1 */
	    "lwp \"%s\" is current and queued", lp->lp_thread->td_name);
	bsd4_queues_check();
}

/* Reset all that a boot before this one may have left. */
void
bsd4_boot(void)
{
	int cpu;

	memset(currents, 0, sizeof(currents));
	memset(&help, 0, sizeof(help));
	bsd4_queues_boot();
	for (cpu = 0; cpu < LWKT_MAXCPU; cpu++)
		currents[cpu].cu_pri = BSD4_NULLPRI;
}

const struct lwkt_usched lwkt__usched_bsd4 = {
	.us_name = "bsd4",
	.us_desc = "classes, nice and recent CPU use",
	.us_register = bsd4_register,
	.us_acquire_curproc = bsd4_acquire,
	.us_release_curproc = bsd4_release,
	.us_setrunqueue = bsd4_setrunqueue,
	.us_schedulerclock = bsd4_schedulerclock,
	.us_resetpriority = bsd4_resetpriority,
	.us_heuristic_forking = bsd4_forking,
	.us_check = bsd4_check,
};
