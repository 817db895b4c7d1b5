/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watchdog: name the thread that keeps its CPU to itself.
 *
 * THEORY
 * A thread that does not come by serves no message and no timer, and nobody
 * gets its CPU.  So it cannot be found by anything that waits its turn: the
 * look is taken in a signal handler on the CPU itself (machine_watch), where
 * the thread and the place it is at are at hand.
 *
 * Two looks are taken in lwkt.watchdog_ms.  Each sets RQF_TIMER, which whoever
 * comes by serves; so "did not come by" is that nothing was served until the
 * next look.  (Not that the bit is still set: a timer may have set it again in
 * the same instant.)  A process that was stopped, or lost its cores, makes one
 * look late and not two: hence the counting of looks.
 *
 * A thread that does come by but keeps the CPU from a better thread or an equal
 * counts, too.  AST_LWKT_RESCHED alone does not say so: the thread that it was
 * set for may be gone again, and a thread that yields often has the bit set
 * again by each tick, if the better one waits for a token.  So a look marks the
 * bit (AST_WATCHED), each attempt to switch clears both, and the next look
 * finds whether there was one.
 *
 * Nobody watches a CPU that has nothing to run: the look that finds it idle is
 * the last one until the idle loop finds a thread to run.  That last look also
 * wakes the idle loop, once, to see whether all are waiting for each other
 * (deadlock.c).
 *
 * Source: the idea is FreeBSD's and Linux's soft-lockup watchdog, which has a
 * timer interrupt look at a word that a thread of the CPU has to touch.
 */
#include "kern/cpu/globaldata.h"
#include "kern/trouble/debug_var.h"

COUNTER(reports, "lwkt.watchdog_reports", "threads reported by the watchdog");

TUNABLE_INT(watchdog_ms, "lwkt.watchdog_ms", config_host_sim ? 0 : 1000, 0,
    1000000, "a thread that runs this long without a switch is reported, ms; "
    "0: none");

#define LOOKS		2	/* in watchdog_ms; and to be sure */
#define NS_PER_MS	1000000

/* (c) own CPU: its signal handler, or before the first look */
struct watch {
	lwkt_thread_t	 w_td;		/* who ran at the last look */
	uint64_t	 w_id;
	uint64_t	 w_switches;	/* his td_switches then */
	int64_t		 w_since;	/* when he was first seen so */
	unsigned	 w_looks;	/* that found him the same */
	int		 w_said;	/* he has been named */
};

static struct watch watches[LWKT_MAXCPU];

static void
watch_again(void)
{
	machine_watch((int64_t)watchdog_ms * NS_PER_MS / LOOKS);
}

void
watch_start(struct globaldata *gd)
{
	gd->gd_watched = 1;
	watches[gd->gd_m.mc_cpuid].w_td = NULL;
	if (watchdog_ms != 0)
		watch_again();
}

int
watch_wanted(void)
{
	return watchdog_ms != 0;
}

void
watch_later(struct globaldata *gd)
{
	int64_t look = (int64_t)watchdog_ms * NS_PER_MS / LOOKS;

	gd->gd_watched = 1;
	if (watchdog_ms != 0)
		machine_watch(look + look * gd->gd_m.mc_cpuid / lwkt__ncpus);
}

static void
watch_report(struct globaldata *gd, const struct watch *w, void *ucontext)
{
	void *pcs[BT_MAX];

	counter_inc(gd->gd_cntbias, reports);
	lwkt_printf("lwkt: watchdog: thread \"%s\" (id %llu) has run on cpu %d "
	    "for %lld ms without a switch; %u threads are runnable there",
	    w->w_td->td_name, (unsigned long long)w->w_id, gd->gd_m.mc_cpuid,
	    (long long)((machine_time_ns() - w->w_since) / NS_PER_MS),
	    gd->gd_rqcount);
	machine_backtrace_print(pcs, machine_backtrace(pcs, BT_MAX, NULL,
	    ucontext));
}

/* Was td asked to make way at the last look, and has not tried to since? */
static int
keeps_cpu(struct globaldata *gd, lwkt_thread_t td)
{
	const uint32_t marked = AST_LWKT_RESCHED | AST_WATCHED;
	int still = (gd->gd_ast & marked) == marked;

	if (gd->gd_ast & AST_LWKT_RESCHED)
		gd->gd_ast |= AST_WATCHED;
	return still && (td->td_flags & TDF_RUNQ) != 0 &&
	    (gd->gd_rqmask >> td->td_pri > 1 || td->td_rqnext != td);
}

static void
watch_look(struct globaldata *gd, void *ucontext)
{
	struct watch *w = &watches[gd->gd_m.mc_cpuid];
	lwkt_thread_t td = gd->gd_m.mc_curthread;
	int keeps = keeps_cpu(gd, td), came_by = gd->gd_served != 0;

	gd->gd_served = 0;
	if (w->w_td != td || w->w_id != td->td_id ||
	    w->w_switches != td->td_switches ||
	    (came_by && !keeps)) {
		*w = (struct watch){ .w_td = td, .w_id = td->td_id,
		    .w_switches = td->td_switches,
		    .w_since = machine_time_ns() };
		return;
	}
	if (++w->w_looks < LOOKS || w->w_said)
		return;
	w->w_said = 1;
	watch_report(gd, w, ucontext);
}

void
watch_intr(struct mcpu *mc, void *ucontext)
{
	struct globaldata *gd = (struct globaldata *)(void *)mc;
	int idle = mc->mc_curthread == &gd->gd_idlethread &&
	    gd->gd_intr_nesting == 0;

	if (!idle)
		watch_look(gd, ucontext);
	atomic_set_32(&mc->mc_reqflags, RQF_TIMER);
	if (idle && gd->gd_rqmask == 0) {
		gd->gd_watched = 0;
		gd->gd_look = 1;
	} else {
		watch_again();
	}
}
