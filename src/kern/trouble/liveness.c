/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Liveness checks of the simulated host: a waiter that could be served must be
 * served in time.
 *
 * THEORY
 * A lost wake-up need not hang a run: another message, a timer or the end of
 * the test may wake the waiter later.  So while no CPU runs (mu_point) this
 * file looks for waiters, and notes when it first saw each.  There are these
 * kinds of waiters:
 *
 * - a runnable thread, better than the one that runs, whose tokens are free;
 * - a runnable thread of the priority of the thread that runs;
 * - a message in a ring, or one that was read and deferred;
 * - a wakeup that the running thread has deferred;
 * - a timer that is due.
 *
 * A chance is an event at which the kernel must serve the waiter.  For a thread
 * it is a yield of the running thread.  For the other kinds it is the end of
 * the running thread's outermost critical section.  A run fails if a waiter is
 * still there after CHANCES of them.  At most one chance is counted in a unit,
 * which is a tick plus the lateness of the simulated timer.  So between two
 * chances a tick has come if one was armed.
 *
 * A thread that computes or is in a critical section gives no chance, so it
 * cannot fail a run.  A preemptible thread that computes gives one in
 * SIGNALS_NS: a sender checks after at most 0.8 ms whether its message was
 * read, and a refused signal is sent again within 0.4 ms (lwkt_async.c).  The
 * sender of a message must have had chances as well, because it may be about
 * to ring the doorbell.  A CPU that was halted for CHANCES units counts as
 * having had its chances, because another CPU should have woken it.
 *
 * Which thread should run is decided as the switch does it (pick_free).  On
 * each CPU one waiter of each kind is watched at a time.  A waiter that is
 * served goes away, or its mark changes: the index of the ring, the thread's
 * count of switches, the owners of its tokens.  CPUs that are about to stop are
 * not checked.
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

#define MAXCPUS		64		/* of the simulated host */
#define LATE_NS		150000		/* of its timers, at most */
#define CHANCES		3u
#define SIGNALS_NS	600000

struct waiter {
	const void	*w_who;		/* NULL: none */
	uint64_t	 w_mark;
	int64_t		 w_since;
	uint32_t	 w_chances;	/* chances of its CPU then */
	uint32_t	 w_senders;	/* chances of the sender then */
};

struct life {
	int64_t		 l_exit_at;	/* when the last one was counted */
	int64_t		 l_yield_at;
	uint32_t	 l_exits;	/* chances for messages and wakeups */
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
static int64_t unit, look_at;	/* time of the next check */
static uint32_t rounds;		/* in each, all CPUs awake had a chance */
static const struct machine_point *point;

void
liveness_boot(void)
{
	memset(lives, 0, sizeof(lives));
	unit = clock_period() + LATE_NS;
	look_at = 0;
	rounds = 0;
}

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
 * Tell whether this waiter was seen before and has not been served since, with
 * the CPU awake or asleep as now.  If not, note it in w.
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

/* Return how long w has waited, in microseconds. */
static int64_t
waited_us(const struct waiter *w)
{
	return (point->mp_until - w->w_since) / 1000;
}

/* Tell whether w has waited for CHANCES units, for a CPU that is not awake. */
static int
slept_over(const struct waiter *w)
{
	return point->mp_until - w->w_since >= (int64_t)CHANCES * unit;
}

/*
 * Return the thread that the switch would choose: pick_free, without taking
 * tokens.  NULL if there is none.
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
 * Tell whether w should have been served by now.  A CPU that is awake must
 * serve it after CHANCES of its own.  A halted CPU must serve it after CHANCES
 * units, once all CPUs that are awake have had as many chances.
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
 * Return the mark of a thread that waits for its CPU.  Structures are reused,
 * so the number of the thread is in it.
 */
static uint64_t
thread_mark(lwkt_thread_t td)
{
	return (td->td_id << 24) + td->td_switches + tokens_taken(td);
}

/* Look for a runnable thread that is better than the running one. */
static void
look_better(struct globaldata *gd)
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

/* Count the threads on the run queue of td, which is on one. */
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
 * Return the watched thread of the priority of cur if it still is one, else the
 * next one, else NULL.
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
	/* Lwps have their own rule, which is their scheduler's. */
	return ((cur->td_leave | td->td_leave) & TDL_LWP) == 0 &&
	    tokens_free(td) ? td : NULL;
}

/* Look for a thread of the priority of the running one that gets no turn. */
static void
look_equal(struct globaldata *gd)
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

/* Return the first CPU, starting at `from`, whose ring has an entry; or -1. */
static int
find_ring(struct globaldata *gd, int from, uint32_t *index)
{
	int i, src;

	for (i = 0; i < lwkt__ncpus; i++) {
		src = (from + i) % lwkt__ncpus;
		if (src != gd->gd_m.mc_cpuid && !gd_find(src)->gd_stopping &&
		    ipiq_waits(gd, src, index))
			return src;
	}
	return -1;
}

/*
 * Compute the mark of a message.  A preemptible thread that computes can only
 * be interrupted by the sender.  So when the sender wakes up, the mark changes
 * and the wait is counted anew.
 */
static inline uint64_t
message_mark(struct globaldata *gd, int src, uint32_t index)
{
	int kicker = (atomic_peek_32(&gd->gd_m.mc_reqflags) &
	    RQF_PREEMPTIBLE) != 0 && awake(src);

	return (uint64_t)index << 1 | (uint64_t)kicker;
}

/* Look for a message in a ring that is not executed. */
static void
look_message(struct globaldata *gd)
{
	struct life *l = life_of(gd), *sl;
	struct waiter *w = &l->l_message;
	uint32_t index;
	int src;

	src = find_ring(gd, l->l_src, &index);
	if (src == l->l_src && w->w_who == &lives[src] &&
	    (uint32_t)(w->w_mark >> 2) != index)	/* next ring */
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
	if (awake(gd->gd_m.mc_cpuid) ? l->l_exits - w->w_chances < CHANCES :
	    !slept_over(w))
		return;
	if (awake(src) && sl->l_exits - w->w_senders < CHANCES)
		return;
	lwkt_panic("liveness: cpu %d: a message from cpu %d, number %u, has "
	    "waited for %lld us while the receiver %s", gd->gd_m.mc_cpuid, src,
	    index, (long long)waited_us(w), awake(gd->gd_m.mc_cpuid) ? "leaves "
	    "critical sections" : "is halted");
}

/* Look for a deferred callback that is not called. */
static void
look_deferred(struct globaldata *gd)
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
 * Look for a delayed wakeup.  Each tick does these wakeups, so the time of the
 * next tick is in the mark.
 */
static void
look_delayed(struct globaldata *gd)
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
 * Look for a timer that is due.  A CPU that has served its timers sets another
 * deadline, so the mark changes.
 */
static void
look_timer(struct globaldata *gd)
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

/* Look at every kind of waiter on every CPU. */
static void
look_all(void)
{
	struct globaldata *gd;
	int cpu, all = 1;

	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		gd = gd_find(cpu);
		all &= !awake(cpu) || lives[cpu].l_exits !=
		    lives[cpu].l_round;
		if (gd->gd_stopping)
			continue;
		look_better(gd);
		look_equal(gd);
		look_message(gd);
		look_deferred(gd);
		look_delayed(gd);
		look_timer(gd);
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

/* Count the chances that td gives at this choice point. */
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

/* mu_point: count the chances of this choice point, and look at all waiters. */
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
	if (mp->mp_until >= look_at) {
		look_at = mp->mp_until < INT64_MAX - unit ?
		    mp->mp_until + unit / 2 : INT64_MAX;
		look_all();
		if (mp->mp_kind == CHOICE_PAUSE)
			look_all();	/* check what the first call noted */
	}
}
