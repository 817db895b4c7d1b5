/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of a CPU: many deadlines behind the one that the host can hold.
 *
 * THEORY
 * Each CPU keeps its timers in a wheel (kern_wheel.c), which knows the time of
 * the next.  The host is asked for one deadline, gd_timer_armed, which is never
 * later than the first timer.  A timer that is added re-arms the host only if
 * it is earlier than that; deleting the first re-arms nothing, and the
 * RQF_TIMER that then comes too early finds nothing to do and arms anew.  So a
 * timeout that is cancelled, the common case, costs an insertion and a removal
 * and mostly no system call.
 *
 * The interrupt takes timers off one by one and calls them in the critical
 * section of its caller with gd_intr_nesting raised.  gd_systimer_inprog says
 * whose function runs: adding or deleting that timer clears it, and only a
 * timer still found there afterwards is touched again, for a one-shot's storage
 * may be gone or in other use by then (the pointer is compared, not followed).
 *
 * A program starts a timer in storage that may hold anything before.  So what
 * says that a timer is running is a number made of its address and of this
 * boot, which memory that no running timer lies in will hardly contain.
 *
 * INVARIANTS
 * TM1 st_running == running_mark(st) <=> in the wheel of CPU st_cpu; only that
 *    CPU, in a critical section, touches wheel and timer.
 * TM2 gd_timer_armed <= st_time of each timer in the wheel, except inside
 *    systimer_intr().
 * TM3 A periodic timer keeps its phase: its times differ by whole periods.
 *
 * Source: DragonFly kern_systimer.c (owner CPU, in-progress pointer: its
 * commit bdfb4a945a, non-queued periodic timers); the wheel is ours.
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

/* mem is zero and aligned to a cache line. */
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

/* Make TM2 true again, with a timer at that time. */
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

/* TM1 and TM2 of one, outside systimer_intr(). */
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

/* The next time of a periodic timer whose function has just run (TM3). */
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
 * The armed deadline has passed, or may have: the host's clock and ours can
 * differ by a little, so it is taken as spent even if it seems early.  Timers
 * due by the time of the call are called; what falls due meanwhile arms the
 * host and comes again.
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

int64_t
lwkt_time_ns(void)
{
	return machine_time_ns();
}

int64_t
lwkt_until(int64_t deadline_ns)
{
	int64_t now = machine_time_ns();

	return deadline_ns > now ? deadline_ns - now : 0;
}
