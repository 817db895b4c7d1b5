/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Check whole structures for damage.
 *
 * THEORY
 * A damaged queue is often noticed long after the damage.  check_cpu() goes
 * through most of what a CPU owns and panics at the first broken invariant.
 * The invariants hold whenever a thread is about to leave the CPU.  There, on
 * the simulated host in invariants builds, check_cpu() is called at intervals,
 * so that a run stops soon after the damage.  Nothing here is a choice point: a
 * seed gives the same schedule with and without the checks.
 */
#include "kern/cpu/arena.h"
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"
#include "kern/sleep/synch_var.h"
#include "kern/lock/lend_var.h"
#include "kern/lock/lock_var.h"
#include "kern/port/port_var.h"
#include "kern/trouble/debug_var.h"

#define CHECK_EVERY	16	/* switches of a CPU from check to check */
#define THREADS_MAX	256	/* check the first threads of the arena only */
#define QUEUE_MAX	100000	/* a longer queue is taken for a loop */

/* Panic if a field of td is damaged.  Only some of its fields are tested. */
void
thread_check(lwkt_thread_t td)
{
	KASSERTF(td->td_cold->tc_magic == THREAD_MAGIC,
	    "thread \"%s\": the top of its stack is overwritten, magic %#llx",
	    td->td_name, (unsigned long long)td->td_cold->tc_magic);
	KASSERTF(td->td_critcount >= 0, "thread \"%s\" is in %d critical "
	    "sections", td->td_name, td->td_critcount);
	KASSERTF(td->td_ntoks <= LWKT_MAXTOKENS, "thread \"%s\" holds %d "
	    "tokens, more than LWKT_MAXTOKENS", td->td_name, td->td_ntoks);
	KASSERTF(td->td_refs > 0, "thread \"%s\" exists without a reference",
	    td->td_name);
}

/*
 * Check the threads of priority pri on the run queue, and the bit in the mask
 * (RQ2).  Return the number of these threads.
 */
static unsigned
ring_check(struct globaldata *gd, unsigned pri)
{
	lwkt_thread_t head = gd->gd_rq[pri], td = head;
	unsigned n = 0;

	KASSERTF((head != NULL) == ((gd->gd_rqmask >> pri & 1) != 0), /* RQ2 */
	    "cpu %d: run queue %u and the mask %#x disagree", gd->gd_m.mc_cpuid,
	    pri, gd->gd_rqmask);
	if (head == NULL)
		return 0;
	do {
		KASSERTF((td->td_flags & TDF_RUNQ) && td->td_gd == gd &&
		    td->td_pri == pri && td->td_rqnext->td_rqprev == td,
		    "cpu %d: thread \"%s\" on queue %u has flags %#x, "
		    "priority %d, or wrong links", gd->gd_m.mc_cpuid,
		    td->td_name, pri, td->td_flags, td->td_pri);
		KASSERTF(++n <= QUEUE_MAX, "cpu %d: run queue %u has no end",
		    gd->gd_m.mc_cpuid, pri);
		td = td->td_rqnext;
	} while (td != head);
	return n;
}

/* Check the run queue of a CPU, and the count of its threads (RQ3). */
static void
runq_check(struct globaldata *gd)
{
	unsigned pri, n = 0;

	for (pri = 0; pri < NPRI; pri++)
		n += ring_check(gd, pri);
	KASSERTF(n == gd->gd_rqcount, "cpu %d: %u threads on the run queue, "
	    "count %u", gd->gd_m.mc_cpuid, n, gd->gd_rqcount);	/* RQ3 */
}

/* Check the links, flags and end of one message queue of a port. */
static void
msgq_check(struct lwkt_port *port, struct lwkt_msgq *mq)
{
	struct lwkt_msg **prevp = &mq->mq_first, *msg;
	unsigned n = 0;

	for (; (msg = *prevp) != NULL; prevp = &msg->ms_next) {
		KASSERTF(msg->ms_prevp == prevp &&
		    (msg->ms_flags & LWKT_MSGF_QUEUED), "port %p: message %p "
		    "on its queue has flags %#x or a wrong link", (void *)port,
		    (void *)msg, msg->ms_flags);
		KASSERTF(++n <= QUEUE_MAX, "port %p: a queue has no end",
		    (void *)port);
	}
	KASSERTF(mq->mq_lastp == prevp, "port %p: the end of its queue is "
	    "wrong", (void *)port);
}

/* Panic if the port is not initialized, or a queue of it is damaged. */
void
port_check(struct lwkt_port *port)
{
	KASSERTF(port->mp_ops != NULL, "port %p is not initialized",
	    (void *)port);
	msgq_check(port, &port->mp_msgq);
	msgq_check(port, &port->mp_prioq);
}

/*
 * Check the threads of a CPU, among the first THREADS_MAX of the arena.  Only
 * on the simulated host, where no other CPU runs now.
 */
static void
threads_check(struct globaldata *gd)
{
	uint64_t i, n = thread_count();
	lwkt_thread_t td;

	for (i = 0; i < n && i < THREADS_MAX; i++) {
		td = thread_nth(i);
		if ((td->td_flags & TDF_FREE) || td->td_gd != gd)
			continue;
		thread_check(td);
		lend_check(td);
		sleepq_check(td);
		port_check(&td->td_cold->tc_port);
	}
}

/*
 * Check the run queue, rings, timers and spinlocks of a CPU, and its running
 * thread; on the simulated host, except in TSan builds, also its other threads
 * (threads_check).  Panic if one is damaged.  Context: that CPU, when a thread
 * is about to leave it.
 */
void
check_cpu(struct globaldata *gd)
{
	lwkt_thread_t td = gd->gd_m.mc_curthread;

	runq_check(gd);
	spin_check(gd);
	preempt_check(gd);
	ipiq_check(gd);
	systimer_check(gd);
	thread_check(td);
	token_check(td);
	if (td->td_leave & TDL_LWP)
		lwkt__kern_ops.ko_lwp_check(td);
	/* Even reading td_gd here is a data race to TSan. */
	if (config_host_sim && !LWKT_TSAN)
		threads_check(gd);
}

/* Call check_cpu() once in CHECK_EVERY switches of the CPU (kh_check). */
void
check_sometimes(struct globaldata *gd)
{
	if (++gd->gd_checks % CHECK_EVERY == 0)
		check_cpu(gd);
}
