/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The idle loop: what a CPU does when no thread can run.
 *
 * THEORY
 * The idle thread runs on the stack of the host thread.  It switches to the
 * best runnable thread.  When there is none, it serves what is pending, and
 * waits in the host until an event sets a bit of mc_reqflags.  A CPU whose
 * runnable threads all wait for tokens that other CPUs hold may wait, too: the
 * CPU that releases such a token sets RQF_TOKEN (token_switch.c).
 *
 * Source: DragonFly's cpu_idle.
 */
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"
#include "kern/trouble/debug_var.h"
#include "kern/boot/boot_var.h"

#include "machine/machine_io.h"

TRACEPOINT(idle, KTR_SCHED, "cpu.idle", "cpu=%llu flags=%llu");

COUNTER(idles, "lwkt.idle", "times that the CPU had nothing to run");

/*
 * Threads are runnable, but the switch chose none, because each waits for a
 * token that another CPU holds.  For each of these tokens ask the CPU that
 * releases it to notify this CPU (RQF_TOKEN), and return 1: this CPU may sleep.
 * Return 0 if this CPU must switch again: a token has been released meanwhile,
 * a runnable thread waits for no token, or the host cannot make the other CPUs
 * see the request.
 */
static int
all_want_tokens(struct globaldata *gd)
{
	uint32_t mask = gd->gd_rqmask;
	lwkt_thread_t td, head;

	for (; mask != 0; mask &= mask - 1) {
		td = head = gd->gd_rq[__builtin_ctz(mask)];
		do {
			if (!tokens_want_nudge(gd, td)) {
				tokens_nudged(gd);
				return 0;
			}
			td = td->td_rqnext;
		} while (td != head);
	}
	return 1;
}

/*
 * Publish in gd_quiet whether this CPU has no timer, no runnable thread and no
 * call of the host under way.  If gd_deadlock_due is set and the watchdog is
 * on, check for a deadlock.
 */
static inline void
idle_check(struct globaldata *gd)
{
	int quiet = systimer_none(gd) && gd->gd_rqmask == 0 &&
	    machine_io_pending() == 0;

	/* Pokes are no choice points.  Release: pairs with deadlock.c. */
	atomic_poke_rel_32(&gd->gd_quiet, quiet ? ++gd->gd_nquiet : 0);
	if (unlikely(gd->gd_deadlock_due) && watch_wanted())
		deadlock_check(gd);
}

/*
 * Start the watchdog if a thread is runnable and this CPU is not watched.  Then
 * switch to the best runnable thread.  Return when a switch on this CPU finds
 * no thread that can run.
 */
static inline void
idle_switch(struct globaldata *gd)
{
	if (gd->gd_rqmask != 0) {
		atomic_poke_32(&gd->gd_quiet, 0);
		if (unlikely(!gd->gd_watched))
			watch_start(gd);
	}
	switch_away();
}

/* Run the CPU as its idle thread until cpu_stops(). */
void
idle_loop(struct globaldata *gd)
{
	lwkt_thread_t td = &gd->gd_idlethread;

	while (idle_switch(gd), !cpu_stops(gd)) {
		if (atomic_load_32(&gd->gd_m.mc_reqflags) & RQF_SPLZ) {
			crit_exit_noyield(td);
			splz();
			crit_enter_td(td);
			gd->gd_deadlock_due |= !gd->gd_watched;
			continue;
		}
		if (lwkt__kern_ops.ko_poll != NULL)
			lwkt__kern_ops.ko_poll(gd);
		if (ipiq_pending(gd))		/* passive messages */
			ipiq_process(gd);
		if (cpu_stops(gd) ||
		    (gd->gd_rqmask != 0 && !all_want_tokens(gd)))
			continue;
		if (unlikely(gd->gd_spare)) {
			lwkt__kern_ops.ko_spare(gd);
			continue;
		}
		counter_inc(gd->gd_cntbias, idles);
		ktr(gd, idle, gd->gd_m.mc_cpuid,
		    atomic_peek_32(&gd->gd_m.mc_reqflags));
		idle_check(gd);
		/*
		 * An event that asks this CPU to wake sets a bit of
		 * mc_reqflags.  The host tests the bits in the same step in
		 * which it sets RQF_SLEEPING, so no such event is missed.
		 */
		if (ipiq_watch(gd)) {
			gd->gd_deadlock_due |= !gd->gd_watched;
			continue;
		}
		machine_idle(&gd->gd_m);
		if (gd->gd_rqmask != 0 ||
		    (atomic_load_32(&gd->gd_m.mc_reqflags) & RQF_TOKEN))
			tokens_nudged(gd);
	}
}
