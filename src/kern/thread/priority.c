/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Change the priority of a thread.
 *
 * A thread may run with a priority that waiters have lent to it (lock/lend.c).
 * The functions here change its base priority, to which it returns.
 */
#include "kern/cpu/crit.h"
#include "kern/lock/lend_var.h"

/* Any lwkt context on td's CPU; never blocks. */
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

/* Thread context; never blocks. */
void
lwkt_setpri_self(int pri)
{
	lwkt_setpri(curthread, pri);
}

/* Any lwkt context; never blocks. */
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

/* Any context; never blocks. */
int
lwkt_getpri(lwkt_thread_t td)
{
	return td->td_pri;
}

/* Thread context; never blocks. */
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
