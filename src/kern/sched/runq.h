/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runq_rotate: the part of a yield that moves the caller in its ring, inline.
 */
#ifndef LWKT_KERN_SCHED_RUNQ_H
#define LWKT_KERN_SCHED_RUNQ_H

#include "kern/sched/sched_var.h"

void	runq_rotate_slow(struct globaldata *gd, lwkt_thread_t td);

/*
 * Move td, which is on the run queue of this CPU, after the threads of the same
 * priority whose td_upri is not lower.
 */
static inline void
runq_rotate(struct globaldata *gd, lwkt_thread_t td)
{
	if (likely(gd->gd_rq[td->td_pri] == td &&
	    td->td_rqprev->td_upri == td->td_upri))
		gd->gd_rq[td->td_pri] = td->td_rqnext;
	else
		runq_rotate_slow(gd, td);
}

#endif
