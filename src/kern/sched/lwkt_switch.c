/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Give the CPU to the best runnable thread.
 *
 * THEORY
 * Everything a CPU's scheduler reads and writes belongs to that CPU, so a
 * critical section is all the protection a switch needs.  The thread that
 * leaves may have descheduled itself already (a sleeper, a migrating or dying
 * thread): from that moment until the stack has changed nothing may run that
 * could schedule it somewhere else, hence no splz in here (CR2).
 *
 * The leaving thread cannot finish its own departure: as long as it stands on
 * its stack it must not be seen as gone.  So the *successor* does it, on the
 * successor's stack: it clears TDF_RUNNING, hands a migrating thread to its
 * new CPU, completes an exit.  lwkt__machine_switch returns the predecessor
 * for that purpose.
 *
 * Tokens are held by running threads only (lwkt_token.c): the leaving thread
 * lets go of its own, and no thread is chosen that could not have all of its
 * own again.
 *
 * C++ keeps the exceptions that a thread has caught, or has in flight, in the
 * host thread.  A thread that leaves with some takes them along on its stack
 * and puts them back when it runs again, so at the switch itself the host
 * thread has none (SW5), and whatever comes finds what it left: its own, or
 * none.
 *
 * A thread that comes back may be on another CPU than it left: every pointer
 * to the CPU is read again after the switch.
 *
 * INVARIANTS
 * SW1 Never in an IPI or timer callback (gd_intr_nesting == 0), as the master
 *    of a rendezvous (gd_cscount == 0) or with a spinlock (gd_spinlocks == 0).
 * SW2 In a critical section; the count is the thread's and survives.
 * SW3 td_flags of the predecessor are read before TDF_RUNNING is cleared:
 *    afterwards it may be gone (DragonFly 3a06728ed5).
 * SW4 A thread is passed over only while a token is refused to it.  The tick
 *    runs as long as a passed thread waits, and asks the running one to switch;
 *    the release of the token does so earlier (RQF_TOKEN).
 * SW5 When the stack changes, *mc_cxx is empty.
 * SW6 A thread that has tokens, or leaves with more than a switch, does the
 *    wakeups that it has put off: the holder of a token it wants may wait for
 *    them.
 *
 * Source: DragonFly's lwkt_switch and lwkt_switch_return.
 */
#include "kern/cpu/token_var.h"
#include "kern/time/systimer_var.h"
#include "kern/sched/sched_var.h"

#include <limits.h>

TRACEPOINT(switch, KTR_SCHED, "sched.switch", "from=%llu to=%llu");

COUNTER(switches, "lwkt.switches", "thread switches");

static __lwkt_noinline void
switch_finish_slow(lwkt_thread_t prev, uint32_t flags)
{
	if ((flags & TDF_CANARY) &&
	    *(volatile uint64_t *)prev->td_stack != STACK_CANARY)
		lwkt_panic("stack overflow: thread \"%s\", stack %zu bytes "
		    "(the canary is overwritten)", prev->td_name,
		    prev->td_stksize);
	if (flags & TDF_EXITING)
		thread_finish_exit(prev);
	else if (flags & TDF_MIGRATING)
		thread_finish_migrate(prev);
	else
		prev->td_flags = flags & ~TDF_RUNNING;
}

/* The successor completes what the predecessor could not. */
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
 * With thousands of threads in a ring every switch would wait for memory.  So
 * fetch ahead: the stack of the one after next, whose structure was fetched a
 * switch ago, and the structure of the one behind it.
 */
static inline void
prefetch_next(lwkt_thread_t ntd)
{
	lwkt_thread_t next = ntd->td_rqnext;

	if (likely(ntd->td_flags & TDF_RUNQ)) {
		__builtin_prefetch(next->td_sp);
		__builtin_prefetch(next->td_rqnext);
	}
}

/* A preemptible thread runs, or no longer does: AS2 of lwkt_async.c. */
static __lwkt_noinline void
switch_preemptible(struct globaldata *gd, lwkt_thread_t ntd)
{
	if (ntd->td_flags & TDF_PREEMPTIBLE) {
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_PREEMPTIBLE);
		async_arrive(gd);
	} else {
		atomic_clear_32(&gd->gd_m.mc_reqflags, RQF_PREEMPTIBLE);
	}
}

static inline void
switch_stack(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	lwkt_thread_t prev;

	INVARIANT((ntd->td_flags & (TDF_RUNNING | TDF_FREE)) == 0);
	ntd->td_flags |= TDF_RUNNING;
	ntd->td_switches++;
	counter_inc(gd->gd_cntbias, switches);
	ktr(gd, switch, td->td_id, ntd->td_id);
	prefetch_next(ntd);
	if (unlikely(((td->td_flags ^ ntd->td_flags) & TDF_PREEMPTIBLE) != 0))
		switch_preemptible(gd, ntd);
	td->td_errno = *gd->gd_m.mc_errnop;
	gd->gd_m.mc_curthread = ntd;
	fiber_switch_begin(&td->td_cold->tc_fiber, &ntd->td_cold->tc_fiber,
	    td->td_flags & TDF_EXITING);
	prev = lwkt__machine_switch(&td->td_sp, ntd->td_sp, td);
	/* Another time, and perhaps another CPU. */
	fiber_switch_end(&td->td_cold->tc_fiber, &prev->td_cold->tc_fiber);
	*mycpu_m()->mc_errnop = td->td_errno;
	switch_finish(prev);
}

/* The same for a thread that has caught exceptions, or has some in flight. */
static __lwkt_noinline void
switch_stack_cxx(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	struct machine_cxx own = *gd->gd_m.mc_cxx;

	*gd->gd_m.mc_cxx = (struct machine_cxx){ NULL, 0 };	/* SW5 */
	switch_stack(gd, td, ntd);
	*mycpu_m()->mc_cxx = own;		/* perhaps another CPU's */
}

static inline void
switch_to(struct globaldata *gd, lwkt_thread_t td, lwkt_thread_t ntd)
{
	const struct machine_cxx *cx = gd->gd_m.mc_cxx;

	if (unlikely(cx != NULL) &&
	    (cx->mx_caught != NULL || cx->mx_uncaught != 0))
		switch_stack_cxx(gd, td, ntd);
	else
		switch_stack(gd, td, ntd);
}

/*
 * Find the best runnable thread that can have all of its tokens; NULL: none.
 * A contended thread of kernel priority is not passed by a mere user thread of
 * lesser order; among the others this is a bounded priority inversion.
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

/* SW4: td runs though better threads are runnable, which wait for tokens. */
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
 * Some runnable threads need tokens.  If none of them can have all of its own,
 * the idle thread runs: it serves messages and timers, and the CPU may sleep
 * until a holder lets go.
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

/* SW1 is broken: say how. */
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
 * An lwp leaves: its scheduler hears of it before anything is chosen.  When it
 * comes back it has to look round before it goes on with its own code.
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

void
switch_away(void)
{
	struct globaldata *gd = mygd();
	lwkt_thread_t td = curthread;
	lwkt_thread_t ntd;

	INVARIANT(td->td_critcount > 0);	/* SW2 */
	if (unlikely((gd->gd_intr_nesting | gd->gd_cscount |
	    gd->gd_spinlocks) != 0))				/* SW1 */
		switch_refused(gd, td);
	if (config_invariants && config_host_sim)
		lwkt__kern_hooks.kh_check(gd);
	gd->gd_ast &= ~(AST_LWKT_RESCHED | AST_WATCHED);
	if (unlikely((td->td_ntoks | td->td_leave) != 0)) {
		if (unlikely(td->td_flags & TDF_DELAYED_WAKEUP))
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

void
switch_to_thread(lwkt_thread_t ntd)
{
	switch_to(mygd(), curthread, ntd);
}

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

void
lwkt_switch(void)
{
	lwkt_thread_t td = caller_thread();

	lwkt__choice(CHOICE_SWITCH);
	crit_enter_td(td);
	switch_away();
	crit_exit_td(td);
}
