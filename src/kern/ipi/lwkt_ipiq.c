/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between CPUs: sending, and the hints that tell the target which
 * rings to read.
 *
 * THEORY
 * The sender writes the message to its ring to the target (ipiq_var.h).
 *
 * Two hints in the target's mc_reqflags decide whether the target must be
 * notified.  One is the sender's bit: "the ring of this sender, or of another
 * sender with the same bit, may have entries".  The other is RQF_IPIQ: "read
 * the rings whose bits are set".  If both are set, the sender changes nothing.
 * Otherwise the sender sets both by one locked instruction, and rings the
 * doorbell if the target is halted.  (A target that watches the ring needs no
 * hint: ipiq_exec.c.)  A target that is awake tests RQF_IPIQ at its next
 * critical exit.  If that is set, the target clears all hints at once and then
 * reads the rings whose bits were set (ipiq_exec.c).  kick.c interrupts a
 * target that runs a preemptible thread and makes no critical exit.
 *
 * A passive message sets the sender's bit and not RQF_IPIQ, so a target that
 * runs a thread does not check its rings for it.  On an idle CPU the bit ends
 * the wait, or prevents it.  The target may run one thread for long and have no
 * tick of its own.  So the sender's tick sets RQF_IPIQ in the target if the
 * sender's bit is still set there.  The sender's signal handler does this too,
 * because the sender may compute for long as well.
 *
 * Passive messages come in streams, and a fence for each would cost more than
 * the rest of the send.  So the sender looks at its bit without a fence.  It
 * may find the bit set although the target has just cleared it and does not see
 * the message.  The tick finds this message too: the ring is not empty.
 *
 * A sender that finds a ring half full waits for room; lwkt_send_ipiq_nowait()
 * fails instead.  While the sender's CPU executes messages from other CPUs, a
 * send waits only if the ring is nearly full (lwkt_ipiq_room.c).
 *
 * A message to the sender's own CPU uses no ring: the send calls the function.
 *
 * INVARIANTS
 * IPI1 If a ring is not empty, one of these holds: its sender's bit is set; its
 *     writer is about to set the bit; its reader is about to read the ring, or
 *     to set the bit again.  A reader that watches the ring is about to read
 *     it.  The same is true of RQF_IPIQ.  Exceptions, only if all messages in
 *     the ring are passive: RQF_IPIQ need not be set; and neither bit need be
 *     set if the messages were sent while the reader cleared the bit (IPI2).
 * IPI2 After a passive message was sent, the target is in the sender's
 *     gd_passive_cpus until the sender's next tick or signal handler.  The tick
 *     or the handler sets both hints in the target if the sender's bit is still
 *     set there, or the ring is not empty.
 *
 * ORDER
 * ISO1 Sender: writes the stamp, FENCE, then reads the hints.  Or it writes the
 *     stamp, then sets the hints by a read-modify-write, which is a fence too.
 *     (A passive message has no fence before the read.)
 *     Reader: clears the hints by a read-modify-write, then reads the stamp.
 *     At least one of the two sees the other's write.
 * ISO2 The same with mc_watching (ipiq_exec.c).  Sender: writes the stamp,
 *     FENCE, then reads mc_watching.  Reader: clears mc_watching, FENCE, then
 *     reads the stamp.
 *
 * Source: DragonFly lwkt_ipiq.c (npoll, hysteresis).
 */
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"
#include "kern/ipi/ipiq_var.h"

#include <errno.h>
#include <lwkt/ipiq.h>
#include <string.h>

TRACEPOINT(send, KTR_IPI, "ipi.send", "cpu=%llu seq=%llu");

COUNTER(sent, "lwkt.ipiq_count", "messages sent to other CPUs");
COUNTER(passive, "lwkt.ipiq_passive", "of these, without a signal");
COUNTER(avoided, "lwkt.ipiq_avoided", "signals not sent: one was pending");
COUNTER(doorbells, "lwkt.ipiq_doorbells", "sleeping CPUs woken");

#define IPIQ_PASSIVE	(IPIQ_SIZE / 4)	/* with so many: no passive ones */
enum { IPIQ_URGE = config_hard ? 1 : 16 }; /* one of so many is active */

/*
 * Return 1 if all bits of `hints` are set in the target, so that the target
 * will read the entry written before this call; else 0.  The second read, after
 * the fence, decides: if it still finds the hints set, the target clears them
 * later, and reads the stamp after that (ISO1).  If a bit is clear, the first
 * read saves the fence.
 */
static inline int
ipiq_hinted(struct globaldata *tgd, uint32_t hints)
{
	if ((atomic_load_32(&tgd->gd_m.mc_reqflags) & hints) != hints)
		return 0;
	atomic_fence_seq_cst();					/* ISO1 */
	return (atomic_load_32(&tgd->gd_m.mc_reqflags) & hints) == hints;
}

/*
 * Return 1 if the target watches the ring from gd's CPU, so that it will read
 * the entry written before this call; else 0.  The second read, after the
 * fence, decides (ISO2).  If the target does not watch, the first read saves
 * the fence.
 */
static inline int
ipiq_watched(struct globaldata *gd, struct globaldata *tgd)
{
	uint32_t self = (uint32_t)gd->gd_m.mc_cpuid + 1;

	if (atomic_load_32(&tgd->gd_m.mc_watching) != self)
		return 0;
	atomic_fence_seq_cst();					/* ISO2 */
	return atomic_load_32(&tgd->gd_m.mc_watching) == self;
}

/*
 * Make the target read ring (gd, tgd).  Set the hints, unless they are set or
 * the target watches the ring.  Wake the target if it is halted.  If it runs a
 * preemptible thread, check later that it has read its rings (kick.c).
 * The locked instruction is also the fence of ISO1.  If RQF_IPIQ was set before
 * that instruction, the target has been notified already, and is neither woken
 * nor checked.
 */
static inline void
ipiq_signal(struct globaldata *gd, struct globaldata *tgd)
{
	uint32_t hints = RQF_IPIQ | RQF_SENDER(gd->gd_m.mc_cpuid), old;

	if (ipiq_watched(gd, tgd) || ipiq_hinted(tgd, hints)) {
		counter_inc(gd->gd_cntbias, avoided);		/* IPI1 */
		return;
	}
	/* ISO1, MQ1 */
	old = atomic_fetchor_32(&tgd->gd_m.mc_reqflags, hints);
	if ((old & (RQF_IPIQ | RQF_SLEEPING)) == RQF_SLEEPING) {
		counter_inc(gd->gd_cntbias, doorbells);
		machine_doorbell(&tgd->gd_m);
	} else if (unlikely((old & (RQF_IPIQ | RQF_PREEMPTIBLE)) ==
	    RQF_PREEMPTIBLE)) {
		kick_later(gd, tgd);
	}
}

/* ipiq_signal() for other files; its head says what it does. */
void
ipiq_remind(struct globaldata *gd, struct globaldata *tgd)
{
	ipiq_signal(gd, tgd);
}

/*
 * Write the message to the next slot of ring ip, which goes to CPU cpu and must
 * have room.  Own CPU, in a critical section.  Does not notify the target.
 */
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
	/* Before the stamp: a CPU that sees the stamp sees this index (IQ1). */
	atomic_store_32(&ip->ip_windex, wi + 1);
	atomic_store_rel_32(&ie->ie_stamp, wi + 1);		/* IPO1 */
}

/* Return the ring from gd's CPU to CPU cpu.  Panics if cpu does not exist. */
static inline struct lwkt_ipiq *
ipiq_find(struct globaldata *gd, int cpu)
{
	KASSERTF(cpu >= 0 && cpu < lwkt__ncpus, "cpu %d does not "
	    "exist: the kernel has %d CPUs", cpu, lwkt__ncpus);
	return &gd->gd_ipiq[cpu];
}

/*
 * Send a message to cpu: call fn there with the first nargs of the arguments
 * arg1, arg2, NULL.  Return its number for lwkt_wait_ipiq().  If cpu is the
 * caller's CPU, call fn at once and return 0.
 * Any CPU context; never blocks.  Spins while the ring has no room: it executes
 * messages meanwhile if the caller is in no section (ipiq_room_slow).
 */
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
		ipiq_entry_call(&(struct ipiq_entry){ fn, arg1, arg2,
		    nargs, 0 });
		gd->gd_intr_nesting--;
	} else {
		if (unlikely(ipiq_fill(ip) >= IPIQ_HIGH))
			ipiq_room_slow(gd, gd_find(cpu), ip,
			    self->td_critcount == 1);		/* IX4 */
		ipiq_put(gd, cpu, ip, fn, arg1, arg2, nargs);
		seq = ip->ip_windex;
		ipiq_signal(gd, gd_find(cpu));
	}
	crit_exit_td(self);
	return seq;
}

/* Send fn(arg) to cpu.  Context, return value, waiting: ipiq_send(). */
unsigned
lwkt_send_ipiq(int cpu, lwkt_ipifunc1_t fn, void *arg)
{
	return ipiq_send(cpu, (void *)fn, arg, 0, 1);
}

/* Send fn(arg1, arg2) to cpu.  Context, return value, waiting: ipiq_send(). */
unsigned
lwkt_send_ipiq2(int cpu, lwkt_ipifunc2_t fn, void *arg1, int arg2)
{
	return ipiq_send(cpu, (void *)fn, arg1, arg2, 2);
}

/*
 * Send fn(arg1, arg2, NULL) to cpu.  Context, return value, waiting:
 * ipiq_send().
 */
unsigned
lwkt_send_ipiq3(int cpu, lwkt_ipifunc3_t fn, void *arg1, int arg2)
{
	return ipiq_send(cpu, (void *)fn, arg1, arg2, 3);
}

/* Have ipiq_push() called by a tick, for passive messages to cpu (IPI2). */
static __lwkt_noinline void
passive_begin(struct globaldata *gd, int cpu)
{
	if (!cpumask_test_atomic(&gd->gd_passive_cpus, cpu))
		cpumask_set_atomic(&gd->gd_passive_cpus, cpu);
	atomic_store_32(&gd->gd_passive, 1);
	clock_need_tick(gd);
}

/*
 * Note that gd's CPU has sent a passive message to cpu.  Nothing is to be done
 * if an earlier one to cpu was noted and ipiq_push() has not been called since:
 * a tick will come.
 */
static inline void
passive_note(struct globaldata *gd, int cpu)
{
	if (unlikely(atomic_load_32(&gd->gd_passive) == 0 ||
	    !cpumask_test_atomic(&gd->gd_passive_cpus, cpu)))
		passive_begin(gd, cpu);
}

/*
 * Make the passive messages to one CPU active: set both hints there.  Then wake
 * the target if it is halted, or interrupt it if it runs a preemptible thread.
 * Do nothing if both hints are set already, or if the sender's bit is clear and
 * the ring is empty.  While that bit is set, the target is awake or its
 * doorbell has been rung.  If the bit is clear and the ring is not empty, the
 * target cleared the bit when the sender looked at it, and may be halted now.
 */
static void
push_one(struct globaldata *gd, struct globaldata *tgd, struct lwkt_ipiq *ip)
{
	uint32_t hint = RQF_SENDER(gd->gd_m.mc_cpuid);
	uint32_t old = atomic_load_32(&tgd->gd_m.mc_reqflags);

	do {
		if ((old & hint) != 0 ? (old & RQF_IPIQ) != 0 :
		    atomic_load_acq_32(&ip->ip_rindex) == ip->ip_windex)
			return;
	} while (!atomic_fcmpset_32(&tgd->gd_m.mc_reqflags, &old,
	    old | RQF_IPIQ | hint));
	if ((old & (hint | RQF_IPIQ | RQF_SLEEPING)) == RQF_SLEEPING) {
		counter_inc(gd->gd_cntbias, doorbells);
		machine_doorbell(&tgd->gd_m);
	} else if (old & RQF_PREEMPTIBLE) {
		(void)machine_nmi(&tgd->gd_m);
	}
}

/*
 * Turn the passive messages that this CPU has sent into active ones.  Called by
 * the tick and by the signal handler of the CPU.  The handler may run between
 * any two lines of passive_begin(), which writes the mask before gd_passive.
 * If the handler finds gd_passive still 0, passive_begin() sets it afterwards,
 * and the next tick makes the message active.
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
		push_one(gd, gd_find(cpu), &gd->gd_ipiq[cpu]);
	}
}

/*
 * Return whether a passive message has to be sent as an active one.  If the
 * ring is a quarter full, one of IPIQ_URGE messages is active, and if it is
 * half full, each: an active one makes the target read the whole ring.  So the
 * sender seldom reads the index that the target writes.
 */
static inline int
passive_urgent(struct lwkt_ipiq *ip)
{
	if (likely(ipiq_fill(ip) < IPIQ_PASSIVE) ||
	    (ip->ip_windex % IPIQ_URGE != 0 && ipiq_fill(ip) < IPIQ_HIGH))
		return 0;
	ip->ip_rcache = atomic_load_acq_32(&ip->ip_rindex);	/* IPO2 */
	return ipiq_fill(ip) >= IPIQ_PASSIVE;
}

/* Set the sender's bit in the target.  Wake the target if it is halted. */
static __lwkt_noinline void
passive_hint(struct globaldata *gd, struct globaldata *tgd, uint32_t hint)
{
	uint32_t old = atomic_fetchor_32(&tgd->gd_m.mc_reqflags, hint);

	if ((old & (hint | RQF_SLEEPING)) == RQF_SLEEPING) {
		counter_inc(gd->gd_cntbias, doorbells);
		machine_doorbell(&tgd->gd_m);
	}
}

/*
 * Send a passive message to cpu, which must not be the caller's CPU.  Return
 * its number for lwkt_wait_ipiq().  Perhaps send an active message instead
 * (passive_urgent).  Wake the target if it is halted.
 * Any CPU context; never blocks.  Spins as ipiq_send() does.
 */
static unsigned
send_passive(int cpu, void *fn, void *arg1, int arg2, uint32_t nargs)
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd, *tgd;
	struct lwkt_ipiq *ip;
	uint32_t hint;
	unsigned seq;

	crit_enter_td(self);
	gd = mygd();
	ip = ipiq_find(gd, cpu);
	KASSERTF(cpu != gd->gd_m.mc_cpuid, "cpu %d sends a passive message to "
	    "itself", cpu);
	if (unlikely(passive_urgent(ip))) {
		crit_exit_noyield(self);
		return ipiq_send(cpu, fn, arg1, arg2, nargs);
	}
	ipiq_put(gd, cpu, ip, fn, arg1, arg2, nargs);
	seq = ip->ip_windex;
	counter_inc(gd->gd_cntbias, passive);
	tgd = gd_find(cpu);
	hint = RQF_SENDER(gd->gd_m.mc_cpuid);
	if (unlikely((atomic_load_32(&tgd->gd_m.mc_reqflags) & hint) == 0))
		passive_hint(gd, tgd, hint);			/* IPI1 */
	passive_note(gd, cpu);					/* IPI2 */
	crit_exit_td(self);
	return seq;
}

/* Send fn(arg1, arg2) to cpu as a passive message: send_passive(). */
unsigned
lwkt_send_ipiq_passive(int cpu, lwkt_ipifunc2_t fn, void *arg1, int arg2)
{
	return send_passive(cpu, (void *)fn, arg1, arg2, 2);
}

/* Send fn(arg1, arg2, NULL) to cpu as a passive message: send_passive(). */
unsigned
lwkt_send_ipiq3_passive(int cpu, lwkt_ipifunc3_t fn, void *arg1, int arg2)
{
	return send_passive(cpu, (void *)fn, arg1, arg2, 3);
}

/*
 * Send fn(arg1, arg2) to cpu and return 0.  If the ring is half full, send
 * nothing and return EAGAIN.  If cpu is the caller's CPU, call fn at once.
 * Any CPU context; never blocks and never spins for room.
 */
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
 * Send the message to each CPU of the mask that exists, also to the caller's
 * CPU if it is in the mask.  Return how many these are.  The order begins at
 * the caller's CPU and not at CPU 0, so that CPU 0 is not always served first.
 * Any CPU context; never blocks.  Spins while a ring has no room.  The sends
 * are made in a section, so no message from another CPU is executed meanwhile.
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

/* Send fn(arg1, arg2) to each CPU of the mask: send_mask(). */
int
lwkt_send_ipiq_mask(lwkt_cpumask_t mask, lwkt_ipifunc2_t fn, void *arg1,
    int arg2)
{
	return send_mask(&mask, (void *)fn, arg1, arg2, 2);
}

/* Send fn(arg1, arg2, NULL) to each CPU of the mask: send_mask(). */
int
lwkt_send_ipiq3_mask(lwkt_cpumask_t mask, lwkt_ipifunc3_t fn, void *arg1,
    int arg2)
{
	return send_mask(&mask, (void *)fn, arg1, arg2, 3);
}

/* Send fn(arg1, arg2) to each CPU, the caller's included: send_mask(). */
int
lwkt_send_ipiq_bcast(lwkt_ipifunc2_t fn, void *arg1, int arg2)
{
	lwkt_cpumask_t mask;

	memset(&mask, 0xff, sizeof(mask));
	return lwkt_send_ipiq_mask(mask, fn, arg1, arg2);
}

/*
 * Panic if messages must not be executed inside the caller's section: in a
 * callback (IX3), in a hard section, or with a spinlock held, which the
 * callback of a message could want.  `what` is the name of the function that
 * the program called.
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

/*
 * Execute messages to this CPU, a part if they are many, inside the caller's
 * section.  Pause before that, longer with each call in a row that finds no
 * hint (gd_polls).
 * Thread context, in a critical section; not in a callback or hard section, and
 * without a spinlock.  Never blocks.
 */
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

/* Return 1 if message seq of the ring was sent and not executed yet, else 0. */
static inline int
ipiq_late(const struct lwkt_ipiq *ip, uint32_t seq)
{
	uint32_t wi = ip->ip_windex;

	return wi - seq < wi - atomic_load_acq_32(&ip->ip_xindex);
}

/*
 * Return 1 if gd's CPU has not sent a message with the number seq to cpu, else
 * 0.  For seq 0 the result is 0, whatever cpu is: a send to the own CPU returns
 * that number.
 */
static inline int
ipiq_unsent(struct globaldata *gd, int cpu, uint32_t seq)
{
	return seq != 0 && (cpu == gd->gd_m.mc_cpuid ||
	    (int32_t)(seq - gd->gd_ipiq[cpu].ip_windex) > 0);
}

/*
 * Spin until CPU cpu has executed message seq, which this CPU has sent to it.
 * Execute messages to this CPU meanwhile.  A passive message is made active.
 * seq 0, a message to this CPU itself, has been executed.  Panics if this CPU
 * has not sent message seq.
 * Thread context; not in a callback or hard section, and without a spinlock.
 * Never blocks.
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
