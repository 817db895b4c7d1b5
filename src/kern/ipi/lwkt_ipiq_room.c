/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for room in a ring between CPUs, without running a callback where
 * none may run, and without a deadlock.
 *
 * THEORY
 * A send is legal in a critical section, in a callback, and with a spinlock
 * held.  There no callback may run: the section was entered to keep callbacks
 * out.  So a wait for room has two forms.
 *
 * An open wait: the sender is in no section but the send's own.  It executes
 * messages, as any critical exit does, until the target has made room.
 *
 * A closed wait: the sender is in a section.  It executes nothing.  The target
 * may at the same time wait for room in a ring to the sender, so the sender
 * must still read.  It only defers what it reads: it copies the messages to a
 * queue of its CPU.  The queue is executed at the end of the outermost section,
 * before any ring is read again.  RQF_IPIQ is set, so that this critical exit
 * executes it.
 *
 * A CPU that spins for a spinlock does the same as in a closed wait, because
 * the holder of the spinlock may wait for room in a ring to that CPU.
 *
 * How much is deferred.  A CPU publishes what it waits for: gd_room (a ring and
 * the fill it needs) or gd_spinwant (a spinlock).  While fewer than
 * IPIQ_DEFER_EASY messages are deferred, a CPU reads for each CPU that waits
 * for it, as much as that wait needs.  Beyond that it reads only where it must:
 * for a sender that it waits for itself, directly or through other CPUs that
 * wait (a cycle).  All other senders wait until the section here is over: that
 * is the back-pressure.  In a cycle each member, when it begins to wait, reads
 * for the member before it, and only then looks at its own ring.  So no member
 * can go around a second time before the others have made progress, and what is
 * deferred during a section is proportional to what the section itself sends.
 *
 * A spinlock is not fair: its holder could take it again and again and send
 * each time, while the CPU that spins for it defers.  So a CPU checks how many
 * of its messages to another CPU are not executed yet.  If they are more than
 * IPIQ_DEBT, it waits at the end of its outermost section: outside sections, it
 * executes messages until the other CPU has executed most of its messages.  So
 * at most this many messages of one sender are ever deferred: IPIQ_DEBT, and
 * those that it sends in one section or in the callbacks of one critical exit.
 * The queue holds IPIQ_DEFER_MAX messages.  It overflows, and the CPU panics,
 * only if a section sends tens of thousands of messages to CPUs that do the
 * same to it.
 *
 * INVARIANTS
 * IR1 gd_ndeferred > 0 => RQF_IPIQ is set in this CPU's mc_reqflags, unless the
 *     CPU is executing messages (gd_processing_ipiq).
 * IR2 gd_room != 0 or gd_spinwant != 0 only in such a wait.  In a closed wait
 *     the list of spinlocks held (gd_spinheld) is constant.
 * IR3 A closed wait executes nothing: what its caller has tested is still true
 *     afterwards, as far as only callbacks of this CPU change it.
 *
 * Why no deadlock.  Suppose that some CPUs wait for ever.  An open wait
 * executes messages, so it reads every ring to its CPU: no CPU waits for it for
 * ever.  A CPU that runs threads comes to a critical exit (this file cannot
 * help if a thread computes in a section without end).  So each of these CPUs
 * is in a closed wait or spins, and the CPU it waits for is another of them.
 * Following these waits leads to a cycle.  Each member sees the cycle, because
 * nothing in it changes.  At least one wait in it is for room, because
 * spinlocks alone deadlock only if the program takes them in a wrong order.
 * The CPU that this wait is for reads the ring, which ends the wait.
 *
 * ORDER
 * gd_room and gd_spinwant are stored with release and read with acquire.  A
 * reader thus sees an index of the ring and a list of spinlocks that are no
 * older than they.  A waiter reads the other CPUs' again and again until its
 * wait is over.  So it needs no fence: what it misses now it sees later.
 *
 * Source: DragonFly's ipiq drain levels; it executes there, inside the sender's
 * section.
 */
#include "kern/cpu/ktr_rec.h"
#include "kern/ipi/ipi_var.h"
#include "kern/ipi/ipiq_var.h"

#include <string.h>

TRACEPOINT(full, KTR_IPI, "ipi.full", "cpu=%llu fill=%llu");
TRACEPOINT(defer, KTR_IPI, "ipi.defer", "cpu=%llu count=%llu");

COUNTER(fifofull, "lwkt.ipiq_fifofull", "waits of senders for room in a ring");
COUNTER(deferred, "lwkt.ipiq_deferred",
    "messages that came in a critical section and waited for its end");
COUNTER(debts, "lwkt.ipiq_debts",
    "waits after a critical section until others execute its messages");

/* gd_room: 0, or 1 + the target, the fill waited for, and how. */
#define ROOM(cpu, low)	((uint32_t)(cpu) + 1 + ((uint32_t)(low) << 16))
#define ROOM_OPEN	0x80000000u
#define ROOM_CPU(r)	((int)((r) & 0xffff) - 1)
#define ROOM_LOW(r)	(((r) & ~ROOM_OPEN) >> 16)

/*
 * Return how many entries must be read from ring (gd, *target) to end the wait
 * of gd's CPU; 0 if it does not wait for room.
 */
static int32_t
room_wanted(struct globaldata *gd, uint32_t room, int *target)
{
	struct lwkt_ipiq *ip;
	int32_t n;

	if (room == 0)
		return 0;
	*target = ROOM_CPU(room);
	ip = &gd->gd_ipiq[*target];
	n = (int32_t)(atomic_load_32(&ip->ip_windex) -
	    atomic_load_32(&ip->ip_rindex) - ROOM_LOW(room));
	return n > 0 ? n : 0;
}

/* Return whether the CPU of gd waits and holds spinlock s. */
static int
holds(struct globaldata *gd, uintptr_t s)
{
	int i, n;

	if (atomic_load_acq_32(&gd->gd_room) == 0 &&
	    atomic_load_acq_ptr(&gd->gd_spinwant) == 0)
		return 0;					/* IR2 */
	n = __atomic_load_n(&gd->gd_spinlocks, __ATOMIC_RELAXED);
	for (i = 0; i < n && i < LWKT_MAXSPINS; i++)
		if ((uintptr_t)__atomic_load_n(&gd->gd_spinheld[i],
		    __ATOMIC_RELAXED) == s)
			return 1;
	return 0;
}

/* Sets of CPUs: found; of these, not yet followed. */
struct chain {
	lwkt_cpumask_t	ch_found;
	lwkt_cpumask_t	ch_todo;
};

/* Add a CPU to the chain, unless it is there. */
static void
chain_add(struct chain *ch, int cpu)
{
	if (cpumask_test(&ch->ch_found, cpu))
		return;
	cpumask_set(&ch->ch_found, cpu);
	cpumask_set(&ch->ch_todo, cpu);
}

/*
 * Add the CPUs that the CPU of gd waits for.  An open wait is for none: it
 * reads every ring, so it cannot be part of a cycle.
 */
static void
chain_follow(struct chain *ch, struct globaldata *gd)
{
	uint32_t room = atomic_load_acq_32(&gd->gd_room);
	uintptr_t s = atomic_load_acq_ptr(&gd->gd_spinwant);
	int cpu;

	if ((room & ROOM_OPEN) == 0 && room_wanted(gd, room, &cpu) > 0)
		chain_add(ch, cpu);
	if (s == 0)
		return;
	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		if (gd_find(cpu) != gd && holds(gd_find(cpu), s))
			chain_add(ch, cpu);
}

/*
 * Return the CPUs that this CPU waits for, directly or through others that
 * wait.
 */
static lwkt_cpumask_t
waited_for(struct globaldata *gd)
{
	struct chain ch;
	int cpu;

	memset(&ch, 0, sizeof(ch));
	chain_follow(&ch, gd);
	while ((cpu = cpumask_next(&ch.ch_todo, 0)) >= 0) {
		cpumask_clear(&ch.ch_todo, cpu);
		chain_follow(&ch, gd_find(cpu));
	}
	return ch.ch_found;
}

/* Defer up to n entries of the ring from src. */
static void
ring_defer(struct globaldata *gd, int src, int32_t n)
{
	struct lwkt_ipiq *ip = ipiq_from(gd, src);
	struct ipiq_deferred *df = gd->gd_deferred;
	uint32_t i;

	ktr(gd, defer, src, n);
	for (; n > 0 && ipiq_ready(ip); n--) {
		if (gd->gd_ndeferred >= IPIQ_DEFER_MAX)
			lwkt_panic("cpu %d: %u messages came while thread "
			    "\"%s\" was in one critical section, the last "
			    "from cpu %d: both CPUs send without end",
			    gd->gd_m.mc_cpuid, gd->gd_ndeferred,
			    curthread->td_name, src);
		i = (df->df_first + gd->gd_ndeferred) % IPIQ_DEFER_MAX;
		df->df_slot[i].df_ring = ip;
		df->df_slot[i].df_entry = ipiq_take(ip);	/* IR3 */
		gd->gd_ndeferred++;
		counter_inc(gd->gd_cntbias, deferred);
	}
	atomic_set_32(&gd->gd_m.mc_reqflags,
	    RQF_IPIQ | RQF_SENDER(src));			/* IR1 */
}

/*
 * Make one turn of a wait in a section: read for the CPUs that wait for this
 * one.  A sender that waits has set its hint.  Never executes anything (IR3).
 */
void
ipiq_defer_waiting(struct globaldata *gd)
{
	uint32_t hints = atomic_load_32(&gd->gd_m.mc_reqflags), room;
	int all = gd->gd_ndeferred < IPIQ_DEFER_EASY, src, target;
	lwkt_cpumask_t must;
	int32_t n;

	if ((hints & RQF_SENDERMASK) == 0)
		return;
	if (!all)
		must = waited_for(gd);
	for (src = 0; src < lwkt__ncpus; src++) {
		if ((hints & RQF_SENDER(src)) == 0 ||
		    (!all && !cpumask_test(&must, src)))
			continue;
		room = atomic_load_acq_32(&gd_find(src)->gd_room);
		n = room_wanted(gd_find(src), room, &target);
		if (n > 0 && target == gd->gd_m.mc_cpuid)
			ring_defer(gd, src, n);
	}
}

/*
 * Return whether at most `low` entries are in the ring; reads the target's
 * index.
 */
static inline int
has_room(struct lwkt_ipiq *ip, uint32_t low)
{
	ip->ip_rcache = atomic_load_acq_32(&ip->ip_rindex);	/* IPO2 */
	return ipiq_fill(ip) <= low;
}

/*
 * Wait in a section.  The target is reminded in each turn, because the ring may
 * hold passive messages only, which do not make it look (1b1e83e245).  In each
 * turn this CPU first reads for the CPUs that wait for it, then looks at its
 * own ring: this order bounds what a cycle of CPUs defers.
 */
static void
wait_closed(struct globaldata *gd, struct globaldata *tgd,
    struct lwkt_ipiq *ip, uint32_t low)
{
	uint32_t outer = gd->gd_room;	/* an open wait, if we are a callback */
	unsigned turn = 0;

	atomic_store_rel_32(&gd->gd_room, ROOM(tgd->gd_m.mc_cpuid, low));
	for (;;) {
		ipiq_remind(gd, tgd);
		ipiq_defer_waiting(gd);		/* before the check: THEORY */
		if (has_room(ip, low))
			break;
		machine_pause(turn++);
	}
	atomic_store_rel_32(&gd->gd_room, outer);
}

/* Wait outside sections, executing messages. */
static void
wait_open(struct globaldata *gd, struct globaldata *tgd, struct lwkt_ipiq *ip,
    uint32_t low)
{
	unsigned turn = 0;

	atomic_store_rel_32(&gd->gd_room, ROOM_OPEN |
	    ROOM(tgd->gd_m.mc_cpuid, low));
	while (!has_room(ip, low)) {
		ipiq_remind(gd, tgd);
		ipiq_process(gd);
		machine_pause(turn++);
	}
	atomic_store_rel_32(&gd->gd_room, 0);
}

/*
 * Return whether more than `allowed` messages of this ring are not executed
 * yet.
 */
static inline int
in_debt(struct lwkt_ipiq *ip, uint32_t allowed)
{
	return ip->ip_windex - atomic_load_acq_32(&ip->ip_xindex) > allowed;
}

void
ipiq_room_slow(struct globaldata *gd, struct globaldata *tgd,
    struct lwkt_ipiq *ip, int open)
{
	uint32_t high = IPIQ_HIGH, low = IPIQ_LOW;

	if (gd->gd_processing_ipiq != 0) {
		high = IPIQ_NESTED_HIGH;
		low = IPIQ_NESTED_LOW;
	}
	if (has_room(ip, high - 1))
		return;
	counter_inc(gd->gd_cntbias, fifofull);
	ktr(gd, full, tgd->gd_m.mc_cpuid, ipiq_fill(ip));
	if (open)
		wait_open(gd, tgd, ip, low);
	else
		wait_closed(gd, tgd, ip, low);
	if (in_debt(ip, IPIQ_DEBT)) {
		gd->gd_debt = 1;
		atomic_set_32(&gd->gd_m.mc_reqflags, RQF_IPIQ);
	}
}

/*
 * Execute messages until the other CPUs have caught up.  Called by splz with
 * gd_debt set: a section or callbacks of this CPU have sent far more than
 * others have executed.
 */
void
ipiq_pay(struct globaldata *gd)
{
	struct lwkt_ipiq *ip;
	unsigned turn = 0;
	int cpu;

	gd->gd_debt = 0;
	counter_inc(gd->gd_cntbias, debts);
	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		ip = &gd->gd_ipiq[cpu];
		while (in_debt(ip, IPIQ_DEBT / 2)) {
			ipiq_remind(gd, gd_find(cpu));
			ipiq_process(gd);
			machine_pause(turn++);
		}
	}
}
