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
 * Requests of a CPU to itself: plain, because only this CPU sets and reads
 * them.
 */
#define AST_LWKT_RESCHED	0x1u	/* a better thread is runnable */
#define AST_USER_RESCHED	0x2u	/* the user scheduler wants the CPU */
#define AST_WATCHED		0x4u	/* watchdog saw AST_LWKT_RESCHED */

struct sched_cpu {
	LWKT_CACHEALIGN
	uint32_t	 gd_ast;	/* (h) AST_* */
	uint32_t	 gd_rqcount;	/* (c) runnable, with the running one */
	int		 gd_preempt_depth; /* (c) lenders, lwkt_preempt.c */
	uint32_t	 gd_stopping;	/* (c) shutdown: run nothing but idle */
	uint32_t	 gd_served;	/* (h) splz ran since the last check */
	uint32_t	 gd_async_tries; /* (h) refusals in a row */
	lwkt_thread_t	 gd_abandoned;	/* (c) stopped by shutdown, or NULL */
	lwkt_thread_t	 gd_rq[NPRI];	/* (c) rings; points at the head */
	struct lwkt_thread gd_idlethread; /* (c) never on the run queue */
	struct thread_cold gd_idlecold;	/* (c) its cold part */
};

#endif
