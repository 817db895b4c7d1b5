/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bsd4: declarations shared by the choice of lwps and their priorities.
 */
#ifndef LWKT_USCHED_BSD4_VAR_H
#define LWKT_USCHED_BSD4_VAR_H

#include "usched/usched_var.h"

/* Priorities, low is better: 128 a class, 4 a queue. */
#define BSD4_CLASSPRIS	128
#define BSD4_PPQ	4
#define BSD4_NQS	(3 * BSD4_CLASSPRIS / BSD4_PPQ)
#define BSD4_NULLPRI	512	/* of a CPU without a current lwp */

#define BSD4_ESTCPUMAX	(512 * 32)
#define BSD4_ESTCPUFREQ	50	/* the unit of bsd4's times is 1/50 s */

/* What lp_data holds.  (c) the CPU of the lwp; (l) under bsd4's lock. */
struct bsd4_lwp {
	uint32_t	 bl_pri;	/* (a) written by its CPU */
	int		 bl_queue;	/* (l) the one that it is on, or -1 */
	int		 bl_estcpu;	/* (c) 0 to BSD4_ESTCPUMAX */
	int		 bl_batch;	/* (c) 0 to BATCHMAX */
	int		 bl_cpticks;	/* (c) ticks since bl_base */
	int		 bl_pad;
	int64_t		 bl_base;	/* (c) ns: the last recalculation */
};

CTASSERT(sizeof(struct bsd4_lwp) <= sizeof(((lwkt_lwp_t)NULL)->lp_data),
    "lp_data holds it");

static inline struct bsd4_lwp *
bsd4_lwp(lwkt_lwp_t lp)
{
	return (struct bsd4_lwp *)(void *)lp->lp_data;
}

static inline int
bsd4_queue(uint32_t pri)
{
	return (int)(pri / BSD4_PPQ);
}

/*
 * Return the priority of lp.  Atomic: a CPU that has chosen lp reads it while
 * another CPU still owns lp and may write it.
 */
static inline uint32_t
bsd4_pri(lwkt_lwp_t lp)
{
	return atomic_load_32(&bsd4_lwp(lp)->bl_pri);
}

/* usched_bsd4.c: return how many lwps wait. */
uint32_t bsd4_queued(void);

/* usched_bsd4_pri.c; on the CPU of lp. */
uint32_t bsd4_priority(lwkt_lwp_t lp);	/* by what is known of it now */
void	bsd4_recalculate(lwkt_lwp_t lp);
void	bsd4_charge(lwkt_lwp_t lp);	/* a tick */
void	bsd4_forking(lwkt_lwp_t parent, lwkt_lwp_t child);

#endif
