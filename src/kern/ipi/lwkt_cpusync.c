/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rendezvous of CPUs.
 *
 * THEORY
 * The master sends a message to every other CPU of the set.  The handler there
 * answers by its bit in cs_ack and notes the request in gd_csync.
 * ipiq_process() does not return while gd_csync is set.  So the CPU is stopped,
 * but it goes on executing messages: callbacks run there, threads do not.  A
 * message is executed only outside critical sections (IX4 of ipiq_exec.c), or
 * in a call that is documented to execute messages.  So a CPU that has answered
 * is in no section that one of its threads relies on.
 *
 *	master				target
 *	interlock: message	--->	sets its bit in cs_ack, stops
 *	all bits there: caller's work
 *	deinterlock: clears cs_ack -->	sees its bit clear: runs fn,
 *	runs fn itself			sets the bit, continues
 *	all bits there again: over	(*cs may be gone from here)
 *
 * There is one master at a time, whatever the sets are.  A CPU that wants to be
 * master draws a number, and the numbers are called in turn.  While it waits
 * for its number it executes messages, so it also stops for each master before
 * it.  So two CPUs that want to be master do not wait for each other.
 * lwkt_cpusync_quick() stops no CPU and takes no turn; a CPU that waits in it
 * also stops for a master.
 *
 * INVARIANTS
 * CS1 gd_cscount is 1 on the master's CPU during the master's turn, and 0 on
 *     other CPUs.  While it is 1 the master is in a critical section and does
 *     not switch.  At most one rendezvous is in progress, so a CPU has at most
 *     one request, and the master's CPU has none.
 * CS2 A target does not touch *cs after it has set its bit for the second time;
 *     in lwkt_cpusync_quick(), for the first time.
 *
 * ORDER
 * The bits are set and cleared by read-modify-writes and read by acquire loads:
 * what fn did on a target is visible to the master afterwards.  The end of a
 * master's turn is a release and its beginning an acquire: what one master has
 * changed is visible to the next.
 *
 * Source: DragonFly's lwkt_cpusync of 2011 (its re-polled self queue).
 */
#include "kern/cpu/ktr_rec.h"
#include "kern/ipi/cpusync_var.h"
#include "kern/ipi/ipi_var.h"

#include <lwkt/cpusync.h>
#include <lwkt/ipiq.h>
#include <string.h>

TRACEPOINT(begin, KTR_IPI, "cpusync.begin", "cpu=%llu first=%#llx");
TRACEPOINT(end, KTR_IPI, "cpusync.end", "cpu=%llu first=%#llx");

COUNTER(syncs, "lwkt.cpusyncs", "rendezvous of CPUs started");
COUNTER(stopped, "lwkt.cpusync_stops", "times a rendezvous stopped the CPU");

static uint32_t turn_drawn;		/* (a) count of numbers drawn */
static uint32_t turn_called;		/* (a) the number called last */

/* Boot: no CPU is the master or waits to be the master. */
void
cpusync_boot(void)
{
	turn_drawn = turn_called = 0;
}

/* Return the set of all CPUs.  Any CPU context; never blocks. */
lwkt_cpumask_t
lwkt_cpumask_all(void)
{
	lwkt_cpumask_t mask;
	int cpu;

	memset(&mask, 0, sizeof(mask));
	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		cpumask_set(&mask, cpu);
	return mask;
}

/*
 * Return the set with the one CPU cpu, which must exist.  Any CPU context;
 * never blocks.
 */
lwkt_cpumask_t
lwkt_cpumask_one(int cpu)
{
	lwkt_cpumask_t mask;

	KASSERTF(cpu >= 0 && cpu < lwkt__ncpus, "cpu %d does not "
	    "exist: the kernel has %d CPUs", cpu, lwkt__ncpus);
	memset(&mask, 0, sizeof(mask));
	cpumask_set(&mask, cpu);
	return mask;
}

/*
 * Initialize *cs.  CPUs of mask that do not exist are left out.  Any CPU
 * context; never blocks.
 */
void
lwkt_cpusync_init(struct lwkt_cpusync *cs, lwkt_cpumask_t mask,
    void (*fn)(void *arg), void *arg)
{
	lwkt_cpumask_t all = lwkt_cpumask_all();
	unsigned w;

	memset(cs, 0, sizeof(*cs));
	for (w = 0; w < CPUMASK_WORDS; w++)
		cs->cs_mask.cm_word[w] = mask.cm_word[w] & all.cm_word[w];
	cs->cs_fn = fn;
	cs->cs_arg = arg;
}

/* Return 1 if each CPU of the set, except CPU me, has its bit in cs_ack. */
static int
all_acked(struct lwkt_cpusync *cs, int me)
{
	uint64_t want;
	unsigned w;

	for (w = 0; w < howmany((unsigned)lwkt__ncpus, 64); w++) {
		want = cs->cs_mask.cm_word[w];
		if (w == CPUMASK_WORD(me))
			want &= ~CPUMASK_BIT(me);
		if ((atomic_load_acq_64(&cs->cs_ack.cm_word[w]) & want) !=
		    want)
			return 0;
	}
	return 1;
}

/*
 * Wait until all other CPUs of the set have answered; execute messages
 * meanwhile.
 */
static void
wait_acks(struct globaldata *gd, struct lwkt_cpusync *cs)
{
	unsigned turn = 0;

	while (!all_acked(cs, gd->gd_m.mc_cpuid)) {
		ipiq_process(gd);
		machine_pause(turn++);
	}
}

/* Send the message fn(cs) to each CPU of the set but this one. */
static void
send_others(struct lwkt_cpusync *cs, lwkt_ipifunc1_t fn)
{
	lwkt_cpumask_t others = cs->cs_mask;
	int cpu;

	cpumask_clear(&others, mycpuid);
	CPUMASK_FOREACH(cpu, &others)
		lwkt_send_ipiq(cpu, fn, cs);
}

/* On a target: answer.  The CPU then stops in process_end() (ipiq_exec.c). */
static void
stop_remote(void *arg)
{
	struct lwkt_cpusync *cs = arg;
	struct globaldata *gd = mygd();

	KASSERTF(gd->gd_csync == NULL && gd->gd_cscount == 0,	/* CS1 */
	    "cpu %d is called to a second rendezvous during one",
	    gd->gd_m.mc_cpuid);
	counter_inc(gd->gd_cntbias, stopped);
	gd->gd_csync = cs;
	cpumask_set_atomic(&cs->cs_ack, gd->gd_m.mc_cpuid);
}

/*
 * Panic if the caller must not wait for other CPUs: in a callback or hard
 * section, or with a spinlock held, for which a CPU that must answer may spin.
 */
static void
may_wait(struct globaldata *gd)
{
	KASSERTF(gd->gd_intr_nesting == 0, "a rendezvous is started in a %s on "
	    "cpu %d, which must not wait for other CPUs", gd->gd_hard != 0 ?
	    "hard section" : "callback", gd->gd_m.mc_cpuid);
	KASSERTF(gd->gd_spinlocks == 0, "cpu %d starts a rendezvous with a "
	    "spinlock held: CPUs that wait for it cannot answer",
	    gd->gd_m.mc_cpuid);
}

/*
 * Wait until this CPU is the master.  Execute messages meanwhile, so this CPU
 * stops for each master that comes before.  Spins; never blocks.
 */
static void
turn_begin(struct globaldata *gd)
{
	uint32_t mine = atomic_fetchadd_32(&turn_drawn, 1);
	unsigned turn = 0;

	while (atomic_load_acq_32(&turn_called) != mine) {
		ipiq_process(gd);
		machine_pause(turn++);
	}
	gd->gd_cscount = 1;					/* CS1 */
}

/*
 * End the master's turn.  The release pairs with the acquire in turn_begin: the
 * next master sees what this one has changed.
 */
static void
turn_end(struct globaldata *gd)
{
	gd->gd_cscount = 0;					/* CS1 */
	atomic_store_rel_32(&turn_called, turn_called + 1);
}

/*
 * Become the master and stop the other CPUs of the set.  The caller is in a
 * critical section until lwkt_cpusync_deinterlock().
 * Thread context, outside callbacks and hard sections, without a spinlock, not
 * in a rendezvous of this CPU.  Spins and executes messages; never blocks.
 */
void
lwkt_cpusync_interlock(struct lwkt_cpusync *cs)
{
	struct globaldata *gd;

	crit_enter_td(caller_thread());
	gd = mygd();
	KASSERTF(gd->gd_cscount == 0, "cpu %d starts a rendezvous inside one "
	    "of its own", gd->gd_m.mc_cpuid);
	may_wait(gd);
	turn_begin(gd);
	counter_inc(gd->gd_cntbias, syncs);
	ktr(gd, begin, gd->gd_m.mc_cpuid, cs->cs_mask.cm_word[0]);
	send_others(cs, stop_remote);
	wait_acks(gd, cs);
}

/*
 * Let each CPU of the set call the function and continue; end the rendezvous.
 * Context: the thread that called lwkt_cpusync_interlock().  Spins and executes
 * messages; never blocks.
 */
void
lwkt_cpusync_deinterlock(struct lwkt_cpusync *cs)
{
	struct globaldata *gd = mygd();
	int me = gd->gd_m.mc_cpuid, cpu;

	KASSERTF(gd->gd_cscount == 1, "cpu %d ends a rendezvous that it has "
	    "not started", me);
	CPUMASK_FOREACH(cpu, &cs->cs_mask)
		cpumask_clear_atomic(&cs->cs_ack, cpu);
	if (cpumask_test(&cs->cs_mask, me)) {
		gd->gd_intr_nesting++;
		cpusync_run(cs);
		gd->gd_intr_nesting--;
	}
	wait_acks(gd, cs);
	ktr(gd, end, me, cs->cs_mask.cm_word[0]);
	turn_end(gd);
	crit_exit();
}

/*
 * Stop the CPUs of the set, then let each of them call fn(arg) and continue.
 * Thread context, outside callbacks and hard sections, without a spinlock, not
 * in a rendezvous of this CPU.  Spins and executes messages; never blocks.
 */
void
lwkt_cpusync_simple(lwkt_cpumask_t mask, void (*fn)(void *arg), void *arg)
{
	struct lwkt_cpusync cs;

	lwkt_cpusync_init(&cs, mask, fn, arg);
	lwkt_cpusync_interlock(&cs);
	lwkt_cpusync_deinterlock(&cs);
}

/* On another CPU of the set: call fn(arg), then answer. */
static void
quick_remote(void *arg)
{
	struct lwkt_cpusync *cs = arg;

	cpusync_run(cs);
	cpumask_set_atomic(&cs->cs_ack, mycpuid);		/* CS2 */
}

/*
 * Let each CPU of the set call fn(arg), without stopping it; return when all
 * have called it.
 * Thread context, outside callbacks and hard sections, without a spinlock.
 * Spins and executes messages; never blocks.
 */
void
lwkt_cpusync_quick(lwkt_cpumask_t mask, void (*fn)(void *arg), void *arg)
{
	struct lwkt_cpusync cs;
	struct globaldata *gd;

	lwkt_cpusync_init(&cs, mask, fn, arg);
	crit_enter_td(caller_thread());
	gd = mygd();
	may_wait(gd);
	counter_inc(gd->gd_cntbias, syncs);
	send_others(&cs, quick_remote);
	if (cpumask_test(&cs.cs_mask, gd->gd_m.mc_cpuid)) {
		gd->gd_intr_nesting++;
		cpusync_run(&cs);
		gd->gd_intr_nesting--;
	}
	wait_acks(gd, &cs);
	crit_exit();
}
