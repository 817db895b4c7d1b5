/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of a CPU: many timers, but the host has one deadline for each CPU.
 *
 * THEORY
 * Each CPU keeps its timers in a wheel (kern_wheel.c).  The host has one
 * deadline of the CPU, gd_timer_armed, which is not later than the first timer
 * (TM2).  When the deadline has passed, the host sets RQF_TIMER in mc_reqflags,
 * and the CPU calls systimer_intr() in its next splz.  Adding a timer changes
 * the deadline only if the timer is due before the deadline.  Deleting the
 * first timer leaves the deadline as it is: systimer_intr() then runs too
 * early, finds no timer due, and arms the host for the next timer.  So a
 * timeout that is cancelled, the common case, costs an insertion and a removal,
 * and usually no system call.
 *
 * systimer_intr() takes due timers off the wheel one by one.  It calls their
 * functions in its caller's critical section, with gd_intr_nesting raised.
 * gd_systimer_inprog is the timer whose function runs.  If the function deletes
 * that timer, or starts it on any CPU, gd_systimer_inprog becomes NULL, and the
 * timer is not touched after the function has returned: it may be in the wheel
 * of another CPU, or its storage may be freed or reused by then.  The function
 * of a one-shot timer may free the storage without deleting the timer.  So a
 * one-shot timer is never touched after its function.
 *
 * A program may start a timer in storage with any old contents.  So the mark of
 * a running timer is a number made of its address and of a value that differs
 * at each boot.  It is very unlikely that memory in which no timer runs
 * contains that number.
 *
 * INVARIANTS
 * TM1 st_running == running_mark(st) <=> the timer is in the wheel of CPU
 *     st_cpu.  Only that CPU, in a critical section, touches the wheel and a
 *     timer in it.
 * TM2 gd_timer_armed <= st_time of each timer in the wheel, except inside
 *     systimer_intr().
 * TM3 A periodic timer keeps its phase: while its period is not changed, the
 *     times at which it is due differ by whole periods.
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
 * Set up an empty wheel for each CPU, at boot.  mem has systimer_bytes() bytes,
 * is zero, and is aligned to a cache line.
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

/*
 * Start st, due at when_ns, and arm the host if needed.  Own CPU, in a critical
 * section; never blocks.
 */
void
systimer_add(struct lwkt_systimer *st, int64_t when_ns)
{
	struct globaldata *gd = mygd();

	INVARIANT(curthread->td_critcount > 0);			/* TM1 */
	systimer_leave(gd, st);
	st->st_time = when_ns;
	st->st_seq = gd->gd_systimer_seq++;
	st->st_cpu = gd->gd_m.mc_cpuid;
	systimer_insert(gd, st);
	systimer_arm(gd, when_ns);
}

/*
 * Take st out of the wheel if it is there; panic if it is in the wheel of
 * another CPU.  If the function of st is being called, st is not inserted again
 * afterwards.  Own CPU, in a critical section; never blocks.
 */
void
systimer_remove(struct lwkt_systimer *st)
{
	struct globaldata *gd = mygd();

	INVARIANT(curthread->td_critcount > 0);			/* TM1 */
	systimer_leave(gd, st);
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

/* Check TM1 and TM2 for one timer of this CPU, outside systimer_intr(). */
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
 * Insert a periodic timer again after its function has run, for the next period
 * (TM3).  Periods that ended before now are skipped, unless the timer has
 * LWKT_ST_BURST.
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
 * Take st, which is due, out of the wheel and call its function.  The function
 * of a one-shot timer may free st, so `periodic` is read before the call.  A
 * periodic timer is inserted again, unless its function has deleted it or
 * started it on any CPU: then gd_systimer_inprog is no longer st.
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
 * Serve RQF_TIMER: call the functions of the timers that are due now.
 * RQF_TIMER can come a little before the armed deadline, because the host's
 * clock can differ from machine_time_ns().  So the host is armed anew, unless
 * no timer is left.  If a timer becomes due during this call, the host sets
 * RQF_TIMER again.
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
	gd->gd_timer_armed = INT64_MIN;	/* systimer_arm() does nothing now */
	while ((st = wheel_due(gd->gd_wheel, now)) != NULL)
		systimer_fire(gd, st, now);
	gd->gd_intr_nesting--;
	gd->gd_timer_armed = INT64_MAX;
	systimer_arm(gd, wheel_next(gd->gd_wheel));
}

/*
 * Start st, due once after delay_ns; a delay below 1 ns counts as 1 ns.  Any
 * CPU context; never blocks.
 */
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

/* Start st, due every period_ns.  Any CPU context; never blocks. */
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
 * Set the period of st, which is periodic.  If st is in the wheel, its next
 * time stays, and the new period counts from there.  In the function of st, the
 * new period counts from the time at which st was due.  Any context on the
 * timer's CPU; never blocks.
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

/* Return the monotonic time in ns.  Any CPU context; never blocks. */
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
