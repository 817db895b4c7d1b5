/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preemptible threads: interrupted between any two of their instructions.
 *
 * THEORY
 * Bits of mc_reqflags wait for the running thread's next critical exit or call
 * of the library.  A thread that computes makes none.  If it was created with
 * LWKT_PREEMPTIBLE, the host's signal handler ends in async_signal, and when
 * something waits that the thread could serve where it stands, the host makes
 * it call async_run as if the program had that call between its instructions
 * (machine_interrupt).  That is all: async_run does what lwkt_user_yield does,
 * the point at which a thread that works for a user honours everything:
 * messages, timers, interrupt threads, and whoever deserves the CPU more.  An
 * lwp is asked by RQF_LWP to make way, so a critical exit is enough for it;
 * lwkt_user_yield would end its slice at every signal.
 *
 * A thread that holds tokens keeps them: it serves (an interrupt thread may
 * borrow the CPU) but is not switched away from, because a switch would let go
 * of tokens in the middle of what they protect.  So the wish of the scheduler
 * stands until the thread has none.
 *
 * Refused by the kernel or by the host, the wish is still there and the signal
 * comes again: after lwkt.preempt_retry_us, twice that, four times that, and so
 * on at that pace, slower yet when it has been refused for long.  A signal in
 * vain costs 4 us, so what computes in libc loses about 1 % while something
 * waits for it, and nothing otherwise.
 *
 * What makes signals come: the host's timer, for every deadline; the tick,
 * which runs while others wait for the CPU of a preemptible thread; and for
 * messages of other CPUs the sender (ipi/kick.c).
 *
 * Two things set a bit, or leave it set, without a signal to come.  A signal
 * that arrives while a thread runs that is not preemptible asks for no other,
 * and a sender spares the signal then; the CPU may go from that thread to a
 * preemptible one that does not look at mc_reqflags before it is back in its
 * own code, for example to a lender that async_run has made call splz.  And
 * splz leaves bits set for messages that it does not execute in its pass.  So
 * the switch to a preemptible thread and splz ask for a signal if a bit is set.
 *
 * INVARIANTS
 * AS1 A thread in async_run has TDF_INTERRUPTED and stays on its CPU until it
 *    has returned: its registers may hold addresses of this host thread's.
 * AS2 mc_reqflags has RQF_PREEMPTIBLE <=> the current thread is preemptible, or
 *    the CPU is about to switch to one that is.
 * AS3 RQF_PREEMPTIBLE is set, and a bit that the thread could serve => a signal
 *    will come, or the thread looks before it is back in its own code.  Who
 *    sets the bit first and RQF_PREEMPTIBLE then, sees the other: both are in
 *    one word.  A handler that comes before RQF_PREEMPTIBLE is set leaves its
 *    bit for async_arrive; one that comes after asks for a signal itself.
 *
 * Source: DragonFly's doreti and userret, where ASTs are honoured on the way
 * back to user mode; its vkernel has signals for interrupts.
 */
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"

#include <errno.h>
#include <lwkt/preempt.h>

TRACEPOINT(begin, KTR_SCHED, "async.begin", "td=%llu flags=%llu");
TRACEPOINT(end, KTR_SCHED, "async.end", "td=%llu cpu=%llu");

COUNTER(hit, "lwkt.async_hit", "threads interrupted at an instruction");
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

#define RETRY_SOON	2u	/* doublings of retry_us, at first */
#define RETRY_LONG	100u	/* refusals in a row that count as long */
#define RETRY_LATE	6u	/* doublings from then on */
#define NS_PER_US	1000

/* May td yield?  Not with tokens, nor on a loan, nor as an lwp. */
static inline int
may_leave(const struct lwkt_thread *td)
{
	return (td->td_ntoks | td->td_leave) == 0;
}

static inline int
served_here(const struct globaldata *gd)
{
	return (atomic_peek_32(&gd->gd_m.mc_reqflags) & RQF_SPLZ) != 0;
}

static inline int
wants_cpu(const struct globaldata *gd, const struct lwkt_thread *td)
{
	return (td->td_leave & TDL_LWP) == 0 &&
	    (gd->gd_ast & (AST_LWKT_RESCHED | AST_USER_RESCHED)) != 0;
}

/* Is the kernel in the middle of something, or nothing can be done yet? */
static int
async_busy(const struct globaldata *gd, const struct lwkt_thread *td)
{
	return td->td_critcount != 0 || gd->gd_intr_nesting != 0 ||
	    gd->gd_cscount != 0 || gd->gd_spinlocks != 0 ||
	    (td->td_flags & TDF_INTERRUPTED) != 0 ||
	    ((td->td_flags & TDF_RUNQ) == 0 && !gd->gd_stopping) ||
	    (!served_here(gd) && !may_leave(td));
}

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

/* After n refusals in a row. */
static int64_t
retry_ns(uint32_t n)
{
	unsigned doubled = n < RETRY_SOON ? n : n < RETRY_LONG ? RETRY_SOON :
	    RETRY_LATE;

	return ((int64_t)retry_us * NS_PER_US) << doubled;
}

/* mu_signal */
void
async_signal(struct mcpu *mc, void *ucontext)
{
	struct globaldata *gd = (struct globaldata *)(void *)mc;
	lwkt_thread_t td = mc->mc_curthread;
	enum machine_refusal why = MI_DONE;
	int busy;

	ipiq_push(gd);
	if (likely((atomic_peek_32(&mc->mc_reqflags) & RQF_PREEMPTIBLE) == 0) ||
	    !preempt_async)					/* AS3 */
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
 * The switch is about to go to a preemptible thread, from one that is not, or
 * splz goes back to one: AS3.  Most threads look by themselves soon, and the
 * signal finds nothing to do.
 */
void
async_arrive(struct globaldata *gd)
{
	if (unlikely(served_here(gd)) && preempt_async)
		machine_interrupt_again(retry_ns(0));
}

/* mu_interrupted: the thread, wherever it was. */
void
async_run(void)
{
	lwkt_thread_t td = curthread;
	struct globaldata *gd = mygd();
	int error = *gd->gd_m.mc_errnop;

	crit_enter_td(td);
	counter_inc(gd->gd_cntbias, hit);
	ktr(gd, begin, td->td_id, atomic_peek_32(&gd->gd_m.mc_reqflags));
	td->td_flags |= TDF_INTERRUPTED;			/* AS1 */
	crit_exit_noyield(td);
	if (may_leave(td))
		lwkt_user_yield();
	else
		lwkt_splz();
	crit_enter_td(td);
	KASSERTF(mygd() == gd, "thread \"%s\" was interrupted on cpu %d and "
	    "resumes on cpu %d", td->td_name, gd->gd_m.mc_cpuid, mycpuid);
	td->td_flags &= ~TDF_INTERRUPTED;
	ktr(gd, end, td->td_id, gd->gd_m.mc_cpuid);
	/* What came since is for the next signal, which came with it. */
	crit_exit_noyield(td);
	*gd->gd_m.mc_errnop = error;
}

/* Say once what the first preemptible thread will miss. */
void
async_created(lwkt_thread_t td)
{
	static uint32_t told;
	const char *why;

	if (!preempt_async || atomic_load_32(&told) != 0 ||
	    (why = machine_interrupt_off()) == NULL ||
	    atomic_swap_32(&told, 1) != 0)
		return;
	lwkt_printf("lwkt: preemptible thread \"%s\" will not be interrupted "
	    "while it computes: %s", td->td_name, why);
}

int
lwkt_preempt_register(const void *start, size_t len)
{
	return machine_code_register(start, len);
}

int
lwkt_preempt_unregister(const void *start, size_t len)
{
	return machine_code_unregister(start, len);
}
