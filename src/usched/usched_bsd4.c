/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bsd4: which lwp is the current one of which CPU.
 * USES usched_bsd4_queue.c, usched_bsd4_pri.c, usched_help.c, usched_return.c.
 *
 * THEORY
 * All lwps that wait are in queues which all CPUs share (usched_bsd4_queue.c).
 * Only a CPU itself writes its current lwp.  So an lwp that blocks, and returns
 * to a CPU that no other lwp wants, takes no lock unless its priority has
 * changed.  The priority of the current lwp is stored beside it, for other CPUs
 * to compare with.
 *
 * A current lwp is not queued; "its queue" means the queue of its priority.
 *
 * If an lwp, lp, returns to user mode and is not current, there are three
 * cases.  If its CPU has no current lwp, and no lwp waits in a better queue, lp
 * becomes current.  If the queue of the current lwp is worse, lp replaces that
 * lwp.  (The replaced lwp is not running at this moment.  It notices the loss
 * when it returns to user mode itself.)  Otherwise lp goes to its queue.
 *
 * A CPU whose current lwp is released chooses the next one.  A CPU that queues
 * an lwp looks for a CPU that can run it: one that is ready and has no current
 * lwp, else one whose current lwp is worse.
 *
 * Slices: after rrinterval ticks, if lwps wait, the scheduler asks the current
 * lwp to call bsd4_acquire().  There the lwp gives up the CPU if another lwp
 * waits in the same queue or in a better one.
 *
 * INVARIANTS
 * UB1 While an lwp waits, each CPU on which it may run has a current lwp whose
 *    queue is no worse, or the current lwp of one of these CPUs was asked to
 *    call bsd4_acquire(), or one of these CPUs will search the queues, perhaps
 *    after it is woken by a runnable helper.  Exception: if the CPU that was
 *    woken for an lwp takes another one, no current lwp is asked again.  Then a
 *    worse current lwp gives up its CPU when its slice ends.
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

/* Return bsd4's state of this CPU. */
static inline struct current *
mine(void)
{
	return &currents[mycpuid];
}

/*
 * Choose the best lwp in queues 0 to last that may run on this CPU, dequeue it,
 * and make it current.  Return 1 if there was one, else 0.
 */
static int
choose_next(struct current *cu, int last)
{
	lwkt_lwp_t lp = bsd4_queued() != 0 ? bsd4_choose(last) : NULL;

	if (lp == NULL)
		return 0;
	current_bring(&help, cu, lp, bsd4_pri(lp));
	return 1;
}

/* As choose_next(), but with all queues. */
static int
choose_any(struct current *cu)
{
	return choose_next(cu, BSD4_NQS);
}

/* us_release_curproc: if lp is the current lwp, choose another one. */
static void
bsd4_release(lwkt_lwp_t lp)
{
	current_release(&help, mine(), lp, BSD4_NULLPRI, choose_any);
}

/*
 * lp is current.  If an lwp of its queue or of a better one waits, make that
 * one current instead.  A new slice begins in any case.
 */
static void
make_room(struct current *cu, lwkt_lwp_t lp)
{
	cu->cu_rrcount = 0;
	if (choose_next(cu, bsd4_queue(bsd4_pri(lp))))
		counter_inc(mygd()->gd_cntbias, slices);
}

/*
 * Try to make lp, which is not current, current on this CPU, where lp may run.
 * Return 1 if it is current now.  Return 0 if an lwp of a better queue became
 * current instead, or the queue of the current lwp is no worse, so that it
 * stays.
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

/*
 * us_acquire_curproc: return when lp, the caller, is the current lwp of a CPU
 * on which it may run.  Updates the priority of lp first.  If lp is current and
 * this CPU has a request of lwkt_usched_resched(), lp gives up the CPU to an
 * lwp that waits in its queue or a better one.  May block, and return on
 * another CPU.
 */
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

/*
 * Find a CPU, beginning with that of lp, that may run lp and has a current lwp
 * whose queue is worse than n.  Ask this current lwp to call bsd4_acquire().
 * Do nothing if there is no such CPU.
 */
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
 * us_setrunqueue: queue lp and find a CPU for it.  Another CPU may choose lp as
 * soon as it is queued.  But lp belongs to this CPU, and only this CPU can give
 * it away.  So lp cannot run or end before this function returns.
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
 * us_resetpriority: compute the priority of lp again.  If lp is queued, move it
 * to the end of its new queue, and find a CPU for it.  Another CPU may take lp
 * off its queue at the same time; then lp is not queued again here.
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

/*
 * us_schedulerclock: charge a tick to lp, which runs (NULL: no lwp of bsd4
 * runs).  If the slice of the current lwp is used up and lwps wait, ask it to
 * call bsd4_acquire().
 */
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
 * hp_choose: choose an lwp for this CPU, which was woken, if it has no current
 * lwp.  Then wake a CPU for an lwp that still waits.
 */
static void
bsd4_help(int cpu)
{
	struct current *cu = mine();

	(void)cpu;
	if (cu->cu_lwp == NULL)
		(void)choose_any(cu);
	helpers_wake_next(&help, bsd4_hold_first);		/* UB1 */
}

/* us_register: start the helpers of all CPUs. */
static int
bsd4_register(void)
{
	return helpers_start(&help, bsd4_help, "usched bsd4");
}

/*
 * us_check: panic if UC1 or UH2 is broken for cpu, or a queue is damaged.  On
 * the simulated host only; elsewhere do nothing.
 */
static void
bsd4_check(int cpu)
{
	lwkt_lwp_t lp = currents[cpu].cu_lwp;

	if (!config_host_sim)
		return;			/* other CPUs write it meanwhile */
	current_check(&help, currents, cpu);
	KASSERTF(lp == NULL || bsd4_lwp(lp)->bl_queue < 0,	/* UC1 */
	    "lwp \"%s\" is current and queued", lp->lp_thread->td_name);
	bsd4_queues_check();
}

/* Reset what an earlier boot may have left. */
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
