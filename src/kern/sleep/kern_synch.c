/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep on an address; wake the threads that sleep on it, on any CPU.
 *
 * THEORY
 * A sleeper has an ident and a domain, and a wakeup wakes only sleepers with
 * the same ident and domain.  Functions without a domain argument use domain 0.
 *
 * An ident hashes to a slot.  Every CPU has a queue for each slot, and only
 * that CPU touches it.  Every slot also has one mask, which all CPUs share: the
 * CPUs that may have sleepers in the slot.  Beside each queue the CPU publishes
 * which idents are on it (sleepq_filter.h), so that a waker on another CPU need
 * not disturb this CPU for a different ident of the same slot.
 *
 * A candidate is another CPU whose mask bit is set and whose filter passes the
 * ident.  wakeup() serves the queue of its own CPU directly and sends a message
 * to each candidate.  wakeup_one() sends a message to one candidate, if it has
 * woken no thread of its own CPU.  If the handler there finds no sleeper, it
 * sends the message on to the next candidate (never recursively), until the
 * message would come back to its origin.  So at most one thread wakes.  If no
 * thread wakes, each CPU had no sleeper when the message passed it.  A thread
 * that sleeps on such a CPU later tests its condition after the caller of
 * wakeup_one() has made it true, so that thread needs no wakeup.
 *
 * The mask bit and the filter are cleaned lazily, when a message finds no
 * sleeper or leaves the queue empty.  So a thread that sleeps on the same ident
 * again and again, the usual case, publishes it once.  The price is one useless
 * message after the last sleeper was woken by its own CPU.
 *
 * tsleep_interlock() queues the thread while it still runs.  A wakeup then
 * takes it off the queue; the tsleep that follows sees that and returns at
 * once.  wakeup_one() does not count such a thread as the one that it woke.  A
 * thread whose sleep ends by timeout or interrupt stays queued until it runs,
 * so that a wakeup in between still counts: every sleeper that a wakeup has
 * counted returns 0.
 *
 * The timer of a timeout lies on the sleeper's stack and runs on the sleeper's
 * CPU, so the timer's function and the sleeper never race.
 *
 * INVARIANTS
 * SY1 TDF_TSLEEPQ <=> the thread is on the queue of its CPU, td_gd, for the
 *    slot of td_wchan.
 * SY2 A thread on a queue has its CPU's mask bit set, and its ident passes the
 *    filter (SF2).  Both became true before a full fence of that CPU, and that
 *    fence precedes the sleeper's test of its condition.  With one CPU there is
 *    neither.
 * SY3 TDF_TSLEEP_DESCHEDULED <=> the thread is in tsleep_block(), or in the
 *    usual case of lwkt_tsleep(): it sleeps, and is not only interlocked.
 *
 * ORDER
 * SO1 The sleeper publishes (the filter, then the mask by a locked
 *    instruction), then tests the condition.  The waker makes the condition
 *    true, executes a FENCE, reads the mask, then the filter.  Either the waker
 *    sees the sleeper, or the sleeper sees the condition.  A load fence is not
 *    enough (DragonFly e676ebdaf2).  If the filter and the mask still have what
 *    an earlier sleep published, no second fence is needed: the locked
 *    instruction of that sleep also precedes this test.
 *
 * Source: DragonFly kern_synch.c; exact wakeup_one by forwarding and the lazy
 * cleaning are ours.
 */
#include "kern/time/systimer_var.h"
#include "kern/sleep/sleepq_filter.h"
#include "kern/sleep/synch_var.h"

#include <errno.h>
#include <limits.h>
#include <lwkt/ipiq.h>
#include <lwkt/synch.h>

TUNABLE_INT(tslp_size, "lwkt.tslp_size", 16384, 16, 1 << 22,
    "slots of each CPU's sleep table, rounded up to a power of two");

TRACEPOINT(sleep, KTR_SLEEP, "sleep.block", "td=%llu timed=%llu");
TRACEPOINT(wake, KTR_SLEEP, "sleep.wake", "td=%llu from=%llu");
TRACEPOINT(remote, KTR_SLEEP, "sleep.remote", "cpu=%llu max=%llu");

COUNTER(sleeps, "lwkt.tsleeps", "sleeps in lwkt_tsleep");
COUNTER(timeouts, "lwkt.tsleep_timeouts", "of these, ended by timeout");
COUNTER(sent, "lwkt.wakeup_ipis", "wakeups sent to another CPU");
COUNTER(forwarded, "lwkt.wakeup_forwards", "lwkt_wakeup_one passed on to "
    "another CPU");
COUNTER(useless, "lwkt.wakeup_useless", "wakeups received that woke no thread");

#define TSLP_CLEAN_MAX	16	/* threads; longer queues are not searched */

#define WAKE_ALL	INT_MAX		/* as max: wake every sleeper */
#define WAKE_CHUNK	255		/* most threads one message may wake */

struct tslpque {
	LWKT_CACHEALIGN
	TAILQ_HEAD(, lwkt_thread) tq_queue;	/* (c) threads, FIFO */
	struct sleepq_filter tq_filter;	/* (c) writes, others read */
};

CTASSERT(sizeof(struct tslpque) == CACHE_LINE, "one line a slot");

/* (i) Set at boot. */
static unsigned tslp_log2;		/* log2 of slots per CPU */
static unsigned tslp_words;		/* words of one slot's mask */
static uint64_t *tslp_mask;		/* (a) [slot][word]: CPUs */

static size_t
tslp_slots(void)
{
	return config_hard ? 1 : (size_t)1 << tslp_log2;
}

static size_t
tslp_mask_bytes(int ncpus)
{
	return roundup2(sizeof(uint64_t) * tslp_slots() *
	    howmany((size_t)ncpus, 64), (size_t)CACHE_LINE);
}

/* Return the size of the sleep tables of ncpus CPUs; set tslp_log2.  Boot. */
size_t
synch_bytes(int ncpus)
{
	tslp_log2 = 32 - (unsigned)__builtin_clz((unsigned)tslp_size - 1);
	return tslp_mask_bytes(ncpus) +
	    (size_t)ncpus * tslp_slots() * sizeof(struct tslpque);
}

/*
 * Divide mem, which is zero and aligned to a cache line, into the masks and the
 * queues.  A queue is initialised on first use.  Boot, after synch_bytes.
 */
void
synch_place(void *mem, int ncpus)
{
	struct tslpque *tq;
	int cpu;

	tslp_words = howmany((unsigned)ncpus, 64);
	tslp_mask = mem;
	tq = (struct tslpque *)(void *)((char *)mem + tslp_mask_bytes(ncpus));
	for (cpu = 0; cpu < ncpus; cpu++)
		gd_find(cpu)->gd_tslpque = tq + (size_t)cpu * tslp_slots();
}

static inline unsigned
tslp_slot(const volatile void *ident)
{
	return config_hard ? 0 : sleepq_hash(ident, tslp_log2);
}

static inline uint64_t *
tslp_word(unsigned slot, int cpu)
{
	return &tslp_mask[slot * tslp_words + CPUMASK_WORD(cpu)];
}

/*
 * Store the different idents of the queue in id[].  Return their number.
 * Return -1 if there are more than SLEEPQ_IDENTS, or more than TSLP_CLEAN_MAX
 * threads.
 */
static int
tslp_idents(const struct tslpque *tq, uintptr_t id[SLEEPQ_IDENTS])
{
	lwkt_thread_t td;
	int i, n = 0, seen = 0;

	TAILQ_FOREACH(td, &tq->tq_queue, td_sleepq) {
		for (i = 0; i < n; i++)
			if (id[i] == (uintptr_t)td->td_wchan)
				break;
		if (i == SLEEPQ_IDENTS || ++seen > TSLP_CLEAN_MAX)
			return -1;
		if (i == n)
			id[n++] = (uintptr_t)td->td_wchan;
	}
	return n;
}

/*
 * Drop the idents that no thread of tq sleeps on from its filter.  If the queue
 * is empty, clear this CPU's bit in the mask too.  No effect if tslp_idents()
 * fails.
 */
static void
tslp_clean(struct globaldata *gd, struct tslpque *tq, unsigned slot)
{
	uintptr_t id[SLEEPQ_IDENTS];
	int cpu = gd->gd_m.mc_cpuid, n;

	if ((n = tslp_idents(tq, id)) >= 0)
		filter_keep(&tq->tq_filter, id, n);
	if (n == 0)
		atomic_clear_64(tslp_word(slot, cpu), CPUMASK_BIT(cpu));
}

/*
 * The filter is full, and the queue has a new ident.  Rebuild the filter from
 * the queue.  If tslp_idents() fails, let the filter pass any ident.
 */
static __lwkt_noinline void
tslp_crowded(struct tslpque *tq)
{
	uintptr_t id[SLEEPQ_IDENTS];
	int n;

	if ((n = tslp_idents(tq, id)) >= 0)
		filter_keep(&tq->tq_filter, id, n);
	else
		filter_any(&tq->tq_filter);
}

/*
 * Make SY2 true for a thread that has just been queued on ident `id`.  If the
 * filter passes id and the mask bit is set, there is nothing to do: the locked
 * instruction that published them also precedes the test of the condition,
 * which comes next (SO1).
 */
static inline void
tslp_publish(struct globaldata *gd, struct tslpque *tq, unsigned slot,
    uintptr_t id)
{
	int cpu = gd->gd_m.mc_cpuid;
	uint64_t *word = tslp_word(slot, cpu);
	int known;

	if (lwkt__ncpus == 1)
		return;
	known = filter_passes(&tq->tq_filter, id);
	if (known && (atomic_load_64(word) & CPUMASK_BIT(cpu)) != 0)
		return;
	if (!known && !filter_add(&tq->tq_filter, id))
		tslp_crowded(tq);
	atomic_set_64(word, CPUMASK_BIT(cpu));			/* SO1 */
}

/*
 * Take td off its sleep queue, if it is on one.  The filter and the mask stay
 * as they are.  Context: the CPU of td, in a critical section.
 */
void
synch_leave_queue(lwkt_thread_t td)
{
	struct tslpque *tq;

	if ((td->td_flags & TDF_TSLEEPQ) == 0)
		return;
	tq = &td->td_gd->gd_tslpque[tslp_slot(td->td_wchan)];	/* SY1 */
	TAILQ_REMOVE(&tq->tq_queue, td, td_sleepq);
	td->td_flags &= ~TDF_TSLEEPQ;
	td->td_wchan = NULL;
}

/* Panic if td has TDF_TSLEEPQ but is not on the queue of its ident (SY1). */
void
sleepq_check(lwkt_thread_t td)
{
	lwkt_thread_t at;

	if ((td->td_flags & TDF_TSLEEPQ) == 0)
		return;
	TAILQ_FOREACH(at, &td->td_gd->gd_tslpque[tslp_slot(td->td_wchan)].
	    tq_queue, td_sleepq)
		if (at == td)
			return;
	lwkt_panic("thread \"%s\" is not on the sleep queue of its ident %p, "
	    "cpu %d", td->td_name, (void *)(uintptr_t)td->td_wchan,
	    td->td_gd->gd_m.mc_cpuid);
}

/*
 * Put td, the caller, which has TDF_TSLEEPQ now, on the queue of ident, and
 * make SY2 true.
 */
static inline void
tslp_insert(struct globaldata *gd, lwkt_thread_t td,
    const volatile void *ident, uint32_t domain)
{
	unsigned slot = tslp_slot(ident);
	struct tslpque *tq = &gd->gd_tslpque[slot];

	if (unlikely(tq->tq_queue.tqh_last == NULL))
		TAILQ_INIT(&tq->tq_queue);
	TAILQ_INSERT_TAIL(&tq->tq_queue, td, td_sleepq);
	td->td_wchan = ident;
	td->td_wdomain = domain;
	tslp_publish(gd, tq, slot, (uintptr_t)ident);
}

/*
 * Queue td, the caller, on ident in `domain`.  No effect if it is queued so
 * already.  If td is on another queue, it leaves that queue first.
 */
static inline void
interlock(lwkt_thread_t td, const volatile void *ident, uint32_t domain)
{
	struct globaldata *gd = mygd();

	KASSERTF(ident != NULL, "thread \"%s\" sleeps on NULL", td->td_name);
	if (td->td_flags & TDF_TSLEEPQ) {
		if (td->td_wchan == ident && td->td_wdomain == domain)
			return;
		synch_leave_queue(td);
	}
	td->td_flags |= TDF_TSLEEPQ;				/* SY1 */
	tslp_insert(gd, td, ident, domain);
}

/*
 * Queue the caller on ident, in the domain that flags name; it still runs.
 * Thread context; never blocks.
 */
void
lwkt_tsleep_interlock(const volatile void *ident, int flags)
{
	lwkt_thread_t td = caller_thread();

	crit_enter_td(td);
	interlock(td, ident, (uint32_t)flags & LWKT_PDOMAIN_MASK);
	crit_exit_td(td);
}

/* Take the caller off its sleep queue.  Thread context; never blocks. */
void
lwkt_tsleep_remove(void)
{
	lwkt_thread_t td = caller_thread();

	crit_enter_td(td);
	synch_leave_queue(td);
	crit_exit_td(td);
}

/*
 * Timer callback: end the sleep of the thread arg at its time limit.  The
 * thread stays on its sleep queue, if it is on one, until it runs.
 */
static void
sleep_timeout(struct lwkt_systimer *st, void *arg)
{
	lwkt_thread_t td = arg;

	(void)st;
	td->td_flags |= TDF_TIMEOUT;
	wake_local(mygd(), td);
}

/* Arm st to set TDF_TIMEOUT and schedule td in timeout_ns. */
static inline void
sleep_timer(struct lwkt_systimer *st, lwkt_thread_t td, int64_t timeout_ns)
{
	int64_t now = machine_time_ns();

	st->st_fn = sleep_timeout;
	st->st_arg = td;
	st->st_period = 0;
	st->st_flags = 0;
	systimer_add(st, timeout_ns < INT64_MAX - now ?
	    now + timeout_ns : INT64_MAX);
}

/*
 * Block td, the caller, until it is scheduled by a wakeup, a timeout, an
 * interrupt (with LWKT_PCATCH) or lwkt_schedule.  td is on its sleep queue and
 * in a critical section.
 */
static inline void
tsleep_block(lwkt_thread_t td, int flags, const char *wmesg)
{
	struct globaldata *gd = mygd();
	uint32_t how = TDF_TSLEEP_DESCHEDULED;			/* SY3 */

	if (unlikely(flags & (LWKT_PCATCH | LWKT_PNORESCHED)))
		how |= (flags & LWKT_PCATCH ? TDF_SINTR : 0) |
		    (flags & LWKT_PNORESCHED ? TDF_NORESCHED : 0);
	counter_inc(gd->gd_cntbias, sleeps);
	td->td_flags = (td->td_flags & ~(TDF_TIMEOUT | TDF_SINTR)) | how;
	td->td_wmesg = wmesg;
	if (likely(td->td_flags & TDF_RUNQ))
		dequeue_queued(gd, td);
	switch_fast(gd, td);
	INVARIANT(mygd() == gd);	/* sleepers do not migrate */
	td->td_wmesg = NULL;
	td->td_flags &= ~(TDF_TSLEEP_DESCHEDULED | TDF_SINTR | TDF_NORESCHED);
}

/* As tsleep_block, with a timeout of timeout_ns nanoseconds. */
static __lwkt_noinline void
tsleep_block_timed(lwkt_thread_t td, int flags, const char *wmesg,
    int64_t timeout_ns)
{
	struct lwkt_systimer st;

	sleep_timer(&st, td, timeout_ns);
	tsleep_block(td, flags, wmesg);
	systimer_remove(&st);
}

/*
 * lwkt_tsleep, in a critical section.  Return 0 after a wakeup or
 * lwkt_schedule(); EWOULDBLOCK if the time is over or timeout_ns is 0; EINTR if
 * an interrupt was pending or came, with LWKT_PCATCH.  With LWKT_PINTERLOCKED,
 * a thread that is no longer queued on ident has been woken, so it returns 0
 * without a sleep.  A thread that is off the queue after the sleep was counted
 * by a wakeup.  It returns 0, even if its timeout or an interrupt came too.
 */
static int
tsleep_crit(lwkt_thread_t td, const volatile void *ident, int flags,
    const char *wmesg, int64_t timeout_ns)
{
	uint32_t domain = (uint32_t)flags & LWKT_PDOMAIN_MASK;

	delayed_flush_if(td);	/* may take td off the queue */
	if ((flags & LWKT_PINTERLOCKED) == 0)
		interlock(td, ident, domain);
	else if ((td->td_flags & TDF_TSLEEPQ) == 0 || td->td_wchan != ident ||
	    td->td_wdomain != domain)
		return 0;		/* woken since the interlock */
	if ((flags & LWKT_PCATCH) && intr_take(td))
		return EINTR;
	if (limit_ns(timeout_ns) == 0)
		return EWOULDBLOCK;
	ktr(mygd(), sleep, td->td_id, timeout_ns >= 0);
	if (likely(timeout_ns < 0))
		tsleep_block(td, flags, wmesg);
	else
		tsleep_block_timed(td, flags, wmesg, timeout_ns);
	if ((td->td_flags & TDF_TSLEEPQ) == 0)
		return 0;
	if (td->td_flags & TDF_TIMEOUT) {
		counter_inc(mygd()->gd_cntbias, timeouts);
		return EWOULDBLOCK;
	}
	if ((flags & LWKT_PCATCH) && intr_take(td))
		return EINTR;
	return 0;			/* lwkt_schedule(td) ended it */
}

/* lwkt_tsleep(), whatever the arguments and the state of the caller are. */
static __lwkt_noinline int
tsleep_any(const volatile void *ident, int flags, const char *wmesg,
    int64_t timeout_ns)
{
	lwkt_thread_t td = curthread;
	int error;

	crit_enter_td(td);
	error = tsleep_crit(td, ident, flags, wmesg, timeout_ns);
	synch_leave_queue(td);
	crit_exit_td(td);
	return error;
}

/*
 * Sleep on ident; the results are those of tsleep_crit.  A timeout of 0 does
 * not block.  The caller is on no sleep queue afterwards.  Thread context;
 * blocks until woken, timed out, interrupted or scheduled.
 *
 * The usual sleep, without a time limit, an interlock or a flag other than a
 * domain, is done here, in a leaf section.
 */
int
lwkt_tsleep(const volatile void *ident, int flags, const char *wmesg,
    int64_t timeout_ns)
{
	lwkt_thread_t td = caller_thread();
	struct globaldata *gd;
	uint32_t tdf = td->td_flags;

	if (unlikely((flags & ~LWKT_PDOMAIN_MASK) != 0 ||
	    timeout_ns != LWKT_FOREVER || ident == NULL ||
	    (tdf & (TDF_TSLEEPQ | TDF_DELAYED_WAKEUP | TDF_RUNQ)) != TDF_RUNQ))
		return tsleep_any(ident, flags, wmesg, timeout_ns);
	leaf_enter(td);
	gd = mygd();
	td->td_flags = (tdf & ~(TDF_TIMEOUT | TDF_SINTR)) | TDF_TSLEEPQ |
	    TDF_TSLEEP_DESCHEDULED;				/* SY1 SY3 */
	td->td_wmesg = wmesg;
	tslp_insert(gd, td, ident, (uint32_t)flags);
	ktr(gd, sleep, td->td_id, 0);
	counter_inc(gd->gd_cntbias, sleeps);
	dequeue_queued(gd, td);
	switch_leaf(gd, td);
	td = curthread;
	td->td_wmesg = NULL;
	td->td_flags &= ~TDF_TSLEEP_DESCHEDULED;		/* SY3 */
	if (unlikely(td->td_flags & TDF_TSLEEPQ))
		synch_leave_queue(td);	/* lwkt_schedule(td) ended it */
	leaf_exit(td);
	return 0;
}

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
 * Wake up to max sleepers of this CPU, in the order in which they were queued.
 * Return how many of the max are still to be woken.  An interlocked thread is
 * taken off the queue but not counted.
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
 * condition true before it sent the message.  The fence lies between that and
 * the reads of the mask and of the next filters (SO1).
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
 * candidate and is sent on from there (wakeup_remote).  After the fence of
 * wake_others_if().  Leaf section.
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
 * Send the wakeups to other CPUs, if another one may have sleepers.  The usual
 * case, that none has, is found here.  The fence lies between the store that
 * made the condition true and the reads of mask and filter (SO1).  Leaf
 * section.
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

/* The same, for the functions whose speed matters less. */
static __lwkt_noinline void
wake_any(const volatile void *ident, uint32_t domain, int max, int everywhere)
{
	wake(ident, domain, max, everywhere);
}

/*
 * Wake all sleepers on ident, later if the caller has its wakeups deferred
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

/* Wake all sleepers on ident of this CPU.  Any CPU context; never blocks. */
void
lwkt_wakeup_mycpu(const volatile void *ident)
{
	wake_any(ident, 0, WAKE_ALL, 0);
}

/*
 * Wake at most one sleeper on ident of this CPU.  Any CPU context; never
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

/* Wake all sleepers on ident of CPU cpu.  Any CPU context; never blocks. */
void
lwkt_wakeup_oncpu(int cpu, const volatile void *ident)
{
	lwkt_send_ipiq2(cpu, wakeup_oncpu_remote, (void *)(uintptr_t)ident,
	    WAKE_ALL);
}

/*
 * Wake at most one sleeper on ident of CPU cpu.  Any CPU context; never blocks.
 */
void
lwkt_wakeup_oncpu_one(int cpu, const volatile void *ident)
{
	lwkt_send_ipiq2(cpu, wakeup_oncpu_remote, (void *)(uintptr_t)ident, 1);
}

/*
 * Block until lwkt_schedule(caller), and return 0.  With LWKT_PCATCH an
 * interrupt also ends the wait, or prevents it; return EINTR then.  Thread
 * context.
 */
int
lwkt_sleep(const char *wmesg, int flags)
{
	lwkt_thread_t td = caller_thread();
	int catch = flags & LWKT_PCATCH, error = 0;
	uint32_t how = (catch ? TDF_SINTR : 0) |
	    (flags & LWKT_PNORESCHED ? TDF_NORESCHED : 0);

	crit_enter_td(td);
	if (catch && intr_take(td)) {
		error = EINTR;
	} else {
		td->td_flags |= how;
		block_self(td, wmesg);
		td->td_flags &= ~how;
		if (catch && intr_take(td))
			error = EINTR;
	}
	crit_exit_td(td);
	return error;
}

/*
 * If the thread arg is in an interruptible sleep and its interrupt is still
 * pending, make it runnable.  Then release the reference that the caller holds.
 * If the thread belongs to another CPU, or has moved, do this there instead, by
 * a message.  Context: critical section.
 */
static void
interrupt_remote(void *arg)
{
	lwkt_thread_t td = arg;
	struct globaldata *gd = (struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd);	/* thread_finish_migrate */

	if (gd != mygd()) {
		lwkt_send_ipiq(gd->gd_m.mc_cpuid, interrupt_remote, td);
		return;
	}
	if ((td->td_flags & TDF_SINTR) &&
	    (atomic_load_32(&td->td_mpflags) & TDF_MP_INTR))
		wake_local(gd, td);
	lwkt_rele(td);
}

/*
 * Post an interrupt to td: it ends the interruptible sleep of td, or its next
 * one.  Any CPU context; never blocks.
 */
void
lwkt_interrupt(lwkt_thread_t td)
{
	lwkt_thread_t self = caller_thread();

	crit_enter_td(self);
	intr_repost(td);
	lwkt_hold(td);
	interrupt_remote(td);
	crit_exit_td(self);
}

/*
 * Block for ns nanoseconds; if ns is 0 or less, only yield.  Returns 0.  An
 * interrupt does not end the sleep.  Thread context.
 */
int
lwkt_sleep_ns(int64_t ns)
{
	lwkt_thread_t td = caller_thread();
	struct lwkt_systimer st;

	if (ns <= 0) {
		if (td->td_leave & TDL_LWP)
			lwkt_user_yield();
		else
			lwkt_yield();
		return 0;
	}
	crit_enter_td(td);
	td->td_flags &= ~TDF_TIMEOUT;
	sleep_timer(&st, td, ns);
	while ((td->td_flags & TDF_TIMEOUT) == 0)
		block_self(td, "sleep");
	crit_exit_td(td);
	return 0;
}
