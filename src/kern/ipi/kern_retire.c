/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Free an object when no CPU can still read it.
 *
 * THEORY
 * Readers are in critical sections.  A message from another CPU is executed
 * inside one only by the calls that IX4 of ipiq_exec.c names.  For a reader, a
 * section counts as ended in these calls, and in calls that block.  So suppose
 * that a message is sent after an object was unlinked: when a CPU has executed
 * the message, every critical section of that CPU that could have found the
 * object has ended.  Objects retired on a CPU are gathered in a list.  One
 * round of messages to all CPUs and back serves a whole list, while the next
 * list is gathered.  The CPU's own critical sections end before it serves the
 * timer that begins the round and the answers that end it.
 *
 * INVARIANTS
 * RE1 gd_retire_cur has the objects of the round in progress.  Once its
 *     messages are sent, gd_retire_left is the number of answers it still
 *     needs.  gd_retire_next has the objects of the next round.
 *
 * Source: the quiescence-based reclamation of Linux's RCU and FreeBSD's SMR,
 * with IPI messages as the observation of quiescent CPUs.
 */
#include "kern/cpu/crit.h"
#include "kern/cpu/ktr_rec.h"

#include <lwkt/cpusync.h>
#include <lwkt/ipiq.h>

TRACEPOINT(round, KTR_MEM, "retire.round", "cpu=%llu objects=%llu");

COUNTER(retired, "lwkt.retired", "objects retired");
COUNTER(rounds, "lwkt.retire_rounds", "rounds of messages to free them");

static void	round_begin(struct globaldata *gd);

/*
 * End a round: call the function of each object.  Then begin the next round, if
 * objects wait for it and no round is in progress: a function that retires an
 * object may have begun one.
 */
static void
round_end(struct globaldata *gd)
{
	struct lwkt_retire *rt, *next = gd->gd_retire_cur;

	gd->gd_retire_cur = NULL;
	while ((rt = next) != NULL) {
		next = rt->rt_next;
		rt->rt_fn(rt);
	}
	if (gd->gd_retire_next != NULL && gd->gd_retire_cur == NULL)
		round_begin(gd);
}

/* An answer has come; the last one ends the round. */
static void
answer(void *arg)
{
	struct globaldata *gd = mygd();

	(void)arg;
	if (--gd->gd_retire_left == 0)				/* RE1 */
		round_end(gd);
}

/*
 * On each other CPU: send the answer to CPU home, which began the round.  The
 * earlier critical sections of this CPU have ended (IX4).
 */
static void
ask(void *arg, int home)
{
	lwkt_send_ipiq(home, answer, arg);
}

/*
 * Send the message of the round to all other CPUs.  If there is no other CPU,
 * end the round.  A timer's callback interrupts no critical section, so those
 * of this CPU that were in progress when the round began have ended.
 */
static void
round_timer(struct lwkt_systimer *st, void *arg)
{
	struct globaldata *gd = arg;
	int me = gd->gd_m.mc_cpuid, cpu;

	(void)st;
	gd->gd_retire_left = lwkt__ncpus - 1;
	if (gd->gd_retire_left == 0) {
		round_end(gd);
		return;
	}
	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		if (cpu != me)
			lwkt_send_ipiq2(cpu, ask, NULL, me);
}

/* Return the number of objects in a list.  Only for the trace. */
static uint64_t
objects(const struct lwkt_retire *rt)
{
	uint64_t n = 0;

	for (; rt != NULL; rt = rt->rt_next)
		n++;
	return n;
}

/*
 * Begin a round.  A timer sends the messages of the round, because a timer's
 * callback interrupts no critical section of this CPU.
 */
static void
round_begin(struct globaldata *gd)
{
	counter_inc(gd->gd_cntbias, rounds);
	ktr(gd, round, gd->gd_m.mc_cpuid, objects(gd->gd_retire_next));
	gd->gd_retire_cur = gd->gd_retire_next;
	gd->gd_retire_next = NULL;
	lwkt_systimer_init_oneshot(&gd->gd_retire_timer, round_timer, gd, 0);
}

/*
 * Have fn(rt) called on this CPU, after every critical section of any CPU that
 * might read the object has ended.
 * Any CPU context; never blocks.
 */
void
lwkt_retire(struct lwkt_retire *rt, void (*fn)(struct lwkt_retire *rt))
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd;

	crit_enter_td(self);
	gd = mygd();
	counter_inc(gd->gd_cntbias, retired);
	rt->rt_fn = fn;
	rt->rt_next = gd->gd_retire_next;
	gd->gd_retire_next = rt;
	if (gd->gd_retire_cur == NULL)
		round_begin(gd);
	crit_exit_td(self);
}
