/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch of stacks, and the fast path of a switch, inline.
 *
 * THEORY
 * switch_fast() makes the switch of a thread that yields or blocks, if nothing
 * about the two threads and the CPU is unusual.  Otherwise it calls
 * switch_away() (lwkt_switch.c), which can do every switch.  Both end in
 * switch_stack(), the only function in which a thread leaves its stack.
 *
 * A processor predicts where a return goes from the calls made before, and
 * these were made by the thread that ran before the switch.  The prediction is
 * right if the two threads left their stacks by the same call.  So the fast
 * path is for functions whose callers mostly switch to each other, such as
 * lwkt_tsleep().  A thread that ends, and its joiner, both use switch_away().
 *
 * After a switch switch_stack() uses nothing that it read before: the thread
 * may be on another CPU, and each value that is kept across the switch would
 * cost a store and a load.
 *
 * The invariants (SW) are those of lwkt_switch.c.
 */
#ifndef LWKT_KERN_SCHED_SWITCH_H
#define LWKT_KERN_SCHED_SWITCH_H

#include "kern/sched/runq.h"

/* The structures and the stack tops of so many threads fit in a cache. */
#define FEW_THREADS	32

TRACEPOINT_EXTERN(switch, KTR_SCHED);
COUNTER_EXTERN(switches);

/*
 * lwkt_switch.c: the rare cases of switch_finish(); switch_away() for a caller
 * that is in a leaf section.
 */
void	switch_finish_slow(lwkt_thread_t prev, uint32_t flags);
void	switch_counted(void);

/*
 * Complete the departure of the predecessor, on the successor's stack.  Once
 * TDF_RUNNING is clear prev may be gone, so its flags are read first (SW3).
 */
static inline void
switch_finish(lwkt_thread_t prev)
{
	uint32_t flags = prev->td_flags;	/* SW3 */

	if (unlikely(flags & (TDF_MIGRATING | TDF_EXITING | TDF_CANARY)))
		switch_finish_slow(prev, flags);
	else
		prev->td_flags = flags & ~TDF_RUNNING;		/* TD3 */
}

/*
 * Prefetch for the next two switches.  With thousands of threads in a ring each
 * switch would wait for memory.  Fetch the stack of the thread after ntd, whose
 * structure was fetched one switch ago, and the structure of the thread after
 * that.  With a few threads all of this is in the cache: do nothing.
 */
static inline void
prefetch_next(struct globaldata *gd, lwkt_thread_t ntd)
{
	lwkt_thread_t next = ntd->td_rqnext;

	if (unlikely(gd->gd_rqcount > FEW_THREADS) &&
	    (ntd->td_flags & TDF_RUNQ)) {
		__builtin_prefetch(next->td_sp);
		__builtin_prefetch(next->td_rqnext);
	}
}

/*
 * Switch from td to ntd.  The call of lwkt__machine_switch returns when td runs
 * again; gd is stale then, because td may be on another CPU.
 */
static inline void
switch_stack(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	lwkt_thread_t prev;

	INVARIANT((ntd->td_flags & (TDF_RUNNING | TDF_FREE)) == 0);
	ntd->td_flags |= TDF_RUNNING;
	ntd->td_switches++;
	counter_inc(gd->gd_cntbias, switches);
	ktr(gd, switch, td->td_id, ntd->td_id);
	prefetch_next(gd, ntd);
	td->td_errno = *gd->gd_m.mc_errnop;
	gd->gd_m.mc_curthread = ntd;
	fiber_switch_begin(&td->td_cold->tc_fiber, &ntd->td_cold->tc_fiber,
	    td->td_flags & TDF_EXITING);
	prev = lwkt__machine_switch(&td->td_sp, ntd->td_sp, td);
	td = curthread;		/* the same thread, perhaps another CPU */
	fiber_switch_end(&td->td_cold->tc_fiber, &prev->td_cold->tc_fiber);
	*mycpu_m()->mc_errnop = td->td_errno;
	switch_finish(prev);
}

/*
 * Return 0 if td, the caller, may leave the CPU without preparation; else a
 * nonzero number, whose single bits mean nothing.
 */
static inline int
leaving_is_unusual(struct globaldata *gd, lwkt_thread_t td)
{
	return gd->gd_intr_nesting | gd->gd_cscount | gd->gd_spinlocks |
	    (int)gd->gd_unusual | td->td_ntoks | td->td_leave;
}

/*
 * Return the best thread.  Return NULL unless the case is usual: td, the
 * caller, has nothing to do before it leaves, and the best thread is another
 * one, which can run without preparation.
 */
static inline lwkt_thread_t
pick_usual(struct globaldata *gd, lwkt_thread_t td)
{
	uint32_t mask = gd->gd_rqmask;
	lwkt_thread_t ntd;

	if (unlikely(leaving_is_unusual(gd, td) != 0 || mask == 0))
		return NULL;
	ntd = gd->gd_rq[31 - __builtin_clz(mask)];
	if (unlikely(ntd->td_ntoks != 0 || ntd == td ||
	    (ntd->td_flags & TDF_PREEMPTIBLE)))
		return NULL;
	return ntd;
}

/*
 * td, the caller, is on the run queue and blocks; ntd is to be made runnable.
 * Put ntd in the place of td on the run queue, and return ntd: it is the best
 * thread.  Return NULL, with nothing done, unless the case is usual as in
 * pick_usual(), td is alone in its ring, ntd has the priority of td, and no
 * runnable thread is better.
 */
static inline lwkt_thread_t
pick_in_place(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	if (unlikely((leaving_is_unusual(gd, td) | ntd->td_ntoks) != 0 ||
	    (ntd->td_flags & (TDF_NOT_ENQUEUED | TDF_PREEMPTS |
	    TDF_NORESCHED | TDF_PREEMPTIBLE)) != 0 ||
	    gd->gd_rq[ntd->td_pri] != td || td->td_rqnext != td ||
	    gd->gd_rqmask >> ntd->td_pri != 1))
		return NULL;
	runq_replace(gd, td, ntd);
	return ntd;
}

/* Switch from td, the caller, to ntd, from pick_usual() or pick_in_place(). */
static inline void
switch_picked(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	if (config_invariants && config_host_sim)
		lwkt__kern_hooks.kh_check(gd);
	gd->gd_ast &= ~(AST_LWKT_RESCHED | AST_WATCHED);
	switch_stack(gd, td, ntd);
}

/*
 * Give the CPU to the best thread and return 1 when td, the caller, runs again.
 * Return 0, with nothing done, unless the case is usual (pick_usual).
 */
static inline int
switch_usual(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t ntd = pick_usual(gd, td);

	if (unlikely(ntd == NULL))
		return 0;
	switch_picked(gd, td, ntd);
	return 1;
}

/* As switch_away(), with the usual case inline. */
static inline void
switch_fast(struct globaldata *gd, lwkt_thread_t td)
{
	INVARIANT(td->td_critcount > 0);			/* SW2 */
	if (!switch_usual(gd, td))
		switch_away();
}

/* As switch_fast(), in a leaf section. */
static inline void
switch_leaf(struct globaldata *gd, lwkt_thread_t td)
{
	if (!switch_usual(gd, td))
		switch_counted();				/* CR3 */
}

#endif
