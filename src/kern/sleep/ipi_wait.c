/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread waits until every CPU has executed the messages sent so far.
 *
 * THEORY
 * The waiter sends a message to each other CPU.  A CPU executes it after all
 * earlier messages of the waiter's CPU, and answers by counting down.  The last
 * CPU sends a message back to the waiter's CPU, which makes the waiter runnable
 * there.
 */
#include "kern/sleep/synch_var.h"

#include <lwkt/ipiq.h>

struct ipiq_sync {
	lwkt_thread_t	is_td;
	int		is_home;	/* its CPU; it does not move */
	int		is_done;	/* written on is_home only */
	uint32_t	is_left;	/* CPUs that have not answered */
};

static void
sync_done(void *arg)
{
	struct ipiq_sync *is = arg;

	is->is_done = 1;
	sched_enqueue(mygd(), is->is_td);
}

static void
sync_remote(void *arg)
{
	struct ipiq_sync *is = arg;

	/* `is` is on the waiter's stack.  The last CPU still reads it after the
	 * count, so only its message, not the count, ends the wait. */
	if (atomic_fetchadd_32(&is->is_left, (uint32_t)-1) == 1)
		lwkt_send_ipiq(is->is_home, sync_done, is);
}

/* Thread context; blocks until all other CPUs have answered. */
void
lwkt_synchronize_ipiqs(const char *wmesg)
{
	struct ipiq_sync is;
	lwkt_thread_t self = caller_thread();
	int cpu;

	if (lwkt__ncpus == 1)
		return;
	crit_enter_td(self);
	delayed_flush_if(self);
	is.is_td = self;
	is.is_home = mycpuid;
	is.is_done = 0;
	is.is_left = (uint32_t)lwkt__ncpus - 1;
	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		if (cpu != is.is_home)
			lwkt_send_ipiq(cpu, sync_remote, &is);
	self->td_wmesg = wmesg;
	while (!*(volatile int *)&is.is_done) {
		sched_dequeue(mygd(), self);
		switch_away();
	}
	self->td_wmesg = NULL;
	crit_exit_td(self);
}
