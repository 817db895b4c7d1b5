/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of kern/ need of each other.
 *
 * Default context of a function here: the owning CPU, in a critical section,
 * never blocking.  A suffix says otherwise: _remote is the half that runs on
 * the other CPU as an IPI callback.
 */
#ifndef LWKT_KERN_CPU_KERN_VAR_H
#define LWKT_KERN_CPU_KERN_VAR_H

#include <lwkt/boot.h>
#include <stdarg.h>

#include "base/kassert.h"
#include "kern/cpu/crit.h"
#include "kern/cpu/globaldata.h"
#include "kern/cpu/ktr_rec.h"
#include "kern/cpu/token_var.h"

/* lwkt_sched.c: the run queue. */
void	sched_enqueue(struct globaldata *gd, lwkt_thread_t td);
void	sched_dequeue(struct globaldata *gd, lwkt_thread_t td);
void	sched_clock(struct globaldata *gd);	/* the tick */
void	sched_setupri(lwkt_thread_t td, int upri); /* order among equals */
void	sched_setpri(struct globaldata *gd, lwkt_thread_t td, int pri);

/*
 * lwkt_switch.c.  switch_away: the current thread, already descheduled or
 * not, gives the CPU to the best thread; returns when it runs again, on the
 * CPU that owns it then.  Caller in a critical section (kept).
 */
void	switch_away(void);
void	switch_to_thread(lwkt_thread_t ntd); /* that one, without choosing */
void	switch_entry(void *from);	/* first code of a thread */

/* lwkt_thread.c. */
void	thread_exit(void);		/* last code of a thread */
void	thread_finish_exit(lwkt_thread_t td);	/* by the successor */
void	thread_finish_migrate(lwkt_thread_t td); /* by the successor */
/*
 * Make a thread of td and a stack; thread_start gives it a function, a name
 * and (without LWKT_NOSTART in flags) the run queue.  Any CPU context.
 */
void	thread_init(lwkt_thread_t td, void *stack, size_t stksize, int flags,
	    int cpu);
void	thread_start(lwkt_thread_t td, void (*fn)(void *), void *arg,
	    int flags, const char *fmt, va_list ap);

/*
 * Of a thread that was not started yet: size bytes at the top of its stack, for
 * whoever made it.  They last as long as the thread.
 */
void   *thread_reserve(lwkt_thread_t td, size_t size);

/* lwkt_preempt.c. */
void	preempt_pending(struct globaldata *gd, lwkt_thread_t td);
void	preempt_ask(struct globaldata *gd);	/* better than the runner? */
lwkt_thread_t preempt_return(struct globaldata *gd, lwkt_thread_t td);

/* lwkt_async.c. */
void	async_signal(struct mcpu *mc, void *ucontext);	/* mu_signal */
void	async_arrive(struct globaldata *gd);	/* at the switch */
void	async_run(void);			/* mu_interrupted */
void	async_created(lwkt_thread_t td);	/* it is preemptible */
void	async_kick_later(struct globaldata *gd, struct globaldata *tgd);

/* lwkt_ipiq.c. */
size_t	ipiq_bytes(int ncpus);			/* rings, boot storage */
void	ipiq_place(void *mem, int ncpus);
void	ipiq_process(struct globaldata *gd);	/* RQF_IPIQ */
int	ipiq_watch(struct globaldata *gd);	/* idle: 1 if some came */
int	ipiq_pending(struct globaldata *gd);	/* also passive messages */
/* The tick of the sender makes its passive messages active.  Signals, too. */
void	ipiq_push(struct globaldata *gd);
/* From src (-1: put off), is there something unexecuted?  And its number. */
int	ipiq_waits(struct globaldata *gd, int src, uint32_t *index);

int	ipiq_revoke(struct globaldata *gd, void (*fn)(void *), const void *arg);

/* lwkt_ipiq_room.c: for code that spins in a section, and behind it. */
void	ipiq_defer_waiting(struct globaldata *gd);
void	ipiq_pay(struct globaldata *gd);

/* lwkt_cpusync.c: the rendezvous of gd_csync; 1 if it still stops this CPU. */
void	cpusync_boot(void);
int	cpusync_poll(struct globaldata *gd);

/* lwkt_msgport.c: what foreign pthreads pushed to gd_foreignq. */
void	foreign_drain(struct globaldata *gd);

/* kern_synch.c. */
size_t	synch_bytes(int ncpus);			/* tables, boot storage */
void	synch_place(void *mem, int ncpus);
void	synch_leave_queue(lwkt_thread_t td);	/* off any sleep queue */

/* kern_systimer.c and kern_clock.c. */
size_t	systimer_bytes(int ncpus);		/* wheels, boot storage */
void	systimer_place(void *mem, int ncpus);
void	systimer_intr(struct globaldata *gd);	/* RQF_TIMER */
int	systimer_none(struct globaldata *gd);	/* no timer runs here */
/*
 * Start a timer at an absolute time on this CPU; st_fn, st_arg, st_period set.
 */
void	systimer_add(struct lwkt_systimer *st, int64_t when_ns);
void	systimer_remove(struct lwkt_systimer *st); /* if queued; this CPU */
void	clock_need_tick(struct globaldata *gd);	/* something waits */
int64_t	clock_period(void);			/* ns between ticks */

/* kern_stat.c. */
int	stat_boot(void);			/* LWKT_TUNE, LWKT_TRACE */
size_t	stat_bytes(void);		/* counters and rings, per CPU */
void	stat_place(struct globaldata *gd, void *mem);
void	stat_shutdown(void);			/* LWKT_DEBUG=stats */

/*
 * Whole-structure checks: panic at what breaks an invariant.  Each beside what
 * it checks; the rest and all of a CPU's at once in check.c.
 */
void	thread_check(lwkt_thread_t td);
void	sleepq_check(lwkt_thread_t td);
void	token_check(lwkt_thread_t td);		/* of the current thread */
void	port_check(struct lwkt_port *port);
void	runq_check(struct globaldata *gd);
void	spin_check(struct globaldata *gd);
void	preempt_check(struct globaldata *gd);
void	ipiq_check(struct globaldata *gd);
void	systimer_check(struct globaldata *gd);
void	check_cpu(struct globaldata *gd);
void	check_sometimes(struct globaldata *gd);

/* panic.c. */
void	panic_boot(void);
void	panic_fault(struct mcpu *mc, const struct machine_fault *mf);
						/* mu_fault */
void	panic_deadlock(void);			/* mu_deadlock */
void	panic_escape(struct mcpu *mc, int forced);	/* mu_escape */

/*
 * What the layers above put in (kern/ never allocates and never looks up):
 * set once before the CPUs start.
 */
struct kern_ops {
	/* The last reference of an arena thread is gone; any CPU. */
	void	(*ko_thread_free)(lwkt_thread_t td);
	/* Reap host completions without waiting (NULL: there are none). */
	void	(*ko_poll)(struct globaldata *gd);
	/*
	 * Threads with TDL_LWP (usched/).  All but the last on the CPU of td,
	 * which runs there except in ko_lwp_queue.
	 * leave: it is about to switch; ret: it is about to go back to its own
	 * code, and may be held up or moved (in no critical section); yield: it
	 * wants others to run; queue: it has left with TDF_MIGRATING and no
	 * td_migrate_gd (by its successor).  clock: a tick of this CPU.
	 */
	void	(*ko_lwp_leave)(lwkt_thread_t td);
	void	(*ko_lwp_return)(lwkt_thread_t td);
	void	(*ko_lwp_yield)(lwkt_thread_t td);
	void	(*ko_lwp_queue)(lwkt_thread_t td);
	void	(*ko_lwp_clock)(struct globaldata *gd, int64_t period_ns);
	void	(*ko_lwp_check)(lwkt_thread_t td);	/* check_cpu */
	/* The thread in whose stack guard addr lies, or NULL.  Signals. */
	lwkt_thread_t (*ko_fault_thread)(uintptr_t addr);
};
extern struct kern_ops lwkt__kern_ops __lwkt_hidden;

/*
 * kern_init.c, in this order.  kern_boot_run returns when every CPU has
 * stopped, which kern_stop asks for: from then on no thread is switched to
 * (the caller's goes on until it blocks).  Something in a si_cpu hook must
 * start a first thread.
 */
extern struct lwkt_config lwkt__boot_config; /* (i) from kern_boot_prepare on */
int	kern_boot_prepare(const struct lwkt_config *cfg);
int	kern_boot_run(void);
void	kern_boot_release(void);
void	kern_stop(void);
/* splz: the thread that runs on a CPU that stops goes no further. */
void	stop_thread(struct globaldata *gd, lwkt_thread_t td) __lwkt_noreturn;
/* Boot storage in the arena that tools see: zeroed, cache aligned. */
void   *arena_alloc(size_t size);

/*
 * A limit as a caller gave it: LWKT_FOREVER or nanoseconds.  Anything below 0
 * but LWKT_FOREVER is a deadline that has passed: it means 0, do not wait.
 */
static inline int64_t
limit_ns(int64_t timeout_ns)
{
	return timeout_ns >= LWKT_FOREVER ? timeout_ns : 0;
}

#endif
