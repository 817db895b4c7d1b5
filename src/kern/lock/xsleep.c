/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping by number: an event count.
 *
 * THEORY
 * xw_gen counts the changes of a condition.  A thread that wants to sleep
 * passes the number that it read before it looked at the condition.  If the
 * number has changed since, the thread does not sleep but checks again.  So the
 * check needs no interlock, and may take any time.
 *
 * ORDER
 * XO1 changer: condition, then the count (a locked instruction); sleeper: the
 *    count (acquire), then the condition.  A sleeper that saw the old condition
 *    has the old number.
 * The sleeper queues itself before it reads the count again; the changer
 * counts before it looks for sleepers: SO1 of kern_synch.c.
 *
 * Source: the xsleep and xwakeup of the first DragonFly; Reed and Kanodia's
 * eventcounts (1979).
 */
#include "kern/lock/lock_var.h"

#include <lwkt/synch.h>

/* Any lwkt context; never blocks. */
void
lwkt_xwait_init(struct lwkt_xwait *xw)
{
	xw->xw_gen = 0;
}

/* Any lwkt context; never blocks. */
unsigned
lwkt_xgen(struct lwkt_xwait *xw)
{
	return atomic_load_acq_32(&xw->xw_gen);			/* XO1 */
}

/* Thread context; blocks if the number is still *gen. */
int
lwkt_xsleep(struct lwkt_xwait *xw, int flags, const char *wmesg,
    int64_t timeout_ns, unsigned *gen)
{
	int error = 0;

	KASSERTF((flags & (LWKT_PINTERLOCKED | LWKT_PDOMAIN_MASK)) == 0,
	    "flags %#x: LWKT_PINTERLOCKED and a domain are not for this call",
	    flags);
	/*
	 * Enter the sleep queue before reading the count again: a changer that
	 * counts after that read finds the sleeper (SO1 of kern_synch.c).
	 */
	lwkt_tsleep_interlock(xw, PDOMAIN_XWAIT);
	if (lwkt_xgen(xw) == *gen)
		error = lwkt_tsleep(xw, PDOMAIN_XWAIT | LWKT_PINTERLOCKED |
		    flags, wmesg, timeout_ns);
	lwkt_tsleep_remove();
	*gen = lwkt_xgen(xw);
	return error;
}

/* Any lwkt context; never blocks. */
void
lwkt_xupdate(struct lwkt_xwait *xw)
{
	(void)atomic_fetchadd_32(&xw->xw_gen, 1);		/* XO1 */
}

/* Any lwkt context; never blocks. */
void
lwkt_xwakeup(struct lwkt_xwait *xw)
{
	lwkt_xupdate(xw);
	lwkt_wakeup_domain(xw, PDOMAIN_XWAIT);
}
