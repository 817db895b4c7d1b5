/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bsd4: the queues of lwps that wait.  USES no other file of the layer.
 *
 * THEORY
 * All lwps that wait are in 96 queues, 32 for each class, which all CPUs share.
 * Each queue has a bit that is set while the queue is not empty.  One lock
 * guards all queues.  While it is held, no thread is woken and no IPI is sent.
 * Only this file takes the lock.  Other files read only the number of lwps,
 * without the lock.
 *
 * INVARIANTS
 * UQ1 Bit n of q_bits <=> q_head[n] != NULL; q_count lwps in all queues.
 * UQ2 bl_queue is the queue that an lwp is on, or -1.
 *
 * Source: DragonFly usched_bsd4.c.
 */
#include "usched/bsd4_var.h"

#include <string.h>

struct bsd4_queues lwkt__bsd4_queues;

#define b4	lwkt__bsd4_queues

/* Append lp to the queue of its priority.  The caller holds the lock. */
static void
queue_insert(lwkt_lwp_t lp)
{
	struct bsd4_lwp *bl = bsd4_lwp(lp);
	int n = bl->bl_queue = bsd4_queue(bl->bl_pri);	/* UQ2 */
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

/* Take lp off its queue.  The caller holds the lock. */
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
 * Return the first lwp in queue n that may run on cpu.  But if that lwp belongs
 * to another CPU, and the next one in the queue belongs to cpu and may run
 * there, return the next one, which need not be moved.  Returns NULL if none
 * may run on cpu.  Queue n is not empty.  The caller holds the lock.
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

/*
 * Return the best lwp in queues 0 to last that may run on cpu, or NULL.  The
 * lwp stays queued.  The caller holds the lock.
 */
static lwkt_lwp_t
best(int last, int cpu)
{
	lwkt_lwp_t lp;
	uint32_t bits;
	int w, n;

	for (w = 0; w < BSD4_WORDS; w++)
		for (bits = b4.q_bits[w]; bits != 0; bits &= bits - 1) {
			n = w * 32 + __builtin_ctz(bits);
			if (n > last)
				return NULL;
			if ((lp = queue_find(n, cpu)) != NULL)
				return lp;
		}
	return NULL;
}

/*
 * Dequeue the best lwp in queues 0 to last that may run on this CPU, and return
 * it.  Returns NULL if there is none.
 */
lwkt_lwp_t
bsd4_choose(int last)
{
	lwkt_lwp_t lp;

	lwkt_spin_lock(&b4.q_lock);
	if ((lp = best(last, mycpuid)) != NULL)
		queue_remove(lp);
	lwkt_spin_unlock(&b4.q_lock);
	return lp;
}

/* Append lp to the queue of its priority. */
void
bsd4_enqueue(lwkt_lwp_t lp)
{
	lwkt_spin_lock(&b4.q_lock);
	queue_insert(lp);
	lwkt_spin_unlock(&b4.q_lock);
}

/*
 * Set the priority of lp.  If lp is queued, take it off its queue and return 1;
 * else return 0.  Another CPU may take lp off its queue at the same time.  If
 * that CPU gets the lock first, bl_queue is -1 here, and the result is 0.
 */
int
bsd4_setpri(lwkt_lwp_t lp, uint32_t pri)
{
	struct bsd4_lwp *bl = bsd4_lwp(lp);
	int queued = 0;

	lwkt_spin_lock(&b4.q_lock);
	atomic_store_32(&bl->bl_pri, pri);
	if (bl->bl_queue >= 0) {
		queue_remove(lp);
		queued = 1;
	}
	lwkt_spin_unlock(&b4.q_lock);
	return queued;
}

/*
 * Return the first lwp in queue n that may run on one of cpus, or NULL.  The
 * caller holds the lock.
 */
static lwkt_lwp_t
queue_first(int n, const lwkt_cpumask_t *cpus)
{
	lwkt_lwp_t lp = b4.q_head[n], head = lp;

	while (lp != NULL && !lwp_allowed_any(lp, cpus))
		lp = lp->lp_next != head ? lp->lp_next : NULL;
	return lp;
}

/*
 * Return the best queued lwp that may run on one of cpus, or NULL if there is
 * none.  The lwp stays queued.  Its thread is held: the caller must call
 * lwkt_rele().
 */
lwkt_lwp_t
bsd4_hold_first(const lwkt_cpumask_t *cpus)
{
	lwkt_lwp_t lp = NULL;
	int n;

	lwkt_spin_lock(&b4.q_lock);
	for (n = 0; n < BSD4_NQS && lp == NULL; n++)
		lp = queue_first(n, cpus);
	if (lp != NULL)
		lwkt_hold(lp->lp_thread);
	lwkt_spin_unlock(&b4.q_lock);
	return lp;
}

/*
 * Panic if UQ1 is broken, or UQ2 for an lwp in a queue.  Does nothing while a
 * CPU holds the lock.  Called in invariants builds on the simulated host.
 */
void
bsd4_queues_check(void)
{
	lwkt_lwp_t lp, head;
	uint32_t count = 0;
	int n;

	if (b4.q_lock.s_lock != 0)
		return;			/* a CPU is changing the queues */
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

/* Reset what an earlier boot may have left. */
void
bsd4_queues_boot(void)
{
	memset(&b4, 0, sizeof(b4));
	lwkt_spin_init(&b4.q_lock, "usched bsd4");
}
