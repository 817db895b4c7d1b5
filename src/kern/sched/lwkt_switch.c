/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Give the CPU to the best runnable thread.
 *
 * THEORY
 * All data that a CPU's scheduler reads and writes, except tokens, belongs to
 * that CPU, so a section is enough protection for a switch.  The thread that
 * leaves may have descheduled itself already (a sleeper, a migrating or dying
 * thread).  From that moment until the stack has changed, no callback may run:
 * it could let another CPU run the thread, whose stack is still in use here.
 * So this file never calls splz before the stack has changed (CR2 of crit.h).
 *
 * The thread that leaves cannot complete its departure: as long as it uses its
 * stack, other code must not see it as gone.  So the *successor* completes it,
 * on the successor's stack: it clears TDF_RUNNING, hands a migrating thread to
 * its new CPU, completes an exit.  lwkt__machine_switch returns the predecessor
 * for that purpose.
 *
 * Only running threads and lenders hold tokens (TK2 of token_word.h).  A thread
 * that leaves releases its tokens, unless it lends the CPU.  A thread is chosen
 * only if it can take all of its own tokens again.
 *
 * C++ keeps the exceptions that a thread has caught, or that are in flight, in
 * the host thread.  A thread that leaves with some saves them on its stack and
 * restores them when it runs again.  So at the switch itself the host thread
 * has none (SW5), and each thread finds what it left there: its own, or none.
 *
 * A thread may come back on another CPU than it left: every pointer to the CPU
 * is read again after the switch.
 *
 * INVARIANTS
 * SW1 No switch happens in an IPI or timer callback or a hard section
 *    (gd_intr_nesting == 0), in the master of a rendezvous (gd_cscount == 0) or
 *    with a spinlock held (gd_spinlocks == 0).
 * SW2 A switch is in a critical section, or in a leaf section (crit.h).  The
 *    count belongs to the thread and is kept across the switch.
 * SW3 td_flags of the predecessor are read before TDF_RUNNING is cleared.
 *    Afterwards the predecessor may be gone (DragonFly 3a06728ed5).
 * SW4 A thread is passed over only while a token is refused to it, or to a
 *    thread with a higher td_upri (pick_free).  While a worse thread runs, the
 *    tick runs too and asks that thread to switch; the release of the token
 *    usually does so earlier (RQF_TOKEN).  If the idle thread is chosen, see
 *    tokens_want_nudge.
 * SW5 When the stack changes, *mc_cxx is empty (if the host has C++).
 * SW6 Before a thread calls pick() or returns a lent CPU, it does its deferred
 *    wakeups, unless it only yields: is on the run queue, has no tokens, and no
 *    bit of td_leave but TDL_DELAYED.  Any other thread must not leave them
 *    undone: the holder of a token that it wants, or the thread that will
 *    schedule it, may wait for these wakeups; and after a migration no tick may
 *    come to do them.
 *
 * Source: DragonFly's lwkt_switch and lwkt_switch_return.
 */
#include "kern/time/systimer_var.h"
#include "kern/sched/switch.h"

#include <limits.h>

TRACEPOINT_SHARED(switch, KTR_SCHED, "sched.switch", "from=%llu to=%llu");

COUNTER_SHARED(switches, "lwkt.switches", "thread switches");

/*
 * The rare cases of switch_finish: check the canary of prev, and panic if it is
 * overwritten; then complete the exit or the migration of prev, or clear
 * TDF_RUNNING.  flags: td_flags of prev.
 */
void
switch_finish_slow(lwkt_thread_t prev, uint32_t flags)
{
	if ((flags & TDF_CANARY) &&
	    *(volatile uint64_t *)prev->td_stack != STACK_CANARY)
		lwkt_panic("stack overflow: thread \"%s\", stack %zu bytes "
		    "(the canary is overwritten)", prev->td_name,
		    prev->td_stksize);
	crit_enter_td(curthread);				/* CR3 */
	if (flags & TDF_EXITING)
		thread_finish_exit(prev);
	else if (flags & TDF_MIGRATING)
		thread_finish_migrate(prev);
	else
		prev->td_flags = flags & ~TDF_RUNNING;
	crit_exit_noyield(curthread);
}

/*
 * If ntd is preemptible, set RQF_PREEMPTIBLE (AS1 of lwkt_async.c) and
 * UNUSUAL_PREEMPTIBLE, and forbid inline functions; else undo this.
 */
static __lwkt_noinline void
switch_preemptible(struct globaldata *gd, lwkt_thread_t ntd)
{
	if (ntd->td_flags & TDF_PREEMPTIBLE) {
		inline_allow(gd, 0);				/* QL4 */
		gd->gd_unusual |= UNUSUAL_PREEMPTIBLE;
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_PREEMPTIBLE);
		async_arrive(gd);
	} else {
		gd->gd_unusual &= ~UNUSUAL_PREEMPTIBLE;
		atomic_clear_32(&gd->gd_m.mc_reqflags, RQF_PREEMPTIBLE);
		inline_allow(gd, 1);
	}
}

/*
 * Switch from td, which has caught C++ exceptions or has some in flight.  They
 * are saved on its stack, and restored when td runs again.
 */
static __lwkt_noinline void
switch_stack_cxx(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	struct machine_cxx own = *gd->gd_m.mc_cxx;

	*gd->gd_m.mc_cxx = (struct machine_cxx){ NULL, 0 };	/* SW5 */
	switch_stack(gd, td, ntd);
	*mycpu_m()->mc_cxx = own;		/* perhaps another CPU's */
}

/* Switch from td to ntd, preemptible or not, with C++ exceptions or not. */
static inline void
switch_to(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	const struct machine_cxx *cx = gd->gd_m.mc_cxx;

	if (unlikely(((td->td_flags ^ ntd->td_flags) & TDF_PREEMPTIBLE) != 0))
		switch_preemptible(gd, ntd);
	if (unlikely(cx != NULL) &&
	    (cx->mx_caught != NULL || cx->mx_uncaught != 0))
		switch_stack_cxx(gd, td, ntd);
	else
		switch_stack(gd, td, ntd);
}

/*
 * Return the best runnable thread that can have all of its tokens, with these
 * tokens taken, or NULL.  Exception: a thread without tokens whose priority is
 * below LWKT_PRI_KERN_LPSCHED is not chosen while tokens are refused to a
 * better or equal thread with a higher td_upri.  Any other thread may run
 * before a thread to which tokens are refused: a priority inversion, which SW4
 * ends.
 */
static lwkt_thread_t
pick_free(struct globaldata *gd)
{
	uint32_t mask = gd->gd_rqmask;
	lwkt_thread_t td, head;
	int upri = INT_MIN;

	for (; mask != 0; mask &= ~(1u << head->td_pri)) {
		td = head = gd->gd_rq[31 - __builtin_clz(mask)];
		do {
			if (td->td_ntoks == 0 &&
			    (td->td_pri >= LWKT_PRI_KERN_LPSCHED ||
			    td->td_upri >= upri))
				return td;
			if (td->td_ntoks != 0 && tokens_get(td))
				return td;
			if (td->td_ntoks != 0 && td->td_upri > upri)
				upri = td->td_upri;
			td = td->td_rqnext;
		} while (td != head);
	}
	return NULL;
}

/*
 * td will run although better threads are runnable.  For each of these to which
 * a token was refused, ask the holder of the token to notify this CPU when the
 * token is free (SW4).
 */
static void
passed_over(struct globaldata *gd, lwkt_thread_t td)
{
	uint32_t mask = gd->gd_rqmask & ~((2u << td->td_pri) - 1);
	lwkt_thread_t at, head;

	for (; mask != 0; mask &= mask - 1) {
		at = head = gd->gd_rq[__builtin_ctz(mask)];
		do {
			tokens_passed(gd, at);
			at = at->td_rqnext;
		} while (at != head);
	}
}

/*
 * Pick a thread when the best one needs tokens.  If pick_free() finds none,
 * pick the idle thread: it serves messages and timers, and the CPU may sleep
 * until a holder releases a token.
 */
static __lwkt_noinline lwkt_thread_t
pick_with_tokens(struct globaldata *gd)
{
	lwkt_thread_t td = pick_free(gd);

	if (td == NULL)
		return &gd->gd_idlethread;
	if (td != gd->gd_rq[31 - __builtin_clz(gd->gd_rqmask)]) {
		clock_need_tick(gd);				/* SW4 */
		passed_over(gd, td);
	}
	return td;
}

/* Panic with the reason why SW1 is broken. */
static __lwkt_noinline __lwkt_noreturn void
switch_refused(struct globaldata *gd, lwkt_thread_t td)
{
	if (gd->gd_spinlocks != 0)
		lwkt_panic("thread \"%s\" blocks with spinlock \"%s\" held on "
		    "cpu %d", td->td_name,
		    gd->gd_spinheld[gd->gd_spinlocks - 1]->s_name,
		    gd->gd_m.mc_cpuid);
	lwkt_panic("thread \"%s\" blocks in a %s on cpu %d", td->td_name,
	    gd->gd_cscount != 0 ? "rendezvous" :
	    gd->gd_hard != 0 ? "hard section" : "callback",
	    gd->gd_m.mc_cpuid);
}

/* Return the thread that runs next, with its tokens taken. */
static inline lwkt_thread_t
pick(struct globaldata *gd)
{
	lwkt_thread_t ntd;

	if (likely(gd->gd_rqmask != 0)) {
		ntd = gd->gd_rq[31 - __builtin_clz(gd->gd_rqmask)];
		if (unlikely(ntd->td_ntoks != 0))
			ntd = pick_with_tokens(gd);
	} else {
		ntd = &gd->gd_idlethread;
	}
	return ntd;
}

/*
 * Switch away from td, an lwp.  Its user scheduler is notified before a
 * successor is chosen, and may change the priority of td.  When td runs again,
 * RQF_LWP makes it ask its user scheduler before it returns to user mode.
 */
static __lwkt_noinline void
switch_lwp(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t ntd;

	lwkt__kern_ops.ko_lwp_leave(td);
	gd->gd_ast &= ~(AST_LWKT_RESCHED | AST_WATCHED);
	tokens_release(td);
	if ((ntd = pick(gd)) != td)
		switch_to(gd, td, ntd);
	ast_raise(mygd());
}

/* Return whether td, which defers wakeups, may leave them undone (SW6). */
static int
only_yields(lwkt_thread_t td)
{
	return td->td_ntoks == 0 && td->td_leave == TDL_DELAYED &&
	    (td->td_flags & TDF_RUNQ);
}

/* switch_away() for td, whatever it and its successor are. */
static __lwkt_noinline void
switch_any(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_thread_t ntd;

	if (unlikely((gd->gd_intr_nesting | gd->gd_cscount |
	    gd->gd_spinlocks) != 0))				/* SW1 */
		switch_refused(gd, td);
	if (config_invariants && config_host_sim)
		lwkt__kern_hooks.kh_check(gd);
	gd->gd_ast &= ~(AST_LWKT_RESCHED | AST_WATCHED);
	if (unlikely((td->td_ntoks | td->td_leave) != 0)) {
		if (unlikely(td->td_flags & TDF_DELAYED_WAKEUP) &&
		    !only_yields(td))
			lwkt__kern_hooks.kh_delayed_flush(td);	/* SW6 */
		if (td->td_leave & TDL_LWP) {
			switch_lwp(gd, td);
			return;
		}
		tokens_release(td);
		if (td->td_leave & TDL_PREEMPTING) {
			switch_to(gd, td, preempt_return(gd, td));
			return;
		}
	}
	if ((ntd = pick(gd)) != td)				/* TD2 */
		switch_to(gd, td, ntd);
}

/*
 * Give the CPU to the best thread; return when td, the caller, runs again with
 * all of its tokens, perhaps on another CPU.  If td is still the best, return
 * at once.  Its deferred wakeups come first (SW6), while it still has its
 * tokens.  If td has borrowed the CPU, its lender runs and no thread is chosen.
 * Context: critical section; panics if SW1 forbids a switch.
 */
void
switch_away(void)
{
	struct globaldata *gd = mygd();
	lwkt_thread_t td = curthread;

	INVARIANT(td->td_critcount > 0);			/* SW2 */
	if (!switch_usual(gd, td))
		switch_any(gd, td);
}

/* As switch_away(), in a counted section, for a caller in a leaf section. */
__lwkt_noinline void
switch_counted(void)
{
	crit_enter_td(curthread);				/* CR3 */
	switch_away();
	crit_exit_noyield(curthread);
}

/*
 * Switch to ntd without choosing.  The caller keeps its tokens and stays on the
 * run queue, if it is there.  Returns when the caller runs again.
 */
void
switch_to_thread(lwkt_thread_t ntd)
{
	switch_to(mygd(), curthread, ntd);
}

/*
 * The first function on the stack of a new thread: complete the switch from the
 * predecessor `from`, leave the critical section of the switch, take the mp
 * token if the thread runs under it, and call the thread's function.
 */
void
switch_entry(void *from)
{
	lwkt_thread_t td = curthread;
	lwkt_thread_t prev = from;

	fiber_switch_end(&td->td_cold->tc_fiber, &prev->td_cold->tc_fiber);
	*mycpu_m()->mc_errnop = 0;
	switch_finish(prev);
	crit_exit_td(td);
	if (unlikely(td->td_flags & TDF_GIANT))
		lwkt_gettoken(lwkt_mp_token());
	td->td_fn(td->td_arg);
}

/*
 * Run the best thread; return at once if that is the caller.  If the caller has
 * borrowed the CPU, return the CPU to the lender instead.  A caller that is
 * descheduled runs again only after it has been scheduled.  Thread context; may
 * block.
 */
void
lwkt_switch(void)
{
	lwkt_thread_t td = caller_thread();

	lwkt__choice(CHOICE_SWITCH);
	crit_enter_td(td);
	switch_away();
	crit_exit_td(td);
}
