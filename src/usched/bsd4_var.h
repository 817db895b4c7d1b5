/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bsd4: declarations shared by its files, bottom up:
 *
 *	usched_bsd4_queue.c	the lwps that wait
 *	usched_bsd4_pri.c	their priorities
 *	usched_bsd4.c		which lwp is current on which CPU
 */
#ifndef LWKT_USCHED_BSD4_VAR_H
#define LWKT_USCHED_BSD4_VAR_H

#include "usched/usched_var.h"

/* Priorities of bsd4.  A lower number is better. */
#define BSD4_CLASSPRIS	128	/* priorities in a class */
#define BSD4_PPQ	4	/* priorities in a queue */
#define BSD4_NQS	(3 * BSD4_CLASSPRIS / BSD4_PPQ)
#define BSD4_NULLPRI	512	/* cu_pri of a CPU without a current lwp */

#define BSD4_ESTCPUMAX	(512 * 32)	/* limit of bl_estcpu */
#define BSD4_ESTCPUFREQ	50	/* the unit of bl_batch is 1/50 s */

/*
 * What bsd4 keeps in the lp_data of an lwp.  (a) atomic; (c) used by the CPU of
 * the lwp; (l) under bsd4's lock
 */
struct bsd4_lwp {
	uint32_t	 bl_pri;	/* (a) priority; written by its CPU */
	int		 bl_queue;	/* (l) queue that has the lwp, or -1 */
	int		 bl_estcpu;	/* (c) CPU use, 0 to BSD4_ESTCPUMAX */
	int		 bl_batch;	/* (c) 1/50 s, 0 to BATCHMAX */
	int		 bl_cpticks;	/* (c) ticks charged since bl_base */
	int		 bl_pad;
	int64_t		 bl_base;	/* (c) ns; last recalculation */
};

CTASSERT(sizeof(struct bsd4_lwp) <= sizeof(((lwkt_lwp_t)NULL)->lp_data),
    "lp_data holds it");

static inline struct bsd4_lwp *
bsd4_lwp(lwkt_lwp_t lp)
{
	return (struct bsd4_lwp *)(void *)lp->lp_data;
}

/* Return the number of the queue for a priority. */
static inline int
bsd4_queue(uint32_t pri)
{
	return (int)(pri / BSD4_PPQ);
}

/*
 * Return the priority of lp.  Atomic: a CPU that has chosen lp reads the
 * priority while another CPU still owns lp and may write it.
 */
static inline uint32_t
bsd4_pri(lwkt_lwp_t lp)
{
	return atomic_load_32(&bsd4_lwp(lp)->bl_pri);
}

#define BSD4_WORDS	howmany(BSD4_NQS, 32)

/* Only usched_bsd4_queue.c uses these fields, except q_count. */
struct bsd4_queues {
	struct lwkt_spin q_lock;
	uint32_t	 q_bits[BSD4_WORDS]; /* (l) 1: not empty (UQ1) */
	lwkt_lwp_t	 q_head[BSD4_NQS]; /* (l) rings of lwps, or NULL */
	uint32_t	 q_count;	/* (a) lwps queued; writes: (l) */
};

extern struct bsd4_queues lwkt__bsd4_queues __lwkt_hidden;

lwkt_lwp_t bsd4_choose(int last);
void	bsd4_enqueue(lwkt_lwp_t lp);
int	bsd4_setpri(lwkt_lwp_t lp, uint32_t pri);
lwkt_lwp_t bsd4_hold_first(const lwkt_cpumask_t *cpus);
void	bsd4_queues_check(void);
void	bsd4_queues_boot(void);

/* Return the number of lwps queued.  Without the lock it is only a hint. */
static inline uint32_t
bsd4_queued(void)
{
	return atomic_load_32(&lwkt__bsd4_queues.q_count);
}

/*
 * usched_bsd4_pri.c.  They run on the CPU of lp; bsd4_forking on the CPU of the
 * thread that creates child.  parent may be NULL.
 */
uint32_t bsd4_priority(lwkt_lwp_t lp);	/* computes it; sets nothing */
void	bsd4_recalculate(lwkt_lwp_t lp);	/* updates the CPU use */
void	bsd4_charge(lwkt_lwp_t lp);	/* adds one tick to the CPU use */
void	bsd4_forking(lwkt_lwp_t parent, lwkt_lwp_t child);

#endif
