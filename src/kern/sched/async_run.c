/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a preemptible thread does when it is interrupted.
 *
 * THEORY
 * The host has made the thread call async_run between two of its instructions
 * (lwkt_async.c).  async_run calls lwkt_user_yield, if async_may_yield() allows
 * it.  That serves messages, timers and interrupt threads, and gives way if a
 * scheduler has asked for the CPU.  In an lwp async_run calls only lwkt_splz.
 * That is enough, because an lwp is asked to give way by RQF_LWP, which splz
 * serves; lwkt_user_yield would end the lwp's slice at every signal.
 *
 * A thread that holds tokens keeps them.  It serves what is pending, and an
 * interrupt thread may borrow the CPU.  But it does not switch, because a
 * switch would release the tokens in the middle of the code that they protect.
 * So a request of the scheduler stays pending until the thread has no token.
 * A thread that has borrowed the CPU from a lender, or that defers wakeups,
 * does not switch either.
 *
 * INVARIANTS
 * AR1 A thread in async_run has TDF_INTERRUPTED and stays on its CPU until it
 *    has returned: its saved registers may hold addresses of thread-local
 *    variables of this host thread.
 *
 * Source: DragonFly's userret.
 */
#include "kern/sched/sched_var.h"

#include <lwkt/thread.h>

TRACEPOINT(begin, KTR_SCHED, "async.begin", "td=%llu flags=%llu");
TRACEPOINT(end, KTR_SCHED, "async.end", "td=%llu cpu=%llu");

COUNTER(hit, "lwkt.async_hit", "threads interrupted at an instruction");

/*
 * mu_interrupted: do deferred work, and give way if the thread may and a
 * scheduler asks.  Runs on the interrupted thread, outside critical sections.
 * It may lend the CPU or switch.  errno is kept.
 */
void
async_run(void)
{
	lwkt_thread_t td = curthread;
	struct globaldata *gd = mygd();
	int error = *gd->gd_m.mc_errnop;

	crit_enter_td(td);
	counter_inc(gd->gd_cntbias, hit);
	ktr(gd, begin, td->td_id, atomic_peek_32(&gd->gd_m.mc_reqflags));
	td->td_flags |= TDF_INTERRUPTED;			/* AR1 */
	crit_exit_noyield(td);
	if (async_may_yield(td))
		lwkt_user_yield();
	else
		lwkt_splz();
	crit_enter_td(td);
	KASSERTF(mygd() == gd, "thread \"%s\" was interrupted on cpu %d and "
	    "resumes on cpu %d", td->td_name, gd->gd_m.mc_cpuid, mycpuid);
	td->td_flags &= ~TDF_INTERRUPTED;
	ktr(gd, end, td->td_id, gd->gd_m.mc_cpuid);
	/* No splz here: for a bit that is set now a signal will come (AS2). */
	crit_exit_noyield(td);
	*gd->gd_m.mc_errnop = error;
}
