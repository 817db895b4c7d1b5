/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lwps: threads that share the CPUs by a user scheduler.
 *
 * An lwp runs its own code only while its scheduler has chosen it for a CPU,
 * below all other threads, and for a slice of time if others wait.  It loses
 * the CPU between any two of its instructions (lwkt/preempt.h), to go on there
 * on the same CPU; and at the end of a critical section, of its own or of any
 * function of the library, to go on perhaps on another one.  While it holds a
 * token, or is inside a function that waits, it is a thread like any other, of
 * priority LWKT_PRI_KERN_USER.
 */
#ifndef LWKT_LWP_H
#define LWKT_LWP_H

#include <lwkt/thread.h>

LWKT_BEGIN_DECLS

typedef struct lwkt_lwp *lwkt_lwp_t;
typedef const struct lwkt_usched *lwkt_usched_t;

/* Classes: an lwp of a later one runs only when none of an earlier one can. */
enum lwkt_rtclass {
	LWKT_RTP_REALTIME	= 0,
	LWKT_RTP_NORMAL		= 1,	/* new lwps; ordered by use and nice */
	LWKT_RTP_IDLE		= 2
};
#define LWKT_RTP_MAX	31	/* within a class 0 is best; not for NORMAL */

#define LWKT_NICE_MIN	(-20)	/* gets most */
#define LWKT_NICE_MAX	20	/* gets least */

/*
 * Create an lwp that runs fn(arg) under us (NULL: that of the creator, if it is
 * one itself, else what kern.user_scheduler says), and start it on whichever
 * CPU has room.  flags: LWKT_JOINABLE; LWKT_NOSTART, then lwkt_lwp_start()
 * starts it.  Nice, class and CPUs are those of the creator, if it is an lwp.
 * *lpp (may be NULL) gets the handle, which lasts as long as the thread.
 * Context: thread, no spinlock.  Blocks: when us is used first.
 * Returns: 0, ENOMEM, or EINVAL (flags; us is not registered).
 */
LWKT_API int lwkt_lwp_create(void (*fn)(void *), void *arg, lwkt_lwp_t *lpp,
    lwkt_usched_t us, int flags, const char *fmt, ...)
    LWKT_PRINTFLIKE(6, 7);
/* Once, by the CPU that created it.  Any lwkt context. */
LWKT_API void lwkt_lwp_start(lwkt_lwp_t lp);

/* lwkt_join() of its thread. */
LWKT_API int lwkt_lwp_join(lwkt_lwp_t lp);

LWKT_API lwkt_thread_t lwkt_lwp_thread(lwkt_lwp_t lp);
/* The calling lwp; NULL: the caller is none. */
LWKT_API lwkt_lwp_t lwkt_lwp_self(void);

/*
 * Change what the scheduler goes by.  It takes effect when the CPU of lp gets
 * to know.  lp must be held, joinable or the caller.
 * Context: any lwkt context.  Blocks: no.  Returns: 0; EINVAL: out of range;
 * no such CPU in the mask.
 */
LWKT_API int lwkt_lwp_setnice(lwkt_lwp_t lp, int nice);
LWKT_API int lwkt_lwp_setrtprio(lwkt_lwp_t lp, enum lwkt_rtclass cls,
    int prio);
LWKT_API int lwkt_lwp_setcpumask(lwkt_lwp_t lp, lwkt_cpumask_t mask);

LWKT_API int lwkt_lwp_getnice(lwkt_lwp_t lp);
LWKT_API enum lwkt_rtclass lwkt_lwp_getrtprio(lwkt_lwp_t lp, int *priop);
LWKT_API lwkt_cpumask_t lwkt_lwp_getcpumask(lwkt_lwp_t lp);

LWKT_END_DECLS

#endif
