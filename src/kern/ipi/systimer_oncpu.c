/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting a timer on another CPU, and deleting a timer.
 *
 * THEORY
 * A timer that is started on another CPU belongs to that CPU from the call on,
 * although the message that starts the timer has not been executed yet.  Until
 * the message is executed, st_running has the value starting_mark().  If the
 * timer is deleted in that time, the message is revoked, so that no code
 * touches the timer's storage afterwards.
 *
 * A timer's own function may start the timer on another CPU.  The timer then
 * leaves this CPU before the message is sent (systimer_leave): after the
 * function has returned, this CPU does not insert the timer again.
 *
 * INVARIANTS
 * TC1 st_running == starting_mark(st) <=> a message to CPU st_cpu is under way
 *     that will start the timer.
 */
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"

#include <lwkt/ipiq.h>

/* The callback of the message, on the timer's CPU: start timer arg. */
static void
systimer_add_remote(void *arg)
{
	struct lwkt_systimer *st = arg;

	KASSERTF(systimer_starts(st) && st->st_cpu == mycpuid, "timer %p of "
	    "cpu %d is not about to be started on cpu %d, mark %#llx",
	    (void *)st, st->st_cpu, mycpuid,
	    (unsigned long long)st->st_running);
	systimer_add(st, st->st_time);
}

/*
 * Initialize timer st and start it on CPU cpu.  It fires after delay_ns for the
 * first time; period_ns is 0 for a timer that fires once.  *st belongs to CPU
 * cpu from the call on.
 * If cpu is the caller's CPU, this call itself starts the timer.
 * Any CPU context; never blocks.  Spins as lwkt_send_ipiq() does.
 */
void
lwkt_systimer_init_oncpu(struct lwkt_systimer *st, int cpu,
    lwkt_systimer_fn_t fn, void *arg, int64_t delay_ns, int64_t period_ns)
{
	machine_check_cpu();
	KASSERTF(cpu >= 0 && cpu < lwkt__ncpus, "cpu %d does not "
	    "exist: the kernel has %d CPUs", cpu, lwkt__ncpus);
	systimer_set(st, fn, arg, period_ns, 0);
	st->st_time = systimer_when(delay_ns);
	st->st_cpu = cpu;
	st->st_running = starting_mark(st);			/* TC1 */
	systimer_leave(mygd(), st);
	lwkt_send_ipiq(cpu, systimer_add_remote, st);
}

/*
 * Revoke the message that starts st.  Panics if the caller's CPU is not the
 * timer's.  The message is in a ring to this CPU or in its queue of deferred
 * messages (TC1).
 */
static __lwkt_noinline void
systimer_revoke(struct lwkt_systimer *st)
{
	int found;

	KASSERTF(st->st_cpu == mycpuid, "timer %p of cpu %d is deleted on cpu "
	    "%d; only its CPU may do that", (void *)st, st->st_cpu, mycpuid);
	found = ipiq_revoke(mygd(), systimer_add_remote, st);
	KASSERTF(found, "timer %p is about to start on cpu %d, but no message "
	    "there starts it", (void *)st, st->st_cpu);
	st->st_running = 0;
}

/*
 * Delete timer st: its function is not called any more, and its storage may be
 * used for something else.  A periodic timer can be deleted in its own function
 * too.  Do nothing if st is not started.  Any context on the timer's CPU; never
 * blocks.
 */
void
lwkt_systimer_del(struct lwkt_systimer *st)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	if (unlikely(systimer_starts(st)))
		systimer_revoke(st);
	else
		systimer_remove(st);
	crit_exit_td(self);
}
