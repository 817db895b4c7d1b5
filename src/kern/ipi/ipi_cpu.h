/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to ipi/: messages to and from
 * other CPUs.
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_IPI_IPI_CPU_H
#define LWKT_KERN_IPI_IPI_CPU_H

#include <lwkt/systimer.h>

#include "base/compiler.h"
#include "base/cpumask.h"

struct ipiq_deferred;
struct lwkt_cpusync;
struct lwkt_ipiq;
struct lwkt_retire;

struct ipi_cpu {
	/*
	 * Messages (lwkt_ipiq.c).  Other CPUs read gd_ipiq, gd_room and
	 * gd_spinwant.
	 */
	LWKT_CACHEALIGN
	struct lwkt_ipiq *gd_ipiq;	/* (i) rings to other CPUs, by target */
	struct ipiq_deferred *gd_deferred; /* (c) deferred messages */
	uint32_t	 gd_ndeferred;	/* (c) how many in gd_deferred */
	uint32_t	 gd_debt;	/* (c) 1: ipiq_pay() must run */
	uint32_t	 gd_room;	/* (c) the ring waited for; or 0 */
	uintptr_t	 gd_spinwant;	/* (c) spinlock waited for; or 0 */
	int		 gd_processing_ipiq; /* (c) 1: executes messages */
	uint32_t	 gd_polls;	/* (c) lwkt_process_ipiq(): calls in */
					/* a row that found no hint */
	uint32_t	 gd_talker;	/* (c) 0, or 1 + the CPU to watch */
	uintptr_t	 gd_foreignq;	/* (a) items pushed by plain pthreads */
	uint32_t	 gd_passive;	/* (h) 1: ipiq_push() has work */
	lwkt_cpumask_t	 gd_passive_cpus; /* (h) targets of ipiq_push() */

	/* Rendezvous (lwkt_cpusync.c), reclamation (kern_retire.c). */
	struct lwkt_cpusync *gd_csync;	/* (c) it stops this CPU; or NULL */
	struct lwkt_retire *gd_retire_cur;	/* (c) objects of this round */
	struct lwkt_retire *gd_retire_next;	/* (c) of the next round */
	int		 gd_retire_left;	/* (c) answers still to come */
	struct lwkt_systimer gd_retire_timer;	/* (c) begins a round */

	/* CPUs that may have to be interrupted (kick.c). */
	uint32_t	 gd_kick_armed;	/* (c) 1: gd_kick is armed */
	int64_t		 gd_kick_ns;	/* (c) delay of the next check, ns */
	lwkt_cpumask_t	 gd_kick_cpus;	/* (c) CPUs that gd_kick checks */
	struct lwkt_systimer gd_kick;	/* (c) timer of the next check */
};

#endif
