/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between CPUs: a matrix of rings, each with one writer and one
 * reader.
 *
 * THEORY
 * Ring (s, t) is written by CPU s alone and read by CPU t alone, so it keeps
 * its order exactly and needs no lock.  ip_windex counts the entries written,
 * ip_rindex the entries taken, ip_xindex the entries executed.  The three wrap
 * around; only their differences have a meaning.  The reader does not need
 * ip_windex: each entry carries a stamp, the value of ip_windex after the entry
 * was written, and the stamp tells that the entry belongs to this turn of the
 * ring.  So a message moves one cache line from CPU to CPU, and the reader
 * never takes the line of the index from a writer that is busy writing.
 *
 * Two hints in the target's mc_reqflags decide whether t must be notified: the
 * bit of sender s ("ring s, or another ring of the same bit, may have entries")
 * and RQF_IPIQ ("look at those bits").  If both are set, the sender changes
 * nothing.  Otherwise it sets them by one locked instruction, and rings the
 * doorbell if t is halted.  A target that is awake looks at its next critical
 * exit.  It clears all hints at once and then reads the rings.
 *
 * Two CPUs in conversation need no hints.  An idle CPU watches the ring of the
 * CPU whose messages last made a thread runnable here (gd_talker), and
 * publishes that in mc_watching.  The watched sender then sets no hint, so only
 * the entry and what the entry points at move between the two CPUs.  The watch
 * ends with the first message, with a hint of another CPU, or with the end of
 * the poll.  The CPU then clears mc_watching and looks at the ring once more.
 * Messages that make no thread runnable end the conversation, because a stream
 * of functions is better taken in batches.
 *
 * A passive message sets the sender's bit and not RQF_IPIQ, so a CPU that runs
 * a thread is not asked to look.  An idle CPU is: the bit ends its wait, or
 * keeps it from waiting.  A CPU that runs one thread for long has no tick of
 * its own.  For such a CPU the sender's tick sets RQF_IPIQ if the message was
 * not taken by then.  The signal handler of the tick does this, because the
 * sender may compute for long as well.
 *
 * A sender that finds a ring half full waits for room (lwkt_ipiq_room.c).  What
 * it reads during the wait must not be executed inside the section that sends,
 * so it is deferred: gd_ndeferred messages wait to be executed at the end of
 * the outermost section.
 *
 * INVARIANTS
 * IPI1 0 <= windex - rindex <= IPIQ_SIZE, and xindex <= rindex (as
 *     differences).
 * IPI2 Each message is executed once, in the order of its ring.
 * IPI3 Deferred messages are executed before any message that is read later.
 * IPI4 If a ring is not empty, its sender's bit is set, or its writer is about
 *     to set the bit, or its reader is about to set it or to look; the reader
 *     is about to look as long as it watches the ring.  RQF_IPIQ is set as well
 *     unless all messages are passive.
 * IPI5 Callbacks run in a critical section with gd_intr_nesting > 0, one at a
 *     time: gd_processing_ipiq is 0 or 1.  (A message to the sender's own CPU
 *     is not queued: it is a plain call.)
 * IPI6 A callback never runs inside a critical section that was entered before
 *     it.  The exceptions are the calls documented to execute messages:
 *     lwkt_process_ipiq(), lwkt_wait_ipiq() and the rendezvous.
 * IPI7 While a passive message is not taken, its sender has a tick to come, and
 *     the target is in the sender's gd_passive_cpus.
 *
 * ORDER
 * IPO1 sender: entry, then its stamp (release); reader: stamp (acquire), entry.
 * IPO2 reader: entry copied, then rindex (release); sender: rindex (acquire)
 *     before it writes the slot again.
 * IPO3 sender: stamp, FENCE, then reads the hints; or it sets them at once,
 *     which is a fence too.  Reader: clears the hints with a read-modify-write,
 *     then reads the stamp.  At least one of the two sees the other's write.
 * IPO4 The same with mc_watching.  Sender: stamp, FENCE, then reads it; reader:
 *     clears it, FENCE, then reads the stamp.
 *
 * Source: DragonFly lwkt_ipiq.c (npoll, hysteresis).  Its race of 2005 (a test
 * for equality with a cached windex, d64a7617dd) is why IPI1's differences are
 * compared by sign.
 */
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"
#include "kern/ipi/ipiq_var.h"

#include <errno.h>
#include <lwkt/ipiq.h>
#include <string.h>

TRACEPOINT(send, KTR_IPI, "ipi.send", "cpu=%llu seq=%llu");
TRACEPOINT(recv, KTR_IPI, "ipi.recv", "cpu=%llu seq=%llu");

COUNTER(sent, "lwkt.ipiq_count", "messages sent to other CPUs");
COUNTER(passive, "lwkt.ipiq_passive", "of these, without a signal");
COUNTER(avoided, "lwkt.ipiq_avoided", "signals not sent: one was pending");
COUNTER(doorbells, "lwkt.ipiq_doorbells", "sleeping CPUs woken");

enum {
	IPIQ_PASSIVE = IPIQ_SIZE / 4,	/* passive becomes active above */
	IPIQ_PASS = config_hard ? 4 : 32 /* most of one ring in one pass */
};

static size_t
rings_bytes(int ncpus)
{
	return sizeof(struct lwkt_ipiq) * (size_t)ncpus * (size_t)ncpus;
}

size_t
ipiq_bytes(int ncpus)
{
	return rings_bytes(ncpus) +
	    sizeof(struct ipiq_deferred) * (size_t)ncpus;
}

void
ipiq_place(void *mem, int ncpus)
{
	struct lwkt_ipiq *rings = mem;
	struct ipiq_deferred *df = (void *)((char *)mem + rings_bytes(ncpus));
	int cpu;

	for (cpu = 0; cpu < ncpus; cpu++) {
		gd_find(cpu)->gd_ipiq = rings + (size_t)cpu * (size_t)ncpus;
		gd_find(cpu)->gd_deferred = df + cpu;
	}
}

/*
 * Call the callback.  It has interrupted no code, so there is no frame to pass.
 */
static inline void
entry_call(const struct ipiq_entry *ie)
{
	int count = crit_count();

	no_unwind();
	if (ie->ie_nargs == 1)
		((lwkt_ipifunc1_t)ie->ie_fn)(ie->ie_arg1);
	else if (ie->ie_nargs == 2)
		((lwkt_ipifunc2_t)ie->ie_fn)(ie->ie_arg1, ie->ie_arg2);
	else
		((lwkt_ipifunc3_t)ie->ie_fn)(ie->ie_arg1, ie->ie_arg2, NULL);
	crit_balance(count, ie->ie_fn);
}

static inline void
ipiq_call(struct lwkt_ipiq *ip, const struct ipiq_entry *ie)
{
	entry_call(ie);
	atomic_store_rel_32(&ip->ip_xindex, ip->ip_xindex + 1);
}

/*
 * Execute the messages that are deferred at the time of the call (IPI3).  What
 * these callbacks defer themselves stays in the queue, so that the CPU returns
 * to its threads in between.
 */
static __lwkt_noinline void
deferred_run(struct globaldata *gd)
{
	struct ipiq_deferred *df = gd->gd_deferred;
	uint32_t left = gd->gd_ndeferred, i;
	struct ipiq_entry ie;
	struct lwkt_ipiq *ip;

	for (; left > 0; left--) {
		i = df->df_first++ % IPIQ_DEFER_MAX;
		gd->gd_ndeferred--;
		ip = df->df_slot[i].df_ring;
		ie = df->df_slot[i].df_entry;
		ipiq_call(ip, &ie);
	}
}

/* Execute up to `max` entries of one ring, after everything deferred. */
static void
ipiq_drain(struct globaldata *gd, struct lwkt_ipiq *ip, int src, uint32_t max)
{
	struct ipiq_entry ie;

	for (;; max--) {
		if (unlikely(gd->gd_ndeferred != 0)) {
			deferred_run(gd);
			if (gd->gd_ndeferred != 0)
				return;				/* IPI3 */
		}
		if (max == 0 || !ipiq_ready(ip))
			return;
		ktr(gd, recv, src, ip->ip_rindex);
		ie = ipiq_take(ip);				/* IPI2 */
		ipiq_call(ip, &ie);
	}
}

/* Check IPI1 for the rings to this CPU; panic if it does not hold. */
void
ipiq_check(struct globaldata *gd)
{
	struct lwkt_ipiq *ip;
	int32_t fill, late;
	int src;

	for (src = 0; src < lwkt__ncpus; src++) {
		ip = ipiq_from(gd, src);
		late = (int32_t)(ip->ip_rindex - ip->ip_xindex);
		fill = (int32_t)(__atomic_load_n(&ip->ip_windex,
		    __ATOMIC_RELAXED) - ip->ip_rindex);
		KASSERTF(fill >= 0 && fill <= IPIQ_SIZE && late >= 0,
		    "ring from cpu %d to cpu %d: %d messages unread, %d read "
		    "and not executed", src, gd->gd_m.mc_cpuid, fill, late);
	}
}

static void
revoked(void *arg)
{
	(void)arg;
}

/* Make the entry do nothing if it is fn(arg); return 1 if it was. */
static int
entry_revoke(struct ipiq_entry *ie, void (*fn)(void *), const void *arg)
{
	if (ie->ie_fn != (void *)fn || ie->ie_arg1 != arg)
		return 0;
	ie->ie_fn = (void *)revoked;
	return 1;
}

/*
 * Make a message fn(arg) to this CPU, which is not executed yet, do nothing.
 * Return 1, or 0 if there is none.  An entry that was written and not taken
 * belongs to the reader (IPO1, IPO2), so the reader may change it in its ring.
 */
int
ipiq_revoke(struct globaldata *gd, void (*fn)(void *), const void *arg)
{
	struct ipiq_deferred *df = gd->gd_deferred;
	struct lwkt_ipiq *ip;
	struct ipiq_entry *ie;
	uint32_t i;
	int src;

	for (i = 0; i < gd->gd_ndeferred; i++)
		if (entry_revoke(&df->df_slot[(df->df_first + i) %
		    IPIQ_DEFER_MAX].df_entry, fn, arg))
			return 1;
	for (src = 0; src < lwkt__ncpus; src++) {
		ip = ipiq_from(gd, src);
		for (i = ip->ip_rindex; ; i++) {
			ie = &ip->ip_entry[i & IPIQ_MASK];
			if (atomic_load_acq_32(&ie->ie_stamp) != i + 1)
				break;				/* IPO1 */
			if (entry_revoke(ie, fn, arg))
				return 1;
		}
	}
	return 0;
}

/* For liveness.c: whether a message from src is unexecuted, and its number. */
int
ipiq_waits(struct globaldata *gd, int src, uint32_t *index)
{
	struct lwkt_ipiq *ip;

	if (src < 0) {
		*index = gd->gd_deferred->df_first;
		return gd->gd_ndeferred != 0;
	}
	ip = ipiq_from(gd, src);
	*index = ip->ip_rindex;
	return ipiq_ready(ip);
}

/* Whether any message is there, active or passive. */
int
ipiq_pending(struct globaldata *gd)
{
	return (atomic_load_32(&gd->gd_m.mc_reqflags) & RQF_SENDERMASK) != 0;
}

/*
 * Execute up to IPIQ_PASS entries of each ring with this sender's bit.  Return
 * the bit if entries are left, else 0.
 */
static inline uint32_t
ipiq_drain_some(struct globaldata *gd, int sender)
{
	struct lwkt_ipiq *ip;
	uint32_t left = 0;
	int src;

	for (src = sender; src < lwkt__ncpus; src += RQF_SENDERS) {
		ip = ipiq_from(gd, src);
		ipiq_drain(gd, ip, src, IPIQ_PASS);
		if (ipiq_ready(ip))
			left = RQF_SENDER(src);
		if (gd->gd_rqmask != 0)
			gd->gd_talker = (uint32_t)src + 1;
	}
	return left;
}

/*
 * Execute what is deferred, then some entries of each ring that has a hint.
 * The hints are set again for what is left, so a sender that is faster than
 * this CPU does not keep the CPU from its threads.
 */
static void
ipiq_pass(struct globaldata *gd)
{
	uint32_t bits, left = 0;

	/*
	 * Clear the hints before the rings are read: a sender that found them
	 * still set has written its stamp before this instruction (IPO3).
	 */
	bits = atomic_fetchand_32(&gd->gd_m.mc_reqflags,
	    ~(RQF_IPIQ | RQF_SENDERMASK)) & RQF_SENDERMASK;	/* IPO3 */
	if (unlikely(gd->gd_ndeferred != 0))
		deferred_run(gd);				/* IPI3 */
	for (; bits != 0; bits &= bits - 1)
		left |= ipiq_drain_some(gd, __builtin_ctz(bits) -
		    __builtin_ctz(RQF_SENDER(0)));
	if (unlikely(left != 0))
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_IPIQ | left);
	if (atomic_load_ptr(&gd->gd_foreignq) != 0)
		foreign_drain(gd);
	if (unlikely(gd->gd_ndeferred != 0))
		deferred_run(gd);
}

static inline void
process_begin(struct globaldata *gd)
{
	KASSERT(gd->gd_processing_ipiq == 0);			/* IPI5 */
	gd->gd_processing_ipiq = 1;
	gd->gd_intr_nesting++;
}

/*
 * Make more passes while a rendezvous stops this CPU; then end the processing.
 */
static inline void
process_end(struct globaldata *gd)
{
	unsigned turn = 0;

	while (unlikely(gd->gd_csync != NULL) && cpusync_poll(gd)) {
		machine_pause(turn++);
		ipiq_pass(gd);
	}
	gd->gd_intr_nesting--;
	gd->gd_processing_ipiq = 0;
}

/* Execute messages.  The owner of gd, in a critical section; never blocks. */
void
ipiq_process(struct globaldata *gd)
{
	process_begin(gd);
	ipiq_pass(gd);
	process_end(gd);
}

/*
 * Poll for messages; called by the idle thread before it halts.  Return 1 if
 * messages came that have no hint; they have been executed.
 */
int
ipiq_watch(struct globaldata *gd)
{
	uint32_t talker = gd->gd_talker;
	int src = (int)talker - 1, came;
	struct lwkt_ipiq *ip;

	if (talker == 0)
		return machine_poll(&gd->gd_m, NULL, 0);
	ip = ipiq_from(gd, src);
	atomic_store_32(&gd->gd_m.mc_watching, talker);
	came = machine_poll(&gd->gd_m, ipiq_stamp(ip), ip->ip_rindex + 1);
	/*
	 * A sender that saw the watch has set no hint.  After the fence either
	 * its message is seen below, or it sees that the watch is over (IPO4).
	 */
	atomic_store_32(&gd->gd_m.mc_watching, 0);
	atomic_fence_seq_cst();					/* IPO4 */
	if (came) {
		process_begin(gd);
		ipiq_drain(gd, ip, src, IPIQ_PASS);
		process_end(gd);
	}
	if (gd->gd_rqmask == 0)
		gd->gd_talker = 0;
	if (unlikely(ipiq_ready(ip)))
		atomic_set_32(&gd->gd_m.mc_reqflags,
		    RQF_IPIQ | RQF_SENDER(src));		/* IPI4 */
	return came;
}

/*
 * Whether the hints are set, and still were after the entry became visible.
 * The second read decides: a hint that is still set after the fence is cleared
 * later, and the reader reads the stamp after that (IPO3).
 */
static inline int
ipiq_hinted(struct globaldata *tgd, uint32_t hints)
{
	if ((atomic_load_32(&tgd->gd_m.mc_reqflags) & hints) != hints)
		return 0;
	atomic_fence_seq_cst();					/* IPO3 */
	return (atomic_load_32(&tgd->gd_m.mc_reqflags) & hints) == hints;
}

/*
 * Whether the target watches our ring, and will look at what was written before
 * this call.  The second read, after the fence, decides (IPO4).
 */
static inline int
ipiq_watched(struct globaldata *gd, struct globaldata *tgd)
{
	uint32_t self = (uint32_t)gd->gd_m.mc_cpuid + 1;

	if (atomic_load_32(&tgd->gd_m.mc_watching) != self)
		return 0;
	atomic_fence_seq_cst();					/* IPO4 */
	return atomic_load_32(&tgd->gd_m.mc_watching) == self;
}

/*
 * Make the target look at ring (gd, tgd): set the hints, wake it if halted.
 * The locked instruction is also the fence of IPO3.  If RQF_IPIQ was set before
 * it, the target has been notified already.
 */
static inline void
ipiq_signal(struct globaldata *gd, struct globaldata *tgd)
{
	uint32_t hints = RQF_IPIQ | RQF_SENDER(gd->gd_m.mc_cpuid), old;

	if (ipiq_watched(gd, tgd) || ipiq_hinted(tgd, hints)) {
		counter_inc(gd->gd_cntbias, avoided);		/* IPI4 */
		return;
	}
	old = atomic_fetchor_32(&tgd->gd_m.mc_reqflags, hints);	/* IPO3 */
	if ((old & (RQF_IPIQ | RQF_SLEEPING)) == RQF_SLEEPING) {
		counter_inc(gd->gd_cntbias, doorbells);
		machine_doorbell(&tgd->gd_m);
	} else if (unlikely((old & (RQF_IPIQ | RQF_PREEMPTIBLE)) ==
	    RQF_PREEMPTIBLE)) {
		kick_later(gd, tgd);
	}
}

void
ipiq_remind(struct globaldata *gd, struct globaldata *tgd)
{
	ipiq_signal(gd, tgd);
}

static inline void
ipiq_put(struct globaldata *gd, int cpu, struct lwkt_ipiq *ip, void *fn,
    void *arg1, int arg2, uint32_t nargs)
{
	uint32_t wi = ip->ip_windex;
	struct ipiq_entry *ie = &ip->ip_entry[wi & IPIQ_MASK];

	ie->ie_fn = fn;
	ie->ie_arg1 = arg1;
	ie->ie_arg2 = arg2;
	ie->ie_nargs = nargs;
	ktr(gd, send, cpu, wi);
	counter_inc(gd->gd_cntbias, sent);
	/* Before the stamp: a CPU that sees the entry sees rindex <= windex. */
	atomic_store_32(&ip->ip_windex, wi + 1);
	atomic_store_rel_32(&ie->ie_stamp, wi + 1);		/* IPO1 */
}

static inline struct lwkt_ipiq *
ipiq_find(struct globaldata *gd, int cpu)
{
	KASSERTF(cpu >= 0 && cpu < lwkt__ncpus, "cpu %d does not "
	    "exist: the kernel has %d CPUs", cpu, lwkt__ncpus);
	return &gd->gd_ipiq[cpu];
}

static inline unsigned
ipiq_send(int cpu, void *fn, void *arg1, int arg2, uint32_t nargs)
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd;
	struct lwkt_ipiq *ip;
	unsigned seq = 0;

	crit_enter_td(self);
	gd = mygd();
	ip = ipiq_find(gd, cpu);
	if (unlikely(cpu == gd->gd_m.mc_cpuid)) {
		gd->gd_intr_nesting++;
		entry_call(&(struct ipiq_entry){ fn, arg1, arg2, nargs, 0 });
		gd->gd_intr_nesting--;
	} else {
		if (unlikely(ipiq_fill(ip) >= IPIQ_HIGH))
			ipiq_room_slow(gd, gd_find(cpu), ip,
			    self->td_critcount == 1);		/* IPI6 */
		ipiq_put(gd, cpu, ip, fn, arg1, arg2, nargs);
		seq = ip->ip_windex;
		ipiq_signal(gd, gd_find(cpu));
	}
	crit_exit_td(self);
	return seq;
}

/* Any CPU context; never blocks.  Spins while the ring is half full. */
unsigned
lwkt_send_ipiq(int cpu, lwkt_ipifunc1_t fn, void *arg)
{
	return ipiq_send(cpu, (void *)fn, arg, 0, 1);
}

/* Any CPU context; never blocks.  Spins while the ring is half full. */
unsigned
lwkt_send_ipiq2(int cpu, lwkt_ipifunc2_t fn, void *arg1, int arg2)
{
	return ipiq_send(cpu, (void *)fn, arg1, arg2, 2);
}

/* Any CPU context; never blocks.  Spins while the ring is half full. */
unsigned
lwkt_send_ipiq3(int cpu, lwkt_ipifunc3_t fn, void *arg1, int arg2)
{
	return ipiq_send(cpu, (void *)fn, arg1, arg2, 3);
}

/* Arm a tick that looks whether the message was taken (IPI7). */
static inline void
passive_note(struct globaldata *gd, int cpu)
{
	if (!cpumask_test_atomic(&gd->gd_passive_cpus, cpu))
		cpumask_set_atomic(&gd->gd_passive_cpus, cpu);
	atomic_store_32(&gd->gd_passive, 1);
	clock_need_tick(gd);
}

/*
 * Make the passive messages of one ring active, if the hint says that they are
 * still there.  While the hint is set the target is awake, or its doorbell has
 * been rung, so it needs no doorbell.  Without the hint RQF_IPIQ must not be
 * set: a later sender would see it and not wake a CPU that is halted.
 */
static void
push_one(struct globaldata *tgd, uint32_t hint)
{
	uint32_t old = atomic_load_32(&tgd->gd_m.mc_reqflags);

	do {
		if ((old & (hint | RQF_IPIQ)) != hint)
			return;
	} while (!atomic_fcmpset_32(&tgd->gd_m.mc_reqflags, &old,
	    old | RQF_IPIQ));
	if (old & RQF_PREEMPTIBLE)
		(void)machine_nmi(&tgd->gd_m);
}

/*
 * Make the passive messages of this CPU active.  Called by the tick and by the
 * handler of its signal.  The handler may run between any two lines of
 * passive_note: that writes the mask before gd_passive, so what this call
 * misses is left for the next tick.
 */
void
ipiq_push(struct globaldata *gd)
{
	int cpu;

	if (likely(atomic_load_32(&gd->gd_passive) == 0))
		return;
	atomic_store_32(&gd->gd_passive, 0);
	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if (!cpumask_test_atomic(&gd->gd_passive_cpus, cpu))
			continue;
		cpumask_clear_atomic(&gd->gd_passive_cpus, cpu);
		push_one(gd_find(cpu), RQF_SENDER(gd->gd_m.mc_cpuid));
	}
}

/*
 * Queue a passive message.  With the ring a quarter full, send an active one.
 */
static unsigned
send_passive(int cpu, void *fn, void *arg1, int arg2, uint32_t nargs)
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd, *tgd;
	struct lwkt_ipiq *ip;
	uint32_t hint, old;
	unsigned seq;

	crit_enter_td(self);
	gd = mygd();
	ip = ipiq_find(gd, cpu);
	KASSERTF(cpu != gd->gd_m.mc_cpuid, "cpu %d sends a passive message to "
	    "itself", cpu);
	tgd = gd_find(cpu);
	if (ipiq_fill(ip) >= IPIQ_PASSIVE)
		ip->ip_rcache = atomic_load_acq_32(&ip->ip_rindex); /* IPO2 */
	if (ipiq_fill(ip) >= IPIQ_PASSIVE) {
		crit_exit_noyield(self);
		return ipiq_send(cpu, fn, arg1, arg2, nargs);
	}
	ipiq_put(gd, cpu, ip, fn, arg1, arg2, nargs);
	seq = ip->ip_windex;
	counter_inc(gd->gd_cntbias, passive);
	hint = RQF_SENDER(gd->gd_m.mc_cpuid);
	if (!ipiq_hinted(tgd, hint)) {
		old = atomic_fetchor_32(&tgd->gd_m.mc_reqflags,	/* IPO3 */
		    hint);
		if ((old & (hint | RQF_SLEEPING)) == RQF_SLEEPING) {
			counter_inc(gd->gd_cntbias, doorbells);
			machine_doorbell(&tgd->gd_m);
		}
	}
	passive_note(gd, cpu);
	crit_exit_td(self);
	return seq;
}

/* Any CPU context; never blocks.  Spins while the ring is half full. */
unsigned
lwkt_send_ipiq_passive(int cpu, lwkt_ipifunc2_t fn, void *arg1, int arg2)
{
	return send_passive(cpu, (void *)fn, arg1, arg2, 2);
}

/* Any CPU context; never blocks.  Spins while the ring is half full. */
unsigned
lwkt_send_ipiq3_passive(int cpu, lwkt_ipifunc3_t fn, void *arg1, int arg2)
{
	return send_passive(cpu, (void *)fn, arg1, arg2, 3);
}

/* Any CPU context; never blocks and never spins for room. */
int
lwkt_send_ipiq_nowait(int cpu, lwkt_ipifunc2_t fn, void *arg1, int arg2)
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd;
	struct lwkt_ipiq *ip;
	int error = 0;

	crit_enter_td(self);
	gd = mygd();
	ip = ipiq_find(gd, cpu);
	ip->ip_rcache = atomic_load_acq_32(&ip->ip_rindex);	/* IPO2 */
	if (cpu != gd->gd_m.mc_cpuid && ipiq_fill(ip) >= IPIQ_HIGH)
		error = EAGAIN;
	else
		(void)ipiq_send(cpu, (void *)fn, arg1, arg2, 2);
	crit_exit_td(self);
	return error;
}

/*
 * Send to each CPU of the mask, from our own number upward, so that CPU 0 is
 * not favoured.
 */
static int
send_mask(const lwkt_cpumask_t *mask, void *fn, void *arg1, int arg2,
    uint32_t nargs)
{
	lwkt_thread_t self = caller_thread();
	int cpu, i, me, count = 0;

	crit_enter_td(self);
	me = mycpuid;
	for (i = 0; i < lwkt__ncpus; i++) {
		cpu = (me + i) % lwkt__ncpus;
		if (cpumask_test(mask, cpu)) {
			(void)ipiq_send(cpu, fn, arg1, arg2, nargs);
			count++;
		}
	}
	crit_exit_td(self);
	return count;
}

/* Any CPU context; never blocks.  Spins while a ring is half full. */
int
lwkt_send_ipiq_mask(lwkt_cpumask_t mask, lwkt_ipifunc2_t fn, void *arg1,
    int arg2)
{
	return send_mask(&mask, (void *)fn, arg1, arg2, 2);
}

/* Any CPU context; never blocks.  Spins while a ring is half full. */
int
lwkt_send_ipiq3_mask(lwkt_cpumask_t mask, lwkt_ipifunc3_t fn, void *arg1,
    int arg2)
{
	return send_mask(&mask, (void *)fn, arg1, arg2, 3);
}

/* Any CPU context; never blocks.  Spins while a ring is half full. */
int
lwkt_send_ipiq_bcast(lwkt_ipifunc2_t fn, void *arg1, int arg2)
{
	lwkt_cpumask_t mask;

	memset(&mask, 0xff, sizeof(mask));
	return lwkt_send_ipiq_mask(mask, fn, arg1, arg2);
}

/*
 * Check that messages may be executed inside the caller's section.  The caller
 * must be no callback (IPI5) and hold no spinlock: a callback could want it.
 */
static void
may_execute(struct globaldata *gd, const char *what)
{
	if (gd->gd_intr_nesting != 0)
		lwkt_panic("%s is called in a %s on cpu %d", what,
		    gd->gd_hard != 0 ? "hard section" : "callback",
		    gd->gd_m.mc_cpuid);
	if (gd->gd_spinlocks != 0)
		lwkt_panic("%s is called with spinlock \"%s\" held on cpu %d",
		    what, gd->gd_spinheld[gd->gd_spinlocks - 1]->s_name,
		    gd->gd_m.mc_cpuid);
}

/* Thread, in a critical section; no callback, no spinlock.  Never blocks. */
void
lwkt_process_ipiq(void)
{
	struct globaldata *gd = mygd();

	KASSERTF(crit_test(curthread), "thread \"%s\" is in no critical "
	    "section", curthread->td_name);
	may_execute(gd, "lwkt_process_ipiq");
	gd->gd_polls = ipiq_pending(gd) ? 0 : gd->gd_polls + 1;
	machine_pause(gd->gd_polls);
	ipiq_process(gd);
}

/* Whether message seq of the ring was sent and is not executed yet. */
static inline int
ipiq_late(const struct lwkt_ipiq *ip, uint32_t seq)
{
	uint32_t wi = ip->ip_windex;

	return wi - seq < wi - atomic_load_acq_32(&ip->ip_xindex);
}

/*
 * Whether this CPU did not send seq.  0 is a message to the sender's own CPU.
 */
static inline int
ipiq_unsent(struct globaldata *gd, int cpu, uint32_t seq)
{
	return seq != 0 && (cpu == gd->gd_m.mc_cpuid ||
	    (int32_t)(seq - gd->gd_ipiq[cpu].ip_windex) > 0);
}

/*
 * Thread; no callback, no spinlock.  Never blocks; spins, executing messages.
 */
void
lwkt_wait_ipiq(int cpu, unsigned seq)
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd;
	struct lwkt_ipiq *ip;
	unsigned turn = 0;

	crit_enter_td(self);
	gd = mygd();
	ip = ipiq_find(gd, cpu);
	may_execute(gd, "lwkt_wait_ipiq");
	KASSERTF(!ipiq_unsent(gd, cpu, seq), "thread \"%s\" waits on cpu %d "
	    "for message %u to cpu %d, which another CPU sent: the thread has "
	    "moved in between", self->td_name, gd->gd_m.mc_cpuid, seq, cpu);
	while (ipiq_late(ip, seq)) {
		ipiq_signal(gd, gd_find(cpu));
		ipiq_process(gd);
		machine_pause(turn++);
	}
	crit_exit_td(self);
}
