/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of critical sections, and panics for sections that are not left as
 * often as they are entered.
 *
 * THEORY
 * A critical section is only a count (crit.h), so a missing exit shows only
 * long after the mistake.  Invariants builds record the last CRIT_RECS entries
 * and exits of each thread: the address of the code that entered or left, and
 * the count afterwards.
 *
 * Source: DragonFly's DEBUG_CRIT_SECTIONS (32 caller ids a thread).
 */
#include "kern/cpu/crit.h"

#include "base/kassert.h"

/* Panic, because td has left more sections than it has entered (CR1). */
void
crit_underflow(lwkt_thread_t td)
{
	crit_show(td);
	lwkt_panic("critical section left more often than entered by thread "
	    "\"%s\" (count %d)", td->td_name, td->td_critcount);
}

/*
 * Record that td has entered a section (entered is 1) or left one (0).  pc is
 * an address in the code that did it.  Panic if the caller is no CPU.  Called
 * in invariants builds only.
 */
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

/*
 * Print the recorded entries and exits of td, the oldest first.  Print nothing
 * unless this is an invariants build.
 */
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

/*
 * Panic, because callback fn, called in `before` sections, has returned in
 * another number of sections.
 */
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
