/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread waits until all other CPUs have executed the messages that the
 * thread's CPU has sent to them so far.
 *
 * THEORY
 * The waiter sends a message to each other CPU.  A CPU executes it after all
 * earlier messages of the waiter's CPU, and counts is_left down.  The last
 * CPU sends a message back to the waiter's CPU, which makes the waiter runnable
 * there.
 */
#include "kern/sleep/synch_var.h"

#include <lwkt/ipiq.h>

struct ipiq_sync {
	lwkt_thread_t	is_td;		/* the waiter */
	int		is_home;	/* CPU of the waiter, which stays */
	int		is_done;	/* 1: wait is over; set on is_home */
	uint32_t	is_left;	/* CPUs that have not counted; atomic */
};

/* Message from the last CPU: end the wait.  Runs on the waiter's CPU. */
static void
sync_done(void *arg)
{
	struct ipiq_sync *is = arg;

	is->is_done = 1;
	sched_enqueue(mygd(), is->is_td);
}

/* The message to each other CPU.  The last CPU that counts ends the wait. */
static void
sync_remote(void *arg)
{
	struct ipiq_sync *is = arg;

	/* *is is on the waiter's stack.  The last CPU still reads is_home after
	 * it has counted.  So the wait ends only by that CPU's message, not as
	 * soon as is_left is 0. */
	if (atomic_fetchadd_32(&is->is_left, (uint32_t)-1) == 1)
		lwkt_send_ipiq(is->is_home, sync_done, is);
}

/*
 * Block until all other CPUs have executed the messages that this CPU has sent
 * to them so far.  With one CPU it returns at once.  Thread context.
 */
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
