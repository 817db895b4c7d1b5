/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to sched/: the run queue, and the
 * idle thread.
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_SCHED_SCHED_CPU_H
#define LWKT_KERN_SCHED_SCHED_CPU_H

#include "base/compiler.h"
#include "kern/cpu/thread_var.h"

#define NPRI		32

/*
 * The bits of gd_ast: requests that the running thread give way at its next
 * preemption point, and a mark of watchdog.c.  Plain accesses are enough: only
 * this CPU makes them, and its signal handler sets only AST_WATCHED, which may
 * be lost.
 */
#define AST_LWKT_RESCHED	0x1u	/* switch at the next yield */
#define AST_USER_RESCHED	0x2u	/* ask the user scheduler */
#define AST_WATCHED		0x4u	/* watchdog saw AST_LWKT_RESCHED */

/*
 * The bits of gd_unusual: why the fast paths of sched/ may not be used on this
 * CPU.
 */
#define UNUSUAL_STOPPING	0x1u	/* shutdown: see cpu_stops() */
#define UNUSUAL_PREEMPTIBLE	0x2u	/* the running thread is preemptible */
#define UNUSUAL_CXX		0x4u	/* threads may have C++ exceptions */

struct sched_cpu {
	LWKT_CACHEALIGN
	uint32_t	 gd_ast;	/* (h) AST_*: requests to give way */
	uint32_t	 gd_rqcount;	/* (c) threads on the run queue */
	int		 gd_preempt_depth; /* (c) number of lenders */
	uint32_t	 gd_unusual;	/* (c) UNUSUAL_*: no fast paths */
	uint32_t	 gd_served;	/* (h) splz ran since watchdog check */
	uint32_t	 gd_async_tries; /* (h) async refusals in a row */
	lwkt_thread_t	 gd_abandoned;	/* (c) left by stop_thread, or NULL */
	lwkt_thread_t	 gd_rq[NPRI];	/* (c) head of each ring, or NULL */
	struct lwkt_thread gd_idlethread; /* (c) never on the run queue */
	struct thread_cold gd_idlecold;	/* (c) gd_idlethread's cold part */
};

#endif
