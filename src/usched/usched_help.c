/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helper threads: a CPU with no other work looks for an lwp.
 * USES no other file of the layer.
 *
 * THEORY
 * Each CPU has one helper for each scheduler in use.  The priority of a helper
 * is below that of lwps and of all other threads, except the idle thread and
 * threads of LWKT_PRI_IDLE_WORK.  So while a CPU runs other threads, its
 * helper takes no lwp that another CPU could run.
 *
 * The helper takes itself off the run queue, then sets the CPU's ready bit,
 * then searches for an lwp, and then switches away.  If an lwp is queued after
 * a search that found none, the CPU that queued it finds the ready bit set, and
 * can schedule the helper.  If the helper has not switched away by then, it is
 * put back on the run queue and searches again.
 *
 * A CPU that was woken for an lwp may take another one, which was queued
 * earlier or is better.  Another CPU was perhaps woken for that one, and finds
 * nothing that it may run.  So each CPU that was woken wakes a CPU for an lwp
 * that still waits, if there is a ready one for it.
 *
 * ORDER
 * A CPU sets its ready bit, and clears its hp_busy bit, before it takes the
 * scheduler's lock for the search.  A CPU that queues an lwp reads both bits
 * after it has released that lock.  So if the search came first and missed the
 * lwp, the CPU that queued the lwp sees both bits of the CPU that searched.
 *
 * INVARIANTS
 * UH1 A bit of hp_ready is cleared by the CPU that then schedules the helper.
 * UH2 hp_busy bit c <=> CPU c has a current lwp, except while c changes it.
 *
 * Source: DragonFly's sched_thread of usched_bsd4.c and usched_dummy.c.
 */
#include "usched/current_var.h"

COUNTER(woken, "lwkt.usched_woken", "CPUs woken to take an lwp");

/* The helper thread of a CPU: each time that it runs, search for an lwp. */
static void
helper(void *arg)
{
	struct helpers *hp = arg;
	lwkt_thread_t td = curthread;
	struct globaldata *gd = mygd();		/* a helper never moves */
	int cpu = gd->gd_m.mc_cpuid;

	crit_enter_td(td);
	td->td_wmesg = "lwp";
	for (;;) {
		sched_dequeue(gd, td);
		/*
		 * Set the bit before the search.  Else no CPU would wake this
		 * helper for an lwp that is queued after the search (ORDER).
		 */
		cpumask_set_atomic(&hp->hp_ready, cpu);
		hp->hp_choose(cpu);
		switch_away();
	}
}

/*
 * Create and start the helpers of all CPUs that have none.  Returns 0, or the
 * error of lwkt_create(); the helpers made before stay.  Thread context.
 */
int
helpers_start(struct helpers *hp, void (*choose)(int cpu), const char *name)
{
	lwkt_thread_t td;
	int cpu, error;

	hp->hp_choose = choose;
	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if (hp->hp_thread[cpu] != NULL)
			continue;	/* made by an attempt that failed */
		error = lwkt_create(helper, hp, &td, NULL, LWKT_NOSTART, cpu,
		    "%s %d", name, cpu);
		if (error != 0)
			return error;
		lwkt_setpri_initial(td, LWKT_PRI_USER_SCHEDULER);
		hp->hp_thread[cpu] = td;
		lwkt_schedule(td);
	}
	return 0;
}

/*
 * Schedule the helper of a ready CPU that has no current lwp and may run lp.
 * Returns 1 if there was one, else 0.  Each search begins at another CPU
 * (hp_rover), to spread the lwps.
 */
int
helpers_wake(struct helpers *hp, lwkt_lwp_t lp)
{
	uint32_t from = atomic_fetchadd_32(&hp->hp_rover, 1);
	uint64_t bit;
	int i, cpu;

	for (i = 0; i < lwkt__ncpus; i++) {
		cpu = (int)((from + (uint32_t)i) % (uint32_t)lwkt__ncpus);
		if (!lwp_allowed(lp, cpu) ||
		    !cpumask_test_atomic(&hp->hp_ready, cpu) ||
		    cpumask_test_atomic(&hp->hp_busy, cpu))
			continue;
		bit = CPUMASK_BIT(cpu);
		if ((atomic_fetchand_64(
		    &hp->hp_ready.cm_word[CPUMASK_WORD(cpu)], ~bit) & bit) == 0)
			continue;	/* another CPU woke it */ /* UH1 */
		counter_inc(mygd()->gd_cntbias, woken);
		lwkt_schedule(hp->hp_thread[cpu]);
		return 1;
	}
	return 0;
}

/*
 * Store in *idle the CPUs that helpers_wake() may choose, except this one: it
 * has just searched.  Return 1 if there is any, else 0.
 */
static int
helpers_idle(struct helpers *hp, lwkt_cpumask_t *idle)
{
	uint64_t any = 0;
	unsigned w;

	for (w = 0; w < CPUMASK_WORDS; w++) {
		idle->cm_word[w] = atomic_load_64(&hp->hp_ready.cm_word[w]);
		idle->cm_word[w] &= ~atomic_load_64(&hp->hp_busy.cm_word[w]);
	}
	cpumask_clear(idle, mycpuid);
	for (w = 0; w < CPUMASK_WORDS; w++)
		any |= idle->cm_word[w];
	return any != 0;
}

/*
 * Wake a CPU for the first lwp that waits and for which there is a ready CPU
 * without a current lwp.  An lwp whose CPUs are all busy does not keep other
 * lwps from being found.  A CPU whose bits change meanwhile searches by
 * itself (ORDER).
 */
void
helpers_wake_next(struct helpers *hp,
    lwkt_lwp_t (*hold)(const lwkt_cpumask_t *cpus))
{
	lwkt_cpumask_t idle;
	lwkt_lwp_t lp;

	if (!helpers_idle(hp, &idle) || (lp = hold(&idle)) == NULL)
		return;
	(void)helpers_wake(hp, lp);
	lwkt_rele(lp->lp_thread);
}

/*
 * Panic if the current lwp of cpu is also current on another CPU (UC1), or UH2
 * is broken for cpu.  Invariants builds, while no other CPU runs.
 */
void
current_check(const struct helpers *hp, const struct current *cus, int cpu)
{
	lwkt_lwp_t lp = cus[cpu].cu_lwp;
	int other;

	KASSERTF((lp != NULL) == cpumask_test(&hp->hp_busy, cpu),
	    "cpu %d is busy without a current lwp, or has one and is not busy",
	    cpu);
	for (other = 0; lp != NULL && other < lwkt__ncpus; other++)
		KASSERTF(other == cpu || cus[other].cu_lwp != lp,
		    "lwp \"%s\" is current on cpus %d and %d",	/* UC1 */
		    lp->lp_thread->td_name, cpu, other);
}
