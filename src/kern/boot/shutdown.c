/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shutdown: stop all CPUs, whatever their threads do.
 *
 * THEORY
 * kern_stop sends an IPI to every CPU, the caller's included.  A stopping CPU
 * empties its run queue, so that its next switch ends in its idle thread.  The
 * idle thread serves messages until all CPUs have stopped, because a sender may
 * still wait for room in a ring of this CPU.  Then it returns.
 *
 * When the first CPU has stopped, a thread that still runs on another CPU has
 * lwkt.shutdown_ms to block, yield or end.  Then the first CPU sets
 * RQF_SHUTDOWN on the others and interrupts preemptible threads.  From then on
 * the thread stops for ever at its outermost critical exit; a preemptible one
 * also at any instruction at which it can be interrupted.  Such a thread is
 * abandoned.  It keeps its tokens until all CPUs have stopped, because a thread
 * of another CPU may use the data that they protect.  If a thread neither calls
 * the library nor can be interrupted, the shutdown prints its name after
 * PATIENCE times lwkt.shutdown_ms, and waits for it.
 *
 * INVARIANTS
 * SD1 After cpus_stopped == ncpus no CPU sends messages or runs a thread.
 * SD2 Tokens of abandoned threads are released after SD1 holds.
 *
 * Source: ours; DragonFly has no such shutdown.
 */
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"
#include "kern/trouble/debug_var.h"
#include "kern/boot/boot_var.h"

#include <lwkt/ipiq.h>

TUNABLE_INT(shutdown_ms, "lwkt.shutdown_ms", 20, 1, 1000000,
    "time until threads that still run at shutdown are stopped, ms");

#define NS_PER_MS	INT64_C(1000000)
#define PATIENCE	50	/* after so many shutdown_ms name the thread */

static uint32_t cpus_stopped;		/* (a) CPUs out of the idle loop */

/* Note that no CPU has stopped yet.  Boot. */
void
shutdown_boot(void)
{
	cpus_stopped = 0;
}

/*
 * IPI callback on each CPU: empty the run queue.  From the next switch on, the
 * CPU runs its idle thread only, and its idle loop ends.
 */
static void
stop_cpu(void *arg, int unused)
{
	struct globaldata *gd = mygd();
	unsigned pri;

	(void)arg, (void)unused;
	for (pri = 0; pri < NPRI; pri++)
		while (gd->gd_rq[pri] != NULL)
			sched_dequeue(gd, gd->gd_rq[pri]);
	gd->gd_unusual |= UNUSUAL_STOPPING;
	gd->gd_ast |= AST_LWKT_RESCHED;	/* lwkt_yield_quick() switches */
}

/* Ask every CPU, this one too, to stop.  CPU context; does not wait. */
void
kern_stop(void)
{
	lwkt_send_ipiq_bcast(stop_cpu, NULL, 0);
}

/*
 * Print which thread keeps the CPU of tgd from stopping; print nothing if it is
 * the idle thread.  The thread may leave the CPU meanwhile; its structure is
 * type-stable, so reading it is safe.
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

/*
 * Make the thread that runs on the CPU of tgd stop for ever at its next
 * outermost critical exit.  Interrupt a preemptible thread, so that it stops
 * sooner.
 */
static void
stop_insist(struct globaldata *tgd)
{
	if ((atomic_fetchor_32(&tgd->gd_m.mc_reqflags, RQF_SHUTDOWN) &
	    RQF_PREEMPTIBLE) != 0)
		(void)machine_nmi(&tgd->gd_m);
}

/*
 * Serve messages until all CPUs have stopped.  first is 1 on the CPU that
 * stopped first.  That CPU tries to stop the others each time that shutdown_ms
 * have passed.  After PATIENCE tries it prints the threads that still run.
 */
static void
stop_wait(struct globaldata *gd, int first)
{
	int64_t begin = machine_time_ns(), now;
	unsigned turn = 0, times = 0;
	int cpu;

	/* Acquire: pairs with the fetchadd in stop_this_cpu() (SD1). */
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

/*
 * This CPU has left its idle loop.  Serve messages until all CPUs have left
 * theirs.  Then wait until no pthread pushes work to a CPU, and release the
 * tokens of a thread that was abandoned here.
 */
void
stop_this_cpu(struct globaldata *gd)
{
	atomic_store_32(&gd->gd_stopped, 1);
	stop_wait(gd, atomic_fetchadd_32(&cpus_stopped, 1) == 0);  /* SD1 */
	foreign_wait();
	if (gd->gd_abandoned != NULL)
		tokens_release(gd->gd_abandoned);		/* SD2 */
}
