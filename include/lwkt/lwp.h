/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lwps: threads that share the CPUs under a user scheduler.
 *
 * An lwp runs in user mode only while its scheduler has chosen it for a CPU:
 * below all other threads, and for a time slice if other lwps wait.  It can
 * lose the CPU between any two instructions of user mode (lwkt/preempt.h); then
 * it continues on the same CPU.  It can also lose the CPU at the end of a
 * critical section, its own or one inside any function of the library; then it
 * may continue on another CPU.  While it holds a token, or is inside a function
 * that waits, it is an ordinary thread of priority LWKT_PRI_KERN_USER.
 */
#ifndef LWKT_LWP_H
#define LWKT_LWP_H

#include <lwkt/thread.h>

LWKT_BEGIN_DECLS

typedef struct lwkt_lwp *lwkt_lwp_t;
typedef const struct lwkt_usched *lwkt_usched_t;

/* Classes: an lwp runs only if no lwp of an earlier class can. */
enum lwkt_rtclass {
	LWKT_RTP_REALTIME	= 0,
	LWKT_RTP_NORMAL		= 1,	/* new lwps; ordered by use and nice */
	LWKT_RTP_IDLE		= 2
};
#define LWKT_RTP_MAX	31	/* within a class 0 is best; not for NORMAL */

#define LWKT_NICE_MIN	(-20)	/* gets most */
#define LWKT_NICE_MAX	20	/* gets least */

/*
 * Create an lwp that runs fn(arg) under scheduler us, and start it on a CPU
 * that has room.  us NULL: the scheduler of the calling lwp, else
 * kern.user_scheduler.  flags: LWKT_JOINABLE; LWKT_NOSTART: lwkt_lwp_start()
 * starts it.  Nice value, class and CPUs are those of the calling lwp; if the
 * caller is none: 0, LWKT_RTP_NORMAL, all CPUs.  *lpp (lpp may be NULL) gets
 * the handle, which lasts as long as the thread: an lwp that is not joinable
 * may end at once.
 * Context: thread, no spinlock.  Blocks: when a scheduler gets its first lwp.
 * Returns: 0; ENOMEM; EINVAL: flags, or us is not registered.
 */
LWKT_API int lwkt_lwp_create(void (*fn)(void *), void *arg, lwkt_lwp_t *lpp,
    lwkt_usched_t us, int flags, const char *fmt, ...)
    LWKT_PRINTFLIKE(6, 7);
/*
 * Start an lwp of LWKT_NOSTART, once, on the CPU that created it.
 * Context: any lwkt context.  Blocks: no.
 */
LWKT_API void lwkt_lwp_start(lwkt_lwp_t lp);

/* lwkt_join() its thread.  Context, blocking and result: as there. */
LWKT_API int lwkt_lwp_join(lwkt_lwp_t lp);

/* Return the thread of an lwp.  Context: any. */
LWKT_API lwkt_thread_t lwkt_lwp_thread(lwkt_lwp_t lp);
/* Return the calling lwp; NULL if the caller is not an lwp.  Context: any. */
LWKT_API lwkt_lwp_t lwkt_lwp_self(void);

/*
 * Change scheduling parameters of lp, which must be held, joinable or the
 * caller.  Its CPU makes the change, perhaps after the return.
 * Context: any lwkt context.
 * Blocks: no; an lwp that changes itself may have to wait for its turn.
 * Returns: 0; EINVAL: out of range, or no such CPU in the mask.
 */
LWKT_API int lwkt_lwp_setnice(lwkt_lwp_t lp, int nice);
LWKT_API int lwkt_lwp_setrtprio(lwkt_lwp_t lp, enum lwkt_rtclass cls,
    int prio);
LWKT_API int lwkt_lwp_setcpumask(lwkt_lwp_t lp, lwkt_cpumask_t mask);

/*
 * Return the present parameters; *priop (priop may be NULL) gets the place in
 * the class.  Context: any lwkt context.  Blocks: no.
 */
LWKT_API int lwkt_lwp_getnice(lwkt_lwp_t lp);
LWKT_API enum lwkt_rtclass lwkt_lwp_getrtprio(lwkt_lwp_t lp, int *priop);
LWKT_API lwkt_cpumask_t lwkt_lwp_getcpumask(lwkt_lwp_t lp);

LWKT_END_DECLS

#endif
