/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of the scheduler: schedule, deschedule and yield.
 *
 * THEORY
 * Threads belong to CPUs.  A CPU that schedules a thread of another CPU sends a
 * message to the owner.  The handler there checks the owner again, because the
 * thread may have moved.
 *
 * Outside critical sections the yields do the deferred work first, because it
 * may make a better thread runnable.  lwkt_yield moves the caller after its
 * equals in any case; lwkt_yield_quick switches only if a scheduler asked.  So
 * does lwkt_user_yield, but an lwp first asks its own scheduler for a switch.
 *
 * Source: DragonFly's lwkt_thread.c.
 */
#include "kern/sched/runq.h"
#include "kern/sched/switch.h"

#include <lwkt/ipiq.h>

COUNTER(remote, "lwkt.schedule_remote",
    "schedules and deschedules sent to another CPU");

/* Send the IPI `again` about td to tgd, which owned td a moment ago. */
static __lwkt_noinline void
ask_owner(struct globaldata *gd, struct globaldata *tgd, lwkt_thread_t td,
    lwkt_ipifunc1_t again)
{
	crit_enter_td(curthread);				/* CR3 */
	counter_inc(gd->gd_cntbias, remote);
	lwkt_hold(td);
	lwkt_send_ipiq(tgd->gd_m.mc_cpuid, again, td);
	crit_exit_noyield(curthread);
}

/*
 * Apply an operation to td on the CPU that owns td.  If that is this CPU, call
 * fn(gd, td) in a leaf section.  Otherwise send the IPI `again` to the owner,
 * and hold td until that has run, because td may end and be joined meanwhile.
 * `again` makes the whole call once more, because td may have moved meanwhile,
 * and then releases td.
 */
static inline void
on_owner(lwkt_thread_t td, void (*fn)(struct globaldata *, lwkt_thread_t),
    lwkt_ipifunc1_t again)
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd, *tgd;

	leaf_enter(self);
	gd = mygd();
	tgd = (struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd);	/* thread_finish_migrate */
	if (likely(tgd == gd))
		fn(gd, td);
	else
		ask_owner(gd, tgd, td, again);
	leaf_exit(self);
}

static void
schedule_remote(void *arg)
{
	lwkt_schedule(arg);
	lwkt_rele(arg);
}

/*
 * Make td runnable, on the CPU that owns td: at once if that is this CPU, else
 * by a message.  Any CPU context; never blocks.
 */
void
lwkt_schedule(lwkt_thread_t td)
{
	on_owner(td, enqueue_fast, schedule_remote);
}

/* Make td runnable without asking the running thread to give way. */
static void
enqueue_noresched(struct globaldata *gd, lwkt_thread_t td)
{
	td->td_flags |= TDF_NORESCHED;
	sched_enqueue(gd, td);
	td->td_flags &= ~TDF_NORESCHED;
}

static void
schedule_noresched_remote(void *arg)
{
	lwkt_schedule_noresched(arg);
	lwkt_rele(arg);
}

/*
 * Make td runnable, without asking a running thread to give way at once.  Any
 * CPU context; never blocks.
 */
void
lwkt_schedule_noresched(lwkt_thread_t td)
{
	on_owner(td, enqueue_noresched, schedule_noresched_remote);
}

/*
 * Put the caller back on the run queue, after lwkt_deschedule_self.  Thread
 * context; never blocks.
 */
void
lwkt_schedule_self(void)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	sched_enqueue(mygd(), self);
	crit_exit_td(self);
}

/*
 * Take the caller off the run queue.  Thread context; never blocks: the caller
 * continues to run until it calls lwkt_switch or another call that may switch.
 */
void
lwkt_deschedule_self(void)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	sched_dequeue(mygd(), self);
	crit_exit_noyield(self);	/* CR2: no splz here */
}

static void
deschedule_remote(void *arg)
{
	lwkt_deschedule(arg);
	lwkt_rele(arg);
}

/*
 * Take td off the run queue, on the CPU that owns td: at once if that is this
 * CPU, else by a message.  Any CPU context; never blocks.
 */
void
lwkt_deschedule(lwkt_thread_t td)
{
	if (td == curthread)
		lwkt_deschedule_self();
	else
		on_owner(td, sched_dequeue, deschedule_remote);
}

/* Do deferred work if there is some and td is in no critical section. */
static inline void
yield_splz(lwkt_thread_t td)
{
	if (unlikely(machine_requested(RQF_SPLZ)) && td->td_critcount == 0)
		splz();
}

/*
 * Let better threads, and threads of equal priority, run first.  If the caller
 * has borrowed the CPU, return it to the lender instead.  A caller that is
 * descheduled blocks until it is scheduled.  Thread context.
 */
void
lwkt_yield(void)
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd;

	lwkt__choice(CHOICE_SWITCH);
	yield_splz(self);
	leaf_enter(self);
	gd = mygd();
	if (likely(self->td_flags & TDF_RUNQ))
		runq_rotate(gd, self);
	switch_leaf(gd, self);
	leaf_exit(curthread);
}

/*
 * Do deferred work, unless in a critical section; then return 1 if
 * lwkt_yield_quick would call switch_away, else 0.  Any CPU context; blocks
 * only in that work.
 */
int
lwkt_resched_wanted(void)
{
	lwkt__choice(CHOICE_SWITCH);
	yield_splz(curthread);
	return (mygd()->gd_ast & AST_LWKT_RESCHED) != 0;
}

/*
 * Do deferred work, unless in a critical section; then switch if
 * AST_LWKT_RESCHED is set, for example by a better thread, by the tick, or by
 * the release of a token.  Thread context.
 */
void
lwkt_yield_quick(void)
{
	lwkt_thread_t self = caller_thread();

	lwkt__choice(CHOICE_SWITCH);
	yield_splz(self);
	if (unlikely(mygd()->gd_ast & AST_LWKT_RESCHED)) {
		crit_enter_td(self);
		switch_away();
		crit_exit_td(self);
	}
}

/*
 * As lwkt_yield_quick, but also give way if the user scheduler asks.  An lwp
 * first yields to the other lwps of its user scheduler.  Thread context.
 */
void
lwkt_user_yield(void)
{
	lwkt_thread_t self = caller_thread();

	lwkt__choice(CHOICE_SWITCH);
	yield_splz(self);
	if (unlikely(self->td_leave & TDL_LWP))
		lwkt__kern_ops.ko_lwp_yield(self);
	if (unlikely(mygd()->gd_ast & (AST_LWKT_RESCHED | AST_USER_RESCHED))) {
		crit_enter_td(self);
		switch_away();
		crit_exit_td(self);
	}
}
