/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bsd4: which lwp is the current one of which CPU.
 *
 * THEORY
 * All lwps that wait are in 96 queues, 32 for each class, which all CPUs share.
 * A bit for each queue says that it is not empty.  One lock guards the queues.
 * While it is held, no thread is woken and no IPI is sent.  Only a CPU itself
 * writes its current lwp.  So an lwp that blocks, and returns to a CPU that no
 * other lwp wants, takes no lock.  The priority of the current lwp is stored
 * beside it, for other CPUs to compare with.
 *
 * An lwp that returns to user mode has three cases.  It takes a CPU that has no
 * current lwp, unless a better lwp waits.  It takes the CPU from a current lwp
 * of a worse queue: that lwp is not running at this moment, and notices the
 * loss when it returns itself.  Otherwise it goes to the queue.
 *
 * A CPU whose current lwp is released chooses the next one.  A CPU that queues
 * an lwp looks for a CPU that can run it: one that is ready and has no current
 * lwp, else one whose current lwp is worse.
 *
 * Slices: after rrinterval ticks the scheduler asks the current lwp to call
 * acquire.  There the lwp gives up the CPU if another one waits in its own
 * queue or in a better one.
 *
 * INVARIANTS
 * UB1 An lwp is the current one of at most one CPU, and is then not queued.
 * UB2 b4.q_bits bit n <=> b4.q_head[n] != NULL; q_count lwps in all of them.
 * UB3 If lwps wait, each CPU on which they may run has a current lwp that is no
 *    worse, or was asked to call acquire, or will look (its helper does).
 *
 * Source: DragonFly usched_bsd4.c, without its knowledge of CPU topology.
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

/* Return what bsd4 has of this CPU. */
static inline struct bsd4_pcpu *
mine(void)
{
	return &pcpus[mycpuid];
}

/* Return how many lwps wait.  Any CPU: a hint without the lock. */
uint32_t
bsd4_queued(void)
{
	return atomic_load_32(&b4.q_count);
}

/*
 * The queues.  These functions need q_lock.
 */

/* Append lp to the queue of its priority. */
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

/* Take lp off its queue. */
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

/*
 * Find an lwp in queue n that may run on cpu: the first, or the one after it if
 * that one belongs to cpu and the first does not.  NULL: none may.
 */
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

/* Find the best lwp for cpu in queues 0 to last, or NULL; it stays queued. */
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

/* Take the best lwp for this CPU off queues 0 to last; NULL: there is none. */
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

/* Make lp the current lwp of this CPU. */
static void
take(struct bsd4_pcpu *dd, lwkt_lwp_t lp)
{
	dd->dd_current = lp;
	dd->dd_rrcount = 0;
	atomic_store_32(&dd->dd_pri, bsd4_pri(lp));
	cpumask_set_atomic(&help.hp_busy, mycpuid);		/* UH2 */
}

/* Leave this CPU without a current lwp. */
static void
drop(struct bsd4_pcpu *dd)
{
	dd->dd_current = NULL;
	atomic_store_32(&dd->dd_pri, BSD4_NULLPRI);
	cpumask_clear_atomic(&help.hp_busy, mycpuid);		/* UH2 */
}

/* Make the best lwp of queues 0 to last current.  Return 1 if there is one. */
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

/* us_release_curproc: choose another current lwp if lp is it. */
static void
bsd4_release(lwkt_lwp_t lp)
{
	struct bsd4_pcpu *dd = mine();

	if (dd->dd_current != lp)
		return;
	drop(dd);			/* before the look: helpers' ORDER */
	(void)choose_next(dd, BSD4_NQS);
}

/* Give the CPU of lp to an lwp of its queue or a better one, if one waits. */
static void
make_room(struct bsd4_pcpu *dd, lwkt_lwp_t lp)
{
	dd->dd_rrcount = 0;
	if (choose_next(dd, bsd4_queue(bsd4_pri(lp))))
		counter_inc(mygd()->gd_cntbias, slices);
}

/*
 * Try to make lp current on this CPU, where it may run.  Return 0 if a better
 * lwp that waits gets the CPU, or the current one keeps it.
 */
static int
try_take(struct bsd4_pcpu *dd, lwkt_lwp_t lp)
{
	int n = bsd4_queue(bsd4_pri(lp));

	/* If the CPU is free, a better lwp that waits comes first. */
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

/* us_acquire_curproc: wait until lp is current on a CPU that it may use. */
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

/* Ask a CPU whose current lwp is in a worse queue than n to make room. */
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

/*
 * us_setrunqueue: queue lp and find a CPU for it.  This is the CPU of lp: so lp
 * cannot be given away, or end, before this function returns.
 */
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

/*
 * us_resetpriority: compute the priority of lp again, and move lp to its new
 * queue.  Another CPU may take lp off its queue at the same time.
 */
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
	/* Under the lock bl_queue says whether another CPU has taken lp. */
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

/* us_schedulerclock: charge lp a tick, and end a slice that is used up. */
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

/*
 * Take an lwp for this CPU, which was woken (hp_look).  Then wake another CPU
 * for the best one that still waits: another CPU may have taken the lwp that
 * this one was woken for, and then no other wake-up is to come.
 */
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

/* us_register: start the helpers of all CPUs. */
static int
bsd4_register(void)
{
	return helpers_start(&help, bsd4_look, "usched bsd4");
}

/* Check all queues (UB2): invariants builds on the simulated host. */
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

/* us_check: check what cpu has (UB1), and the queues. */
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

/* Reset all that a boot before this one may have left. */
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
