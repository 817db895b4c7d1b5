/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The idle thread of a CPU.
 *
 * THEORY
 * The idle thread switches to the best runnable thread.  When the switch comes
 * back, no thread can run.  Then the idle thread serves what is pending, polls,
 * and halts the CPU in the host until an event sets a bit of mc_reqflags.
 *
 * Threads may be runnable although none can run: each of them waits for a token
 * that a thread of another CPU holds.  The CPU halts then too, after it has
 * asked for a nudge for each of these tokens (token_switch.c).
 *
 * Before it halts, the idle thread publishes whether this CPU can ever have
 * work again (gd_quiet).  When no CPU can, deadlock.c reports which thread
 * waits for what.
 *
 * Source: DragonFly's cpu_idle and lwkt_switch, which runs the idle thread for
 * the same reasons.
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
 * Threads are runnable, but the switch chose none.  Tell whether each of them
 * waits for a token that another CPU holds, and have that CPU notify this one.
 * If a token has been released meanwhile, no CPU would notify: return 0.
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

/* Publish in gd_quiet whether no timer, thread or call is left on this CPU. */
static inline void
idle_look(struct globaldata *gd)
{
	int quiet = systimer_none(gd) && gd->gd_rqmask == 0 &&
	    machine_io_pending() == 0;

	/* Not choice points.  Release: pairs with deadlock.c. */
	atomic_poke_rel_32(&gd->gd_quiet, quiet ? ++gd->gd_rests : 0);
	if (unlikely(gd->gd_look) && watch_wanted())
		deadlock_look(gd);
}

/* Switch to the best runnable thread, under the watchdog. */
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

/* Run the CPU as its idle thread until kern_stop() asks it to stop. */
void
idle_loop(struct globaldata *gd)
{
	lwkt_thread_t td = &gd->gd_idlethread;

	while (idle_switch(gd), !gd->gd_stopping) {
		if (atomic_load_32(&gd->gd_m.mc_reqflags) & RQF_SPLZ) {
			crit_exit_noyield(td);
			splz();
			crit_enter_td(td);
			gd->gd_look |= !gd->gd_watched;
			continue;
		}
		if (lwkt__kern_ops.ko_poll != NULL)
			lwkt__kern_ops.ko_poll(gd);
		if (ipiq_pending(gd))		/* passive messages */
			ipiq_process(gd);
		if (gd->gd_stopping ||
		    (gd->gd_rqmask != 0 && !all_want_tokens(gd)))
			continue;
		counter_inc(gd->gd_cntbias, idles);
		ktr(gd, idle, gd->gd_m.mc_cpuid,
		    atomic_peek_32(&gd->gd_m.mc_reqflags));
		idle_look(gd);
		/*
		 * An event that asks this CPU to wake sets a bit of
		 * mc_reqflags.  The host tests the bits in the same step in
		 * which it sets RQF_SLEEPING, so no such event is missed.
		 */
		if (ipiq_watch(gd)) {
			gd->gd_look |= !gd->gd_watched;
			continue;
		}
		machine_idle(&gd->gd_m);
		if (gd->gd_rqmask != 0 ||
		    (atomic_load_32(&gd->gd_m.mc_reqflags) & RQF_TOKEN))
			tokens_nudged(gd);
	}
}
