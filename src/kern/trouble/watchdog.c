/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watchdog: report a thread that does not give up its CPU.
 *
 * THEORY
 * While a thread reaches no preemption point, its CPU serves no message and no
 * timer, and runs no other thread.  So no thread or callback of that CPU can
 * detect this.  A signal handler on the CPU itself checks instead
 * (machine_watch); there the thread and its place in the code are known.
 *
 * Two checks are made in lwkt.watchdog_ms.  Each sets RQF_TIMER, which the next
 * preemption point serves (splz, which sets gd_served).  If gd_served is not
 * set at the next check, the thread has reached no preemption point.  (It would
 * not suffice to test whether RQF_TIMER is still set: a timer may have set it
 * again.)  A thread is reported after CHECKS such checks, and not after a time:
 * if the process was stopped or lost its cores, only one check is late.
 *
 * A thread that does serve what is pending, but keeps the CPU from a better
 * thread or one of equal priority, is reported too.  AST_LWKT_RESCHED alone
 * does not show this: the thread for which it was set may have blocked again;
 * and if a better thread waits for a token, each tick sets the bit again
 * although the running thread yields often.  So a check that finds
 * AST_LWKT_RESCHED sets a second bit, AST_WATCHED, beside it.  Each attempt to
 * switch clears both bits.  If the next check finds both set, there was no
 * attempt.
 *
 * A CPU that has no runnable thread is not watched.  The check that finds such
 * a CPU is the last one until the idle loop finds a runnable thread.  That last
 * check also wakes the idle loop, once, to check for a deadlock (deadlock.c).
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

/* Checks in watchdog_ms.  As many checks in a row must find a thread stuck. */
#define CHECKS		2
#define NS_PER_MS	1000000

/*
 * What the checks of a CPU have found.  Written by the signal handler of that
 * CPU, and by watch_start() before the first check.
 */
struct watch {
	lwkt_thread_t	 w_td;		/* found by the last check; or NULL */
	uint64_t	 w_id;		/* its td_id */
	uint64_t	 w_switches;	/* its td_switches when it was found */
	int64_t		 w_since;	/* ns; when w_td was first found */
	unsigned	 w_checks;	/* later checks without progress */
	int		 w_said;	/* 1: w_td has been reported */
};

static struct watch watches[LWKT_MAXCPU];

/* Request the next check, half of watchdog_ms from now. */
static void
watch_again(void)
{
	machine_watch((int64_t)watchdog_ms * NS_PER_MS / CHECKS);
}

/* Begin to watch this CPU, if the watchdog is on.  CPU context. */
void
watch_start(struct globaldata *gd)
{
	gd->gd_watched = 1;
	watches[gd->gd_m.mc_cpuid].w_td = NULL;
	if (watchdog_ms != 0)
		watch_again();
}

/* Return 1 if the watchdog is on, else 0. */
int
watch_wanted(void)
{
	return watchdog_ms != 0;
}

/*
 * Request a check after half of watchdog_ms or more, at a different time on
 * each CPU: the next try of deadlock_check().
 */
void
watch_later(struct globaldata *gd)
{
	int64_t gap = (int64_t)watchdog_ms * NS_PER_MS / CHECKS;

	gd->gd_watched = 1;
	if (watchdog_ms != 0)
		machine_watch(gap + gap * gd->gd_m.mc_cpuid / lwkt__ncpus);
}

/* Print the thread w->w_td, which runs, and its backtrace.  Signal handler. */
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

/*
 * Return 1 if td was asked to give way before the last check, has not tried to
 * switch since, and a better thread or one of equal priority is runnable.
 * Prepare the next check: set AST_WATCHED if td is asked to give way now.
 */
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

/*
 * Check the running thread.  The first check that finds a thread notes it.  A
 * later check finds it stuck if it was not switched, and either reached no
 * preemption point or keeps the CPU from another thread (keeps_cpu).  After
 * CHECKS of these in a row report the thread, once.  Signal handler.
 */
static void
watch_check(struct globaldata *gd, void *ucontext)
{
	struct watch *w = &watches[gd->gd_m.mc_cpuid];
	lwkt_thread_t td = gd->gd_m.mc_curthread;
	int keeps = keeps_cpu(gd, td), served = gd->gd_served != 0;

	gd->gd_served = 0;
	if (w->w_td != td || w->w_id != td->td_id ||
	    w->w_switches != td->td_switches ||
	    (served && !keeps)) {
		*w = (struct watch){ .w_td = td, .w_id = td->td_id,
		    .w_switches = td->td_switches,
		    .w_since = machine_time_ns() };
		return;
	}
	if (++w->w_checks < CHECKS || w->w_said)
		return;
	w->w_said = 1;
	watch_report(gd, w, ucontext);
}

/*
 * mu_watch: check this CPU, and request the next check.  If the CPU is idle and
 * no thread is runnable there, this is the last check: instead, wake the idle
 * loop to check for a deadlock.  Signal handler.
 */
void
watch_intr(struct mcpu *mc, void *ucontext)
{
	struct globaldata *gd = (struct globaldata *)(void *)mc;
	int idle = mc->mc_curthread == &gd->gd_idlethread &&
	    gd->gd_intr_nesting == 0;

	if (!idle)
		watch_check(gd, ucontext);
	atomic_set_32(&mc->mc_reqflags, RQF_TIMER);
	if (idle && gd->gd_rqmask == 0) {
		gd->gd_watched = 0;
		gd->gd_deadlock_due = 1;
	} else {
		watch_again();
	}
}
