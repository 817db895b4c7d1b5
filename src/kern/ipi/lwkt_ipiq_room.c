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
 * queue of its CPU.  RQF_IPIQ is set, so that the exit from the outermost
 * section executes the queue, before it reads any ring.
 *
 * A CPU that spins for a spinlock does the same as in a closed wait, because
 * the holder of the spinlock may wait for room in a ring to that CPU.
 *
 * How much is deferred.  A CPU publishes what it waits for: gd_room (a ring,
 * and the number of entries at which the wait ends) or gd_spinwant (a
 * spinlock).  "To read for a sender" means to read so much of the ring from
 * that sender that its wait ends.  While a CPU in a closed wait has fewer than
 * IPIQ_DEFER_EASY messages deferred, it reads for each sender that waits for
 * it.  Once it has that many, it reads only for those senders for which it
 * waits in turn, directly or through other CPUs that wait: these waits are a
 * cycle.  All other senders wait until the section of this CPU is over: that is
 * the back-pressure.  A member of a cycle that begins to wait first reads for
 * the member that waits for it, and only then tests whether its own ring has
 * room.  So no member can end two waits before the others have made progress,
 * and what is deferred during a section is proportional to what the section
 * itself sends.
 *
 * A spinlock is not fair: its holder could take it again and again and send
 * each time, while the CPU that spins for it defers.  So after each wait for
 * room, the sender checks how many of its messages to the target are not
 * executed yet.  If they are more than IPIQ_DEBT, the sender is in debt
 * (gd_debt).  The exit from its outermost section then executes messages until
 * no CPU has more than IPIQ_DEBT / 2 of its messages left to execute
 * (ipiq_pay).  So at most this many messages of one sender are ever deferred:
 * IPIQ_DEBT, and those that it sends in one section or in the callbacks of one
 * critical exit.  The queue holds IPIQ_DEFER_MAX messages.  It overflows, and
 * the CPU panics, only if a section sends tens of thousands of messages to CPUs
 * that do the same to it.
 *
 * INVARIANTS
 * IR1 gd_ndeferred > 0 => RQF_IPIQ is set in this CPU's mc_reqflags, unless the
 *     CPU is executing messages (gd_processing_ipiq).
 * IR2 gd_room != 0 only while the CPU waits for room, gd_spinwant != 0 only
 *     while it spins for a spinlock.  In a closed wait the list of spinlocks
 *     held (gd_spinheld) is constant.
 * IR3 A closed wait executes nothing.  So a condition that only callbacks of
 *     this CPU change is the same after the wait as before.
 *
 * Why no deadlock.  Suppose that some CPUs wait for ever.  A CPU in an open
 * wait executes messages, so it reads every ring to it: no CPU waits for it for
 * ever.  A CPU that runs threads comes to a critical exit and reads its rings
 * there (this file cannot help if a thread computes in a section without end).
 * So each of the CPUs that wait for ever is in a closed wait or spins, and it
 * waits for another of these CPUs.  Following the waits from CPU to CPU leads
 * to a cycle.  Each member finds the cycle (waited_for), because nothing in it
 * changes.  At least one wait in the cycle is for room, because spinlocks alone
 * deadlock only if the program takes them in a wrong order.  The CPU that must
 * make this room reads the ring.  That ends the wait, which was assumed to last
 * for ever.
 *
 * ORDER
 * gd_room and gd_spinwant are stored with release and read with acquire.  So a
 * CPU that reads one of them sees the index of the ring and the list of
 * spinlocks as they were when it was stored, or newer.  A CPU that waits reads
 * the gd_room and gd_spinwant of the other CPUs again and again until its wait
 * is over.  So it needs no fence: what it misses now it sees later.
 *
 * Source: DragonFly's ipiq drain levels.  DragonFly executes messages during
 * the wait, inside the sender's section.
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

/*
 * gd_room is 0, or has these parts.  Bits 0 to 15: 1 + the number of the target
 * CPU.  Bits 16 to 30: the wait ends when the ring has at most this many
 * entries.  ROOM_OPEN is set in an open wait.
 */
#define ROOM(cpu, low)	((uint32_t)(cpu) + 1 + ((uint32_t)(low) << 16))
#define ROOM_OPEN	0x80000000u
#define ROOM_CPU(r)	((int)((r) & 0xffff) - 1)
#define ROOM_LOW(r)	(((r) & ~ROOM_OPEN) >> 16)

/*
 * `room` is the gd_room of gd.  If it is 0, return 0 and leave *target alone.
 * Otherwise gd's CPU waits for room in a ring.  *target becomes the CPU that
 * must read this ring.  Return how many entries it must read to end the wait; 0
 * if the ring has room.
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

/*
 * Return 1 if the CPU of gd waits for room or for a spinlock, and holds
 * spinlock s; else 0.  The list of its spinlocks is read only if the CPU waits,
 * because the list changes while the CPU does not wait.
 */
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

/* The search of waited_for(). */
struct chain {
	lwkt_cpumask_t	ch_found;	/* CPUs found so far */
	lwkt_cpumask_t	ch_todo;	/* of these: waits not followed yet */
};

/* Add a CPU to both sets, unless it has been found before. */
static void
chain_add(struct chain *ch, int cpu)
{
	if (cpumask_test(&ch->ch_found, cpu))
		return;
	cpumask_set(&ch->ch_found, cpu);
	cpumask_set(&ch->ch_todo, cpu);
}

/*
 * Add the CPUs that the CPU of gd waits for: the target of its closed wait, and
 * the holders of the spinlock for which it spins, as far as these wait too.
 * Ignore an open wait: a CPU in it reads every ring, so it is in no cycle.
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

/*
 * Take up to n entries out of the ring in which CPU src sends to this CPU, and
 * append them to the queue of deferred messages.  Panics if the queue is full.
 */
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
 * Defer messages of the senders that wait for room in a ring to this CPU: as
 * many as each wait needs.  With IPIQ_DEFER_EASY messages deferred or more,
 * only of those senders that this CPU waits for.  Called again and again while
 * this CPU waits in a section.  Only rings with a hint are tested, because a
 * sender that waits has set its hint.  Executes nothing (IR3).  Own CPU; never
 * blocks.
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
 * Return 1 if at most `low` entries are in the ring, else 0.  Called by the
 * sender; reads the index that the target writes.
 */
static inline int
has_room(struct lwkt_ipiq *ip, uint32_t low)
{
	ip->ip_rcache = atomic_load_acq_32(&ip->ip_rindex);	/* IPO2 */
	return ipiq_fill(ip) <= low;
}

/*
 * Wait in a section until at most `low` entries are in ring ip, from gd to tgd.
 * Execute nothing.  Each turn of the loop sets RQF_IPIQ in the target, because
 * the ring may hold passive messages only, for which the target does not read
 * the ring (DragonFly 1b1e83e245).  Each turn first defers for the CPUs that
 * wait for this CPU, then tests ip: this order bounds what a cycle of CPUs
 * defers (THEORY).
 */
static void
wait_closed(struct globaldata *gd, struct globaldata *tgd,
    struct lwkt_ipiq *ip, uint32_t low)
{
	uint32_t outer = gd->gd_room;	/* not 0: a callback in an open wait */
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

/*
 * Wait until at most `low` entries are in ring ip, from gd to tgd.  Execute
 * messages meanwhile: the sender is in no section but the send's own.
 */
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
 * Return 1 if more than `allowed` messages of this ring have been sent and not
 * executed yet, else 0.
 */
static inline int
in_debt(struct lwkt_ipiq *ip, uint32_t allowed)
{
	return ip->ip_windex - atomic_load_acq_32(&ip->ip_xindex) > allowed;
}

/*
 * If ring ip, from gd to tgd, has IPIQ_HIGH entries or more, wait until it has
 * at most IPIQ_LOW.  While this CPU executes messages, the limits are
 * IPIQ_NESTED_HIGH and IPIQ_NESTED_LOW instead.
 * `open`: the wait is open, else closed (THEORY).  After the wait, set gd_debt
 * if the CPU is in debt.
 * The sending CPU, in a critical section; spins, never blocks.
 */
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
 * Clear gd_debt.  For each CPU in turn, execute messages to this CPU until that
 * CPU has at most IPIQ_DEBT / 2 messages of this CPU left to execute.  Called
 * by splz when gd_debt is set; spins, never blocks.
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
