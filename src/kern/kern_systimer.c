/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of a CPU: many deadlines behind the one that the host can hold.
 *
 * THEORY
 * Each CPU keeps its timers in a tree ordered by (time, sequence) and remembers
 * the first.  The host is asked for one deadline, gd_timer_armed, which is
 * never later than the first timer.  A timer that becomes the first re-arms the
 * host only if it is earlier than that; deleting the first re-arms nothing, and
 * the RQF_TIMER that then comes too early finds nothing to do and arms anew.
 * So a timeout that is cancelled, the common case, costs an insertion and a
 * removal and mostly no system call.
 *
 * The interrupt takes timers off one by one and calls them in the critical
 * section of its caller with gd_intr_nesting raised.  gd_systimer_inprog says
 * whose function runs: adding or deleting that timer clears it, and only a
 * timer still found there afterwards is touched again, for a one-shot's storage
 * may be gone or in other use by then (the pointer is compared, not followed).
 *
 * INVARIANTS
 * M1 LWKT_ST_ONQUEUE <=> in the tree of CPU st_cpu; only that CPU, in a
 *    critical section, touches tree and timer.
 * M2 gd_systimer_first is the least element; NULL <=> the tree is empty.
 * M3 first != NULL => gd_timer_armed <= first->st_time, except inside
 *    systimer_intr().
 * M4 A periodic timer keeps its phase: its times differ by whole periods.
 *
 * Source: DragonFly kern_systimer.c (owner CPU, in-progress pointer: its
 * commit bdfb4a945a, non-queued periodic timers); the tree is ours.
 */
#include "kern/kern_var.h"

#include <lwkt/ipiq.h>
#include <lwkt/synch.h>

TRACEPOINT(fire, KTR_TIMER, "timer.fire", "seq=%llu late=%llu");
TRACEPOINT(arm, KTR_TIMER, "timer.arm", "deadline=%llu now=%llu");

COUNTER(fired, "lwkt.systimer_fired", "timer functions called");
COUNTER(skipped, "lwkt.systimer_skipped", "missed periods skipped");
COUNTER(armed, "lwkt.systimer_armed", "deadlines given to the host");

static inline int
systimer_cmp(const struct lwkt_systimer *a, const struct lwkt_systimer *b)
{
	if (a->st_time != b->st_time)
		return a->st_time < b->st_time ? -1 : 1;
	return a->st_seq < b->st_seq ? -1 : a->st_seq > b->st_seq;
}

RB_GENERATE_INTERNAL(systimer_tree, lwkt_systimer, st_link, systimer_cmp,
    static __lwkt_unused)

void
systimer_init(struct globaldata *gd)
{
	RB_INIT(&gd->gd_systimerq);
	gd->gd_systimer_first = NULL;
	gd->gd_systimer_inprog = NULL;
	gd->gd_systimer_seq = 0;
	gd->gd_timer_armed = INT64_MAX;
	gd->gd_tick_armed = 0;
}

/* Make M3 true again. */
static inline void
systimer_arm(struct globaldata *gd)
{
	struct lwkt_systimer *st = gd->gd_systimer_first;

	if (st == NULL || st->st_time >= gd->gd_timer_armed)
		return;
	gd->gd_timer_armed = st->st_time;
	counter_inc(gd->gd_cntbias, armed);
	ktr(gd, arm, st->st_time, st->st_seq);
	machine_timer_arm(st->st_time);
}

static inline void
systimer_insert(struct globaldata *gd, struct lwkt_systimer *st)
{
	struct lwkt_systimer *first = gd->gd_systimer_first;

	st->st_flags |= LWKT_ST_ONQUEUE;
	(void)RB_INSERT(systimer_tree, &gd->gd_systimerq, st);
	if (first == NULL || systimer_cmp(st, first) < 0)
		gd->gd_systimer_first = st;			/* M2 */
}

static inline void
systimer_take(struct globaldata *gd, struct lwkt_systimer *st)
{
	if (gd->gd_systimer_first == st)
		gd->gd_systimer_first =
		    RB_NEXT(systimer_tree, &gd->gd_systimerq, st); /* M2 */
	(void)RB_REMOVE(systimer_tree, &gd->gd_systimerq, st);
	st->st_flags &= ~LWKT_ST_ONQUEUE;
}

void
systimer_add(struct lwkt_systimer *st, int64_t when_ns)
{
	struct globaldata *gd = mygd();

	INVARIANT(curthread->td_critcount > 0);			/* M1 */
	KASSERTF((st->st_flags & LWKT_ST_ONQUEUE) == 0,
	    "timer %p is already running on cpu %d", (void *)st, st->st_cpu);
	if (gd->gd_systimer_inprog == st)
		gd->gd_systimer_inprog = NULL;
	st->st_time = when_ns;
	st->st_seq = gd->gd_systimer_seq++;
	st->st_cpu = gd->gd_m.mc_cpuid;
	systimer_insert(gd, st);
	if (gd->gd_systimer_first == st)
		systimer_arm(gd);
}

void
systimer_remove(struct lwkt_systimer *st)
{
	struct globaldata *gd = mygd();

	INVARIANT(curthread->td_critcount > 0);			/* M1 */
	if (gd->gd_systimer_inprog == st)
		gd->gd_systimer_inprog = NULL;
	if (st->st_flags & LWKT_ST_ONQUEUE) {
		KASSERTF(st->st_cpu == gd->gd_m.mc_cpuid,
		    "timer %p of cpu %d deleted on cpu %d", (void *)st,
		    st->st_cpu, gd->gd_m.mc_cpuid);
		systimer_take(gd, st);
	}
}

/* M1 to M3, outside systimer_intr(). */
void
systimer_check(struct globaldata *gd)
{
	struct lwkt_systimer *st, *prev = NULL;

	RB_FOREACH(st, systimer_tree, &gd->gd_systimerq) {
		KASSERTF((st->st_flags & LWKT_ST_ONQUEUE) &&
		    st->st_cpu == gd->gd_m.mc_cpuid,
		    "timer %p of cpu %d on cpu %d, flags %#x", (void *)st,
		    st->st_cpu, gd->gd_m.mc_cpuid, (unsigned)st->st_flags);
		KASSERTF(prev == NULL || systimer_cmp(prev, st) < 0,
		    "timer %p is out of order on cpu %d", (void *)st,
		    gd->gd_m.mc_cpuid);
		KASSERTF(prev != NULL || gd->gd_systimer_first == st,
		    "timer %p is not known as the first on cpu %d", (void *)st,
		    gd->gd_m.mc_cpuid);
		KASSERTF(st->st_time >= gd->gd_timer_armed,
		    "timer %p is earlier than the host is told, cpu %d",
		    (void *)st, gd->gd_m.mc_cpuid);
		prev = st;
	}
}

int64_t
systimer_next(struct globaldata *gd)
{
	struct lwkt_systimer *st = gd->gd_systimer_first;

	return st != NULL ? st->st_time : INT64_MAX;
}

/* The next time of a periodic timer whose function has just run (M4). */
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

	KASSERTF(gd->gd_systimer_inprog == NULL, "timer interrupt inside timer"
	    " %p on cpu %d", (void *)gd->gd_systimer_inprog,
	    gd->gd_m.mc_cpuid);
	gd->gd_intr_nesting++;
	gd->gd_timer_armed = INT64_MIN;		/* functions need not arm */
	while ((st = gd->gd_systimer_first) != NULL && st->st_time <= now)
		systimer_fire(gd, st, now);
	gd->gd_intr_nesting--;
	gd->gd_timer_armed = INT64_MAX;
	systimer_arm(gd);
}

/* Less than 1 ns counts as 1: a timer that re-adds itself cannot hang. */
static inline int64_t
systimer_when(int64_t delay_ns)
{
	int64_t now = machine_time_ns();

	if (delay_ns < 1)
		delay_ns = 1;
	return delay_ns < INT64_MAX - now ? now + delay_ns : INT64_MAX;
}

static inline void
systimer_set(struct lwkt_systimer *st, lwkt_systimer_fn_t fn, void *arg,
    int64_t period_ns, int flags)
{
	KASSERTF(period_ns >= 0 && (flags & ~LWKT_ST_BURST) == 0,
	    "period %lld ns, flags %#x", (long long)period_ns,
	    (unsigned)flags);
	st->st_fn = fn;
	st->st_arg = arg;
	st->st_period = period_ns;
	st->st_flags = flags;
}

void
lwkt_systimer_init_oneshot(struct lwkt_systimer *st, lwkt_systimer_fn_t fn,
    void *arg, int64_t delay_ns)
{
	lwkt_thread_t self = curthread;

	crit_enter_td(self);
	systimer_set(st, fn, arg, 0, 0);
	systimer_add(st, systimer_when(delay_ns));
	crit_exit_td(self);
}

void
lwkt_systimer_init_periodic(struct lwkt_systimer *st, lwkt_systimer_fn_t fn,
    void *arg, int64_t period_ns, int flags)
{
	lwkt_thread_t self = curthread;

	KASSERTF(period_ns > 0, "period %lld ns", (long long)period_ns);
	crit_enter_td(self);
	systimer_set(st, fn, arg, period_ns, flags);
	systimer_add(st, systimer_when(period_ns));
	crit_exit_td(self);
}

static void
systimer_add_remote(void *arg)
{
	struct lwkt_systimer *st = arg;

	systimer_add(st, st->st_time);
}

void
lwkt_systimer_init_oncpu(struct lwkt_systimer *st, int cpu,
    lwkt_systimer_fn_t fn, void *arg, int64_t delay_ns, int64_t period_ns)
{
	systimer_set(st, fn, arg, period_ns, 0);
	st->st_time = systimer_when(delay_ns);
	lwkt_send_ipiq(cpu, systimer_add_remote, st);
}

void
lwkt_systimer_adjust_periodic(struct lwkt_systimer *st, int64_t period_ns)
{
	lwkt_thread_t self = curthread;

	crit_enter_td(self);
	KASSERTF(st->st_period > 0 && period_ns > 0 && st->st_cpu == mycpuid,
	    "timer %p of cpu %d: period %lld to %lld ns", (void *)st,
	    st->st_cpu, (long long)st->st_period, (long long)period_ns);
	st->st_period = period_ns;
	crit_exit_td(self);
}

void
lwkt_systimer_del(struct lwkt_systimer *st)
{
	lwkt_thread_t self = curthread;

	crit_enter_td(self);
	systimer_remove(st);
	crit_exit_td(self);
}

int64_t
lwkt_time_ns(void)
{
	return machine_time_ns();
}
