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
	/* IPI queues (lwkt_ipiq.c). */
	LWKT_CACHEALIGN
	struct lwkt_ipiq *gd_ipiq;	/* (i) our outgoing rings, by target */
	struct ipiq_deferred *gd_deferred; /* (c) read, not yet executed */
	uint32_t	 gd_ndeferred;	/* (c) how many */
	uint32_t	 gd_debt;	/* (c) 1: sent far more than executed */
	uint32_t	 gd_room;	/* (c) the wait for room; others read */
	uintptr_t	 gd_spinwant;	/* (c) spins for it; others read */
	int		 gd_processing_ipiq; /* (c) 1: callbacks are run */
	uint32_t	 gd_polls;	/* (c) empty polls in a row */
	uint32_t	 gd_talker;	/* (c) 1 + a waker's CPU; or 0 */
	uintptr_t	 gd_foreignq;	/* (a) pushed by foreign pthreads */
	uint32_t	 gd_passive;	/* (h) gd_passive_cpus has bits */
	lwkt_cpumask_t	 gd_passive_cpus; /* (h) sent to since a tick */

	/* Rendezvous (lwkt_cpusync.c), reclamation (kern_retire.c). */
	struct lwkt_cpusync *gd_csync;	/* (c) stops this CPU; or NULL */
	struct lwkt_retire *gd_retire_cur;	/* (c) of the current round */
	struct lwkt_retire *gd_retire_next;	/* (c) of the next one */
	int		 gd_retire_left;	/* (c) answers still to come */
	struct lwkt_systimer gd_retire_timer;	/* (c) begins a round */

	/* Who must be interrupted (kick.c). */
	uint32_t	 gd_kick_armed;	/* (c) gd_kick is on the queue */
	int64_t		 gd_kick_ns;	/* (c) delay of the next check */
	lwkt_cpumask_t	 gd_kick_cpus;	/* (c) notified, not checked since */
	struct lwkt_systimer gd_kick;	/* (c) checks whether they looked */
};

#endif
