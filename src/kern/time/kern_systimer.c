/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of a CPU: many deadlines served by the single one that the host can
 * hold.
 *
 * THEORY
 * Each CPU keeps its timers in a wheel (kern_wheel.c), which knows the time of
 * the next one.  The host is asked for one deadline, gd_timer_armed, which is
 * never later than the first timer.  Adding a timer re-arms the host only if
 * the timer is earlier than that.  Deleting the first timer re-arms nothing:
 * RQF_TIMER then comes too early, finds no timer due, and arms the host anew.
 * So a timeout that is cancelled, the common case, costs an insertion and a
 * removal, and usually no system call.
 *
 * The interrupt takes due timers off the wheel one by one.  It calls them in
 * its caller's critical section, with gd_intr_nesting raised.
 * gd_systimer_inprog is the timer whose function runs.  Adding or deleting that
 * timer clears it, and the timer is touched again after its function only if it
 * is still there.  The reason is that a one-shot's storage may be freed or
 * reused by then.  (The pointer is compared, not followed.)
 *
 * A program may start a timer in storage with any old contents.  So the mark of
 * a running timer is a number made of its address and of a value that differs
 * at each boot.  Memory in which no timer runs will hardly contain that number.
 *
 * INVARIANTS
 * TM1 st_running == running_mark(st) <=> the timer is in the wheel of CPU
 *     st_cpu.  Only that CPU, in a critical section, touches the wheel and the
 *     timer.
 * TM2 gd_timer_armed <= st_time of each timer in the wheel, except inside
 *     systimer_intr().
 * TM3 A periodic timer keeps its phase: its times differ by whole periods.
 *
 * Source: DragonFly kern_systimer.c (owner CPU, in-progress pointer: its commit
 * bdfb4a945a, non-queued periodic timers); the wheel is ours.
 */
#include "kern/time/systimer_var.h"
#include "kern/time/wheel_var.h"

#include <lwkt/synch.h>

TRACEPOINT(fire, KTR_TIMER, "timer.fire", "seq=%llu late=%llu");
TRACEPOINT(arm, KTR_TIMER, "timer.arm", "deadline=%llu seq=%llu");

COUNTER(fired, "lwkt.systimer_fired", "timer functions called");
COUNTER(skipped, "lwkt.systimer_skipped", "missed periods skipped");
COUNTER(armed, "lwkt.systimer_armed", "deadlines given to the host");

uint64_t lwkt__timer_mark;

size_t
systimer_bytes(int ncpus)
{
	return (size_t)ncpus * sizeof(struct wheel);
}

/*
 * Set up an empty wheel for each CPU.  mem is zero and aligned to a cache line.
 */
void
systimer_place(void *mem, int ncpus)
{
	int64_t now = machine_time_ns();
	struct wheel *wh = mem;
	int cpu;

	lwkt__timer_mark += UINT64_C(0x9e3779b97f4a7c15);
	for (cpu = 0; cpu < ncpus; cpu++) {
		wheel_init(&wh[cpu], now);
		gd_find(cpu)->gd_wheel = &wh[cpu];
		gd_find(cpu)->gd_timer_armed = INT64_MAX;
	}
}

/* Restore TM2 after a timer due at when_ns was added; may arm the host. */
static inline void
systimer_arm(struct globaldata *gd, int64_t when_ns)
{
	if (when_ns >= gd->gd_timer_armed)
		return;
	gd->gd_timer_armed = when_ns;
	counter_inc(gd->gd_cntbias, armed);
	ktr(gd, arm, when_ns, gd->gd_systimer_seq);
	machine_timer_arm(when_ns);
}

static inline void
systimer_insert(struct globaldata *gd, struct lwkt_systimer *st)
{
	st->st_running = running_mark(st);			/* TM1 */
	wheel_insert(gd->gd_wheel, st);
}

static inline void
systimer_take(struct globaldata *gd, struct lwkt_systimer *st)
{
	wheel_remove(gd->gd_wheel, st);
	st->st_running = 0;					/* TM1 */
}

/* Insert st, due at when_ns.  Own CPU, in a critical section; never blocks. */
void
systimer_add(struct lwkt_systimer *st, int64_t when_ns)
{
	struct globaldata *gd = mygd();

	INVARIANT(curthread->td_critcount > 0);			/* TM1 */
	if (gd->gd_systimer_inprog == st)
		gd->gd_systimer_inprog = NULL;
	st->st_time = when_ns;
	st->st_seq = gd->gd_systimer_seq++;
	st->st_cpu = gd->gd_m.mc_cpuid;
	systimer_insert(gd, st);
	systimer_arm(gd, when_ns);
}

/*
 * Take st out of the wheel if it is there.  If the function of st is being
 * called, st is not inserted again afterwards.  Own CPU, in a critical section;
 * never blocks.
 */
void
systimer_remove(struct lwkt_systimer *st)
{
	struct globaldata *gd = mygd();

	INVARIANT(curthread->td_critcount > 0);			/* TM1 */
	if (gd->gd_systimer_inprog == st)
		gd->gd_systimer_inprog = NULL;
	if (!systimer_runs(st))
		return;
	KASSERTF(st->st_cpu == gd->gd_m.mc_cpuid,
	    "timer %p of cpu %d is deleted on cpu %d; only its CPU may do "
	    "that", (void *)st, st->st_cpu, gd->gd_m.mc_cpuid);
	systimer_take(gd, st);
}

int
systimer_none(struct globaldata *gd)
{
	return wheel_empty(gd->gd_wheel);
}

/* Check TM1 and TM2 of one timer, outside systimer_intr(). */
static void
timer_check(const struct lwkt_systimer *st)
{
	struct globaldata *gd = gd_find(st->st_cpu);

	KASSERTF(systimer_runs(st) && gd == mygd(),
	    "timer %p of cpu %d is in the wheel of cpu %d, or is not "
	    "marked as running, mark %#llx", (const void *)st, st->st_cpu,
	    mycpuid, (unsigned long long)st->st_running);
	KASSERTF(st->st_time >= gd->gd_timer_armed,
	    "timer %p of cpu %d is due before the deadline given to the host",
	    (const void *)st, st->st_cpu);
}

void
systimer_check(struct globaldata *gd)
{
	wheel_check(gd->gd_wheel, timer_check);
}

/*
 * Insert a periodic timer again after its function has run.  Missed periods are
 * skipped unless the timer has LWKT_ST_BURST (TM3).
 */
static void
systimer_repeat(struct globaldata *gd, struct lwkt_systimer *st, int64_t now)
{
	int64_t missed;

	st->st_time += st->st_period;
	if (st->st_time <= now && (st->st_flags & LWKT_ST_BURST) == 0) {
		missed = (now - st->st_time) / st->st_period + 1;
		st->st_time += missed * st->st_period;
		counter_add(gd->gd_cntbias, skipped, (uint64_t)missed);
	}
	systimer_insert(gd, st);
}

/*
 * Call the function of a due timer.  Afterwards gd_systimer_inprog tells
 * whether the storage may still be touched; st_period was read before the call.
 */
static void
systimer_fire(struct globaldata *gd, struct lwkt_systimer *st, int64_t now)
{
	int periodic = st->st_period != 0, count = crit_count();
	const void *fn = (const void *)st->st_fn;

	systimer_take(gd, st);
	counter_inc(gd->gd_cntbias, fired);
	ktr(gd, fire, st->st_seq, now - st->st_time);
	gd->gd_systimer_inprog = st;
	st->st_fn(st, st->st_arg);
	crit_balance(count, fn);
	if (gd->gd_systimer_inprog == st && periodic)
		systimer_repeat(gd, st, now);
	gd->gd_systimer_inprog = NULL;
}

/*
 * Call the timers that are due (RQF_TIMER).  The armed deadline counts as
 * passed even if it seems early, because the host's clock and ours can differ
 * by a little.  Only timers due at the time of the call are called.  A timer
 * that becomes due during the call arms the host and causes another interrupt.
 */
void
systimer_intr(struct globaldata *gd)
{
	struct lwkt_systimer *st;
	int64_t now = machine_time_ns();

	KASSERTF(gd->gd_systimer_inprog == NULL, "a timer interrupt came "
	    "inside the function of timer %p on cpu %d",
	    (void *)gd->gd_systimer_inprog, gd->gd_m.mc_cpuid);
	gd->gd_intr_nesting++;
	gd->gd_timer_armed = INT64_MIN;		/* functions need not arm */
	while ((st = wheel_due(gd->gd_wheel, now)) != NULL)
		systimer_fire(gd, st, now);
	gd->gd_intr_nesting--;
	gd->gd_timer_armed = INT64_MAX;
	systimer_arm(gd, wheel_next(gd->gd_wheel));
}

/* Any CPU context; never blocks. */
void
lwkt_systimer_init_oneshot(struct lwkt_systimer *st, lwkt_systimer_fn_t fn,
    void *arg, int64_t delay_ns)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	systimer_set(st, fn, arg, 0, 0);
	systimer_add(st, systimer_when(delay_ns));
	crit_exit_td(self);
}

/* Any CPU context; never blocks. */
void
lwkt_systimer_init_periodic(struct lwkt_systimer *st, lwkt_systimer_fn_t fn,
    void *arg, int64_t period_ns, int flags)
{
	lwkt_thread_t self = caller_thread();

	KASSERTF(period_ns > 0, "a periodic timer cannot have a "
	    "period of %lld ns", (long long)period_ns);
	crit_enter_td(self);
	systimer_set(st, fn, arg, period_ns, flags);
	systimer_add(st, systimer_when(period_ns));
	crit_exit_td(self);
}

/*
 * Set the period of st.  The next time of a timer in the wheel stays; the new
 * period counts from there.  Any context on the timer's CPU; never blocks.
 */
void
lwkt_systimer_adjust_periodic(struct lwkt_systimer *st, int64_t period_ns)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	KASSERTF(st->st_period > 0 && period_ns > 0 && st->st_cpu == mycpuid,
	    "timer %p of cpu %d: period %lld ns cannot be changed to "
	    "%lld ns; both must be > 0, and the caller on that CPU", (void *)st,
	    st->st_cpu, (long long)st->st_period, (long long)period_ns);
	st->st_period = period_ns;
	crit_exit_td(self);
}

/* Any CPU context; never blocks. */
int64_t
lwkt_time_ns(void)
{
	return machine_time_ns();
}

/*
 * Return the ns left until deadline_ns, or 0 if it has passed.  Any CPU
 * context; never blocks.
 */
int64_t
lwkt_until(int64_t deadline_ns)
{
	int64_t now = machine_time_ns();

	return deadline_ns > now ? deadline_ns - now : 0;
}
