/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct globaldata: the state of one CPU.
 *
 * THEORY
 * The state of a CPU is written only by code that runs on that CPU, in a
 * critical or leaf section or in its signal handler, so it needs no lock.  What
 * other CPUs must tell a CPU arrives as an IPI message.  Other host threads
 * write directly only mc_reqflags, in a cache line apart from what the owner
 * writes often, gd_foreignq, to which plain pthreads push, and the words of
 * lock/ marked (a), which waiters for a lock change.
 *
 * Each room of kern/ declares its own part, for example struct sched_cpu in
 * sched/sched_cpu.h.  The parts are unnamed members here (-fms-extensions), so
 * that every field is gd->gd_NAME.  No other file includes a header of a later
 * room.  This file may include the parts, because they have only data.  A room
 * may name the fields that this file declares, those of its own part, and those
 * of the parts of the rooms before it (tools/dev/layers.py checks it).
 *
 * LEGEND (written by)  (i) boot only  (c) own CPU in a critical or leaf section
 * (h) own CPU, its signal handler too  (a) any host thread, atomically
 *
 * Source: DragonFly sys/globaldata.h (the split of fields by writer).
 */
#ifndef LWKT_KERN_CPU_GLOBALDATA_H
#define LWKT_KERN_CPU_GLOBALDATA_H

#include <bsd/sys/queue.h>
#include <lwkt/spinlock.h>
#include <lwkt/sync2.h>
#include <lwkt/types.h>

#include "base/ktr.h"
#include "base/stat_decl.h"
#include "kern/cpu/thread_var.h"
#include "kern/time/time_cpu.h"
#include "kern/ipi/ipi_cpu.h"
#include "kern/sched/sched_cpu.h"
#include "kern/sleep/sleep_cpu.h"
#include "kern/lock/lock_cpu.h"
#include "kern/thread/thread_cpu.h"
#include "kern/trouble/trouble_cpu.h"
#include "kern/boot/boot_cpu.h"
#include "machine/machine.h"

struct globaldata {
	struct mcpu	 gd_m;		/* the part that the host sees; first */
	uintptr_t	 gd_cntbias;	/* (i) for counter_inc() */

	/* While one of the next four is not 0, a switch panics (SW1). */
	int		 gd_intr_nesting; /* (c) >0: callback or hard section */
	int		 gd_hard;	/* (c) how many hard sections */
	int		 gd_spinlocks;	/* (c) number of spinlocks held */
	int		 gd_cscount;	/* (c) 1: master of a rendezvous */
	uint32_t	 gd_rqmask;	/* (c) bit p: gd_rq[p] is not empty */
	/* (i) The value that inline_allow() gives lwkt_quick_, to allow. */
	const struct lwkt_quick_words_ *gd_inline;

	/* The parts of the rooms; the most used come first. */
	struct sched_cpu;
	struct time_cpu;
	struct ipi_cpu;
	struct sleep_cpu;
	struct lock_cpu;
	struct thread_cpu;
	struct trouble_cpu;
	struct boot_cpu;

	/* The spinlocks that this CPU holds: the first gd_spinlocks entries. */
	struct lwkt_spin *gd_spinheld[LWKT_MAXSPINS]; /* (c) */

	struct ktr_ring	*gd_ktr;	/* (i) trace ring; (c) its contents */
	uint64_t	*gd_cnt;	/* (i) counters; (c) their values */

	/* For the layers above kern/; kern/ does not use these fields. */
	void		*gd_vmglue;	/* (c) vm/: stack and thread cache */
	uint32_t	 gd_spare;	/* (c) not 0: call ko_spare when idle */
	void		*gd_slab;	/* (c) vm/: zones; NULL until used */
	void		*gd_io;		/* (c) io/: waiters by descriptor */
	uint32_t	 gd_nextcpu;	/* (c) vm/: counts LWKT_CPU_ROTATE */
	void		*gd_quick;	/* (c) vm/: gd_slab, or an empty slab */
};

/*
 * Return the calling CPU.  CPU context only; call again after anything that may
 * migrate the thread.
 */
static inline struct globaldata *
mygd(void)
{
	return (struct globaldata *)(void *)mycpu_m();
}

#define mycpuid		(mycpu_m()->mc_cpuid)
#define curthread	mycurthread()

/*
 * Return the calling thread, at the entry of a call that only a CPU may make.
 * Panics in any other host thread, even one that has inherited the gs base of a
 * CPU.  The simulated host does not check this.
 */
static inline lwkt_thread_t
caller_thread(void)
{
	machine_check_cpu();
	return curthread;
}

/*
 * Allow the inline functions of <lwkt/sync2.h> on this CPU, or forbid them.
 * They are forbidden while a preemptible thread runs: as code of the program,
 * they would be interrupted at any instruction.  On sim they stay forbidden, as
 * one host thread runs all CPUs, and their atomic operations would be no choice
 * points.
 */
static inline void
inline_allow(const struct globaldata *gd, int yes)
{
	if (!config_host_sim)
		lwkt_quick_ = yes ? gd->gd_inline : NULL;
}

/* All CPUs: set at boot, before a CPU runs; cleared when all have stopped. */
extern struct globaldata *lwkt__gd[LWKT_MAXCPU] __lwkt_hidden;
extern int lwkt__ncpus __lwkt_hidden;

static inline struct globaldata *
gd_find(int cpu)
{
	return lwkt__gd[cpu];
}

#endif
