/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Detect that no thread can ever run again, and print what each waits for.
 *
 * THEORY
 * If every CPU is idle, no CPU has a timer or a call under way, and no message
 * is in transit, then no thread of the kernel will run again by itself.  The
 * simulated host knows this at once and panics.  On a real host, each CPU
 * checks for it half a second after it became idle, at the wake-up that ends
 * its watch (watchdog.c; without a watchdog there is no check).  The last CPU
 * to become idle finds all others quiescent.  The cost is one wake-up, once.
 *
 * Two CPUs that check at the same time see each other awake.  Then each checks
 * again, after different times.
 *
 * On a real host it need not be an error: another pthread of the program may
 * send a message, or a signal may end the process.  So it is a warning, printed
 * once a boot, and only if every host thread of the process is a CPU or a
 * helper of the library; with LWKT_DEBUG=deadlock in any case.
 *
 * Which thread another one waits for is known for joins, for messages (the
 * owner of the port), for tokens, and for locks with one owner.  Each thread
 * waits for at most one other thread, so following these finds a cycle.
 *
 * ORDER
 * A CPU is quiescent if gd_quiet is set (before RQF_SLEEPING, a locked
 * instruction) and mc_reqflags has RQF_SLEEPING and no bit of RQF_WAKE.  The
 * CPUs are read one after the other; meanwhile one CPU might wake another and
 * become quiescent itself.  So all are read twice, and the number of times that
 * they became quiescent must be the same both times.
 */
#include "kern/cpu/arena.h"
#include "kern/ipi/ipi_var.h"
#include "kern/trouble/debug_var.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX	64	/* longest cycle looked for */
#define LOOK_MAX	4096	/* threads that chains begin at */
#define LINES_MAX	100	/* threads that get a line */

COUNTER(reports, "lwkt.deadlock_reports", "reports that all threads may wait "
    "for ever");

static uint32_t reported;	/* (a) once a boot */

void
deadlock_boot(void)
{
	atomic_store_32(&reported, 0);
}

/*
 * Return gd_quiet.  Acquire: pairs with the release in idle_look().  What the
 * CPU wrote before it became quiescent is visible.
 */
static inline uint32_t
quiet(struct globaldata *gd)
{
	return __atomic_load_n(&gd->gd_quiet, __ATOMIC_ACQUIRE);
}

/* Tell whether the CPU is quiescent; self: it is the calling CPU. */
static int
cpu_rests(struct globaldata *gd, int self)
{
	uint32_t flags = atomic_load_acq_32(&gd->gd_m.mc_reqflags);

	if ((flags & RQF_WAKE) != 0 || (!self && (flags & RQF_SLEEPING) == 0))
		return 0;
	return quiet(gd) != 0 && !ipiq_pending(gd);
}

/*
 * Tell whether all CPUs have found nothing to do.  A CPU may be awake only to
 * make this check.
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
 * Return how often the CPUs have become quiescent, plus 1; 0 if not all of them
 * are quiescent.
 */
static uint64_t
all_rest(struct globaldata *me)
{
	uint64_t sum = 1;
	int cpu;

	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if (!cpu_rests(gd_find(cpu), gd_find(cpu) == me))
			return 0;
		sum += quiet(gd_find(cpu));
	}
	return sum;
}

/*
 * Tell whether td is blocked.  A CPU that has just woken may write the flags at
 * this moment.  Then the second all_rest() differs from the first, and the
 * count is not used.
 */
static int __lwkt_no_tsan
is_blocked(lwkt_thread_t td)
{
	return (td->td_flags & TDF_STARTED) != 0 && (td->td_flags &
	    (TDF_FREE | TDF_RUNNING | TDF_RUNQ | TDF_EXITING)) == 0;
}

/* If td is in a cycle and has the lowest address there, print the cycle. */
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

/* Print each cycle of threads that wait for each other. */
void
deadlock_cycles(void)
{
	uint64_t i, n = thread_count();

	for (i = 0; i < n && i < LOOK_MAX; i++)
		if (is_blocked(thread_nth(i)))
			report_cycle(thread_nth(i));
}

/* Count the blocked threads. */
static uint64_t
blocked_count(void)
{
	uint64_t i, n = thread_count(), blocked = 0;

	for (i = 0; i < n; i++)
		blocked += (uint64_t)is_blocked(thread_nth(i));
	return blocked;
}

/* Print the blocked threads and the cycles among them. */
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

/* Tell whether to report: no foreign host thread, or LWKT_DEBUG asks for it. */
static int
wanted(void)
{
	const char *debug = getenv("LWKT_DEBUG");

	return (debug != NULL && strstr(debug, "deadlock") != NULL) ||
	    !machine_foreign_threads();
}

/* Check for a deadlock, and report it once.  Idle loop. */
void
deadlock_look(struct globaldata *gd)
{
	uint64_t sum, blocked;

	if (atomic_peek_32(&gd->gd_m.mc_reqflags) & RQF_WAKE)
		return;			/* not idle yet; later */
	gd->gd_look = 0;
	if (atomic_load_32(&reported) != 0)
		return;
	sum = all_rest(gd);
	blocked = sum != 0 && wanted() ? blocked_count() : 0;
	if (sum == 0 || all_rest(gd) != sum) {
		if (all_idle())
			watch_later(gd);
	} else if (blocked != 0 && atomic_cmpset_32(&reported, 0, 1)) {
		counter_inc(gd->gd_cntbias, reports);
		deadlock_report(blocked);
	}
}
