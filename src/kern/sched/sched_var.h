/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What other rooms need of the scheduler.
 *
 * Default context: the owning CPU, in a critical section, never blocking.
 */
#ifndef LWKT_KERN_SCHED_SCHED_VAR_H
#define LWKT_KERN_SCHED_SCHED_VAR_H

#include <lwkt/systimer.h>

#include "base/kassert.h"
#include "kern/cpu/crit.h"
#include "kern/cpu/kern_ops.h"
#include "kern/cpu/ktr_rec.h"

/* lwkt_sched.c: the run queue. */
void	sched_enqueue(struct globaldata *gd, lwkt_thread_t td);
void	sched_dequeue(struct globaldata *gd, lwkt_thread_t td);
void	sched_clock(struct globaldata *gd);	/* the tick */
void	sched_setupri(lwkt_thread_t td, int upri); /* order among equals */
void	sched_setpri(struct globaldata *gd, lwkt_thread_t td, int pri);

/*
 * lwkt_switch.c.  switch_away: give the CPU to the best thread; the current
 * thread may be descheduled already.  It returns when that thread runs again,
 * on the CPU that owns it then, still in the caller's critical section.
 */
void	switch_away(void);
void	switch_to_thread(lwkt_thread_t ntd); /* that one, without choosing */
void	switch_entry(void *from);	/* first code of a thread */

/*
 * finish.c.  thread_finish_*: the successor completes an exit or a migration of
 * td.  thread_join_done: td has ended; wake its joiner, which belongs to this
 * CPU.  stop_thread: stop td, which runs, at shutdown.
 */
void	thread_finish_exit(lwkt_thread_t td);
void	thread_finish_migrate(lwkt_thread_t td);
void	thread_join_done(void *td);
void	stop_thread(struct globaldata *gd, lwkt_thread_t td) __lwkt_noreturn;

/* lwkt_preempt.c. */
void	preempt_pending(struct globaldata *gd, lwkt_thread_t td);
void	preempt_ask(struct globaldata *gd);	/* better than the runner? */
lwkt_thread_t preempt_return(struct globaldata *gd, lwkt_thread_t td);

/* lwkt_async.c. */
void	async_signal(struct mcpu *mc, void *ucontext);	/* mu_signal */
void	async_arrive(struct globaldata *gd);	/* at the switch, in splz */
void	async_run(void);			/* mu_interrupted */
void	async_created(lwkt_thread_t td);	/* it is preemptible */

/* kern_clock.c: the tick. */
void	hardclock(struct lwkt_systimer *st, void *gd);

/* Checks of what the files keep: panic if an invariant is broken. */
void	token_check(lwkt_thread_t td);		/* of the current thread */
void	preempt_check(struct globaldata *gd);

#endif
