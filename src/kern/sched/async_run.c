/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a preemptible thread does when it is interrupted.
 *
 * THEORY
 * The host has made the thread call async_run between two of its instructions
 * (lwkt_async.c).  async_run does the same as lwkt_user_yield, the preemption
 * point of threads that work for a user: it serves messages, timers and
 * interrupt threads, and gives way to any thread that deserves the CPU more.
 * An lwp is asked to give way by RQF_LWP, so a critical exit is enough for it;
 * lwkt_user_yield would end its slice at every signal.
 *
 * A thread that holds tokens keeps them.  It serves what is pending, and an
 * interrupt thread may borrow the CPU.  But it does not switch, because a
 * switch would release the tokens in the middle of the code that they protect.
 * So a request of the scheduler stays pending until the thread has no token.
 *
 * INVARIANTS
 * AR1 A thread in async_run has TDF_INTERRUPTED and stays on its CPU until it
 *    has returned: its registers may hold addresses of this host thread's data.
 *
 * Source: DragonFly's userret.
 */
#include "kern/sched/sched_var.h"

#include <lwkt/thread.h>

TRACEPOINT(begin, KTR_SCHED, "async.begin", "td=%llu flags=%llu");
TRACEPOINT(end, KTR_SCHED, "async.end", "td=%llu cpu=%llu");

COUNTER(hit, "lwkt.async_hit", "threads interrupted at an instruction");

/* mu_interrupted: serve what is pending, on the interrupted thread. */
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
	/* A bit set since then has its signal: it is served by that one. */
	crit_exit_noyield(td);
	*gd->gd_m.mc_errnop = error;
}
