/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bsd4: which lwp is the current one of which CPU.
 *
 * THEORY
 * All lwps that wait are in 96 queues for all CPUs, 32 for each class, with a
 * bit for each that is not empty; one lock guards them, and nothing is woken or
 * sent under it.  The current lwp of a CPU is written by that CPU alone, so
 * that an lwp that blocks and comes back to a CPU nobody else wants takes no
 * lock.  Its priority stands beside it for others to compare with.
 *
 * An lwp on its way back to its own code takes a CPU that has no current lwp,
 * unless somebody better waits; it takes it from a current one of a worse
 * queue, which does not run just now and finds out on its own way back; or it
 * goes to the queue.  Whoever gives up being current chooses the next.  Whoever
 * puts an lwp into a queue looks for a CPU: one that is ready and has no
 * current lwp, else one whose current lwp is worse.
 *
 * Slices: after rrinterval ticks a current lwp is asked to come by, and makes
 * room if one of its own queue or a better one waits.
 *
 * INVARIANTS
 * UB1 An lwp is the current one of at most one CPU, and is then not queued.
 * UB2 b4.q_bits bit n <=> b4.q_head[n] != NULL; q_count lwps in all of them.
 * UB3 If lwps wait, each CPU on which they may run has a current lwp that is no
 *    worse, was asked to come by, or will look: by its helper.
 *
 * Source: DragonFly usched_bsd4.c, without what it knows of the places of CPUs.
 */
#include "usched/bsd4_var.h"

#include <string.h>

TUNABLE_INT(rrinterval, "kern.usched_bsd4.rrinterval", 5, 1, 10000,
    "slice of an lwp, ticks of kern.schedhz");

COUNTER(taken, "kern.usched_bsd4.taken", "CPUs taken from a worse lwp");
COUNTER(slices, "kern.usched_bsd4.slices", "slices that ended for another lwp");
COUNTER(asked, "kern.usched_bsd4.asked", "CPUs asked to run a better lwp");

#define WORDS	howmany(BSD4_NQS, 32)

struct bsd4_pcpu {
	LWKT_CACHEALIGN
	lwkt_lwp_t	 dd_current;	/* (c) UB1 */
	int		 dd_rrcount;	/* (c) ticks of its slice */
	uint32_t	 dd_pri;	/* (c) writes, (a): of it, or NULLPRI */
};

static struct {
	struct lwkt_spin q_lock;
	uint32_t	 q_bits[WORDS];	/* under q_lock: UB2 */
	lwkt_lwp_t	 q_head[BSD4_NQS]; /* under q_lock: rings */
	uint32_t	 q_count;	/* (a) written under q_lock */
} b4;
static struct bsd4_pcpu pcpus[LWKT_MAXCPU];
static struct helpers help;

static inline struct bsd4_pcpu *
mine(void)
{
	return &pcpus[mycpuid];
}

uint32_t
bsd4_queued(void)
{
	return atomic_load_32(&b4.q_count);
}

/*
 * The queues; under the lock.
 */
static void
queue_insert(lwkt_lwp_t lp)
{
	struct bsd4_lwp *bl = bsd4_lwp(lp);
	int n = bl->bl_queue = bsd4_queue(bl->bl_pri);
	lwkt_lwp_t head = b4.q_head[n];

	if (head == NULL) {
		b4.q_head[n] = lp->lp_next = lp->lp_prev = lp;
		b4.q_bits[n / 32] |= 1u << n % 32;
	} else {
		lp->lp_next = head;
		lp->lp_prev = head->lp_prev;
		head->lp_prev->lp_next = lp;
		head->lp_prev = lp;
	}
	atomic_store_32(&b4.q_count, b4.q_count + 1);
}

static void
queue_remove(lwkt_lwp_t lp)
{
	int n = bsd4_lwp(lp)->bl_queue;

	if (lp->lp_next == lp) {
		b4.q_head[n] = NULL;
		b4.q_bits[n / 32] &= ~(1u << n % 32);
	} else {
		lp->lp_next->lp_prev = lp->lp_prev;
		lp->lp_prev->lp_next = lp->lp_next;
		if (b4.q_head[n] == lp)
			b4.q_head[n] = lp->lp_next;
	}
	bsd4_lwp(lp)->bl_queue = -1;
	atomic_store_32(&b4.q_count, b4.q_count - 1);
}

/* In queue n, for this CPU: the first one that may; one at home if near. */
static lwkt_lwp_t
queue_find(int n, int cpu)
{
	lwkt_lwp_t lp = b4.q_head[n], head = lp, next;

	while (!lwp_allowed(lp, cpu))
		if ((lp = lp->lp_next) == head)
			return NULL;
	next = lp->lp_next;
	return lwkt_getcpu(lp->lp_thread) != cpu && next != head &&
	    lwkt_getcpu(next->lp_thread) == cpu && lwp_allowed(next, cpu) ?
	    next : lp;
}

/* The best of queues 0 to last for this CPU, or NULL; it stays there. */
static lwkt_lwp_t
best(int last, int cpu)
{
	lwkt_lwp_t lp;
	uint32_t bits;
	int w, n;

	for (w = 0; w < WORDS; w++)
		for (bits = b4.q_bits[w]; bits != 0; bits &= bits - 1) {
			n = w * 32 + __builtin_ctz(bits);
			if (n > last)
				return NULL;
			if ((lp = queue_find(n, cpu)) != NULL)
				return lp;
		}
	return NULL;
}

/* The best of queues 0 to last for this CPU, off its queue. */
static lwkt_lwp_t
choose(int last)
{
	lwkt_lwp_t lp;

	if (bsd4_queued() == 0)
		return NULL;
	lwkt_spin_lock(&b4.q_lock);
	if ((lp = best(last, mycpuid)) != NULL)
		queue_remove(lp);
	lwkt_spin_unlock(&b4.q_lock);
	return lp;
}

/*
 * The current lwp of this CPU.
 */
static void
take(struct bsd4_pcpu *dd, lwkt_lwp_t lp)
{
	dd->dd_current = lp;
	dd->dd_rrcount = 0;
	atomic_store_32(&dd->dd_pri, bsd4_pri(lp));
	cpumask_set_atomic(&help.hp_busy, mycpuid);		/* UH2 */
}

static void
drop(struct bsd4_pcpu *dd)
{
	dd->dd_current = NULL;
	atomic_store_32(&dd->dd_pri, BSD4_NULLPRI);
	cpumask_clear_atomic(&help.hp_busy, mycpuid);		/* UH2 */
}

/* The best of queues 0 to last becomes the current one.  Whether one did. */
static int
choose_next(struct bsd4_pcpu *dd, int last)
{
	lwkt_lwp_t lp = choose(last);

	if (lp == NULL)
		return 0;
	take(dd, lp);
	lwkt_usched_dispatch(lp);
	return 1;
}

static void
bsd4_release(lwkt_lwp_t lp)
{
	struct bsd4_pcpu *dd = mine();

	if (dd->dd_current != lp)
		return;
	drop(dd);			/* before the look: helpers' ORDER */
	(void)choose_next(dd, BSD4_NQS);
}

/* Its slice ends, or somebody better came. */
static void
make_room(struct bsd4_pcpu *dd, lwkt_lwp_t lp)
{
	dd->dd_rrcount = 0;
	if (choose_next(dd, bsd4_queue(bsd4_pri(lp))))
		counter_inc(mygd()->gd_cntbias, slices);
}

/* lp may run on this CPU: does it get it?  Or somebody better who waits. */
static int
try_take(struct bsd4_pcpu *dd, lwkt_lwp_t lp)
{
	int n = bsd4_queue(bsd4_pri(lp));

	if (dd->dd_current == NULL && choose_next(dd, n - 1))
		return 0;
	if (bsd4_queue(atomic_peek_32(&dd->dd_pri)) <= n)
		return 0;
	if (dd->dd_current != NULL)
		counter_inc(mygd()->gd_cntbias, taken);
	take(dd, lp);
	return 1;
}

static void	bsd4_resetpriority(lwkt_lwp_t lp);

static void
bsd4_acquire(lwkt_lwp_t lp)
{
	struct bsd4_pcpu *dd = mine();

	bsd4_recalculate(lp);
	bsd4_resetpriority(lp);
	if (lwkt_usched_wanted() && dd->dd_current == lp)
		make_room(dd, lp);
	for (;;) {
		if (!lwp_allowed(lp, mycpuid))
			bsd4_release(lp);
		else if (dd->dd_current == lp || try_take(dd, lp))
			return;
		lwkt_usched_requeue(lp);
		dd = mine();
	}
}

/* lp has come to queue n: ask a CPU whose current lwp is of a worse one. */
static void
ask_worse(lwkt_lwp_t lp, int n)
{
	int i, cpu, home = lwkt_getcpu(lp->lp_thread);

	for (i = 0; i < lwkt__ncpus; i++) {
		cpu = (home + i) % lwkt__ncpus;
		if (lwp_allowed(lp, cpu) &&
		    cpumask_test_atomic(&help.hp_busy, cpu) &&
		    bsd4_queue(atomic_load_32(&pcpus[cpu].dd_pri)) > n) {
			counter_inc(mygd()->gd_cntbias, asked);
			lwkt_usched_resched(cpu);
			return;
		}
	}
}

/* On its CPU, so that it is not given away meanwhile. */
static void
bsd4_setrunqueue(lwkt_lwp_t lp)
{
	int n = bsd4_queue(bsd4_pri(lp));

	lwkt_spin_lock(&b4.q_lock);
	queue_insert(lp);
	lwkt_spin_unlock(&b4.q_lock);
	if (!helpers_wake(&help, lp))
		ask_worse(lp, n);				/* UB3 */
}

/* On its CPU; it may be chosen by another one at the same time. */
static void
bsd4_resetpriority(lwkt_lwp_t lp)
{
	struct bsd4_lwp *bl = bsd4_lwp(lp);
	struct bsd4_pcpu *dd = mine();
	uint32_t pri = bsd4_priority(lp);
	int again = 0;

	if (dd->dd_current == lp && atomic_peek_32(&dd->dd_pri) != pri)
		atomic_store_32(&dd->dd_pri, pri);
	if (pri == bl->bl_pri && lp->lp_mode != LWKT_LWP_QUEUED)
		return;
	lwkt_spin_lock(&b4.q_lock);
	atomic_store_32(&bl->bl_pri, pri);
	if (bl->bl_queue >= 0) {
		queue_remove(lp);
		again = 1;
	}
	lwkt_spin_unlock(&b4.q_lock);
	lwkt_usched_setupri(lp, -bsd4_queue(pri));
	if (again)
		bsd4_setrunqueue(lp);
}

static void
bsd4_schedulerclock(lwkt_lwp_t lp)
{
	struct bsd4_pcpu *dd = mine();

	if (lp != NULL) {
		bsd4_charge(lp);
		bsd4_resetpriority(lp);
	}
	if (dd->dd_current == NULL || ++dd->dd_rrcount < rrinterval)
		return;
	dd->dd_rrcount = 0;
	if (bsd4_queued() != 0)
		lwkt_usched_resched(mycpuid);
}

/* A CPU woken for an lwp that another one has got wakes one for the next. */
static void
bsd4_look(int cpu)
{
	struct bsd4_pcpu *dd = mine();
	lwkt_lwp_t lp = NULL;
	int n;

	if (dd->dd_current == NULL)
		(void)choose_next(dd, BSD4_NQS);
	lwkt_spin_lock(&b4.q_lock);
	for (n = 0; n < BSD4_NQS && lp == NULL; n++)
		lp = b4.q_head[n];
	if (lp != NULL)
		lwkt_hold(lp->lp_thread);
	lwkt_spin_unlock(&b4.q_lock);
	(void)cpu;
	if (lp == NULL)
		return;
	(void)helpers_wake(&help, lp);
	lwkt_rele(lp->lp_thread);
}

static int
bsd4_register(void)
{
	return helpers_start(&help, bsd4_look, "usched bsd4");
}

/* UB2; all of them, in invariants builds on the simulated host. */
static void
queues_check(void)
{
	lwkt_lwp_t lp, head;
	uint32_t count = 0;
	int n;

	for (n = 0; n < BSD4_NQS; n++) {
		lp = head = b4.q_head[n];
		KASSERTF((head != NULL) ==
		    ((b4.q_bits[n / 32] >> n % 32 & 1) != 0), "queue %d and "
		    "bits %#x disagree", n, b4.q_bits[n / 32]);
		for (; lp != NULL; lp = lp->lp_next != head ? lp->lp_next :
		    NULL) {
			count++;
			KASSERTF(lp->lp_mode == LWKT_LWP_QUEUED &&
			    bsd4_lwp(lp)->bl_queue == n, "lwp \"%s\" in queue "
			    "%d: mode %d, queue %d", lp->lp_thread->td_name, n,
			    lp->lp_mode, bsd4_lwp(lp)->bl_queue);
		}
	}
	KASSERTF(count == b4.q_count, "%u lwps are queued, the count is %u",
	    count, b4.q_count);
}

static void
bsd4_check(int cpu)
{
	lwkt_lwp_t lp = pcpus[cpu].dd_current;
	int other;

	if (!config_host_sim)
		return;			/* other CPUs change it meanwhile */
	KASSERTF((lp != NULL) == cpumask_test(&help.hp_busy, cpu),
	    "cpu %d is busy without a current lwp, or has one and is not busy",
	    cpu);
	for (other = 0; lp != NULL && other < lwkt__ncpus; other++)
		KASSERTF(other == cpu || pcpus[other].dd_current != lp,
		    "lwp \"%s\" is current on cpus %d and %d",	/* UB1 */
		    lp->lp_thread->td_name, cpu, other);
	KASSERTF(lp == NULL || bsd4_lwp(lp)->bl_queue < 0,	/* UB1 */
	    "lwp \"%s\" is current and queued", lp->lp_thread->td_name);
	if (b4.q_lock.s_lock == 0)
		queues_check();
}

void
bsd4_boot(void)
{
	int cpu;

	memset(pcpus, 0, sizeof(pcpus));
	memset(&help, 0, sizeof(help));
	memset(&b4, 0, sizeof(b4));
	lwkt_spin_init(&b4.q_lock, "usched bsd4");
	for (cpu = 0; cpu < LWKT_MAXCPU; cpu++)
		pcpus[cpu].dd_pri = BSD4_NULLPRI;
}

const struct lwkt_usched lwkt__usched_bsd4 = {
	.us_name = "bsd4",
	.us_desc = "classes, nice and recent CPU use",
	.us_register = bsd4_register,
	.us_acquire_curproc = bsd4_acquire,
	.us_release_curproc = bsd4_release,
	.us_setrunqueue = bsd4_setrunqueue,
	.us_schedulerclock = bsd4_schedulerclock,
	.us_resetpriority = bsd4_resetpriority,
	.us_heuristic_forking = bsd4_forking,
	.us_check = bsd4_check,
};
