/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User schedulers: which lwp may run its own code on which CPU.
 *
 * Programs that only use lwps need <lwkt/lwp.h> alone, and of this file
 * lwkt_usched_find().  Whoever writes a scheduler fills in the table below.
 */
#ifndef LWKT_USCHED_H
#define LWKT_USCHED_H

#include <lwkt/lwp.h>

LWKT_BEGIN_DECLS

/* Where an lwp is; changed on its CPU only. */
enum lwkt_lwpmode {
	LWKT_LWP_NEW,		/* not started */
	LWKT_LWP_QUEUED,	/* its scheduler has it; on no CPU */
	LWKT_LWP_USER,		/* chosen: runs its own code, or is about to */
	LWKT_LWP_KERN		/* blocked, or on its way back from there */
};

/*
 * (i) fixed  (c) its CPU, in a critical section  (a) any CPU, atomically
 * (u) the scheduler's, by its own rules
 */
struct lwkt_lwp {
	lwkt_thread_t	 lp_thread;	/* (i) */
	lwkt_usched_t	 lp_usched;	/* (i) */
	void		(*lp_fn)(void *); /* (i) */
	void		*lp_arg;	/* (i) */
	enum lwkt_lwpmode lp_mode;	/* (c) */
	enum lwkt_rtclass lp_rtclass;	/* (c) */
	int		 lp_rtprio;	/* (c) 0 to LWKT_RTP_MAX */
	int		 lp_nice;	/* (c) */
	lwkt_cpumask_t	 lp_cpumask;	/* (a) where it may run */
	uint32_t	 lp_stay;	/* (a) 1 + its only CPU now; 0: any */
	lwkt_lwp_t	 lp_next;	/* (u) */
	lwkt_lwp_t	 lp_prev;	/* (u) */
	uint64_t	 lp_data[8];	/* (u) zero at first */
};

/*
 * A scheduler.  All functions run in a critical section on the CPU of lp and
 * may not block, except where it is said; those marked * may be NULL.
 */
struct lwkt_usched {
	const char	*us_name;	/* unique */
	const char	*us_desc;
	/* * Its first lwp is about to be created.  Thread; may block. */
	int		(*us_register)(void);
	/*
	 * The calling lwp goes back to its own code: return when it may, on
	 * the CPU on which it may.  May block, by lwkt_usched_requeue().
	 */
	void		(*us_acquire_curproc)(lwkt_lwp_t lp);
	/*
	 * The calling lwp, chosen or not any more, is about to leave the CPU
	 * or to work in the library for a while: choose another.
	 */
	void		(*us_release_curproc)(lwkt_lwp_t lp);
	/* lp waits for its turn from now on.  It does not run. */
	void		(*us_setrunqueue)(lwkt_lwp_t lp);
	/*
	 * A tick of this CPU, kern.schedhz a second while a thread needs them.
	 * lp runs; NULL: none of this scheduler does.  Callback context.
	 */
	void		(*us_schedulerclock)(lwkt_lwp_t lp);
	/* Nice, class or CPUs of lp have changed, or it is about to start. */
	void		(*us_resetpriority)(lwkt_lwp_t lp);
	/* * parent (an lwp under us; NULL: another thread) has made child. */
	void		(*us_heuristic_forking)(lwkt_lwp_t parent,
			    lwkt_lwp_t child);
	/* * lp ends: what us knows of it is void after the return. */
	void		(*us_heuristic_exiting)(lwkt_lwp_t lp);
	/* * The caller lets others run; NULL: lwkt_usched_resched(). */
	void		(*us_yield)(lwkt_lwp_t lp);
	/* * Invariants builds: panic if something is wrong on this CPU. */
	void		(*us_check)(int cpu);
};

/* us, which must stay, until the shutdown.  EEXIST: the name; ENOSPC. */
LWKT_API int lwkt_usched_register(lwkt_usched_t us);
/* A registered scheduler; NULL: the default one.  NULL if there is none. */
LWKT_API lwkt_usched_t lwkt_usched_find(const char *name);

/* us_acquire_curproc: wait in the queue, until lwkt_usched_dispatch(). */
LWKT_API void lwkt_usched_requeue(lwkt_lwp_t lp);
/*
 * lp, which the scheduler had in its queue and has no more, comes to this CPU
 * as soon as the CPU that it left lets go of it.
 */
LWKT_API void lwkt_usched_dispatch(lwkt_lwp_t lp);
/* Have the lwp that runs on a CPU come by (us_acquire_curproc). */
LWKT_API void lwkt_usched_resched(int cpu);
/* Has somebody asked for that on this CPU since the last time?  1 or 0. */
LWKT_API int lwkt_usched_wanted(void);
/* The order of lp among lwps that are in the library, high first. */
LWKT_API void lwkt_usched_setupri(lwkt_lwp_t lp, int upri);

LWKT_END_DECLS

#endif
