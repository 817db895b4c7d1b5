/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What other rooms need of the scheduler.
 *
 * The files of the room.  Each uses only those before it; the three in braces
 * use each other: an interrupt thread gets the CPU by a switch, a thread that
 * waits for a token leaves by one, and a new thread may begin with a token.
 *
 *	runq  finish  token_switch  lwkt_async
 *	{ lwkt_switch  lwkt_preempt  lwkt_token }
 *	splz  lwkt_sched  async_run  kern_clock
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

/* runq.c: the run queue. */
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
 * CPU.
 */
void	thread_finish_exit(lwkt_thread_t td);
void	thread_finish_migrate(lwkt_thread_t td);
void	thread_join_done(void *td);

/* lwkt_preempt.c. */
void	preempt_pending(struct globaldata *gd, lwkt_thread_t td);
void	preempt_ask(struct globaldata *gd);	/* better than the runner? */
lwkt_thread_t preempt_return(struct globaldata *gd, lwkt_thread_t td);

/* lwkt_async.c. */
void	async_signal(struct mcpu *mc, void *ucontext);	/* mu_signal */
void	async_arrive(struct globaldata *gd);	/* at the switch, in splz */
void	async_created(lwkt_thread_t td);	/* it is preemptible */

/* async_run.c: what the interrupted thread does; mu_interrupted. */
void	async_run(void);

/*
 * Return whether td, interrupted, may give way: it has no tokens, has not
 * borrowed the CPU, and is no lwp.
 */
static inline int
async_may_yield(const struct lwkt_thread *td)
{
	return (td->td_ntoks | td->td_leave) == 0;
}

/*
 * token_switch.c.  A thread that leaves the CPU releases the tokens it holds
 * (tokens_release).  It must get all of them again before it runs.  tokens_get
 * returns 1; or 0, with the token that was refused in td_tokwant.
 */
void	tokens_release(lwkt_thread_t td);
int	tokens_get(lwkt_thread_t td);
/*
 * Ask the holder of td_tokwant to notify this CPU at its release.  Returns 0 if
 * the CPU must not sleep, because the token is free or the host cannot fence
 * all CPUs.
 */
int	tokens_want_nudge(struct globaldata *gd, lwkt_thread_t td);
/* td is passed over: ask the holder to notify this CPU, which does not wait. */
void	tokens_passed(struct globaldata *gd, lwkt_thread_t td);
/* For liveness.c: could td, which does not run, get all of its tokens? */
int	tokens_free(lwkt_thread_t td);
/* Return a number that changes when a token of td is taken or refused to td. */
uint64_t tokens_taken(lwkt_thread_t td);
void	tokens_nudged(struct globaldata *gd);		/* RQF_TOKEN */

/* kern_clock.c: the tick. */
void	hardclock(struct lwkt_systimer *st, void *gd);

/* Checks of what the files keep: panic if an invariant is broken. */
void	token_check(lwkt_thread_t td);		/* of the current thread */
void	preempt_check(struct globaldata *gd);

#endif
