/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of critical sections.
 *
 * THEORY
 * Critical sections are counted, so a missing exit shows only long after the
 * mistake.  Invariants builds keep the last entries and exits of each thread:
 * the address that the caller returns to, and the count afterwards.  A callback
 * must leave the count as it found it.
 *
 * Source: DragonFly's DEBUG_CRIT_SECTIONS (32 caller ids a thread).
 */
#include "kern/cpu/crit.h"

#include "base/kassert.h"

/* Panic: the thread has left more sections than it has entered (CR1). */
void
crit_underflow(lwkt_thread_t td)
{
	crit_show(td);
	lwkt_panic("critical section left more often than entered by thread "
	    "\"%s\" (count %d)", td->td_name, td->td_critcount);
}

/* Record one entry or exit of td.  Panic if the caller is no CPU. */
void
crit_note(lwkt_thread_t td, const void *pc, int entered)
{
	struct thread_cold *cold = td->td_cold;
	struct crit_rec *cr = &cold->tc_crit[cold->tc_ncrit++ % CRIT_RECS];

	if (machine_oncpu() == NULL)
		lwkt_panic("lwkt call from a pthread that is not a cpu (its "
		    "creator runs thread \"%s\")", td->td_name);
	cr->cr_pc = pc;
	cr->cr_count = td->td_critcount;
	cr->cr_entered = entered;
}

/* Print the recorded entries and exits of td, the oldest first. */
void
crit_show(lwkt_thread_t td)
{
	struct thread_cold *cold = td->td_cold;
	uint32_t end = cold->tc_ncrit;
	uint32_t i = end > CRIT_RECS ? end - CRIT_RECS : 0;
	struct crit_rec *cr;
	void *pc;

	if (!config_invariants)
		return;
	lwkt_printf("lwkt: thread \"%s\" entered and left critical sections, "
	    "the last %u times of %u:", td->td_name, end - i, end);
	for (; i < end; i++) {
		cr = &cold->tc_crit[i % CRIT_RECS];
		pc = (void *)(uintptr_t)cr->cr_pc;
		lwkt_printf("lwkt: %s, count %d, by", cr->cr_entered ?
		    "entered" : "left", cr->cr_count);
		machine_backtrace_print(&pc, 1);
	}
}

/* Panic: callback fn returned with another count than it was called with. */
void
crit_unbalanced(int before, const void *fn)
{
	lwkt_thread_t td = curthread;
	void *pc = (void *)(uintptr_t)fn;

	crit_show(td);
	machine_backtrace_print(&pc, 1);
	lwkt_panic("callback %p returned in %d critical sections, but was "
	    "called in %d, on thread \"%s\"", fn, td->td_critcount, before,
	    td->td_name);
}
