/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Detect that no thread can ever run again, and print what each waits for.
 *
 * THEORY
 * If every CPU is idle, no CPU has a timer or a call under way, and no message
 * is in transit, then no thread of the kernel will run again by itself.  The
 * simulated host knows this at once and panics.  On a real host a CPU checks
 * for it after the CPU became idle: when the watchdog's last check, up to half
 * of lwkt.watchdog_ms later, wakes the CPU (watchdog.c), and whenever the CPU
 * becomes idle again before it has run a thread.  Without a watchdog there is
 * no check.  The last CPU to become idle finds all others quiescent.  The cost
 * is one wake-up each time that the CPU becomes idle for long.
 *
 * Two CPUs that check at the same time see each other awake.  Then each checks
 * again, after different times.
 *
 * On a real host this state need not be an error: another pthread of the
 * program may send a message, or a signal may end the process.  So the report
 * is a warning, printed at most once a boot, if every host thread of the
 * process is a CPU or a helper of the library; with LWKT_DEBUG=deadlock it is
 * printed in any case.
 *
 * Which thread another one waits for is known for joins, for messages (the
 * owner of the port), for tokens, and for locks with one owner.  At most one
 * such thread is known for each.  So to find a cycle it suffices to go from
 * each thread to the one that it waits for.  Only threads of the arena are
 * searched and counted (debug.c).
 *
 * ORDER
 * A CPU is quiescent if gd_quiet is not 0 and mc_reqflags has RQF_SLEEPING and
 * no bit of RQF_WAKE, and no message waits for it.  The CPU stores gd_quiet
 * before it sets RQF_SLEEPING by a locked instruction, so a reader that sees
 * RQF_SLEEPING sees gd_quiet, too.
 * The CPUs are read one after the other; meanwhile one CPU might wake another
 * and become quiescent itself.  So all are read twice, and the number of times
 * that they became quiescent must be the same both times.
 */
#include "kern/cpu/arena.h"
#include "kern/ipi/ipi_var.h"
#include "kern/trouble/debug_var.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX	64	/* threads of the longest cycle found */
#define SEARCH_MAX	4096	/* search only from so many threads */
#define LINES_MAX	100	/* print at most so many threads */

COUNTER(reports, "lwkt.deadlock_reports", "reports that all threads may wait "
    "for ever");

static uint32_t reported;	/* (a) 1: reported since the boot */

/* Allow a report in this boot.  Called before any CPU runs. */
void
deadlock_boot(void)
{
	atomic_store_32(&reported, 0);
}

/*
 * Return gd_quiet.  Acquire: pairs with the release in idle_check().  What the
 * CPU wrote before it became quiescent is visible.
 */
static inline uint32_t
quiet(struct globaldata *gd)
{
	return __atomic_load_n(&gd->gd_quiet, __ATOMIC_ACQUIRE);
}

/*
 * Return 1 if the CPU is quiescent, else 0.  self: the CPU is the caller's; it
 * is awake for this check only, so it need not have RQF_SLEEPING.
 */
static int
cpu_quiescent(struct globaldata *gd, int self)
{
	uint32_t flags = atomic_load_acq_32(&gd->gd_m.mc_reqflags);

	if ((flags & RQF_WAKE) != 0 || (!self && (flags & RQF_SLEEPING) == 0))
		return 0;
	return quiet(gd) != 0 && !ipiq_pending(gd);
}

/*
 * Return 1 if no CPU has work, else 0.  A CPU counts as without work even if it
 * is awake to make the same check as the caller.
 */
static int
all_idle(void)
{
	int cpu;

	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		if (quiet(gd_find(cpu)) == 0)
			return 0;
	return 1;
}

/*
 * Return 1 plus the number of times that the CPUs have become quiescent, summed
 * over all CPUs.  Return 0 if a CPU is not quiescent.  me is the caller's CPU.
 */
static uint64_t
all_quiescent(struct globaldata *me)
{
	uint64_t sum = 1;
	int cpu;

	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if (!cpu_quiescent(gd_find(cpu), gd_find(cpu) == me))
			return 0;
		sum += quiet(gd_find(cpu));
	}
	return sum;
}

/*
 * Return 1 if td is blocked, else 0.  A CPU that has just woken may write the
 * flags at this moment.  Then deadlock_check() sees that the second
 * all_quiescent() differs from the first, and does not use the count of blocked
 * threads.
 */
static int __lwkt_no_tsan
is_blocked(lwkt_thread_t td)
{
	return (td->td_flags & TDF_STARTED) != 0 && (td->td_flags &
	    (TDF_FREE | TDF_RUNNING | TDF_RUNQ | TDF_EXITING)) == 0;
}

/*
 * Print the cycle of at most CHAIN_MAX threads that td is in, if there is one.
 * So that a cycle is printed once, td must have the lowest address in it.
 */
static void
report_cycle(lwkt_thread_t td)
{
	lwkt_thread_t at = td;
	char why[160];
	int i, n = 0;

	do {
		at = thread_waits(at, why, sizeof(why));
		if (at == NULL || at < td || ++n > CHAIN_MAX)
			return;
	} while (at != td);
	lwkt_printf("lwkt: deadlock: a cycle of %d:", n);
	for (i = 0; i < n; i++) {
		lwkt_thread_t next = thread_waits(at, why, sizeof(why));

		lwkt_printf("lwkt:   thread \"%s\" (id %llu) waits%s",
		    at->td_name, (unsigned long long)at->td_id, why);
		at = next;
	}
}

/* Print the cycles of threads that wait for each other, within the limits. */
void
deadlock_cycles(void)
{
	uint64_t i, n = thread_count();

	for (i = 0; i < n && i < SEARCH_MAX; i++)
		if (is_blocked(thread_nth(i)))
			report_cycle(thread_nth(i));
}

/* Return the number of blocked threads. */
static uint64_t
blocked_count(void)
{
	uint64_t i, n = thread_count(), blocked = 0;

	for (i = 0; i < n; i++)
		blocked += (uint64_t)is_blocked(thread_nth(i));
	return blocked;
}

/* Print up to LINES_MAX blocked threads, and the cycles of blocked threads. */
static void
deadlock_report(uint64_t blocked)
{
	uint64_t i, lines = 0, n = thread_count();

	lwkt_printf("lwkt: deadlock? every cpu is idle, no timer is set, no "
	    "call is under way, %llu threads wait: only a signal handler or "
	    "another pthread could wake one", (unsigned long long)blocked);
	for (i = 0; i < n && lines < LINES_MAX; i++)
		if (is_blocked(thread_nth(i))) {
			show_thread("", thread_nth(i));
			lines++;
		}
	deadlock_cycles();
}

/*
 * Return 1 if a deadlock is to be reported: the process has no foreign host
 * thread, which might wake a thread, or LWKT_DEBUG has "deadlock".
 */
static int
wanted(void)
{
	const char *debug = getenv("LWKT_DEBUG");

	return (debug != NULL && strstr(debug, "deadlock") != NULL) ||
	    !machine_foreign_threads();
}

/*
 * Check for a deadlock, and report the first one of a boot, if a report is
 * wanted.  If all CPUs seem to have no work, but one of them is awake or wakes
 * during the check, check again later.  Do nothing now if this CPU has been
 * asked to wake.  Called by the idle loop while gd_deadlock_due is set.
 */
void
deadlock_check(struct globaldata *gd)
{
	uint64_t sum, blocked;

	if (atomic_peek_32(&gd->gd_m.mc_reqflags) & RQF_WAKE)
		return;			/* gd_deadlock_due stays set */
	gd->gd_deadlock_due = 0;
	if (atomic_load_32(&reported) != 0)
		return;
	sum = all_quiescent(gd);
	blocked = sum != 0 && wanted() ? blocked_count() : 0;
	if (sum == 0 || all_quiescent(gd) != sum) {
		if (all_idle())
			watch_later(gd);
	} else if (blocked != 0 && atomic_cmpset_32(&reported, 0, 1)) {
		counter_inc(gd->gd_cntbias, reports);
		deadlock_report(blocked);
	}
}
