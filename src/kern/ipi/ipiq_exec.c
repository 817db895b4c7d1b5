/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between CPUs: reading and executing them.
 *
 * THEORY
 * The target clears all hints at once and then reads the rings whose hint was
 * set, a part of each ring in one pass.  It sets the hints again for what it
 * leaves, so that its threads run in between.
 *
 * Two CPUs that send to each other in turn need no hints.  An idle CPU watches
 * the ring of the CPU whose messages last made a thread of the idle CPU
 * runnable (gd_talker), and publishes that in mc_watching.  The watched sender
 * then sets no hint, so only the entry and what the entry points at move
 * between the two CPUs.  The watch ends with the first message, with a hint of
 * another CPU or any other bit of RQF_WAKE, or with the end of the poll.  The
 * CPU then clears mc_watching and tests the ring once more.  If no thread is
 * runnable then, the CPU watches no ring until messages make a thread runnable
 * again: a stream of messages that wake no thread is better read in batches.
 *
 * Messages that a CPU reads while it waits inside a section, for room or for a
 * spinlock, must not be executed there.  They are deferred (lwkt_ipiq_room.c):
 * gd_ndeferred of them wait for the end of the outermost section.
 *
 * INVARIANTS
 * IX1 Each message is executed once, in the order of its ring; a revoked one
 *     does nothing.
 * IX2 Deferred messages are executed before any message that is read later.
 * IX3 Callbacks run in a critical section with gd_intr_nesting > 0, one at a
 *     time: gd_processing_ipiq is 0 or 1.  (A message to the sender's own CPU
 *     is not queued: it is a plain call.)
 * IX4 The callback of a message from another CPU never runs inside a critical
 *     section that the interrupted thread has entered.  The exceptions are the
 *     calls documented to execute messages: lwkt_process_ipiq(),
 *     lwkt_wait_ipiq(), lwkt_abortmsg() for a system call, and the rendezvous.
 *
 * Source: DragonFly lwkt_ipiq.c.
 */
#include "kern/cpu/ktr_rec.h"
#include "kern/ipi/cpusync_var.h"
#include "kern/ipi/ipi_var.h"
#include "kern/ipi/ipiq_var.h"

TRACEPOINT(recv, KTR_IPI, "ipi.recv", "cpu=%llu seq=%llu");

/* One pass executes at most this many messages of one ring. */
#define IPIQ_PASS	(config_hard ? 4u : 32u)

static size_t
rings_bytes(int ncpus)
{
	return sizeof(struct lwkt_ipiq) * (size_t)ncpus * (size_t)ncpus;
}

/* Return how many bytes ipiq_place() needs. */
size_t
ipiq_bytes(int ncpus)
{
	return rings_bytes(ncpus) +
	    sizeof(struct ipiq_deferred) * (size_t)ncpus;
}

/* Place the rings and the queues of all CPUs in mem, which is zeroed.  Boot. */
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

/* Call the callback of the message, then count the message as executed. */
static inline void
ipiq_call(struct lwkt_ipiq *ip, const struct ipiq_entry *ie)
{
	ipiq_entry_call(ie);
	atomic_store_rel_32(&ip->ip_xindex, ip->ip_xindex + 1);
}

/*
 * Execute the messages that are deferred at the time of the call (IX2).
 * Messages that are deferred while these run stay in the queue, so that the CPU
 * returns to its threads first.
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

/*
 * Execute up to `max` entries of one ring, after everything deferred.  Return
 * early if a callback of a deferred message has made the CPU defer more.
 */
static void
ipiq_drain(struct globaldata *gd, struct lwkt_ipiq *ip, int src, uint32_t max)
{
	struct ipiq_entry ie;

	for (;; max--) {
		if (unlikely(gd->gd_ndeferred != 0)) {
			deferred_run(gd);
			if (gd->gd_ndeferred != 0)
				return;				/* IX2 */
		}
		if (max == 0 || !ipiq_ready(ip))
			return;
		ktr(gd, recv, src, ip->ip_rindex);
		ie = ipiq_take(ip);				/* IX1 */
		ipiq_call(ip, &ie);
	}
}

/* Check IQ1 for the rings to this CPU; panic if it does not hold. */
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

/* The callback of a message that was revoked. */
static void
revoked(void *arg)
{
	(void)arg;
}

/* If the entry is fn(arg), make it do nothing and return 1; else return 0. */
static int
entry_revoke(struct ipiq_entry *ie, void (*fn)(void *), const void *arg)
{
	if (ie->ie_fn != (void *)fn || ie->ie_arg1 != arg)
		return 0;
	ie->ie_fn = (void *)revoked;
	return 1;
}

/*
 * Revoke one message fn(arg) that this CPU has not executed yet: the message
 * then does nothing.  Return 1, or 0 if there is no such message.  An entry
 * that was written and not taken belongs to the reader (IPO1, IPO2), so the
 * reader may change it in its ring.
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

/*
 * For liveness.c.  Return 1 if CPU src has sent a message that is not read; if
 * src is -1, return 1 if a message is deferred; else 0.  *index becomes the
 * number of the next message to be read, or to be executed.
 */
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

/* Return 1 if a hint is set, for active or passive messages; else 0. */
int
ipiq_pending(struct globaldata *gd)
{
	return (atomic_load_32(&gd->gd_m.mc_reqflags) & RQF_SENDERMASK) != 0;
}

/*
 * Execute up to IPIQ_PASS entries of each ring whose sender has the bit of CPU
 * `sender`.  Return the bit if entries are left, else 0.  If a thread is
 * runnable after the entries of a ring, gd_talker becomes 1 + the ring's
 * sender.
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
 * Execute the deferred messages, then some entries of each ring that has a
 * hint, then the items of the inject queue (foreign.c), then the messages that
 * were deferred meanwhile.  If entries are left in a ring, set its hint again
 * and do not wait for more, so a sender that is faster than this CPU does not
 * keep the CPU from its threads.
 */
static void
ipiq_pass(struct globaldata *gd)
{
	uint32_t bits, left = 0;

	/*
	 * Clear the hints before the rings are read: a sender that found them
	 * still set has written its stamp before this instruction (ISO1).
	 */
	bits = atomic_fetchand_32(&gd->gd_m.mc_reqflags,
	    ~(RQF_IPIQ | RQF_SENDERMASK)) & RQF_SENDERMASK;	/* ISO1 */
	if (unlikely(gd->gd_ndeferred != 0))
		deferred_run(gd);				/* IX2 */
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

/* Begin to execute messages: callbacks may run until process_end() returns. */
static inline void
process_begin(struct globaldata *gd)
{
	KASSERT(gd->gd_processing_ipiq == 0);			/* IX3 */
	gd->gd_processing_ipiq = 1;
	gd->gd_intr_nesting++;
}

/*
 * End what process_begin() began.  If a rendezvous stops this CPU, first
 * execute messages until the rendezvous lets the CPU continue.
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

/*
 * Execute messages to this CPU, a part if they are many.  While a rendezvous
 * stops this CPU, go on executing messages and do not return.  Own CPU, in a
 * critical section; never blocks.
 */
void
ipiq_process(struct globaldata *gd)
{
	process_begin(gd);
	ipiq_pass(gd);
	process_end(gd);
}

/*
 * Poll for messages, and watch the ring from gd_talker if that is not 0.
 * Return 1 if the watched ring got messages; up to IPIQ_PASS of them have been
 * executed.  Else return 0: a hint or another RQF_WAKE bit is set, or the poll
 * took too long.  Called by the idle thread before it halts.
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
	 * its message is seen below, or it sees that the watch is over (ISO2).
	 */
	atomic_store_32(&gd->gd_m.mc_watching, 0);
	atomic_fence_seq_cst();					/* ISO2 */
	if (came) {
		process_begin(gd);
		ipiq_drain(gd, ip, src, IPIQ_PASS);
		process_end(gd);
	}
	if (gd->gd_rqmask == 0)
		gd->gd_talker = 0;
	if (unlikely(ipiq_ready(ip)))
		atomic_set_32(&gd->gd_m.mc_reqflags,
		    RQF_IPIQ | RQF_SENDER(src));		/* IPI1 */
	return came;
}
