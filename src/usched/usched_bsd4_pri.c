/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bsd4's priorities: how much CPU an lwp has used, and how it behaves.
 * USES usched_bsd4_queue.c, usched_tick.c.
 *
 * THEORY
 * estcpu estimates the use of the CPU in the recent past.  It rises with each
 * tick that the lwp runs, from 0 to its maximum in one second.  When the lwp
 * asks for a CPU, at most once a tick, estcpu is averaged with the share of the
 * CPU that the lwp has used since the last average.  The share is first scaled
 * up by the number of lwps that wait: the more wait, the less CPU each can get.
 * If more than a second has passed without a tick of the lwp, estcpu is halved
 * instead.
 *
 * batch is a time, from 0 to 30 seconds.  It grows while the scaled share of an
 * lwp is above a half, and shrinks otherwise.  At batch 0 only half of estcpu
 * counts for the priority; at 30 seconds all of it counts.  So an interactive
 * lwp that computes for a moment keeps a good priority.
 *
 *	priority = nice, 0 to 80, + estcpu, 0 to 128, scaled to 0 .. 127
 *
 * A lower number is better.
 *
 * The formula is for the class LWKT_RTP_NORMAL.  In the other two classes
 * lwkt_lwp_setrtprio() sets the priority.
 *
 * Source: DragonFly usched_bsd4.c (bsd4_recalculate_estcpu, resetpriority,
 * heuristic_forking), which has the same numbers.  There times are counted in
 * ticks.  Here ticks come only while they are needed.
 */
#include "usched/bsd4_var.h"

TUNABLE_INT(decay, "kern.usched_bsd4.decay", 8, 1, 1000,
    "weight of the past in the average of CPU use");

#define BATCHMAX	(BSD4_ESTCPUFREQ * 30)
#define FORKPRI		(4 * ESTCPUPPQ)	/* added to the estcpu of a child */
#define ESTCPUPPQ	512	/* estcpu that adds BSD4_PPQ, before scaling */
#define NICEWEIGHT	2	/* nice steps that add BSD4_PPQ, likewise */

/* Convert ns to units of 1 / BSD4_ESTCPUFREQ s, whatever kern.schedhz is. */
static inline int64_t
elapsed(int64_t ns)
{
	return ns * BSD4_ESTCPUFREQ / 1000000000;
}

/* Limit v to 0 .. max. */
static inline int
clip(int64_t v, int max)
{
	return v < 0 ? 0 : v > max ? max : (int)v;
}

/* Return the priority that lp should have now.  Does not set it. */
uint32_t
bsd4_priority(lwkt_lwp_t lp)
{
	struct bsd4_lwp *bl = bsd4_lwp(lp);
	int base = (int)lp->lp_rtclass * BSD4_CLASSPRIS;
	int64_t use;
	int p;

	if (lp->lp_rtclass != LWKT_RTP_NORMAL)
		return (uint32_t)(base + lp->lp_rtprio * BSD4_PPQ);
	use = (int64_t)bl->bl_estcpu * (bl->bl_batch + BATCHMAX) /
	    (2 * BATCHMAX);
	p = (lp->lp_nice - LWKT_NICE_MIN) * BSD4_PPQ / NICEWEIGHT +
	    (int)use * BSD4_PPQ / ESTCPUPPQ;
	p = p * BSD4_CLASSPRIS / (41 * BSD4_PPQ / NICEWEIGHT + BSD4_CLASSPRIS);
	return (uint32_t)(base + clip(p, BSD4_CLASSPRIS - 1));
}

/*
 * Update estcpu and batch by the ticks that lp has used since the last update.
 * Does nothing if less than a tick, or less than 1/50 s, has passed.
 */
void
bsd4_recalculate(lwkt_lwp_t lp)
{
	struct bsd4_lwp *bl = bsd4_lwp(lp);
	int64_t now = machine_time_ns(), tick = usched_tick_ns();
	int64_t ns = now - bl->bl_base, t = elapsed(ns), share;

	if (ns < tick || t == 0)
		return;
	if (t > BSD4_ESTCPUFREQ && bl->bl_cpticks == 0) {
		bl->bl_estcpu /= 2;
		bl->bl_batch = clip(bl->bl_batch - BSD4_ESTCPUFREQ, BATCHMAX);
	} else {
		share = bl->bl_cpticks * tick * BSD4_ESTCPUMAX / ns *
		    (bsd4_queued() + (uint32_t)lwkt__ncpus) / lwkt__ncpus;
		bl->bl_batch = clip(bl->bl_batch +
		    (share > BSD4_ESTCPUMAX / 2 ? t : -t), BATCHMAX);
		bl->bl_estcpu = clip((bl->bl_estcpu * (int64_t)decay + share) /
		    (decay + 1), BSD4_ESTCPUMAX);
	}
	bl->bl_base = now;
	bl->bl_cpticks = 0;
}

/* Charge a tick to lp: count it, and raise estcpu. */
void
bsd4_charge(lwkt_lwp_t lp)
{
	struct bsd4_lwp *bl = bsd4_lwp(lp);
	int64_t part = usched_tick_ns() * BSD4_ESTCPUMAX / 1000000000 + 1;

	bl->bl_cpticks++;
	bl->bl_estcpu = clip(bl->bl_estcpu + part, BSD4_ESTCPUMAX);
}

/*
 * us_heuristic_forking: initialize child.  Its estcpu begins above that of its
 * parent, whose estcpu rises a little, too; both stay at most BSD4_ESTCPUMAX.
 * parent NULL: estcpu begins at 0.
 */
void
bsd4_forking(lwkt_lwp_t parent, lwkt_lwp_t child)
{
	struct bsd4_lwp *bl = bsd4_lwp(child), *pl;

	bl->bl_queue = -1;
	bl->bl_batch = BATCHMAX / 2;
	bl->bl_base = machine_time_ns();
	if (parent == NULL)
		return;
	pl = bsd4_lwp(parent);
	bl->bl_estcpu = clip(pl->bl_estcpu + FORKPRI, BSD4_ESTCPUMAX);
	pl->bl_estcpu = clip(pl->bl_estcpu + ESTCPUPPQ / 16, BSD4_ESTCPUMAX);
}
