/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preemptible threads: interrupted between any two of their instructions.
 *
 * THEORY
 * Bits of mc_reqflags are served at the running thread's next critical exit or
 * yield.  A thread that computes makes neither.  The host's signal handler ends
 * in async_signal.  If the thread is an lwp or was created with
 * LWKT_PREEMPTIBLE, and something is pending that it could serve where it is,
 * the host makes the thread call async_run (async_run.c), as if the program had
 * that call between its instructions (machine_interrupt).
 *
 * If the kernel or the host refuses the interruption, the request is still
 * pending, and the signal is repeated.  The first retry comes after
 * lwkt.preempt_retry_us, the second after 2 times that, the later ones after 4
 * times that; after 100 refusals in a row a retry comes after 64 times that.  A
 * spurious signal costs 4 us.  So a thread that computes in libc loses about
 * 1 % while something waits for it, and nothing otherwise.
 *
 * The first signal comes from the host's timer, at every deadline, or from
 * another host thread: one that sent a message (ipi/kick.c, ipiq_push,
 * foreign.c) or shuts down (shutdown.c).  The tick is such a deadline: it runs
 * while other threads wait for the CPU of a preemptible thread.
 *
 * In two cases a bit is set, or stays set, without a signal to come.  First:
 * while a non-preemptible thread runs, a signal that arrives is not repeated,
 * and a sender sends none.  The CPU may go from that thread to a preemptible
 * one that does not check mc_reqflags before it returns to user mode, for
 * example back to a lender that lent the CPU in the splz of its async_run.
 * Second: splz leaves bits set for messages that it does not execute in its
 * pass.  So both the switch to a preemptible thread and splz ask for a signal
 * if a bit is set.
 *
 * INVARIANTS
 * AS1 mc_reqflags has RQF_PREEMPTIBLE <=> the current thread is preemptible.  A
 *    switch sets or clears the bit, for the next thread, before it changes the
 *    stack.
 * AS2 RQF_PREEMPTIBLE is set, and a bit that the thread could serve => a signal
 *    will come, or the thread checks the bit before it returns to user mode.
 *    Both bits are in one word, so the code that sets the second one sees the
 *    first.  A handler that runs before RQF_PREEMPTIBLE is set leaves its bit
 *    for async_arrive; a later handler asks for a signal itself.
 *    (Nothing is interrupted if lwkt.preempt_async is 0 or the host cannot.)
 *
 * Source: DragonFly's doreti and userret, where ASTs are honoured on the way
 * back to user mode; its vkernel has signals for interrupts.
 */
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"

#include <errno.h>
#include <lwkt/preempt.h>

COUNTER(crit, "lwkt.async_crit",
    "not interrupted: in a critical section, with tokens, descheduled");
COUNTER(code, "lwkt.async_code", "not interrupted: in unregistered code");
COUNTER(frame, "lwkt.async_frame", "not interrupted: called by unregistered "
    "code");
COUNTER(stack, "lwkt.async_stack", "not interrupted: too little stack left");
COUNTER(state, "lwkt.async_state", "not interrupted: registers that cannot be "
    "saved");

TUNABLE_INT(preempt_async, "lwkt.preempt_async", 1, 0, 1,
    "1: preemptible threads are interrupted at any instruction; 0: not");
TUNABLE_INT(retry_us, "lwkt.preempt_retry_us", 100, 10, 1000000,
    "time until a thread that could not be interrupted is tried again, us");

/*
 * How often retry_us is doubled for a retry: once more for each refusal, up to
 * RETRY_SOON times; RETRY_LATE times after RETRY_LONG refusals in a row.
 */
#define RETRY_SOON	2u
#define RETRY_LONG	100u
#define RETRY_LATE	6u
#define NS_PER_US	1000

/* Return whether splz has work: a bit of RQF_SPLZ is set. */
static inline int
served_here(const struct globaldata *gd)
{
	return (atomic_peek_32(&gd->gd_m.mc_reqflags) & RQF_SPLZ) != 0;
}

/*
 * Return whether td is no lwp and a scheduler asks it to give way.  An lwp is
 * asked by RQF_LWP, which served_here() covers.
 */
static inline int
wants_cpu(const struct globaldata *gd, const struct lwkt_thread *td)
{
	return (td->td_leave & TDL_LWP) == 0 &&
	    (gd->gd_ast & (AST_LWKT_RESCHED | AST_USER_RESCHED)) != 0;
}

/*
 * Return whether td must not be interrupted now: it is in a critical section, a
 * callback or a rendezvous, holds a spinlock, is interrupted already, or is
 * descheduled and its CPU does not shut down; or it could do nothing: splz has
 * no work, and td may not yield.
 */
static int
async_busy(const struct globaldata *gd, const struct lwkt_thread *td)
{
	return td->td_critcount != 0 || gd->gd_intr_nesting != 0 ||
	    gd->gd_cscount != 0 || gd->gd_spinlocks != 0 ||
	    (td->td_flags & TDF_INTERRUPTED) != 0 ||
	    ((td->td_flags & TDF_RUNQ) == 0 && !cpu_stops(gd)) ||
	    (!served_here(gd) && !async_may_yield(td));
}

/* Count a refusal by its reason: `busy`, else why.  MI_OFF is not counted. */
static void
async_count(struct globaldata *gd, int busy, enum machine_refusal why)
{
	if (busy)
		counter_inc(gd->gd_cntbias, crit);
	else if (why == MI_CODE)
		counter_inc(gd->gd_cntbias, code);
	else if (why == MI_FRAME)
		counter_inc(gd->gd_cntbias, frame);
	else if (why == MI_STACK)
		counter_inc(gd->gd_cntbias, stack);
	else if (why == MI_STATE)
		counter_inc(gd->gd_cntbias, state);
}

/* Return the ns until the retry; n refusals in a row came before this one. */
static int64_t
retry_ns(uint32_t n)
{
	unsigned doubled = n < RETRY_SOON ? n : n < RETRY_LONG ? RETRY_SOON :
	    RETRY_LATE;

	return ((int64_t)retry_us * NS_PER_US) << doubled;
}

/*
 * mu_signal: if the running thread is preemptible and something is pending for
 * it, make it call async_run when the handler returns.  If that is refused, ask
 * the host for another signal later, unless this host can never interrupt
 * (MI_OFF).  Both only if lwkt.preempt_async is 1.  For any thread: make this
 * CPU's passive messages active.
 * Context: signal handler of the CPU; never blocks.
 */
void
async_signal(struct mcpu *mc, void *ucontext)
{
	struct globaldata *gd = (struct globaldata *)(void *)mc;
	lwkt_thread_t td = mc->mc_curthread;
	enum machine_refusal why = MI_DONE;
	int busy;

	ipiq_push(gd);
	if (likely((atomic_peek_32(&mc->mc_reqflags) & RQF_PREEMPTIBLE) == 0) ||
	    !preempt_async)					/* AS2 */
		return;
	if (!served_here(gd) && !wants_cpu(gd, td)) {
		gd->gd_async_tries = 0;
		return;
	}
	busy = async_busy(gd, td);
	if (!busy)
		why = machine_interrupt(mc, ucontext, td->td_stack,
		    td->td_stksize);
	if (!busy && why == MI_DONE) {
		gd->gd_async_tries = 0;
		return;
	}
	async_count(gd, busy, why);
	if (why != MI_OFF)
		machine_interrupt_again(retry_ns(gd->gd_async_tries++));
}

/*
 * Ask for a signal in lwkt.preempt_retry_us if splz has work (AS2), unless
 * lwkt.preempt_async is 0.  The caller is about to switch from a thread that is
 * not preemptible to a preemptible one, or is splz and returns to a preemptible
 * thread.  Most threads check the bits earlier; then the signal finds nothing
 * to do.
 */
void
async_arrive(struct globaldata *gd)
{
	if (unlikely(served_here(gd)) && preempt_async)
		machine_interrupt_again(retry_ns(0));
}

/*
 * td, a preemptible thread, was created.  Print a warning, once in the process,
 * if the host cannot interrupt threads.
 */
void
async_created(lwkt_thread_t td)
{
	static uint32_t printed;
	const char *why;

	if (!preempt_async || atomic_load_32(&printed) != 0 ||
	    (why = machine_interrupt_off()) == NULL ||
	    atomic_swap_32(&printed, 1) != 0)
		return;
	lwkt_printf("lwkt: preemptible thread \"%s\" will not be interrupted "
	    "while it computes: %s", td->td_name, why);
}

/*
 * Let preemptible threads be interrupted in the code [start, start + len), or,
 * if len is 0, in the whole executable segment that contains start.  Returns 0
 * or an errno (machine_code_register).
 * Any thread or pthread, no signal handler; never blocks.
 */
int
lwkt_preempt_register(const void *start, size_t len)
{
	return machine_code_register(start, len);
}

/* Undo lwkt_preempt_register(start, len).  The same contexts; never blocks. */
int
lwkt_preempt_unregister(const void *start, size_t len)
{
	return machine_code_unregister(start, len);
}
