/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct globaldata: all state of one CPU.
 *
 * THEORY
 * The state of a CPU is written only by code that runs on that CPU, in a
 * critical section or in its signal handler, so it needs no lock.  What other
 * CPUs must tell a CPU arrives as an IPI message.  The others write only two
 * words directly: mc_reqflags, in a cache line apart from what the owner writes
 * often, and gd_foreignq, which only plain pthreads push to.
 *
 * LEGEND  (i) fixed after boot  (c) own CPU in a critical section
 * (h) own CPU, its signal handler too  (a) any CPU, atomically
 *
 * Source: DragonFly sys/globaldata.h (the split of fields by writer).
 */
#ifndef LWKT_KERN_CPU_GLOBALDATA_H
#define LWKT_KERN_CPU_GLOBALDATA_H

#include <bsd/sys/queue.h>
#include <lwkt/spinlock.h>
#include <lwkt/systimer.h>
#include <lwkt/types.h>

#include "base/cpumask.h"
#include "base/ktr.h"
#include "base/stat_decl.h"
#include "kern/cpu/thread_var.h"
#include "machine/machine.h"

#define NPRI		32

struct ipiq_deferred;
struct lwkt_cpusync;
struct lwkt_ipiq;
struct lwkt_retire;
struct tslpque;
struct wheel;

/*
 * Requests of a CPU to itself: plain, because only this CPU sets and reads
 * them.
 */
#define AST_LWKT_RESCHED	0x1u	/* a better thread is runnable */
#define AST_USER_RESCHED	0x2u	/* the user scheduler wants the CPU */
#define AST_WATCHED		0x4u	/* watchdog saw AST_LWKT_RESCHED */

struct globaldata {
	struct mcpu	 gd_m;		/* the host's part, first */
	uintptr_t	 gd_cntbias;	/* (i) counter_inc(gd->gd_cntbias, x) */

	/* The scheduler (lwkt_sched.c, lwkt_switch.c). */
	LWKT_CACHEALIGN
	uint32_t	 gd_rqmask;	/* (c) bit p: gd_rq[p] is not empty */
	uint32_t	 gd_ast;	/* (h) AST_* */
	int		 gd_intr_nesting; /* (c) >0: in a callback, no switch */
	int		 gd_hard;	/* (c) of these, hard sections */
	int		 gd_spinlocks;	/* (c) >0: holds spinlocks, no switch */
	int		 gd_cscount;	/* (c) 1: master of a rendezvous */
	int		 gd_preempt_depth; /* (c) lenders, lwkt_preempt.c */
	uint32_t	 gd_rqcount;	/* (c) runnable, with the running one */
	uint32_t	 gd_tick_armed;	/* (c) gd_hardclock is on the queue */
	uint32_t	 gd_stopping;	/* (c) shutdown: run nothing but idle */
	uint32_t	 gd_stopped;	/* (a) its idle loop has ended */
	lwkt_thread_t	 gd_abandoned;	/* (c) stopped by shutdown, or NULL */
	lwkt_thread_t	 gd_rq[NPRI];	/* (c) rings; points at the head */
	struct lwkt_thread gd_idlethread; /* (c) never on the run queue */
	struct thread_cold gd_idlecold;	/* (c) its cold part */

	/* Spinlocks (kern_spinlock.c): the first gd_spinlocks of these. */
	struct lwkt_spin *gd_spinheld[LWKT_MAXSPINS]; /* (c) */

	/* Watched for trouble (watchdog.c, deadlock.c). */
	uint32_t	 gd_watched;	/* (h) the watch is set */
	uint32_t	 gd_served;	/* (h) splz ran since the last look */
	uint32_t	 gd_look;	/* (h) idle: look for a deadlock */
	uint32_t	 gd_checks;	/* (c) switches; check_sometimes */
	uint32_t	 gd_rests;	/* (c) quiet times so far */
	uint32_t	 gd_quiet;	/* (c) number of the quiet time, or 0 */

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

	/* Sleep queues (kern_synch.c). */
	struct tslpque	*gd_tslpque;	/* (c) hash; idents read by others */

	/* Timers and clocks (kern_systimer.c, kern_clock.c). */
	struct wheel	*gd_wheel;	/* (i) timers, (c) what is in it */
	struct lwkt_systimer *gd_systimer_inprog; /* (c) being called */
	uint64_t	 gd_systimer_seq; /* (c) */
	int64_t		 gd_timer_armed; /* (c) deadline given to the host */
	struct lwkt_systimer gd_hardclock; /* (c) runs while a tick is needed */

	/* Preemptible threads (lwkt_async.c). */
	uint32_t	 gd_async_tries; /* (h) refusals in a row */
	uint32_t	 gd_kick_armed;	/* (c) gd_kick is on the queue */
	int64_t		 gd_kick_ns;	/* (c) delay of the next check */
	lwkt_cpumask_t	 gd_kick_cpus;	/* (c) notified, not checked since */
	struct lwkt_systimer gd_kick;	/* (c) checks whether they looked */

	/* Above kern, storage only. */
	void		*gd_vmglue;	/* (c) vm/: stack and thread cache */
	void		*gd_slab;	/* (c) vm/: zones, NULL until used */
	void		*gd_io;		/* (c) io/: descriptors' waiters */

	struct ktr_ring	*gd_ktr;	/* (c) trace ring; tools read it */
	uint64_t	*gd_cnt;	/* (c) this CPU's counters */
	uint64_t	 gd_nextid;	/* (c) thread ids given out here */
	uint32_t	 gd_nextcpu;	/* (c) LWKT_CPU_ROTATE */
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
 * Panics in another host thread, which may have inherited the gs base of a CPU.
 */
static inline lwkt_thread_t
caller_thread(void)
{
	machine_check_cpu();
	return curthread;
}

/* All CPUs: set at boot before the others start, then constant. */
extern struct globaldata *lwkt__gd[LWKT_MAXCPU] __lwkt_hidden;
extern int lwkt__ncpus __lwkt_hidden;

static inline struct globaldata *
gd_find(int cpu)
{
	return lwkt__gd[cpu];
}

#endif
