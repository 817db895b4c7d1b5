/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Change the priority of a thread.
 *
 * The threads that wait for a lock may lend their priority to its holder
 * (lock/lend.c).  The functions here change the base priority of a thread, with
 * which it runs while no better priority is lent to it.
 */
#include "kern/cpu/crit.h"
#include "kern/lock/lend_var.h"

/*
 * Change the base priority of td, which is no lwp.  If a runnable thread is
 * then better than the caller, ask for a switch.  Any lwkt context on td's CPU;
 * never blocks.
 */
void
lwkt_setpri(lwkt_thread_t td, int pri)
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd;

	KASSERTF(pri > LWKT_PRI_IDLE && pri <= LWKT_PRI_MAX, "priority %d is "
	    "not 1 to LWKT_PRI_MAX", pri);
	KASSERTF((td->td_leave & TDL_LWP) == 0, "thread \"%s\" is an lwp: its "
	    "user scheduler sets its priority", td->td_name);
	crit_enter_td(self);
	gd = mygd();
	KASSERTF(td->td_gd == gd, "thread \"%s\" belongs to cpu %d, not to the "
	    "caller's cpu %d", td->td_name, td->td_gd->gd_m.mc_cpuid,
	    gd->gd_m.mc_cpuid);
	lend_setpri(gd, td, pri);
	crit_exit_td(self);
}

/*
 * Change the base priority of the caller, which is no lwp.  Thread context;
 * never blocks.
 */
void
lwkt_setpri_self(int pri)
{
	lwkt_setpri(curthread, pri);
}

/*
 * Set the priority of td, which was not started and is no lwp.  Panics
 * otherwise.  Any lwkt context; never blocks.
 */
void
lwkt_setpri_initial(lwkt_thread_t td, int pri)
{
	KASSERTF(pri > LWKT_PRI_IDLE && pri <= LWKT_PRI_MAX, "priority %d is "
	    "not 1 to LWKT_PRI_MAX", pri);
	KASSERTF((td->td_flags & TDF_STARTED) == 0,
	    "thread \"%s\" has started: use lwkt_setpri",
	    td->td_name);
	KASSERTF((td->td_leave & TDL_LWP) == 0, "thread \"%s\" is an lwp: its "
	    "user scheduler sets its priority", td->td_name);
	td->td_pri = (uint8_t)pri;
}

/*
 * Return the priority with which td runs: the base priority, or a better one
 * that is lent.  Any context; never blocks.
 */
int
lwkt_getpri(lwkt_thread_t td)
{
	return td->td_pri;
}

/*
 * Make the caller, which is no lwp, an interrupt thread of
 * LWKT_PRI_INT_SUPPORT.  Thread context; never blocks.
 */
void
lwkt_set_interrupt_support_thread(void)
{
	lwkt_thread_t td = caller_thread();

	KASSERTF((td->td_leave & TDL_LWP) == 0, "thread \"%s\" is an lwp and "
	    "cannot be an interrupt thread", td->td_name);
	crit_enter_td(td);
	td->td_flags |= TDF_PREEMPTS;
	lwkt_setpri(td, LWKT_PRI_INT_SUPPORT);
	crit_exit_td(td);
}
