/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Free an object when no CPU can look at it any more.
 *
 * THEORY
 * Readers are in critical sections.  A message is never executed inside one
 * (IPI6 of lwkt_ipiq.c; a wait for room defers), so when a CPU has executed a
 * message sent after an object was taken out of reach, every critical section
 * that could have found the object there has ended.  Objects retired on a CPU
 * gather in a list; one round of messages to all CPUs and back serves a whole
 * list, while the next one gathers.  The CPU's own critical sections end before
 * the timer that begins the round and the answers that end it are served.
 *
 * INVARIANTS
 * RE1 gd_retire_cur belongs to the round under way, gd_retire_left answers
 *    short of its end; gd_retire_next to the one after.
 *
 * Source: the quiescence-based reclamation of Linux's RCU and FreeBSD's SMR,
 * with IPI messages as the observation of quiet CPUs.
 */
#include "kern/cpu/crit.h"
#include "kern/cpu/ktr_rec.h"

#include <lwkt/cpusync.h>
#include <lwkt/ipiq.h>

TRACEPOINT(round, KTR_MEM, "retire.round", "cpu=%llu objects=%llu");

COUNTER(retired, "lwkt.retired", "objects retired");
COUNTER(rounds, "lwkt.retire_rounds", "rounds of messages to free them");

static void	round_begin(struct globaldata *gd);

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

static void
answer(void *arg)
{
	struct globaldata *gd = mygd();

	(void)arg;
	if (--gd->gd_retire_left == 0)				/* RE1 */
		round_end(gd);
}

static void
ask(void *arg, int home)
{
	lwkt_send_ipiq(home, answer, arg);
}

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

/* The round itself begins outside all critical sections of this CPU. */
static void
round_begin(struct globaldata *gd)
{
	counter_inc(gd->gd_cntbias, rounds);
	gd->gd_retire_cur = gd->gd_retire_next;
	gd->gd_retire_next = NULL;
	lwkt_systimer_init_oneshot(&gd->gd_retire_timer, round_timer, gd, 0);
}

void
lwkt_retire(struct lwkt_retire *rt, void (*fn)(struct lwkt_retire *rt))
{
	lwkt_thread_t self = caller_thread();
	struct globaldata *gd;

	crit_enter_td(self);
	gd = mygd();
	counter_inc(gd->gd_cntbias, retired);
	ktr(gd, round, gd->gd_m.mc_cpuid, gd->gd_retire_cur != NULL);
	rt->rt_fn = fn;
	rt->rt_next = gd->gd_retire_next;
	gd->gd_retire_next = rt;
	if (gd->gd_retire_cur == NULL)
		round_begin(gd);
	crit_exit_td(self);
}
