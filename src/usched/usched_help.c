/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helper threads: a CPU with no other work looks for an lwp.
 * USES no other file of the layer.
 *
 * THEORY
 * Each CPU has one helper for each scheduler in use.  Its priority is below all
 * other threads, so it runs only when the CPU would be idle: a CPU that is busy
 * with work of the library takes no lwp from a queue that other CPUs could
 * serve.  The helper deschedules itself, then sets its ready bit, then looks
 * for an lwp, and then switches away.  If an lwp is queued after the search,
 * the CPU that queued it finds the helper ready.  If that CPU schedules the
 * helper before it has switched away, the helper only goes back to the run
 * queue, and looks again.
 *
 * ORDER
 * A CPU sets its ready bit, and clears its hp_busy bit, before it takes the
 * scheduler's lock for the search.  A CPU that queues an lwp reads both bits
 * after it held that lock.  So either the search finds the lwp, or the CPU that
 * queued it finds the CPU that searched.
 *
 * INVARIANTS
 * UH1 A bit of hp_ready is cleared by the CPU that then schedules the helper.
 * UH2 hp_busy bit c <=> CPU c has a current lwp, except while c changes it.
 *
 * Source: DragonFly's sched_thread of usched_bsd4.c and usched_dummy.c.
 */
#include "usched/current_var.h"

COUNTER(woken, "lwkt.usched_woken", "CPUs woken to take an lwp");

/* Look for an lwp each time that this CPU has nothing else to run. */
static void
helper(void *arg)
{
	struct helpers *hp = arg;
	lwkt_thread_t td = curthread;
	struct globaldata *gd = mygd();		/* it never moves */
	int cpu = gd->gd_m.mc_cpuid;

	crit_enter_td(td);
	td->td_wmesg = "lwp";
	for (;;) {
		sched_dequeue(gd, td);
		/*
		 * Before the search, else an lwp queued now is missed: ORDER.
		 */
		cpumask_set_atomic(&hp->hp_ready, cpu);
		hp->hp_look(cpu);
		switch_away();
	}
}

/* Create the helpers of all CPUs that have none.  Thread; blocks. */
int
helpers_start(struct helpers *hp, void (*look)(int cpu), const char *name)
{
	lwkt_thread_t td;
	int cpu, error;

	hp->hp_look = look;
	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if (hp->hp_thread[cpu] != NULL)
			continue;	/* an attempt that failed later on */
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
 * Wake a ready CPU that has no current lwp and may run lp.  Returns 1 if one
 * was woken, else 0.  Start at another CPU each time (hp_rover), to spread the
 * lwps.
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
			continue;	/* taken already */	/* UH1 */
		counter_inc(mygd()->gd_cntbias, woken);
		lwkt_schedule(hp->hp_thread[cpu]);
		return 1;
	}
	return 0;
}

/* Check what cpu has: invariants builds, when no other CPU changes it. */
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
