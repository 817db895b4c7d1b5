/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event counts: sleep unless a counter has changed.
 *
 * THEORY
 * xw_gen counts the changes of a condition.  A thread reads xw_gen and then
 * tests the condition.  If it has to wait, it passes the number that it read to
 * lwkt_xsleep().  If xw_gen has changed since, lwkt_xsleep() returns at once,
 * and the thread tests the condition again.  So the test needs no interlock,
 * and may take any time.
 *
 * ORDER
 * XO1 A changer changes the condition, then increments xw_gen (by a locked
 *    instruction).  A sleeper reads xw_gen (acquire), then the condition.  So a
 *    sleeper that saw the old condition has the old number.
 * The sleeper queues itself before it reads xw_gen again; the changer
 * increments xw_gen before it looks for sleepers (SO1 of kern_synch.c).  So the
 * sleeper sees the new number, or the changer finds the sleeper.
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

/*
 * Thread context; blocks if xw_gen is still *gen.  Returns the result of
 * lwkt_tsleep(), or 0 if xw_gen has changed.  At the end *gen becomes xw_gen.
 */
int
lwkt_xsleep(struct lwkt_xwait *xw, int flags, const char *wmesg,
    int64_t timeout_ns, unsigned *gen)
{
	int error = 0;

	KASSERTF((flags & (LWKT_PINTERLOCKED | LWKT_PDOMAIN_MASK)) == 0,
	    "flags %#x: LWKT_PINTERLOCKED and a domain are not for this call",
	    flags);
	/*
	 * Enter the sleep queue before reading xw_gen again: lwkt_xwakeup(), if
	 * it increments xw_gen after that read, finds the sleeper (SO1 of
	 * kern_synch.c).
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
