/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wake the threads that sleep on an address, on any CPU.  THEORY, INVARIANTS
 * (SY) and ORDER (SO1) are in kern_synch.c.  The functions that are passed no
 * domain wake only sleepers of domain 0.
 */
#include "kern/time/systimer_var.h"
#include "kern/sleep/sleepq.h"

#include <limits.h>
#include <lwkt/ipiq.h>
#include <lwkt/synch.h>

TRACEPOINT(wake, KTR_SLEEP, "sleep.wake", "td=%llu from=%llu");
TRACEPOINT(remote, KTR_SLEEP, "sleep.remote", "cpu=%llu max=%llu");

COUNTER(sent, "lwkt.wakeup_ipis", "wakeups sent to another CPU");
COUNTER(forwarded, "lwkt.wakeup_forwards", "lwkt_wakeup_one passed on to "
    "another CPU");
COUNTER(useless, "lwkt.wakeup_useless", "wakeups received that woke no thread");

#define WAKE_ALL	INT_MAX		/* as max: wake every sleeper */
/* Most threads that one message may wake; 8 bits of it say how many. */
#define WAKE_CHUNK	(config_hard ? 2 : 255)

/*
 * td has just been taken off its queue.  If it sleeps, make it runnable and
 * return 1.  If it is only interlocked, return 0.  origin: the CPU that called
 * the wakeup.
 */
static inline int
wake_thread(struct globaldata *gd, lwkt_thread_t td, int origin)
{
	td->td_flags &= ~TDF_TSLEEPQ;				/* SY1 */
	td->td_wakefromcpu = origin;
	ktr(gd, wake, td->td_id, origin);
	if ((td->td_flags & TDF_TSLEEP_DESCHEDULED) == 0)
		return 0;					/* SY3 */
	wake_local(gd, td);
	return 1;
}

/*
 * Wake up to max sleepers of this CPU on ident, in the order in which they were
 * queued.  Return how many of the max are still to be woken.  A thread that is
 * only interlocked is taken off the queue but not counted.
 */
static __lwkt_noinline int
wake_queue(struct globaldata *gd, struct tslpque *tq,
    const volatile void *ident, uint32_t domain, int max, int origin)
{
	lwkt_thread_t td, next;

	for (td = TAILQ_FIRST(&tq->tq_queue); td != NULL; td = next) {
		next = TAILQ_NEXT(td, td_sleepq);
		if (td->td_wchan != ident || td->td_wdomain != domain)
			continue;
		TAILQ_REMOVE(&tq->tq_queue, td, td_sleepq);
		if ((max -= wake_thread(gd, td, origin)) == 0)
			break;
	}
	return max;
}

/*
 * Return the next candidate for the ident `id`, or -1.  The search begins at
 * the CPU that follows `after` and wraps around; it ends before origin.
 */
static int
tslp_next(unsigned slot, uintptr_t id, int after, int origin)
{
	int ncpus = lwkt__ncpus;
	int cpu, dist, skip;
	uint64_t bits;

	for (dist = (after - origin + ncpus) % ncpus + 1; dist < ncpus;
	    dist += skip) {
		cpu = (origin + dist) % ncpus;
		bits = atomic_load_64(tslp_word(slot, cpu)) >> (cpu % 64);
		if (bits & 1) {
			if (filter_passes(&gd_find(cpu)->gd_tslpque[slot].
			    tq_filter, id))
				return cpu;
			skip = 1;
		} else {
			skip = bits != 0 ? __builtin_ctzll(bits) :
			    64 - cpu % 64;
			if (skip > ncpus - cpu)
				skip = ncpus - cpu;
		}
	}
	return -1;
}

/*
 * Pack a wakeup into one int.  Bits 16 to 31: domain, which has only these; 8
 * to 15: max, 0 for WAKE_ALL; 0 to 7: origin.
 */
static inline int
wake_pack(uint32_t domain, int max, int origin)
{
	return (int)(domain | (uint32_t)(max == WAKE_ALL ? 0 : max) << 8 |
	    (uint32_t)origin);
}

static void	wakeup_remote(void *arg, int packed);

/*
 * Send one message, for up to max wakeups, to the next candidate after the CPU
 * `after`.  Return 1, or 0 if there is no candidate.
 */
static int
wake_send(struct globaldata *gd, unsigned slot, void *ident, uint32_t domain,
    int max, int after, int origin)
{
	int cpu = tslp_next(slot, (uintptr_t)ident, after, origin);

	if (cpu < 0)
		return 0;
	counter_inc(gd->gd_cntbias, sent);
	ktr(gd, remote, cpu, max);
	lwkt_send_ipiq2(cpu, wakeup_remote, ident,
	    wake_pack(domain, max, origin));
	return 1;
}

/*
 * IPI callback: serve a wakeup by another CPU.  If it is not for all sleepers,
 * send what is left of max on to the next candidate.  The waker made the
 * condition true before it sent the message.  The fence comes after this
 * message, and before the reads of the mask and of the filters of the next
 * candidates (SO1).
 */
static void
wakeup_remote(void *ident, int packed)
{
	struct globaldata *gd = mygd();
	uint32_t domain = (uint32_t)packed & LWKT_PDOMAIN_MASK;
	int origin = packed & 0xff;
	int max = (packed >> 8) & 0xff;
	unsigned slot = tslp_slot(ident);
	struct tslpque *tq = &gd->gd_tslpque[slot];
	int left;

	if (max == 0)
		max = WAKE_ALL;
	left = wake_queue(gd, tq, ident, domain, max, origin);
	if (left == max)
		counter_inc(gd->gd_cntbias, useless);
	if (left == max || TAILQ_FIRST(&tq->tq_queue) == NULL)
		tslp_clean(gd, tq, slot);
	if (max == WAKE_ALL || left == 0)
		return;
	atomic_fence_seq_cst();					/* SO1 */
	if (wake_send(gd, slot, ident, domain, left, gd->gd_m.mc_cpuid,
	    origin))
		counter_inc(gd->gd_cntbias, forwarded);
}

/*
 * Send the wakeups to other CPUs: to each candidate if max is WAKE_ALL.  Else
 * each message is for up to WAKE_CHUNK threads; it starts at the first
 * candidate and is sent on from there (wakeup_remote).  Called after the fence
 * of wake_others_if(), in a leaf section.
 */
static __lwkt_noinline void
wake_others(struct globaldata *gd, unsigned slot, void *ident,
    uint32_t domain, int max)
{
	uintptr_t id = (uintptr_t)ident;
	int me = gd->gd_m.mc_cpuid;
	int chunk, cpu = me;

	crit_enter_td(curthread);				/* CR3 */
	if (max == WAKE_ALL) {
		while ((cpu = tslp_next(slot, id, cpu, me)) >= 0) {
			counter_inc(gd->gd_cntbias, sent);
			ktr(gd, remote, cpu, 0);
			lwkt_send_ipiq2(cpu, wakeup_remote, ident,
			    wake_pack(domain, WAKE_ALL, me));
		}
	} else {
		for (; max > 0; max -= chunk) {
			chunk = max < WAKE_CHUNK ? max : WAKE_CHUNK;
			if (!wake_send(gd, slot, ident, domain, chunk, me, me))
				break;
		}
	}
	crit_exit_noyield(curthread);
}

/*
 * Send the wakeups to other CPUs, if another one may have sleepers.  With up to
 * 64 CPUs the usual case, that none has, is found here.  The fence lies between
 * the store that made the condition true and the reads of mask and filter
 * (SO1).  Leaf section.
 */
static inline void
wake_others_if(struct globaldata *gd, unsigned slot,
    const volatile void *ident, uint32_t domain, int max)
{
	int me = gd->gd_m.mc_cpuid;

	atomic_fence_seq_cst();					/* SO1 */
	if (tslp_words == 1 && (atomic_load_64(tslp_word(slot, me)) &
	    ~CPUMASK_BIT(me)) == 0)
		return;
	wake_others(gd, slot, (void *)(uintptr_t)ident, domain, max);
}

/*
 * Wake up to max sleepers: those of this CPU first, then, if `everywhere` is 1,
 * those of all other CPUs.  The usual case, one thread that sleeps on ident and
 * is alone in its queue, is done here.
 */
static inline void
wake(const volatile void *ident, uint32_t domain, int max, int everywhere)
{
	lwkt_thread_t self = caller_thread(), td;
	unsigned slot = tslp_slot(ident);
	struct globaldata *gd;
	struct tslpque *tq;
	int left = max;

	leaf_enter(self);
	gd = mygd();
	tq = &gd->gd_tslpque[slot];
	td = TAILQ_FIRST(&tq->tq_queue);
	if (td != NULL) {
		if (likely(td->td_wchan == ident && td->td_wdomain == domain &&
		    TAILQ_NEXT(td, td_sleepq) == NULL)) {
			TAILQ_INIT(&tq->tq_queue);
			left -= wake_thread(gd, td, gd->gd_m.mc_cpuid);
		} else {
			left = wake_queue(gd, tq, ident, domain, max,
			    gd->gd_m.mc_cpuid);
		}
		if (max == WAKE_ALL)
			left = WAKE_ALL;
	}
	if (left > 0 && everywhere && lwkt__ncpus > 1)
		wake_others_if(gd, slot, ident, domain, left);
	leaf_exit(self);
}

/* As wake(), but not inline: for the functions whose speed matters less. */
static __lwkt_noinline void
wake_any(const volatile void *ident, uint32_t domain, int max, int everywhere)
{
	wake(ident, domain, max, everywhere);
}

/*
 * Wake all sleepers on ident in domain 0, on all CPUs.  If the calling thread
 * defers its wakeups, this is done later, except in a callback or hard section
 * (kern_delayed.c).  Any CPU context; never blocks.
 */
void
lwkt_wakeup(const volatile void *ident)
{
	lwkt_thread_t self = caller_thread();

	if (unlikely(self->td_flags & TDF_DELAYED_WAKEUP) &&
	    delay_wakeup(self, ident))
		return;
	wake(ident, 0, WAKE_ALL, 1);
}

/*
 * Wake at most one sleeper on ident, on any CPU.  Any CPU context; never
 * blocks.
 */
void
lwkt_wakeup_one(const volatile void *ident)
{
	wake(ident, 0, 1, 1);
}

/*
 * Wake at most n sleepers on ident, on any CPUs; none if n is 0 or less.  Any
 * CPU context; never blocks.
 */
void
lwkt_wakeup_n(const volatile void *ident, int n)
{
	if (n > 0)
		wake_any(ident, 0, n, 1);
}

/*
 * Wake all sleepers on ident in the domain, on all CPUs.  Any CPU context;
 * never blocks.
 */
void
lwkt_wakeup_domain(const volatile void *ident, int domain)
{
	wake_any(ident, (uint32_t)domain & LWKT_PDOMAIN_MASK, WAKE_ALL, 1);
}

/*
 * Wake at most one sleeper on ident in the domain, on any CPU.  Any CPU
 * context; never blocks.
 */
void
lwkt_wakeup_domain_one(const volatile void *ident, int domain)
{
	wake_any(ident, (uint32_t)domain & LWKT_PDOMAIN_MASK, 1, 1);
}

/* Wake all sleepers of this CPU on ident.  Any CPU context; never blocks. */
void
lwkt_wakeup_mycpu(const volatile void *ident)
{
	wake_any(ident, 0, WAKE_ALL, 0);
}

/*
 * Wake at most one sleeper of this CPU on ident.  Any CPU context; never
 * blocks.
 */
void
lwkt_wakeup_mycpu_one(const volatile void *ident)
{
	wake_any(ident, 0, 1, 0);
}

static void
wakeup_oncpu_remote(void *ident, int max)
{
	wake_any(ident, 0, max, 0);
}

/* Wake all sleepers of CPU cpu on ident.  Any CPU context; never blocks. */
void
lwkt_wakeup_oncpu(int cpu, const volatile void *ident)
{
	lwkt_send_ipiq2(cpu, wakeup_oncpu_remote, (void *)(uintptr_t)ident,
	    WAKE_ALL);
}

/*
 * Wake at most one sleeper of CPU cpu on ident.  Any CPU context; never blocks.
 */
void
lwkt_wakeup_oncpu_one(int cpu, const volatile void *ident)
{
	lwkt_send_ipiq2(cpu, wakeup_oncpu_remote, (void *)(uintptr_t)ident, 1);
}
