/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations shared by the files of usched/.  Unless stated otherwise, a
 * function runs on any CPU, in a critical section, and never blocks.  Those of
 * usched_return.c run on the CPU of the lwp.  *_boot() run before the CPUs do.
 *
 * The files, bottom up: usched_tick.c, usched_return.c, usched_help.c; the
 * schedulers, which are usched_dummy.c and the files of bsd4 (bsd4_var.h);
 * usched.c, lwp.c.
 */
#ifndef LWKT_USCHED_USCHED_VAR_H
#define LWKT_USCHED_USCHED_VAR_H

#include <lwkt/usched.h>

#include "kern/sched/sched_var.h"

/* usched_tick.c */
int64_t	usched_tick_ns(void);		/* length of a tick of kern.schedhz */
int	usched_tick_due(int cpu, int64_t period_ns);
void	usched_tick_boot(void);

/* usched.c */
/*
 * Make the scheduler us ready for lwps.  Returns 0, EINVAL if us is not
 * registered, or the error of its us_register.  Thread context; may block.
 */
int	usched_use(lwkt_usched_t us);

/* usched_return.c: the functions that kern/ calls (kern_ops.h). */
int	lwp_user_pri(const struct lwkt_lwp *lp);
void	lwp_leave(lwkt_thread_t td);
void	lwp_return(lwkt_thread_t td);
void	lwp_yield(lwkt_thread_t td);
void	lwp_queue(lwkt_thread_t td);
void	lwp_check(lwkt_thread_t td);

/*
 * Return 1 if lp may run on cpu, else 0.  The result is exact if lp is the
 * caller or is queued, and its mask is not being changed; else it is a hint.
 */
static inline int
lwp_allowed(lwkt_lwp_t lp, int cpu)
{
	uint32_t stay = atomic_load_32(&lp->lp_stay);

	return stay != 0 ? stay == (uint32_t)cpu + 1 :
	    cpumask_test_atomic(&lp->lp_cpumask, cpu);
}

/*
 * Return 1 if lwp_allowed() holds for some CPU of the set cpus, else 0.  No
 * other CPU may change the set cpus meanwhile.
 */
static inline int
lwp_allowed_any(lwkt_lwp_t lp, const lwkt_cpumask_t *cpus)
{
	uint32_t stay = atomic_load_32(&lp->lp_stay);
	uint64_t common = 0;
	unsigned w;

	if (stay != 0)
		return cpumask_test(cpus, (int)stay - 1);
	for (w = 0; w < CPUMASK_WORDS; w++)
		common |= atomic_load_64(&lp->lp_cpumask.cm_word[w]) &
		    cpus->cm_word[w];
	return common != 0;
}

/*
 * usched_help.c: the helper threads of a scheduler.  hp_choose(cpu) chooses an
 * lwp for the CPU.  The CPU's helper calls it after its start and after each
 * wake-up, as soon as the CPU has no better thread to run.
 */
struct helpers {
	void		(*hp_choose)(int cpu);	/* (i) */
	lwkt_thread_t	 hp_thread[LWKT_MAXCPU]; /* (i) from the first lwp on */
	lwkt_cpumask_t	 hp_ready;	/* (a) CPUs whose helper may be woken */
	lwkt_cpumask_t	 hp_busy;	/* (a) CPUs with a current lwp (UH2) */
	uint32_t	 hp_rover;	/* (a) where the next search begins */
};

/* Start the helpers.  Returns 0 or ENOMEM.  Thread context. */
int	helpers_start(struct helpers *hp, void (*choose)(int cpu),
	    const char *name);
/*
 * Wake the helper of a ready CPU that may run lp and has no current lwp.
 * Returns 1 if one was woken, else 0.
 */
int	helpers_wake(struct helpers *hp, lwkt_lwp_t lp);
/*
 * At the end of hp_choose: wake a CPU for the first lwp that still waits and
 * that a ready CPU may run.  hold(cpus) returns the first queued lwp that may
 * run on one of these CPUs, with a reference to its thread, or NULL.
 */
void	helpers_wake_next(struct helpers *hp,
	    lwkt_lwp_t (*hold)(const lwkt_cpumask_t *cpus));

/* The schedulers of the library. */
extern const struct lwkt_usched lwkt__usched_bsd4 __lwkt_hidden;
extern const struct lwkt_usched lwkt__usched_dummy __lwkt_hidden;
void	bsd4_boot(void);
void	dummy_boot(void);

#endif
