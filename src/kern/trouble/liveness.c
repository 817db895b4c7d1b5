/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Liveness checks of the simulated host: a waiter that could be served must be
 * served in time.
 *
 * THEORY
 * A lost wake-up need not hang a run: another message, a timer or the end of
 * the test may wake the waiter later.  So at choice points, where no CPU runs
 * (mu_point), this file looks for waiters, and notes when it first saw each.  A
 * waiter is one of the following:
 *
 * - a runnable thread, better than the one that runs, whose tokens are free;
 * - a runnable thread of the priority of the thread that runs, whose tokens are
 *   free, if neither of them is an lwp;
 * - a message in a ring, or one that was read and deferred;
 * - a wakeup that the running thread has deferred;
 * - a timer that is due.
 *
 * A chance is an event at which the kernel must serve the waiter.  For a thread
 * a chance is a yield of the running thread.  For the other kinds it is the end
 * of the running thread's outermost critical section.  A run fails if a waiter
 * still waits after CHANCES chances (check_equal allows one more for each
 * thread of equal priority).  At most one chance is counted in a unit of time,
 * which is a tick plus the greatest lateness of the simulated timer.  So
 * between two chances a tick has come if one was armed.
 *
 * A thread that computes or is in a critical section gives no chance, so it
 * cannot fail a run.  Exception: a preemptible thread that computes outside
 * critical sections gives one chance in SIGNALS_NS or a unit, whichever is
 * longer.  There a signal comes soon: a sender checks after at most 0.8 ms
 * whether its message was read, and by default a refused signal is sent again
 * within 0.4 ms, unless 100 in a row were refused (lwkt_async.c).
 *
 * The sender of a message must have had chances first, because it may be about
 * to ring the doorbell; those of the receiver count from then on.  A CPU that
 * was halted for CHANCES units counts as having had its chances, because
 * another CPU should have woken it.
 *
 * Which thread should run is decided as the switch decides it (pick_free).  On
 * each CPU one waiter of each kind is watched at a time.  Each waiter has a
 * mark, a number made of values that change when the waiter is served: for
 * example the index of the ring, the thread's count of switches, the holders of
 * its tokens.  A waiter with another mark is a new waiter.  CPUs that are about
 * to stop are not checked.
 *
 * INVARIANTS
 * Nothing here changes the structures it reads, or the schedule: it has no
 * choice point and takes no random number.
 *
 * Source: TigerBeetle's simulator, which checks liveness beside safety.
 */
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"
#include "kern/sched/sched_var.h"
#include "kern/trouble/debug_var.h"

#include <limits.h>
#include <string.h>

#define MAXCPUS		64		/* CPUs of the simulated host */
#define LATE_NS		150000		/* its timers are at most so late */
#define CHANCES		3u		/* chances to serve a waiter */
#define SIGNALS_NS	600000		/* time to interrupt a computation */

/* A waiter, as it was when it was first seen. */
struct waiter {
	const void	*w_who;		/* thread, CPU...; NULL: no waiter */
	uint64_t	 w_mark;	/* changes when the waiter is served */
	int64_t		 w_since;	/* virtual ns */
	uint32_t	 w_chances;	/* chances of its CPU until then */
	uint32_t	 w_senders;	/* chances of the sender, or rounds */
};

/* The chances of a CPU, and the waiters watched there. */
struct life {
	int64_t		 l_exit_at;	/* ns; when l_exits last rose */
	int64_t		 l_yield_at;	/* ns; when l_yields last rose */
	uint32_t	 l_exits;	/* chances for all but threads */
	uint32_t	 l_yields;	/* chances for threads */
	uint32_t	 l_round;	/* l_exits when the round began */
	int		 l_src;		/* the CPU whose ring is watched */
	struct waiter	 l_better;
	struct waiter	 l_equal;
	struct waiter	 l_message;
	struct waiter	 l_deferred;
	struct waiter	 l_delayed;
	struct waiter	 l_timer;
};

static struct life lives[MAXCPUS];
/* ns: at most one chance is counted in a unit; check_at: time of next check. */
static int64_t unit, check_at;
static uint32_t rounds;		/* in each, all CPUs awake had a chance */
static const struct machine_point *point;	/* this choice point */

/* Forget the waiters and chances of an earlier boot. */
void
liveness_boot(void)
{
	memset(lives, 0, sizeof(lives));
	unit = clock_period() + LATE_NS;
	check_at = 0;
	rounds = 0;
}

/* Return 1 if cpu is not halted and has not stopped, else 0. */
static inline int
awake(int cpu)
{
	return (point->mp_awake >> cpu & 1) != 0;
}

static inline struct life *
life_of(struct globaldata *gd)
{
	return &lives[gd->gd_m.mc_cpuid];
}

/*
 * Return 1 if w is this waiter already: it was seen before, and neither its
 * mark nor the state of its CPU, awake or halted, has changed.  Else store the
 * waiter in w, with the present counts of chances, and return 0.
 */
static int
seen_before(struct globaldata *gd, struct waiter *w, const void *who,
    uint64_t mark, uint32_t chances, uint32_t senders)
{
	mark = mark << 1 | (uint64_t)awake(gd->gd_m.mc_cpuid);
	if (who != NULL && w->w_who == who && w->w_mark == mark)
		return 1;
	*w = (struct waiter){ who, mark, point->mp_now, chances, senders };
	return 0;
}

/* Return how long w will have waited after this choice point, in us. */
static int64_t
waited_us(const struct waiter *w)
{
	return (point->mp_until - w->w_since) / 1000;
}

/*
 * Return 1 if w has waited for CHANCES units, else 0.  For a halted CPU, which
 * has no chances of its own.
 */
static int
slept_over(const struct waiter *w)
{
	return point->mp_until - w->w_since >= (int64_t)CHANCES * unit;
}

/*
 * Return the thread that the switch would choose, or NULL if there is none.
 * Follows the rule of pick_free(), but takes no tokens.
 */
static lwkt_thread_t
would_pick(struct globaldata *gd)
{
	uint32_t mask = gd->gd_rqmask;
	lwkt_thread_t td, head;
	int upri = INT_MIN;

	for (; mask != 0; mask &= ~(1u << head->td_pri)) {
		td = head = gd->gd_rq[31 - __builtin_clz(mask)];
		do {
			if (td->td_ntoks == 0 &&
			    (td->td_pri >= LWKT_PRI_KERN_LPSCHED ||
			    td->td_upri >= upri))
				return td;
			if (td->td_ntoks != 0 && tokens_free(td))
				return td;
			if (td->td_ntoks != 0 && td->td_upri > upri)
				upri = td->td_upri;
			td = td->td_rqnext;
		} while (td != head);
	}
	return NULL;
}

/*
 * Return 1 if w should have been served by now, else 0.  A CPU that is awake
 * must serve w after CHANCES chances of its own; `chances` is their present
 * count.  A halted CPU must serve w after CHANCES units, if all CPUs that are
 * awake have had CHANCES chances as well, or none is awake.
 */
static int
overdue(struct globaldata *gd, const struct waiter *w, uint32_t chances)
{
	if (awake(gd->gd_m.mc_cpuid))
		return chances - w->w_chances >= CHANCES;
	return slept_over(w) && (point->mp_awake == 0 ||
	    rounds - w->w_senders >= CHANCES);
}

/*
 * Return the mark of a thread that waits for its CPU.  It contains td_id,
 * because the structure may be reused for another thread.
 */
static uint64_t
thread_mark(lwkt_thread_t td)
{
	return (td->td_id << 24) + td->td_switches + tokens_taken(td);
}

/*
 * Check the thread that the switch would choose, if it is better than the
 * running thread.  Panic if it is overdue.
 */
static void
check_better(struct globaldata *gd)
{
	lwkt_thread_t cur = gd->gd_m.mc_curthread, td = would_pick(gd);
	struct life *l = life_of(gd);
	struct waiter *w = &l->l_better;

	if (td == NULL || td->td_pri <= cur->td_pri ||
	    (td->td_flags & TDF_RUNNING)) {
		w->w_who = NULL;
		return;
	}
	if (!seen_before(gd, w, td, thread_mark(td), l->l_yields, rounds) ||
	    !overdue(gd, w, l->l_yields))
		return;
	lwkt_panic("liveness: cpu %d: thread \"%s\", priority %d, is runnable"
	    " and gets its tokens, but has waited for %lld us while %s "
	    "\"%s\", priority %d, %s", gd->gd_m.mc_cpuid, td->td_name,
	    td->td_pri, (long long)waited_us(w), cur->td_flags & TDF_IDLE ?
	    "the thread" : "thread", cur->td_name, cur->td_pri,
	    awake(gd->gd_m.mc_cpuid) ? "yields" : "is halted");
}

/* Return the number of runnable threads of td's priority; td is one of them. */
static uint32_t
ring_count(lwkt_thread_t td)
{
	lwkt_thread_t at = td;
	uint32_t n = 0;

	do
		n++;
	while ((at = at->td_rqnext) != td);
	return n;
}

/*
 * Return a runnable thread of the priority of cur, the running thread: the
 * watched one if it still has this priority, else the one after cur.  Return
 * NULL if there is none, if its tokens are not free, or if it or cur is an lwp.
 */
static lwkt_thread_t
find_equal(lwkt_thread_t cur, const void *watched)
{
	lwkt_thread_t td;

	if ((cur->td_flags & TDF_RUNQ) == 0 || cur->td_rqnext == cur)
		return NULL;
	td = cur->td_rqnext;
	while (td != cur && td != watched)
		td = td->td_rqnext;
	if (td == cur)
		td = cur->td_rqnext;
	/* When an lwp runs is decided by its user scheduler. */
	return ((cur->td_leave | td->td_leave) & TDL_LWP) == 0 &&
	    tokens_free(td) ? td : NULL;
}

/*
 * Check a runnable thread of the priority of the running one.  Each of the n
 * threads of this priority may run before it: panic after n + CHANCES chances.
 */
static void
check_equal(struct globaldata *gd)
{
	lwkt_thread_t cur = gd->gd_m.mc_curthread, td;
	struct life *l = life_of(gd);
	struct waiter *w = &l->l_equal;
	uint32_t n;

	if ((td = find_equal(cur, w->w_who)) == NULL) {
		w->w_who = NULL;
		return;
	}
	n = ring_count(cur);
	if (!seen_before(gd, w, td, thread_mark(td), l->l_yields, rounds) ||
	    l->l_yields - w->w_chances < n + CHANCES)
		return;
	lwkt_panic("liveness: cpu %d: thread \"%s\", priority %d, has waited "
	    "for %lld us while thread \"%s\" and %u other equals take turns",
	    gd->gd_m.mc_cpuid, td->td_name, td->td_pri,
	    (long long)waited_us(w), cur->td_name, n - 2);
}

/*
 * Return the first CPU, starting at `from`, from which gd has a message that is
 * not executed; *index gets its number in the ring.  Return -1 if there is
 * none.  CPUs that are about to stop are passed over.
 */
static int
find_ring(struct globaldata *gd, int from, uint32_t *index)
{
	int i, src;

	for (i = 0; i < lwkt__ncpus; i++) {
		src = (from + i) % lwkt__ncpus;
		if (src != gd->gd_m.mc_cpuid && !cpu_stops(gd_find(src)) &&
		    ipiq_waits(gd, src, index))
			return src;
	}
	return -1;
}

/*
 * Return the mark of a message.  Only the sender can interrupt a preemptible
 * thread that computes on the receiver.  So when the sender wakes up or is
 * halted, the mark changes and the wait is counted anew.
 */
static inline uint64_t
message_mark(struct globaldata *gd, int src, uint32_t index)
{
	int kicker = (atomic_peek_32(&gd->gd_m.mc_reqflags) &
	    RQF_PREEMPTIBLE) != 0 && awake(src);

	return (uint64_t)index << 1 | (uint64_t)kicker;
}

/*
 * Check a message in a ring of this CPU, the receiver.  The sender, unless it
 * is halted, first has CHANCES chances.  Then the receiver has CHANCES chances;
 * if it is halted, CHANCES units of time since the message was seen.  Panic if
 * the message is still in the ring after that.
 */
static void
check_message(struct globaldata *gd)
{
	struct life *l = life_of(gd), *sl;
	struct waiter *w = &l->l_message;
	uint32_t index;
	int src;

	src = find_ring(gd, l->l_src, &index);
	if (src == l->l_src && w->w_who == &lives[src] &&
	    (uint32_t)(w->w_mark >> 2) != index)	/* was executed */
		src = find_ring(gd, src + 1, &index);
	if (src < 0) {
		w->w_who = NULL;
		return;
	}
	l->l_src = src;
	sl = &lives[src];
	if (!seen_before(gd, w, sl, message_mark(gd, src, index), l->l_exits,
	    sl->l_exits))
		return;
	if (awake(src) && sl->l_exits - w->w_senders < CHANCES) {
		w->w_chances = l->l_exits;	/* perhaps not told yet */
		return;
	}
	if (awake(gd->gd_m.mc_cpuid) ? l->l_exits - w->w_chances < CHANCES :
	    !slept_over(w))
		return;
	lwkt_panic("liveness: cpu %d: a message from cpu %d, number %u, has "
	    "waited for %lld us while the receiver %s", gd->gd_m.mc_cpuid, src,
	    index, (long long)waited_us(w), awake(gd->gd_m.mc_cpuid) ? "leaves "
	    "critical sections" : "is halted");
}

/* Check the first deferred callback of this CPU; panic if it is overdue. */
static void
check_deferred(struct globaldata *gd)
{
	struct life *l = life_of(gd);
	struct waiter *w = &l->l_deferred;
	uint32_t index;

	if (!ipiq_waits(gd, -1, &index))
		w->w_who = NULL;
	else if (seen_before(gd, w, gd, index, l->l_exits, rounds) &&
	    overdue(gd, w, l->l_exits))
		lwkt_panic("liveness: cpu %d: callback %u has been deferred "
		    "for %lld us", gd->gd_m.mc_cpuid, index,
		    (long long)waited_us(w));
}

/*
 * Check a wakeup that the running thread has deferred; panic if it is overdue.
 * Each tick does these wakeups, so the time of the next tick is in the mark.
 */
static void
check_delayed(struct globaldata *gd)
{
	lwkt_thread_t cur = gd->gd_m.mc_curthread;
	const volatile void *ident = cur->td_cold->tc_delayed[0];
	struct life *l = life_of(gd);
	struct waiter *w = &l->l_delayed;

	if (ident == NULL)
		w->w_who = NULL;
	else if (seen_before(gd, w, cur, cur->td_id +
	    (uint64_t)gd->gd_hardclock.st_time, l->l_exits, rounds) &&
	    overdue(gd, w, l->l_exits))
		lwkt_panic("liveness: cpu %d: thread \"%s\" has delayed a "
		    "wakeup of %p for %lld us", gd->gd_m.mc_cpuid, cur->td_name,
		    (const void *)(uintptr_t)ident, (long long)waited_us(w));
}

/*
 * Check the armed deadline of this CPU; panic if it has passed and is overdue.
 * A CPU that has served its timers sets another deadline, which is the mark.
 */
static void
check_timer(struct globaldata *gd)
{
	struct life *l = life_of(gd);
	struct waiter *w = &l->l_timer;

	if (gd->gd_timer_armed > point->mp_now)
		w->w_who = NULL;
	else if (seen_before(gd, w, gd, (uint64_t)gd->gd_timer_armed,
	    l->l_exits, rounds) && overdue(gd, w, l->l_exits))
		lwkt_panic("liveness: cpu %d: a timer has been due for %lld "
		    "us while thread \"%s\" runs", gd->gd_m.mc_cpuid,
		    (long long)waited_us(w), gd->gd_m.mc_curthread->td_name);
}

/*
 * Check every kind of waiter on every CPU that is not about to stop.  If each
 * CPU that is awake has had a chance since the last round, count a round.
 */
static void
check_all(void)
{
	struct globaldata *gd;
	int cpu, all = 1;

	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		gd = gd_find(cpu);
		all &= !awake(cpu) || lives[cpu].l_exits !=
		    lives[cpu].l_round;
		if (cpu_stops(gd))
			continue;
		check_better(gd);
		check_equal(gd);
		check_message(gd);
		check_deferred(gd);
		check_delayed(gd);
		check_timer(gd);
	}
	rounds += (uint32_t)all;
	for (cpu = 0; all && cpu < lwkt__ncpus; cpu++)
		lives[cpu].l_round = lives[cpu].l_exits;
}

/* Count a chance if the last counted one is at least gap ns ago. */
static inline void
chance(uint32_t *count, int64_t *at, int64_t gap)
{
	if (point->mp_now - *at >= gap) {
		*at = point->mp_now;
		++*count;
	}
}

/*
 * Count the chances that td, the running thread, gives at this choice point:
 * none in a critical section.  The end of a critical section (CHOICE_CRIT) is a
 * chance for all kinds of waiters but threads.  Any other point is a chance for
 * threads, too.  In user code (CHOICE_USER) only a preemptible thread gives a
 * chance, if it has no tokens and no bit of td_leave: at most one in SIGNALS_NS
 * or a unit, whichever is longer.
 */
static void
count_chances(struct life *l, lwkt_thread_t td)
{
	int64_t gap = unit;

	if (td->td_critcount != 0)
		return;
	if (point->mp_kind == CHOICE_USER) {
		if ((td->td_flags & TDF_PREEMPTIBLE) == 0 ||
		    (td->td_ntoks | td->td_leave) != 0)
			return;
		if (gap < SIGNALS_NS)
			gap = SIGNALS_NS;
	}
	chance(&l->l_exits, &l->l_exit_at, gap);
	if (point->mp_kind != CHOICE_CRIT)
		chance(&l->l_yields, &l->l_yield_at, gap);
}

/*
 * mu_point: count the chances of this choice point.  Check all waiters, twice
 * in a unit of time.  Does nothing in TSan builds.
 */
void
liveness_point(const struct machine_point *mp)
{
	/* Acquire loads here would hide data races of the kernel from TSan. */
	if (LWKT_TSAN)
		return;
	point = mp;
	if (mp->mp_cpu >= 0)
		count_chances(&lives[mp->mp_cpu],
		    gd_find(mp->mp_cpu)->gd_m.mc_curthread);
	if (mp->mp_until >= check_at) {
		check_at = mp->mp_until < INT64_MAX - unit ?
		    mp->mp_until + unit / 2 : INT64_MAX;
		check_all();
		if (mp->mp_kind == CHOICE_PAUSE)
			check_all();	/* all CPUs wait: check new waiters */
	}
}
