/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shutdown: how all CPUs stop.
 *
 * THEORY
 * kern_stop sends an IPI to every CPU, the caller's included.  A stopping CPU
 * empties its run queue, so that its next switch ends in its idle thread.  The
 * idle thread serves messages until all CPUs have stopped, because a sender may
 * still wait for room in a ring of this CPU.  Then it returns.
 *
 * A thread that runs on another CPU has lwkt.shutdown_ms to block, yield or
 * end.  Then the first CPU that has stopped sets RQF_SHUTDOWN on the others and
 * interrupts preemptible threads.  From then on the thread stops for ever at
 * its outermost critical exit; a preemptible one stops at any instruction.  It
 * keeps its tokens until all CPUs have stopped, because a thread of another CPU
 * may wait for what they protect.  If a thread neither calls the library nor
 * can be interrupted, shutdown prints its name and waits for it.
 *
 * INVARIANTS
 * SD1 After cpus_stopped == ncpus no CPU sends messages or runs a thread.
 * SD2 Tokens of abandoned threads are released after SD1 holds.
 *
 * Source: scenario H of DragonFly's reading; that a thread is forced to stop is
 * ours.
 */
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"
#include "kern/boot/boot_var.h"

#include <lwkt/ipiq.h>

TRACEPOINT(stop, KTR_HOST, "cpu.stop", "cpu=%llu of=%llu");

TUNABLE_INT(shutdown_ms, "lwkt.shutdown_ms", 20, 1, 1000000,
    "time until threads that still run at shutdown are stopped, ms");

#define NS_PER_MS	INT64_C(1000000)
#define PATIENCE	50	/* in shutdown_ms: then the thread is named */

static uint32_t cpus_stopped;		/* (a) */

/* Forget an earlier shutdown.  Before the CPUs start. */
void
stop_boot(void)
{
	cpus_stopped = 0;
}

/*
 * Print which thread keeps a CPU from stopping.  The thread may leave the CPU
 * meanwhile; its structure is type-stable, so reading it is safe.
 */
static void __lwkt_no_tsan
stop_tell(struct globaldata *tgd, int64_t waited_ns)
{
	lwkt_thread_t td = *(lwkt_thread_t volatile *)&tgd->gd_m.mc_curthread;

	if (td == &tgd->gd_idlethread)
		return;
	lwkt_printf("lwkt: shutdown: thread \"%s\" (id %llu) runs on cpu %d "
	    "and has not called the library for %lld ms; waiting for it",
	    td->td_name, (unsigned long long)td->td_id, tgd->gd_m.mc_cpuid,
	    (long long)(waited_ns / NS_PER_MS));
}

/* Force the thread that runs on tgd to stop; it had time to do so itself. */
static void
stop_insist(struct globaldata *tgd)
{
	if ((atomic_fetchor_32(&tgd->gd_m.mc_reqflags, RQF_SHUTDOWN) &
	    RQF_PREEMPTIBLE) != 0)
		(void)machine_nmi(&tgd->gd_m);
}

/*
 * Serve messages until all CPUs have stopped.  The first CPU that stopped
 * forces the others after each shutdown_ms.
 */
static void
stop_wait(struct globaldata *gd, int first)
{
	int64_t begin = machine_time_ns(), now;
	unsigned turn = 0, times = 0;
	int cpu;

	/* Acquire: pairs with the fetchadd in stop_together() (SD1). */
	while (atomic_load_acq_32(&cpus_stopped) < (uint32_t)lwkt__ncpus) {
		ipiq_process(gd);
		machine_pause(turn++);
		if (!first)
			continue;
		now = machine_time_ns();
		if (now - begin < (int64_t)(times + 1) * shutdown_ms *
		    NS_PER_MS)
			continue;
		times++;
		for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
			if (atomic_load_32(&gd_find(cpu)->gd_stopped))
				continue;
			stop_insist(gd_find(cpu));
			if (times == PATIENCE)
				stop_tell(gd_find(cpu), now - begin);
		}
	}
}

/* Wait until all CPUs have stopped.  The idle thread, after its loop. */
void
stop_together(struct globaldata *gd)
{
	machine_watch(0);
	ktr(gd, stop, gd->gd_m.mc_cpuid, lwkt__ncpus);
	atomic_store_32(&gd->gd_stopped, 1);
	stop_wait(gd, atomic_fetchadd_32(&cpus_stopped, 1) == 0);  /* SD1 */
	foreign_wait();
	if (gd->gd_abandoned != NULL)
		tokens_release(gd->gd_abandoned);		/* SD2 */
}

/* IPI callback on each CPU: empty the run queue, and stop. */
static void
stop_cpu(void *arg, int unused)
{
	struct globaldata *gd = mygd();
	unsigned pri;

	(void)arg, (void)unused;
	for (pri = 0; pri < NPRI; pri++)
		while (gd->gd_rq[pri] != NULL)
			sched_dequeue(gd, gd->gd_rq[pri]);
	gd->gd_stopping = 1;
	gd->gd_ast |= AST_LWKT_RESCHED;	/* lwkt_yield_quick leaves, too */
}

/* Ask every CPU to stop.  CPU context. */
void
kern_stop(void)
{
	lwkt_send_ipiq_bcast(stop_cpu, NULL, 0);
}
