/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User schedulers: which lwp may run in user mode on which CPU.
 *
 * A program that only uses lwps needs <lwkt/lwp.h>, and of this file
 * lwkt_usched_find().  The writer of a scheduler fills in the table below.
 */
#ifndef LWKT_USCHED_H
#define LWKT_USCHED_H

#include <lwkt/lwp.h>

LWKT_BEGIN_DECLS

/* The state of an lwp; changed on its CPU only. */
enum lwkt_lwpmode {
	LWKT_LWP_NEW,		/* not started */
	LWKT_LWP_QUEUED,	/* its scheduler has it; on no CPU */
	LWKT_LWP_USER,		/* chosen: in user mode, or about to be */
	LWKT_LWP_KERN		/* blocked, or on its way back to user mode */
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
	uint64_t	 lp_data[8];	/* (u) initially zero */
};

/*
 * A scheduler.  All functions run in a critical section on the CPU of lp and
 * must not block, if not said otherwise.  Those marked * may be NULL.
 */
struct lwkt_usched {
	const char	*us_name;	/* unique */
	const char	*us_desc;
	/* * Its first lwp is about to be created.  Thread; may block. */
	int		(*us_register)(void);
	/*
	 * The calling lwp returns to user mode: return when it may run there,
	 * on the CPU where it may.  May block, by lwkt_usched_requeue().
	 */
	void		(*us_acquire_curproc)(lwkt_lwp_t lp);
	/*
	 * The calling lwp, chosen or no longer chosen, is about to leave the
	 * CPU or to work in the library for a while: choose another lwp.
	 */
	void		(*us_release_curproc)(lwkt_lwp_t lp);
	/* lp does not run and now waits for its turn: queue it. */
	void		(*us_setrunqueue)(lwkt_lwp_t lp);
	/*
	 * A tick of this CPU: kern.schedhz per second while a thread needs it.
	 * lp runs; NULL: no lwp of this scheduler does.  Callback context.
	 */
	void		(*us_schedulerclock)(lwkt_lwp_t lp);
	/* Nice, class or CPUs of lp have changed, or it is about to start. */
	void		(*us_resetpriority)(lwkt_lwp_t lp);
	/*
	 * * parent has created child; NULL: the creator is no lwp of this
	 * scheduler.
	 */
	void		(*us_heuristic_forking)(lwkt_lwp_t parent,
			    lwkt_lwp_t child);
	/* * lp ends: keep no pointer to it after the return. */
	void		(*us_heuristic_exiting)(lwkt_lwp_t lp);
	/* * The calling lwp yields.  NULL: lwkt_usched_resched(). */
	void		(*us_yield)(lwkt_lwp_t lp);
	/* * Invariants builds: panic if something is wrong on this CPU. */
	void		(*us_check)(int cpu);
};

/*
 * Register the scheduler us, whose memory must stay, until the shutdown.
 * Context: thread.  Blocks: yes.  Returns: 0; EEXIST: the name is taken;
 * ENOSPC.
 */
LWKT_API int lwkt_usched_register(lwkt_usched_t us);
/*
 * Return a registered scheduler by name, for NULL the default one.  Returns
 * NULL if there is none.  Context: thread.  Blocks: no.
 */
LWKT_API lwkt_usched_t lwkt_usched_find(const char *name);

/*
 * In us_acquire_curproc: put lp, the caller, in the queue by us_setrunqueue,
 * and wait for lwkt_usched_dispatch().  The lwp may then be on another CPU.
 * Blocks: yes.
 */
LWKT_API void lwkt_usched_requeue(lwkt_lwp_t lp);
/*
 * Bring lp, which the scheduler has taken off its queue, to this CPU.  It comes
 * when the CPU that it left has finished with it.
 * Context: any lwkt context, without a spinlock of the scheduler.  Blocks: no.
 */
LWKT_API void lwkt_usched_dispatch(lwkt_lwp_t lp);
/*
 * Have the lwp that runs on a CPU call us_acquire_curproc soon.
 * Context: any lwkt context, without a spinlock of the scheduler.  Blocks: no.
 */
LWKT_API void lwkt_usched_resched(int cpu);
/*
 * Return 1 if that was requested for this CPU since the last call, else 0.
 * Context: critical section.  Blocks: no.
 */
LWKT_API int lwkt_usched_wanted(void);
/*
 * Set the order of lp among lwps that are in the library; higher runs first.
 * Context: the CPU of lp, critical section.  Blocks: no.
 */
LWKT_API void lwkt_usched_setupri(lwkt_lwp_t lp, int upri);

LWKT_END_DECLS

#endif
