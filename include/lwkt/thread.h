/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads and the scheduler.
 *
 * A thread belongs to one CPU and stays there until it asks to move (an lwp may
 * also be moved by its scheduler).  Each CPU runs its runnable thread of
 * highest priority.  Threads of equal priority take turns, at ticks of the
 * scheduler clock and in lwkt_yield().
 *
 * Threads are cooperative: a runnable thread gets the CPU only when the running
 * thread calls the library.  A thread created with LWKT_PREEMPTIBLE is the
 * exception: it can be interrupted at any instruction (lwkt/preempt.h).  Lwps
 * (lwkt/lwp.h) run below all other threads and share the CPU time that is left.
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
	LWKT_PRI_KERN_LPSCHED	= 9,	/* only to compare with; no thread's */
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
#define LWKT_JOINABLE	0x0002	/* keep the structure until lwkt_join() */
#define LWKT_GIANT	0x0004	/* runs under the mp token (lwkt/token.h) */
#define LWKT_INTERRUPT	0x0008	/* interrupt thread, see below */
#define LWKT_PREEMPTIBLE 0x0010	/* may be interrupted at any instruction */

#define LWKT_CPU_ROTATE	(-1)	/* CPUs in turn, the next one each time */

#define LWKT_NAMELEN	24	/* bytes of a thread's name, NUL included */

/*
 * Create a thread that runs fn(arg), and start it.  fmt and what follows make
 * its name, cut to LWKT_NAMELEN - 1 bytes.  tmpl is NULL, or a thread of
 * lwkt_alloc_thread or lwkt_init_thread: then that thread is started, on its
 * own stack and CPU.  In this case cpu must be valid and is ignored, and of
 * flags only LWKT_JOINABLE and LWKT_NOSTART count.
 *
 * *tdp (tdp may be NULL) gets the handle before the thread runs.  The handle
 * stays valid until lwkt_join() if the thread is joinable.  Otherwise the
 * thread may end at once, and the handle with it.
 * Context: thread.  Blocks: no.
 * Returns: 0; ENOMEM; EINVAL: no such CPU, or an unknown flag.
 */
LWKT_API int lwkt_create(void (*fn)(void *), void *arg, lwkt_thread_t *tdp,
    lwkt_thread_t tmpl, int flags, int cpu, const char *fmt, ...)
    LWKT_PRINTFLIKE(7, 8);

/*
 * Allocate a thread whose stack takes stksize bytes of address space (0: the
 * default), rounded up to a power of two from 16 KiB.  The guard and up to 3
 * KiB of the thread's own data come out of these bytes.  The guard is 4 KiB
 * below 64 KiB; from 64 KiB on it is 16 KiB, with another 64 KiB beside the
 * stack.
 * Context: thread.  Blocks: no.
 * Returns: the thread, which is not started; NULL: no memory, more than 16 MiB,
 * no such CPU, or an unknown flag.
 */
LWKT_API lwkt_thread_t lwkt_alloc_thread(size_t stksize, int cpu, int flags);

/* Memory of the caller for a thread's structure: see lwkt_init_thread. */
struct lwkt_thread_storage {
	unsigned char	opaque[512] LWKT_ALIGNED(64);
};

/*
 * Make a thread in the caller's own storage and stack of stksize bytes, at
 * least 4096.  The stack has no guard.  The caller keeps both until the thread
 * has been joined; the library never frees them.  Panics for a smaller stack,
 * and for a CPU that does not exist (LWKT_CPU_ROTATE names none here).
 * Context: thread.  Blocks: no.  Returns: the thread, which is not started.
 */
LWKT_API lwkt_thread_t lwkt_init_thread(struct lwkt_thread_storage *storage,
    void *stack, size_t stksize, int flags, int cpu);

/*
 * Free a thread of lwkt_alloc_thread that was never started; panics if it was.
 * Context: thread.  Blocks: no.
 */
LWKT_API void lwkt_free_thread(lwkt_thread_t td);

/*
 * End the calling thread, as a return from its function does.  Panics if it
 * holds a token.
 * Context: thread, not in a critical section.
 */
LWKT_API void lwkt_exit(void) __attribute__((noreturn));

/*
 * Wait until td, which was created with LWKT_JOINABLE, has ended, and release
 * it: td is then valid only if it is held (lwkt_hold).  Only one thread may
 * join td, and only once.
 * Context: thread.  Blocks: yes.
 * Returns: 0; EDEADLK: td is the caller; EINVAL: td is not joinable, or another
 * thread joins it already.
 */
LWKT_API int lwkt_join(lwkt_thread_t td);

/*
 * Keep the structure of a thread, which must be alive or held, from being
 * freed; give that reference up.  The last reference frees the structure and
 * the stack.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_hold(lwkt_thread_t td);
LWKT_API void lwkt_rele(lwkt_thread_t td);

/*
 * Store up to n threads that come after position *posp in tds, each held: call
 * lwkt_rele() for it.  Set *posp to 0 for the first call.  Threads that begin
 * or end during the scan may be missed; every other thread comes exactly once.
 * Idle threads and threads of lwkt_init_thread are not reported.  Each call
 * stops all CPUs for a moment, longer for a larger n, and executes messages.
 * Context: thread, not in a hard section, not with a spinlock.  Blocks: no; it
 * spins.
 * Returns: the number stored; 0 at the end.
 */
LWKT_API int lwkt_scan_threads(uint64_t *posp, lwkt_thread_t *tds, int n);

/*
 * Return the calling thread; NULL on a pthread that is not a CPU.  In a
 * callback it is the interrupted thread.  Context of all three: any.
 */
LWKT_API lwkt_thread_t lwkt_self(void);
LWKT_API int lwkt_cpuid(void);		/* -1 on a pthread that is not a CPU */
LWKT_API int lwkt_ncpus(void);		/* 0 while not booted */

/* Change the name of the calling thread.  Context: thread. */
LWKT_API void lwkt_setname(const char *fmt, ...) LWKT_PRINTFLIKE(1, 2);
/*
 * Change the name of a thread that has not been started, or of the caller;
 * panics for another one.  Context: thread.
 */
LWKT_API void lwkt_set_comm(lwkt_thread_t td, const char *fmt, ...)
    LWKT_PRINTFLIKE(2, 3);
/*
 * Return the name, the running priority, the CPU of td, which must be alive or
 * held.  Context: any.
 */
LWKT_API const char *lwkt_name(lwkt_thread_t td);
LWKT_API int lwkt_getpri(lwkt_thread_t td);
LWKT_API int lwkt_getcpu(lwkt_thread_t td);

/*
 * Make td, which must be alive or held, runnable on the CPU that it belongs to.
 * Do nothing if it is runnable, or has ended.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_schedule(lwkt_thread_t td);
/* Undo lwkt_deschedule_self.  Context: thread. */
LWKT_API void lwkt_schedule_self(void);
/*
 * As lwkt_schedule, but do not ask a running thread of lower priority to give
 * way.  It gives way at its next switch, or after the next tick.
 */
LWKT_API void lwkt_schedule_noresched(lwkt_thread_t td);
/*
 * Take td off its run queue.  A thread of another CPU may run on for a moment.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_deschedule(lwkt_thread_t td);
/*
 * Take the caller off the run queue.  It runs on until it calls lwkt_switch,
 * and then sleeps until a lwkt_schedule() of it.  In between it must not call
 * anything that may block.
 * Context: thread.
 */
LWKT_API void lwkt_deschedule_self(void);

/*
 * Run the best runnable thread.  Return at once if that is the caller.  An
 * interrupt thread that has taken the CPU gives it back instead.
 * Context: thread.  Blocks: if another thread is better, or the caller is
 * descheduled.
 */
LWKT_API void lwkt_switch(void);

/*
 * Serve what is pending, then let all runnable threads of equal priority run
 * before the caller.  In a critical section nothing pending is served, here and
 * in the next three functions.
 * Context: thread.  Blocks: only if the caller is descheduled; otherwise it
 * stays runnable, and others may run first.
 */
LWKT_API void lwkt_yield(void);

/*
 * Serve what is pending, and switch only if a better thread is runnable or a
 * tick has asked for it.  A thread that lwkt_schedule_noresched made runnable
 * counts only after a tick.
 * Context: thread.  Blocks: as lwkt_yield.
 */
LWKT_API void lwkt_yield_quick(void);

/*
 * Serve what is pending, and tell whether lwkt_yield_quick would switch: 1 if a
 * better thread is runnable on this CPU, or the tick has asked for a thread of
 * equal priority; else 0.
 * Context: any lwkt context.  Blocks: as lwkt_crit_exit; not in a critical
 * section.
 */
LWKT_API int lwkt_resched_wanted(void);

/*
 * lwkt_yield_quick for long work on a user's behalf: a request of the user
 * scheduler counts too.  An lwp gives way to lwps of at least its priority.
 * Context: thread.  Blocks: as lwkt_yield; an lwp may wait for its turn.
 */
LWKT_API void lwkt_user_yield(void);

/*
 * Change the base priority of a thread, which must not be an lwp, to a value
 * from 1 to LWKT_PRI_MAX: of td, which must belong to the calling CPU; of the
 * caller; of td, which must not have been started and may belong to any CPU.
 * Anything else panics.  No immediate switch.  A holder of a mutex or a mtx
 * runs with the best priority of its waiters if that is better than its base
 * priority; lwkt_getpri() returns the priority it runs with.
 * Context: any lwkt context; lwkt_setpri_self: thread.  Blocks: no.
 */
LWKT_API void lwkt_setpri(lwkt_thread_t td, int pri);
LWKT_API void lwkt_setpri_self(int pri);
LWKT_API void lwkt_setpri_initial(lwkt_thread_t td, int pri);

/*
 * Interrupt threads are created with LWKT_INTERRUPT.  When one becomes runnable
 * and is better than the running thread, it takes the CPU: as soon as the
 * running thread calls the library outside critical sections, or earlier if
 * that thread is preemptible.  When the interrupt thread blocks or ends, the
 * CPU goes back.  If it only yields, it takes the CPU again at once while it is
 * better.  A new interrupt thread has LWKT_PRI_INT_MED.
 *
 * Make the caller, which must not be an lwp, an interrupt thread of
 * LWKT_PRI_INT_SUPPORT.
 * Context: thread.  Blocks: no.
 */
LWKT_API void lwkt_set_interrupt_support_thread(void);
/*
 * Return the thread whose work was interrupted first, below all interrupt
 * threads; the caller, if it has interrupted none.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API lwkt_thread_t lwkt_preempted_proc(void);

/*
 * Move a thread that neither runs nor is runnable.  Its CPU calls
 * lwkt_giveaway; then the new CPU calls lwkt_acquire.  Between the two calls no
 * code may schedule td, wake it or send it messages.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_giveaway(lwkt_thread_t td);
LWKT_API void lwkt_acquire(lwkt_thread_t td);

/*
 * Move the calling thread to another CPU; the call returns there.
 * Context: thread.  Blocks: until its turn on that CPU.
 * Returns: 0; EINVAL: no such CPU.
 */
LWKT_API int lwkt_migratecpu(int cpu);

/*
 * Enter and leave a critical section.  While the thread is in one, no IPI
 * callback, timer callback or interrupt thread runs on this CPU, except in
 * calls that say that they execute messages (lwkt_process_ipiq).  The outermost
 * exit runs what was deferred.  The count belongs to the thread: a thread may
 * block inside, and then other threads run outside of it.
 * Context: any lwkt context.  Blocks: no; but the outermost exit runs callbacks
 * and interrupt threads, and an lwp may wait there for its turn.
 */
LWKT_API void lwkt_crit_enter(void);
LWKT_API void lwkt_crit_exit(void);
/*
 * Leave without running deferred work.  The next exit, yield or call runs it.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_crit_exit_noyield(void);
/* Return 1 if td is in a critical section, else 0.  Context: any. */
LWKT_API int lwkt_crit_test(lwkt_thread_t td);

/*
 * A hard section is a critical section in which the thread must keep the CPU:
 * it panics if it blocks, switches, sleeps or waits for a token.  An exit
 * outside hard sections panics.
 * Context, Blocks: as lwkt_crit_enter and lwkt_crit_exit.
 */
LWKT_API void lwkt_crit_enter_hard(void);
LWKT_API void lwkt_crit_exit_hard(void);

/*
 * Run deferred work of this CPU; do nothing in a critical section.
 * Context: any lwkt context.  Blocks: as lwkt_crit_exit.
 */
LWKT_API void lwkt_splz(void);

LWKT_END_DECLS

#endif
