/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of the scheduler that more than one file uses: files of sched/
 * itself, of other rooms of kern/, and of usched/.
 *
 * The files of sched/ follow in their order.  Each uses only those before it;
 * the three in braces use each other: an interrupt thread gets the CPU by a
 * switch, a thread that waits for a token gives up the CPU by a switch, and a
 * new thread may begin with a token.
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

/* Return whether gd's CPU shuts down: it switches only to its idle thread. */
static inline int
cpu_stops(const struct globaldata *gd)
{
	return (gd->gd_unusual & UNUSUAL_STOPPING) != 0;
}

/* runq.c: the run queue. */
void	sched_enqueue(struct globaldata *gd, lwkt_thread_t td);
void	sched_dequeue(struct globaldata *gd, lwkt_thread_t td);
void	sched_clock(struct globaldata *gd);	/* at the tick */
void	sched_setupri(lwkt_thread_t td, int upri); /* set td_upri */
void	sched_setpri(struct globaldata *gd, lwkt_thread_t td, int pri);

/*
 * lwkt_switch.c.  switch_away: give the CPU to the best thread; the caller may
 * be descheduled already.  Return when the caller runs again, on the CPU that
 * owns it then, still in its critical section.
 */
void	switch_away(void);
void	switch_to_thread(lwkt_thread_t ntd); /* ntd, without choosing */
void	switch_entry(void *from);	/* first code of a thread */

/*
 * finish.c.  thread_finish_*: the successor completes an exit or a migration of
 * td.  thread_join_done: td has ended; wake its joiner, which belongs to this
 * CPU.
 */
void	thread_finish_exit(lwkt_thread_t td);
void	thread_finish_migrate(lwkt_thread_t td);
void	thread_join_done(void *td);

/*
 * lwkt_preempt.c.  preempt_pending: serve RQF_PREEMPT for td, the running
 * thread.  preempt_return: td returns the CPU; return its lender.
 */
void	preempt_pending(struct globaldata *gd, lwkt_thread_t td);
void	preempt_ask(struct globaldata *gd);	/* at the tick */
lwkt_thread_t preempt_return(struct globaldata *gd, lwkt_thread_t td);

/* lwkt_async.c. */
void	async_signal(struct mcpu *mc, void *ucontext);	/* mu_signal */
void	async_arrive(struct globaldata *gd);	/* at the switch, in splz */
void	async_created(lwkt_thread_t td);	/* td: preemptible */

/* async_run.c: what a preemptible thread calls when it is interrupted. */
void	async_run(void);

/*
 * Return whether td may call lwkt_user_yield when it is interrupted: it has no
 * tokens, has not borrowed the CPU, is no lwp, and does not defer wakeups.
 */
static inline int
async_may_yield(const struct lwkt_thread *td)
{
	return (td->td_ntoks | td->td_leave) == 0;
}

/*
 * token_switch.c.  tokens_release: release the tokens of td, which leaves the
 * CPU.  tokens_get: take all of them again, before td runs, and return 1; or
 * take none, store the token that was refused in td_tokwant, and return 0.
 */
void	tokens_release(lwkt_thread_t td);
int	tokens_get(lwkt_thread_t td);
/*
 * Ask the holder of td_tokwant to notify this CPU at its release.  Return 1 if
 * the CPU may sleep until then.  Return 0 if it must not, because no token was
 * refused to td, the token is free now, or the host cannot fence all CPUs.
 */
int	tokens_want_nudge(struct globaldata *gd, lwkt_thread_t td);
/* The same for a CPU that does not sleep: it runs a worse thread than td. */
void	tokens_passed(struct globaldata *gd, lwkt_thread_t td);
/*
 * For liveness.c: return 1 if td, which does not run, could take all of its
 * tokens now, else 0.
 */
int	tokens_free(lwkt_thread_t td);
/*
 * For liveness.c: return a number that changes when a token of td goes to
 * another exclusive holder, or is refused to td (token_switch.c).
 */
uint64_t tokens_taken(lwkt_thread_t td);
void	tokens_nudged(struct globaldata *gd);	/* serve RQF_TOKEN */
void	tokens_boot(void);

/* kern_clock.c: the function of the tick's timer; gd is this CPU's. */
void	hardclock(struct lwkt_systimer *st, void *gd);

/* Panic if TK1 or TK2 (tokens), PR1 or PR2 (lenders) is broken. */
void	token_check(lwkt_thread_t td);	/* td: the current thread */
void	preempt_check(struct globaldata *gd);

#endif
