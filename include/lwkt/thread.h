/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads and the scheduler.
 *
 * A thread belongs to one CPU and stays there until it asks to move.  On its
 * CPU the runnable thread of highest priority runs; equals take turns by the
 * scheduler clock and by lwkt_yield().  Threads are cooperative: what waits for
 * the CPU gets it when the running thread calls the library, unless that one
 * was made to be interrupted anywhere (LWKT_PREEMPTIBLE, lwkt/preempt.h).  Lwps
 * (lwkt/lwp.h) are below all others and share what those leave.
 */
#ifndef LWKT_THREAD_H
#define LWKT_THREAD_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* Priorities, 0 to 31, higher runs first (the scale of DragonFly BSD). */
enum lwkt_pri {
	LWKT_PRI_IDLE		= 0,	/* the idle thread alone */
	LWKT_PRI_IDLE_WORK	= 1,
	LWKT_PRI_USER_SCHEDULER	= 2,
	LWKT_PRI_USER_IDLE	= 4,
	LWKT_PRI_USER_NORM	= 6,
	LWKT_PRI_USER_REAL	= 8,
	LWKT_PRI_KERN_LPSCHED	= 9,	/* a line to compare with, nobody's */
	LWKT_PRI_KERN_USER	= 10,
	LWKT_PRI_KERN_DAEMON	= 12,	/* new threads */
	LWKT_PRI_SOFT_NORM	= 14,
	LWKT_PRI_SOFT_TIMER	= 16,
	LWKT_PRI_INT_SUPPORT	= 20,
	LWKT_PRI_INT_LOW	= 27,
	LWKT_PRI_INT_MED	= 28,
	LWKT_PRI_INT_HIGH	= 29,
	LWKT_PRI_MAX		= 31
};

/* Flags of lwkt_create, lwkt_alloc_thread and lwkt_init_thread. */
#define LWKT_NOSTART	0x0001	/* create only; lwkt_schedule() starts it */
#define LWKT_JOINABLE	0x0002	/* keeps its structure until lwkt_join() */
#define LWKT_GIANT	0x0004	/* runs under the mp token (lwkt/token.h) */
#define LWKT_INTERRUPT	0x0008	/* an interrupt thread: takes the CPU */
#define LWKT_PREEMPTIBLE 0x0010	/* may be interrupted at any instruction */

#define LWKT_CPU_ROTATE	(-1)	/* each creation takes the next CPU */

#define LWKT_NAMELEN	24	/* bytes of a thread's name, NUL included */

/*
 * Create a thread that runs fn(arg) with a name made by fmt, and start it.
 * tmpl is NULL or a thread of lwkt_alloc_thread or lwkt_init_thread, which
 * then is the one started (its stack, CPU and flags count).  *tdp (may be
 * NULL) gets the handle; without LWKT_JOINABLE or lwkt_hold() it may be gone
 * at once.
 * Context: thread.  Blocks: no.  Returns: 0, ENOMEM, or EINVAL (cpu, flags).
 */
LWKT_API int lwkt_create(void (*fn)(void *), void *arg, lwkt_thread_t *tdp,
    lwkt_thread_t tmpl, int flags, int cpu, const char *fmt, ...)
    LWKT_PRINTFLIKE(7, 8);

/*
 * A thread with stksize bytes of address space for its stack (0: the default),
 * rounded up to a power of two from 16 KiB.  A guard of 4 KiB (16 KiB from
 * 64 KiB on, with another 64 KiB beside it) and up to 3 KiB of the thread's own
 * data are taken from it.
 * NULL: no memory, or more than 16 MiB.
 */
LWKT_API lwkt_thread_t lwkt_alloc_thread(size_t stksize, int cpu, int flags);

/* Storage for a thread that the caller owns, for lwkt_init_thread. */
struct lwkt_thread_storage {
	unsigned char	opaque[512] LWKT_ALIGNED(64);
};

/*
 * Make a thread of the caller's own storage and stack; both must outlive it
 * (join it first).  Returns the handle.
 */
LWKT_API lwkt_thread_t lwkt_init_thread(struct lwkt_thread_storage *storage,
    void *stack, size_t stksize, int flags, int cpu);

/* Give back a thread of lwkt_alloc_thread that was never started. */
LWKT_API void lwkt_free_thread(lwkt_thread_t td);

/* End the calling thread; returning from its function does the same. */
LWKT_API void lwkt_exit(void) __attribute__((noreturn));

/*
 * Wait for a thread created with LWKT_JOINABLE to end and release it.  Only
 * one thread may join it, once.
 * Context: thread.  Blocks: yes.  Returns: 0; EDEADLK for oneself; EINVAL if
 * it is not joinable or somebody already joins it.
 */
LWKT_API int lwkt_join(lwkt_thread_t td);

/* Keep a thread's structure from being freed.  Any lwkt context. */
LWKT_API void lwkt_hold(lwkt_thread_t td);
LWKT_API void lwkt_rele(lwkt_thread_t td);

/*
 * The next up to n threads after *posp (0: from the beginning) into tds, each
 * held: lwkt_rele() them.  Those that begin or end meanwhile may be missed; all
 * others come once.  Not seen: idle threads, those in storage of their
 * creator's.  All CPUs stand still for a moment, longer for a larger n.
 * Context: thread, no spinlock.  Blocks: no.  Returns: how many; 0 at the end.
 */
LWKT_API int lwkt_scan_threads(uint64_t *posp, lwkt_thread_t *tds, int n);

/* The calling thread; NULL on a pthread that is not a CPU. */
LWKT_API lwkt_thread_t lwkt_self(void);
LWKT_API int lwkt_cpuid(void);		/* -1 on a pthread that is not a CPU */
LWKT_API int lwkt_ncpus(void);		/* 0 while not booted */

LWKT_API void lwkt_setname(const char *fmt, ...) LWKT_PRINTFLIKE(1, 2);
/* The name of another thread, which has not been started. */
LWKT_API void lwkt_set_comm(lwkt_thread_t td, const char *fmt, ...)
    LWKT_PRINTFLIKE(2, 3);
LWKT_API const char *lwkt_name(lwkt_thread_t td);
LWKT_API int lwkt_getpri(lwkt_thread_t td);
LWKT_API int lwkt_getcpu(lwkt_thread_t td);

/*
 * Scheduling.  lwkt_schedule makes a thread runnable from any lwkt context and
 * any CPU; it is idempotent.  A thread that deschedules itself runs on until
 * it calls lwkt_switch, and then sleeps until somebody schedules it; no lwkt
 * call that may block belongs in between.
 */
LWKT_API void lwkt_schedule(lwkt_thread_t td);
LWKT_API void lwkt_schedule_self(void);
/*
 * The same, but a thread of lesser priority that runs is not asked to give way:
 * it does at its next switch, or after the next tick.
 */
LWKT_API void lwkt_schedule_noresched(lwkt_thread_t td);
LWKT_API void lwkt_deschedule(lwkt_thread_t td);
LWKT_API void lwkt_deschedule_self(void);

/* Let the best runnable thread run: the caller again, if it is the best. */
LWKT_API void lwkt_switch(void);

/*
 * Serve what is pending, then go behind all runnable threads of equal
 * priority.
 */
LWKT_API void lwkt_yield(void);

/*
 * Serve what is pending, and switch only if a better thread waits or a tick
 * asked.
 */
LWKT_API void lwkt_yield_quick(void);

/*
 * Would lwkt_yield_quick switch?  1: a better thread is runnable on this CPU,
 * or the tick has asked for an equal; 0.  Serves what is pending, unless in a
 * critical section.  Any lwkt context.
 */
LWKT_API int lwkt_resched_wanted(void);

/*
 * lwkt_yield_quick for long work on a user's behalf: also honours the user
 * scheduler.  An lwp lets others run that are as good as it is.
 */
LWKT_API void lwkt_user_yield(void);

/*
 * Change a priority.  td must belong to the calling CPU, or not be started
 * yet, and be no lwp.  No immediate switch.  A holder of a mutex or a mtx runs
 * with the best priority of its waiters, if that is better than its own; this
 * one is its own, lwkt_getpri() that with which it runs.
 */
LWKT_API void lwkt_setpri(lwkt_thread_t td, int pri);
LWKT_API void lwkt_setpri_self(int pri);
LWKT_API void lwkt_setpri_initial(lwkt_thread_t td, int pri);

/*
 * Interrupt threads.  When a thread created with LWKT_INTERRUPT becomes
 * runnable and is better than the one that runs, it gets the CPU as soon as
 * that one is in no critical section and calls the library, or is preemptible;
 * when it blocks, the CPU goes back.  A new one has LWKT_PRI_INT_MED.
 *
 * lwkt_set_interrupt_support_thread makes the calling thread one, of
 * LWKT_PRI_INT_SUPPORT.  lwkt_preempted_proc is the thread whose work the
 * caller interrupted, or the caller.
 */
LWKT_API void lwkt_set_interrupt_support_thread(void);
LWKT_API lwkt_thread_t lwkt_preempted_proc(void);

/*
 * Pull migration.  The CPU of a thread that does not run and is not runnable
 * gives it away; whoever was told so takes it to his own.  In between it must
 * not be scheduled, woken or sent messages.
 */
LWKT_API void lwkt_giveaway(lwkt_thread_t td);
LWKT_API void lwkt_acquire(lwkt_thread_t td);

/*
 * Move the calling thread to another CPU; returns there.
 * EINVAL: no such CPU.
 */
LWKT_API int lwkt_migratecpu(int cpu);

/*
 * Critical sections: no IPI callback, timer callback or interrupt thread runs
 * on this CPU until the outermost exit, which runs what came meanwhile.  The
 * count is the thread's: blocking inside is allowed and lets others run.
 */
LWKT_API void lwkt_crit_enter(void);
LWKT_API void lwkt_crit_exit(void);
/* Leave without running what came: the next exit, yield or call does. */
LWKT_API void lwkt_crit_exit_noyield(void);
/* Is td in one? */
LWKT_API int lwkt_crit_test(lwkt_thread_t td);

/*
 * A hard section is a critical section in which the thread must not give up
 * the CPU: to block, switch, sleep or wait for a token panics.
 */
LWKT_API void lwkt_crit_enter_hard(void);
LWKT_API void lwkt_crit_exit_hard(void);

/* Run what is pending on this CPU, unless in a critical section. */
LWKT_API void lwkt_splz(void);

LWKT_END_DECLS

#endif
