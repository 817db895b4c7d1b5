/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between CPUs: a matrix of rings with one writer and one reader.
 *
 * THEORY
 * Ring (s, t) is written by CPU s alone and read by CPU t alone, so its order
 * is exact and it needs no lock.  ip_windex counts what was written, ip_rindex
 * what was taken, ip_xindex what was executed; all run freely, their
 * differences count.  The reader does not need the writer's index: an entry
 * says by its stamp, the index after it, that it was written in this turn of
 * the ring.  So a message moves one cache line from CPU to CPU, and the index
 * is never taken from a writer that is busy writing.
 *
 * Whether t must be told is decided by two hints in its mc_reqflags: the bit of
 * sender s ("ring s, or another of the same bit, may have something") and
 * RQF_IPIQ ("look at those bits").  A sender that finds both set leaves them
 * alone; else it sets them by one locked instruction, and rings the doorbell
 * if t sleeps.  A target that is awake looks at its next critical exit.  It
 * clears all hints at once and then looks into the rings.
 *
 * Two CPUs in conversation do without hints.  An idle CPU watches the ring of
 * the one whose messages made a thread runnable here last (gd_talker), and says
 * so in mc_watching; then that one sets no hint, and of all that the two share
 * only the entry and what it points at moves.  The watch ends with the first
 * message, with a hint of somebody else, or with the poll; the CPU then says
 * that it watches no more, and looks once again.  Messages that make nobody
 * runnable end the conversation: a stream of functions is better taken in
 * batches.
 *
 * A passive message has a sender's bit and no RQF_IPIQ: a CPU that runs a
 * thread is not asked to look.  A CPU that is idle is: the bit ends its wait,
 * or keeps it from waiting.  For a CPU that runs one thread for long, and so
 * has no tick of its own, the sender's tick sets RQF_IPIQ if the message was
 * not taken by then.  The handler of the tick's signal does so, because the
 * sender may compute for long as well.
 *
 * A full ring must not deadlock.  A sender that waits publishes in ip_drain
 * how far the target must read, and meanwhile reads what *others* drain it for,
 * down to their marks and no further: every cycle of waiting senders makes
 * progress.  A thread that waits executes what it reads; a callback that waits
 * only puts it off, to a queue of its CPU that is worked off when the callback
 * is over and before any ring is read again.  So callbacks never nest, however
 * full the rings are; the price is that what callbacks can have under way
 * beyond the rings is bounded (IPIQ_PUTOFF; panic).
 *
 * INVARIANTS
 * Q1 0 <= windex - rindex <= IPIQ_SIZE, and xindex <= rindex (as differences).
 * Q2 Each message is executed once, in the order of its ring.
 * Q3 What was put off is executed before anything that is read later.
 * Q4 A non-empty ring has its sender's bit set, or its writer or its reader is
 *    about to set it or to look, as the reader is while it watches the ring;
 *    RQF_IPIQ is set as well unless all messages are passive.
 * P1 A sender whose passive message was not taken has a tick to come, and the
 *    target in gd_passive_cpus.
 * Q5 Callbacks run in a critical section with gd_intr_nesting > 0, one at a
 *    time: gd_processing_ipiq is 0 or 1.
 *
 * ORDER
 * O1 sender: entry, then its stamp (release); reader: stamp (acquire), entry.
 * O2 reader: entry copied, then rindex (release); sender: rindex (acquire)
 *    before it writes the slot again.
 * O3 sender: stamp, FENCE, then reads the hints, or sets them at once, which
 *    is a fence too; reader: clears the hints with a read-modify-write, then
 *    reads the stamp.  One of the two sees the other.
 * O4 The same with mc_watching.  Sender: stamp, FENCE, then reads it; reader:
 *    clears it, FENCE, then reads the stamp.
 *
 * Source: DragonFly lwkt_ipiq.c (npoll, hysteresis, drain levels); its race of
 * 2005 (equality with a cached windex, d64a7617dd) is why Q1's differences are
 * compared by sign.  Putting off is ours: DragonFly executes there as well, and
 * answers to answers in full queues recurse as deep as the queues are long.
 */
#include "kern/synch_var.h"

#include <errno.h>
#include <lwkt/ipiq.h>
#include <string.h>

TRACEPOINT(send, KTR_IPI, "ipi.send", "cpu=%llu seq=%llu");
TRACEPOINT(recv, KTR_IPI, "ipi.recv", "cpu=%llu seq=%llu");
TRACEPOINT(full, KTR_IPI, "ipi.full", "cpu=%llu fill=%llu");

COUNTER(sent, "lwkt.ipiq_count", "messages sent to other CPUs");
COUNTER(passive, "lwkt.ipiq_passive", "of these, without a signal");
COUNTER(avoided, "lwkt.ipiq_avoided", "signals spared: already pending");
COUNTER(doorbells, "lwkt.ipiq_doorbells", "sleeping CPUs woken");
COUNTER(fifofull, "lwkt.ipiq_fifofull", "waits for room in a ring");
COUNTER(putoffs, "lwkt.ipiq_putoff", "messages put off by waiting callbacks");

enum {
	IPIQ_SIZE = config_hard ? 8 : 256,	/* power of two */
	IPIQ_MASK = IPIQ_SIZE - 1,
	IPIQ_HIGH = IPIQ_SIZE / 2,	/* a plain sender waits above */
	IPIQ_LOW = IPIQ_SIZE / 4,	/* until here */
	IPIQ_NESTED_HIGH = IPIQ_SIZE - 3, /* a sending callback waits above */
	IPIQ_NESTED_LOW = IPIQ_SIZE - 5,
	IPIQ_PASSIVE = IPIQ_SIZE / 4,	/* passive becomes active above */
	IPIQ_PASS = config_hard ? 4 : 32, /* most of one ring in one pass */
	/* Power of two, hundreds of full rings; takes memory when used. */
	IPIQ_PUTOFF = 1 << 16
};

/* (w:s); never across two cache lines */
struct ipiq_entry {
	LWKT_ALIGNED(32)
	void		*ie_fn;
	void		*ie_arg1;
	int		 ie_arg2;
	uint32_t	 ie_nargs;	/* of lwkt_ipifunc1_t, 2_t, 3_t */
	uint32_t	 ie_stamp;	/* ip_windex after it was written */
};

/* (w:s) the sending CPU, (w:t) the target CPU */
struct lwkt_ipiq {
	LWKT_CACHEALIGN
	uint32_t	 ip_windex;	/* (w:s) written; others may be late */
	uint32_t	 ip_rcache;	/* (w:s) rindex as last read */
	uint32_t	 ip_drain;	/* (w:s) 1 + level wanted, or 0 */
	LWKT_CACHEALIGN
	uint32_t	 ip_rindex;	/* (w:t) taken */
	uint32_t	 ip_xindex;	/* (w:t) executed */
	LWKT_CACHEALIGN
	struct ipiq_entry ip_entry[IPIQ_SIZE];
};

/* (c) of the CPU that put them off: first in, first out */
struct lwkt_putoff {
	uint32_t	 po_windex;
	uint32_t	 po_rindex;
	struct {
		struct lwkt_ipiq *po_ring;
		struct ipiq_entry po_entry;
	}		 po_slot[IPIQ_PUTOFF];
};

static size_t
rings_bytes(int ncpus)
{
	return sizeof(struct lwkt_ipiq) * (size_t)ncpus * (size_t)ncpus;
}

size_t
ipiq_bytes(int ncpus)
{
	return rings_bytes(ncpus) + sizeof(struct lwkt_putoff) * (size_t)ncpus;
}

void
ipiq_place(void *mem, int ncpus)
{
	struct lwkt_ipiq *rings = mem;
	struct lwkt_putoff *po = (struct lwkt_putoff *)(void *)((char *)mem +
	    rings_bytes(ncpus));
	int cpu;

	for (cpu = 0; cpu < ncpus; cpu++) {
		gd_find(cpu)->gd_ipiq = rings + (size_t)cpu * (size_t)ncpus;
		gd_find(cpu)->gd_putoff = po + cpu;
	}
}

/* The callback.  Nothing was interrupted for it, so there is no frame. */
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

/* Is ip_rindex + 1 once the ring has an entry that was not taken. */
static inline const uint32_t *
ipiq_stamp(const struct lwkt_ipiq *ip)
{
	return &ip->ip_entry[ip->ip_rindex & IPIQ_MASK].ie_stamp;
}

/* Whether the ring has an entry that was not taken; then it may be read. */
static inline int
ipiq_ready(const struct lwkt_ipiq *ip)
{
	return atomic_load_acq_32(ipiq_stamp(ip)) == ip->ip_rindex + 1; /* O1 */
}

/* Take the next entry of a ring that has one. */
static inline struct ipiq_entry
ipiq_take(struct globaldata *gd, struct lwkt_ipiq *ip, int src)
{
	uint32_t ri = ip->ip_rindex;
	struct ipiq_entry ie = ip->ip_entry[ri & IPIQ_MASK];

	atomic_store_rel_32(&ip->ip_rindex, ri + 1);		/* O2 */
	ktr(gd, recv, src, ri);
	return ie;
}

/* Execute what was put off (Q3); that may put off more. */
static __lwkt_noinline void
putoff_run(struct lwkt_putoff *po)
{
	struct ipiq_entry ie;
	struct lwkt_ipiq *ip;
	uint32_t i;

	while (po->po_rindex != po->po_windex) {
		i = po->po_rindex++ % IPIQ_PUTOFF;
		ip = po->po_slot[i].po_ring;
		ie = po->po_slot[i].po_entry;
		ipiq_call(ip, &ie);
	}
}

/* Execute up to `max` entries of one ring. */
static void
ipiq_drain(struct globaldata *gd, struct lwkt_ipiq *ip, int src, uint32_t max)
{
	struct lwkt_putoff *po = gd->gd_putoff;
	struct ipiq_entry ie;

	for (; max > 0 && ipiq_ready(ip); max--) {
		ie = ipiq_take(gd, ip, src);
		ipiq_call(ip, &ie);
		if (unlikely(po->po_rindex != po->po_windex))
			putoff_run(po);				/* Q3 */
	}
}

/* Put off up to `max` entries of one ring. */
static void
ipiq_putoff(struct globaldata *gd, struct lwkt_ipiq *ip, int src, uint32_t max)
{
	struct lwkt_putoff *po = gd->gd_putoff;
	uint32_t i;

	for (; max > 0 && ipiq_ready(ip); max--) {
		KASSERTF(po->po_windex - po->po_rindex < IPIQ_PUTOFF,
		    "cpu %d: callbacks send more than can be under way, %d put "
		    "off", gd->gd_m.mc_cpuid, IPIQ_PUTOFF);
		i = po->po_windex++ % IPIQ_PUTOFF;
		po->po_slot[i].po_ring = ip;
		po->po_slot[i].po_entry = ipiq_take(gd, ip, src);
		counter_inc(gd->gd_cntbias, putoffs);
	}
}

/* What src sends to the owner of gd. */
static inline struct lwkt_ipiq *
ipiq_from(struct globaldata *gd, int src)
{
	return &gd_find(src)->gd_ipiq[gd->gd_m.mc_cpuid];
}

/* Q1, of the rings to this CPU. */
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
		    "ring from cpu %d to %d: %d unread, %d unexecuted", src,
		    gd->gd_m.mc_cpuid, fill, late);
	}
}

/* Whether anything is there, signalled or not. */
int
ipiq_pending(struct globaldata *gd)
{
	return (atomic_load_32(&gd->gd_m.mc_reqflags) & RQF_SENDERMASK) != 0;
}

/* Some of each ring with this sender's bit; the bit, if that was not all. */
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
 * Some of each ring that has a hint, and what was put off meanwhile.  Who sends
 * faster than we execute does not keep the CPU from its threads: the hints are
 * set again for what is left.
 */
static void
ipiq_pass(struct globaldata *gd)
{
	uint32_t bits, left = 0;

	bits = atomic_fetchand_32(&gd->gd_m.mc_reqflags,
	    ~(RQF_IPIQ | RQF_SENDERMASK)) & RQF_SENDERMASK;	/* O3 */
	for (; bits != 0; bits &= bits - 1)
		left |= ipiq_drain_some(gd, __builtin_ctz(bits) -
		    __builtin_ctz(RQF_SENDER(0)));
	if (unlikely(left != 0))
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_IPIQ | left);
	if (atomic_load_ptr(&gd->gd_foreignq) != 0)
		foreign_drain(gd);
	putoff_run(gd->gd_putoff);				/* Q3 */
}

static inline void
process_begin(struct globaldata *gd)
{
	KASSERT(gd->gd_processing_ipiq == 0);			/* Q5 */
	gd->gd_processing_ipiq = 1;
	gd->gd_intr_nesting++;
}

/* While a rendezvous stops this CPU, make more passes. */
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

/* The owner of gd, in a critical section. */
void
ipiq_process(struct globaldata *gd)
{
	process_begin(gd);
	ipiq_pass(gd);
	process_end(gd);
}

/*
 * The idle thread, before it waits: poll.  1 if messages came that were not
 * hinted at; they have been executed.
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
	atomic_store_32(&gd->gd_m.mc_watching, 0);
	atomic_fence_seq_cst();					/* O4 */
	if (came) {
		process_begin(gd);
		ipiq_drain(gd, ip, src, IPIQ_PASS);
		process_end(gd);
	}
	if (gd->gd_rqmask == 0)
		gd->gd_talker = 0;
	if (unlikely(ipiq_ready(ip)))
		atomic_set_32(&gd->gd_m.mc_reqflags,
		    RQF_IPIQ | RQF_SENDER(src));		/* Q4 */
	return came;
}

/* While we wait for room: read those who wait for us, down to their mark. */
static void
ipiq_process_waiting(struct globaldata *gd)
{
	int in_callback = gd->gd_processing_ipiq, src;
	struct lwkt_ipiq *ip;
	uint32_t drain;
	int32_t max;

	gd->gd_processing_ipiq = 1;
	gd->gd_intr_nesting++;
	for (src = 0; src < lwkt__ncpus; src++) {
		ip = ipiq_from(gd, src);
		if ((drain = atomic_load_acq_32(&ip->ip_drain)) == 0)
			continue;
		max = (int32_t)(atomic_load_32(&ip->ip_windex) -
		    ip->ip_rindex - (drain - 1));
		if (max <= 0)
			continue;
		if (in_callback)
			ipiq_putoff(gd, ip, src, (uint32_t)max);
		else
			ipiq_drain(gd, ip, src, (uint32_t)max);
	}
	gd->gd_intr_nesting--;
	gd->gd_processing_ipiq = in_callback;
}

/* Both hints are set, and were after what was written before this call. */
static inline int
ipiq_hinted(struct globaldata *tgd, uint32_t hints)
{
	if ((atomic_load_32(&tgd->gd_m.mc_reqflags) & hints) != hints)
		return 0;
	atomic_fence_seq_cst();					/* O3 */
	return (atomic_load_32(&tgd->gd_m.mc_reqflags) & hints) == hints;
}

/* The target watches our ring, and will look at what was written before. */
static inline int
ipiq_watched(struct globaldata *gd, struct globaldata *tgd)
{
	uint32_t self = (uint32_t)gd->gd_m.mc_cpuid + 1;

	if (atomic_load_32(&tgd->gd_m.mc_watching) != self)
		return 0;
	atomic_fence_seq_cst();					/* O4 */
	return atomic_load_32(&tgd->gd_m.mc_watching) == self;
}

/* Make sure that the target will look at ring (gd, tgd). */
static inline void
ipiq_signal(struct globaldata *gd, struct globaldata *tgd)
{
	uint32_t hints = RQF_IPIQ | RQF_SENDER(gd->gd_m.mc_cpuid), old;

	if (ipiq_watched(gd, tgd) || ipiq_hinted(tgd, hints)) {
		counter_inc(gd->gd_cntbias, avoided);		/* Q4 */
		return;
	}
	old = atomic_fetchor_32(&tgd->gd_m.mc_reqflags, hints);	/* O3 */
	if ((old & (RQF_IPIQ | RQF_SLEEPING)) == RQF_SLEEPING) {
		counter_inc(gd->gd_cntbias, doorbells);
		machine_doorbell(&tgd->gd_m);
	} else if (unlikely((old & (RQF_IPIQ | RQF_PREEMPTIBLE)) ==
	    RQF_PREEMPTIBLE)) {
		async_kick_later(gd, tgd);
	}
}

static inline uint32_t
ipiq_fill(struct lwkt_ipiq *ip)
{
	return ip->ip_windex - ip->ip_rcache;
}

/* Wait until at most `low` entries are in the ring. */
static __lwkt_noinline void
ipiq_wait_room(struct globaldata *gd, struct globaldata *tgd,
    struct lwkt_ipiq *ip, uint32_t low)
{
	uint32_t outer = ip->ip_drain;	/* a thread's, if we are a callback */
	unsigned turn = 0;

	counter_inc(gd->gd_cntbias, fifofull);
	ktr(gd, full, tgd->gd_m.mc_cpuid, ipiq_fill(ip));
	if (outer == 0)
		atomic_store_rel_32(&ip->ip_drain, low + 1);
	for (;;) {
		ip->ip_rcache = atomic_load_acq_32(&ip->ip_rindex); /* O2 */
		if (ipiq_fill(ip) <= low)
			break;
		/* It may hold passive messages only: 1b1e83e245. */
		ipiq_signal(gd, tgd);
		ipiq_process_waiting(gd);
		machine_pause(turn++);
	}
	atomic_store_rel_32(&ip->ip_drain, outer);
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
	atomic_store_32(&ip->ip_windex, wi + 1);
	atomic_store_rel_32(&ie->ie_stamp, wi + 1);		/* O1 */
}

static inline struct lwkt_ipiq *
ipiq_find(struct globaldata *gd, int cpu)
{
	KASSERTF(cpu >= 0 && cpu < lwkt__ncpus, "cpu %d of %d", cpu,
	    lwkt__ncpus);
	return &gd->gd_ipiq[cpu];
}

/* Room for one more, waiting if need be. */
static inline void
ipiq_room(struct globaldata *gd, int cpu, struct lwkt_ipiq *ip)
{
	uint32_t high = IPIQ_HIGH, low = IPIQ_LOW;

	if (likely(ipiq_fill(ip) < IPIQ_HIGH))
		return;
	ip->ip_rcache = atomic_load_acq_32(&ip->ip_rindex);	/* O2 */
	if (gd->gd_processing_ipiq != 0) {
		high = IPIQ_NESTED_HIGH;
		low = IPIQ_NESTED_LOW;
	}
	if (ipiq_fill(ip) >= high)
		ipiq_wait_room(gd, gd_find(cpu), ip, low);
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
		ipiq_room(gd, cpu, ip);
		ipiq_put(gd, cpu, ip, fn, arg1, arg2, nargs);
		seq = ip->ip_windex;
		ipiq_signal(gd, gd_find(cpu));
	}
	crit_exit_td(self);
	return seq;
}

unsigned
lwkt_send_ipiq(int cpu, lwkt_ipifunc1_t fn, void *arg)
{
	return ipiq_send(cpu, (void *)fn, arg, 0, 1);
}

unsigned
lwkt_send_ipiq2(int cpu, lwkt_ipifunc2_t fn, void *arg1, int arg2)
{
	return ipiq_send(cpu, (void *)fn, arg1, arg2, 2);
}

unsigned
lwkt_send_ipiq3(int cpu, lwkt_ipifunc3_t fn, void *arg1, int arg2)
{
	return ipiq_send(cpu, (void *)fn, arg1, arg2, 3);
}

/* P1: the sender's next tick looks whether the message was taken. */
static inline void
passive_note(struct globaldata *gd, int cpu)
{
	if (!cpumask_test_atomic(&gd->gd_passive_cpus, cpu))
		cpumask_set_atomic(&gd->gd_passive_cpus, cpu);
	atomic_store_32(&gd->gd_passive, 1);
	clock_need_tick(gd);
}

/*
 * Make the messages of one ring active if the hint says that they are there
 * still.  While it is set the target is awake or has been rung for, so it needs
 * no doorbell; and RQF_IPIQ is not set without it, or a later sender would
 * spare the doorbell of a CPU that sleeps.
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
 * The handler of a signal may come between any two lines of passive_note: the
 * mask is written first, and what this misses is left for the next tick.
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
	KASSERTF(cpu != gd->gd_m.mc_cpuid, "passive message to oneself, cpu %d",
	    cpu);
	tgd = gd_find(cpu);
	if (ipiq_fill(ip) >= IPIQ_PASSIVE)
		ip->ip_rcache = atomic_load_acq_32(&ip->ip_rindex); /* O2 */
	if (ipiq_fill(ip) >= IPIQ_PASSIVE) {
		crit_exit_noyield(self);
		return ipiq_send(cpu, fn, arg1, arg2, nargs);
	}
	ipiq_put(gd, cpu, ip, fn, arg1, arg2, nargs);
	seq = ip->ip_windex;
	counter_inc(gd->gd_cntbias, passive);
	hint = RQF_SENDER(gd->gd_m.mc_cpuid);
	if (!ipiq_hinted(tgd, hint)) {
		old = atomic_fetchor_32(&tgd->gd_m.mc_reqflags, hint); /* O3 */
		if ((old & (hint | RQF_SLEEPING)) == RQF_SLEEPING) {
			counter_inc(gd->gd_cntbias, doorbells);
			machine_doorbell(&tgd->gd_m);
		}
	}
	passive_note(gd, cpu);
	crit_exit_td(self);
	return seq;
}

unsigned
lwkt_send_ipiq_passive(int cpu, lwkt_ipifunc2_t fn, void *arg1, int arg2)
{
	return send_passive(cpu, (void *)fn, arg1, arg2, 2);
}

unsigned
lwkt_send_ipiq3_passive(int cpu, lwkt_ipifunc3_t fn, void *arg1, int arg2)
{
	return send_passive(cpu, (void *)fn, arg1, arg2, 3);
}

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
	ip->ip_rcache = atomic_load_acq_32(&ip->ip_rindex);	/* O2 */
	if (cpu != gd->gd_m.mc_cpuid && ipiq_fill(ip) >= IPIQ_HIGH)
		error = EAGAIN;
	else
		(void)ipiq_send(cpu, (void *)fn, arg1, arg2, 2);
	crit_exit_td(self);
	return error;
}

/* From our own number upward, so that CPU 0 is not favoured. */
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

int
lwkt_send_ipiq_mask(lwkt_cpumask_t mask, lwkt_ipifunc2_t fn, void *arg1,
    int arg2)
{
	return send_mask(&mask, (void *)fn, arg1, arg2, 2);
}

int
lwkt_send_ipiq3_mask(lwkt_cpumask_t mask, lwkt_ipifunc3_t fn, void *arg1,
    int arg2)
{
	return send_mask(&mask, (void *)fn, arg1, arg2, 3);
}

int
lwkt_send_ipiq_bcast(lwkt_ipifunc2_t fn, void *arg1, int arg2)
{
	lwkt_cpumask_t mask;

	memset(&mask, 0xff, sizeof(mask));
	return lwkt_send_ipiq_mask(mask, fn, arg1, arg2);
}

void
lwkt_process_ipiq(void)
{
	struct globaldata *gd = mygd();

	KASSERTF(crit_test(curthread), "thread \"%s\" is in no critical "
	    "section", curthread->td_name);
	KASSERTF(gd->gd_processing_ipiq == 0, "in a callback on cpu %d",
	    gd->gd_m.mc_cpuid);
	gd->gd_polls = ipiq_pending(gd) ? 0 : gd->gd_polls + 1;
	machine_pause(gd->gd_polls);
	ipiq_process(gd);
}

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
	KASSERTF(gd->gd_processing_ipiq == 0, "a callback waits for cpu %d",
	    cpu);
	while (cpu != gd->gd_m.mc_cpuid &&
	    (int32_t)(seq - atomic_load_acq_32(&ip->ip_xindex)) > 0) {
		ipiq_signal(gd, gd_find(cpu));
		ipiq_process(gd);
		machine_pause(turn++);
	}
	crit_exit_td(self);
}

struct ipiq_sync {
	lwkt_thread_t	is_td;
	int		is_home;	/* its CPU; it does not move */
	int		is_done;	/* written on is_home only */
	uint32_t	is_left;	/* CPUs that have not answered */
};

static void
sync_done(void *arg)
{
	struct ipiq_sync *is = arg;

	is->is_done = 1;
	sched_enqueue(mygd(), is->is_td);
}

static void
sync_remote(void *arg)
{
	struct ipiq_sync *is = arg;

	/* The waiter must not see the end before the last one lets go. */
	if (atomic_fetchadd_32(&is->is_left, (uint32_t)-1) == 1)
		lwkt_send_ipiq(is->is_home, sync_done, is);
}

void
lwkt_synchronize_ipiqs(const char *wmesg)
{
	struct ipiq_sync is;
	lwkt_thread_t self = caller_thread();
	int cpu;

	if (lwkt__ncpus == 1)
		return;
	crit_enter_td(self);
	delayed_flush_if(self);
	is.is_td = self;
	is.is_home = mycpuid;
	is.is_done = 0;
	is.is_left = (uint32_t)lwkt__ncpus - 1;
	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		if (cpu != is.is_home)
			lwkt_send_ipiq(cpu, sync_remote, &is);
	self->td_wmesg = wmesg;
	while (!*(volatile int *)&is.is_done) {
		sched_dequeue(mygd(), self);
		switch_away();
	}
	self->td_wmesg = NULL;
	crit_exit_td(self);
}
