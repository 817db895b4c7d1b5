/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helper threads: a CPU with nothing better to do looks for an lwp.
 *
 * THEORY
 * Each CPU has one for each scheduler in use, of a priority below all other
 * threads, so that it runs only when the CPU would idle: a CPU that is busy
 * with the work of the library takes no lwp from a queue that others could
 * serve.  It descheduled itself first, then says that it is ready, then looks,
 * and then switches away: whoever has queued an lwp after the look finds it
 * ready, and whoever schedules it in between only puts it back on the run
 * queue.
 *
 * ORDER
 * The ready bit is set, and hp_busy cleared, before the scheduler's lock is
 * taken for the look; who queues an lwp reads both after he held the lock.  So
 * either the look finds the lwp or he finds the CPU.
 *
 * INVARIANTS
 * UH1 A bit of hp_ready is cleared by the one who then schedules the thread.
 * UH2 hp_busy bit c <=> CPU c has a current lwp, except while c changes it.
 *
 * Source: DragonFly's sched_thread of usched_bsd4.c and usched_dummy.c.
 */
#include "usched/usched_var.h"

COUNTER(woken, "lwkt.usched_woken", "CPUs woken to take an lwp");

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
		cpumask_set_atomic(&hp->hp_ready, cpu);
		hp->hp_look(cpu);
		switch_away();
	}
}

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
			continue;	/* somebody else's */	/* UH1 */
		counter_inc(mygd()->gd_cntbias, woken);
		lwkt_schedule(hp->hp_thread[cpu]);
		return 1;
	}
	return 0;
}
