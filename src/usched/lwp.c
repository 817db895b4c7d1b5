/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lwps: created, started, and given scheduling parameters.
 * USES usched.c, usched_return.c.
 *
 * THEORY
 * An lwp is a thread with TDL_LWP and a struct lwkt_lwp.  The structure lies at
 * the top of the thread's stack and lasts as long as the stack: code that has a
 * reference to the thread may use the lwp.  The parameters that the scheduler
 * of the lwp reads, except the mask of CPUs, are changed only on the CPU of the
 * thread.  A call on another CPU sends an IPI to the CPU of the thread, and
 * takes a reference to the thread until the IPI is served.  If the thread has
 * moved, the IPI is sent on to its new CPU.
 *
 * The mask has more words than fit in an IPI, so the caller stores it itself,
 * and the IPI asks the scheduler of the lwp to read it.  lwp_allowed() reads
 * one bit without param_lock: that of the old mask or of the new one.
 *
 * INVARIANTS
 * LPM1 The words of lp_cpumask are written under param_lock, and so are
 *    lp_rtclass and lp_rtprio.  Code that needs all words, or both fields,
 *    reads them under it.  Two exceptions read without it: the CPU of the lwp,
 *    which alone writes the two fields; and lwp_allowed_any(), which reads the
 *    words, and whose result may be a hint.
 * LPM2 lp_mode is LWKT_LWP_NEW until the start, and never again.  So an lwp is
 *    started only once.  A start also sets TDF_STARTED.  A thread that is no
 *    lwp gets this flag when it becomes runnable.  But an lwp that is queued is
 *    not runnable yet, and must not be freed as a thread that never started.
 *
 * Source: DragonFly's lwp_create, setpriority, rtprio and usched_set.
 */
#include "usched/usched_var.h"

#include <errno.h>
#include <lwkt/ipiq.h>
#include <lwkt/spinlock.h>
#include <string.h>

#include "kern/cpu/crit.h"
#include "kern/thread/thread_make.h"
#include "kern/lock/lend_var.h"

/* A change of an lwp is one of these and a 16-bit value, packed in an int. */
enum { SET_NICE, SET_RTPRIO, SET_CPUS, SET_STARTED };

#define SET_PACK(what, v)	((what) << 16 | (v))
#define SET_WHAT(packed)	((packed) >> 16)
#define SET_VALUE(packed)	((packed) & 0xffff)

static struct lwkt_spin param_lock = LWKT_SPIN_INITIALIZER("lwp parameters");

/* Store an int field that other CPUs read. */
static inline void
set_int(void *field, int v)
{
	atomic_store_32(field, (uint32_t)v);
}

/* Read an int field that the CPU of the lwp may write meanwhile. */
static inline int
get_int(const void *field)
{
	return (int)atomic_load_32(field);
}

/*
 * Make a change of lp, and tell its scheduler.  SET_STARTED also queues lp, and
 * panics if lp was started before.  If lp is chosen or running, the lwp that
 * runs here then asks its scheduler again before it returns to user mode.  Does
 * nothing if lp is ending.  Runs on the CPU of lp, in a critical section.
 */
static void
set_here(lwkt_lwp_t lp, int packed)
{
	lwkt_usched_t us = lp->lp_usched;
	lwkt_thread_t td = lp->lp_thread;
	int v = SET_VALUE(packed);

	KASSERTF(SET_WHAT(packed) != SET_STARTED ||
	    lp->lp_mode == LWKT_LWP_NEW, "lwp \"%s\" has started already",
	    td->td_name);					/* LPM2 */
	if (td->td_flags & TDF_EXITING)
		return;
	switch (SET_WHAT(packed)) {
	case SET_NICE:
		set_int(&lp->lp_nice, v + LWKT_NICE_MIN);
		break;
	case SET_RTPRIO:
		lwkt_spin_lock_quick(&param_lock);		/* LPM1 */
		set_int(&lp->lp_rtclass, v >> 8);
		set_int(&lp->lp_rtprio, v & 0xff);
		lwkt_spin_unlock_quick(&param_lock);
		break;
	default:
		break;
	}
	if (lp->lp_mode == LWKT_LWP_QUEUED || lp->lp_mode == LWKT_LWP_NEW)
		lend_setpri(mygd(), td, lwp_user_pri(lp));
	us->us_resetpriority(lp);
	if (SET_WHAT(packed) == SET_STARTED) {
		td->td_flags |= TDF_STARTED;			/* LPM2 */
		lp->lp_mode = LWKT_LWP_QUEUED;
		us->us_setrunqueue(lp);
	}
	if (lp->lp_mode == LWKT_LWP_USER || td == curthread)
		lwkt_usched_resched(mycpuid);
}

/*
 * IPI callback: make a change of lp, and drop the reference of set() to its
 * thread.  If lp has moved to another CPU, send the change there instead.
 */
static void
set_remote(void *arg, int packed)
{
	lwkt_lwp_t lp = arg;
	int cpu = lwkt_getcpu(lp->lp_thread);

	if (cpu != mycpuid) {
		lwkt_send_ipiq2(cpu, set_remote, lp, packed);
		return;
	}
	set_here(lp, packed);
	lwkt_rele(lp->lp_thread);
}

/* Make a change on the CPU of lp: at once if it is this CPU, else by an IPI. */
static void
set(lwkt_lwp_t lp, int packed)
{
	lwkt_thread_t self = caller_thread();
	int cpu;

	crit_enter_td(self);
	cpu = lwkt_getcpu(lp->lp_thread);
	if (cpu == mycpuid) {
		set_here(lp, packed);
	} else {
		lwkt_hold(lp->lp_thread);
		lwkt_send_ipiq2(cpu, set_remote, lp, packed);
	}
	crit_exit_td(self);
}

/*
 * First function of a new lwp: call the program's function.  After lp was
 * chosen, its CPU may have got a better lwp.  So lp asks its scheduler before
 * it enters user mode: after ast_raise(), crit_exit_td() makes it do so.
 */
static void
lwp_main(void *arg)
{
	lwkt_lwp_t lp = arg;
	lwkt_thread_t self = curthread;

	crit_enter_td(self);
	ast_raise(mygd());
	crit_exit_td(self);
	lp->lp_fn(lp->lp_arg);
}

/*
 * Give a new lwp the parameters of the calling lwp, or the defaults if the
 * caller is no lwp.
 */
static void
lwp_inherit(lwkt_lwp_t lp)
{
	lwkt_thread_t self = curthread;
	lwkt_lwp_t parent = lwkt_lwp_self();
	lwkt_usched_t us = lp->lp_usched;

	lp->lp_rtclass = LWKT_RTP_NORMAL;
	memset(&lp->lp_cpumask, 0xff, sizeof(lp->lp_cpumask));
	crit_enter_td(self);
	if (parent != NULL) {
		lp->lp_rtclass = parent->lp_rtclass;
		lp->lp_rtprio = parent->lp_rtprio;
		lp->lp_nice = parent->lp_nice;
		lp->lp_cpumask = lwkt_lwp_getcpumask(parent);
	}
	if (us->us_heuristic_forking != NULL)
		us->us_heuristic_forking(parent != NULL &&
		    parent->lp_usched == us ? parent : NULL, lp);
	crit_exit_td(self);
}

/*
 * Allocate a thread and its lwp, which is not started.  Returns NULL if there
 * is no memory.
 */
static lwkt_lwp_t
lwp_alloc(void (*fn)(void *), void *arg, lwkt_usched_t us, int flags)
{
	lwkt_thread_t td = lwkt_alloc_thread(0, lwkt_cpuid(), flags |
	    LWKT_PREEMPTIBLE);
	lwkt_lwp_t lp;

	if (td == NULL)
		return NULL;
	lp = thread_reserve(td, sizeof(*lp));
	*lp = (struct lwkt_lwp){ .lp_thread = td, .lp_usched = us,
	    .lp_fn = fn, .lp_arg = arg, .lp_mode = LWKT_LWP_NEW };
	td->td_lwp = lp;
	td->td_leave |= TDL_LWP;
	td->td_flags |= TDF_MIGRATING;	/* lwkt_schedule() has no effect */
	td->td_migrate_gd = NULL;
	td->td_pri = (uint8_t)LWKT_PRI_USER_NORM;
	lwp_inherit(lp);
	return lp;
}

/*
 * Create an lwp, and start it unless flags has LWKT_NOSTART.  us NULL: the
 * scheduler of the calling lwp, else the default one.  Returns 0, EINVAL (flags
 * or us), ENOMEM, or an error of us_register.
 * Thread, no spinlock; may block when a scheduler gets its first lwp.
 */
int
lwkt_lwp_create(void (*fn)(void *), void *arg, lwkt_lwp_t *lpp,
    lwkt_usched_t us, int flags, const char *fmt, ...)
{
	lwkt_lwp_t lp = lwkt_lwp_self();
	va_list ap;
	int error;

	machine_check_cpu();
	if (us == NULL)
		us = lp != NULL ? lp->lp_usched : lwkt_usched_find(NULL);
	if (flags & ~(LWKT_JOINABLE | LWKT_NOSTART))
		return EINVAL;
	if ((error = usched_use(us)) != 0)
		return error;
	if ((lp = lwp_alloc(fn, arg, us, flags)) == NULL)
		return ENOMEM;
	if (lpp != NULL)
		*lpp = lp;
	va_start(ap, fmt);
	thread_start(lp->lp_thread, lwp_main, lp, LWKT_NOSTART, fmt, ap);
	va_end(ap);
	if ((flags & LWKT_NOSTART) == 0)
		lwkt_lwp_start(lp);
	return 0;
}

/*
 * Start an lwp made with LWKT_NOSTART.  A second start panics, on the CPU of
 * lp.  Any CPU context; never blocks.
 */
void
lwkt_lwp_start(lwkt_lwp_t lp)
{
	set(lp, SET_PACK(SET_STARTED, 0));
}

/* Wait for the end of lp; returns as lwkt_join() does.  Thread; blocks. */
int
lwkt_lwp_join(lwkt_lwp_t lp)
{
	return lwkt_join(lp->lp_thread);
}

/* Return the thread of lp.  Any context; never blocks. */
lwkt_thread_t
lwkt_lwp_thread(lwkt_lwp_t lp)
{
	return lp->lp_thread;
}

/* Return the calling lwp, or NULL.  Any context; never blocks. */
lwkt_lwp_t
lwkt_lwp_self(void)
{
	lwkt_thread_t td = lwkt_self();

	return td != NULL && (td->td_leave & TDL_LWP) ? td->td_lwp : NULL;
}

/*
 * Set the nice value of lp.  Returns 0, or EINVAL if it is out of range.  If lp
 * is on another CPU, the change may be made after the return.
 * Any CPU context; never blocks, but an lwp that changes itself may have to
 * wait for its turn.
 */
int
lwkt_lwp_setnice(lwkt_lwp_t lp, int nice)
{
	if (nice < LWKT_NICE_MIN || nice > LWKT_NICE_MAX)
		return EINVAL;
	set(lp, SET_PACK(SET_NICE, nice - LWKT_NICE_MIN));
	return 0;
}

/*
 * Set the class of lp, and its priority in the class.  Returns 0, or EINVAL if
 * one of them is out of range.  If lp is on another CPU, the change may be made
 * after the return.
 * Any CPU context; never blocks, but an lwp that changes itself may have to
 * wait for its turn.
 */
int
lwkt_lwp_setrtprio(lwkt_lwp_t lp, enum lwkt_rtclass cls, int prio)
{
	if ((unsigned)cls > LWKT_RTP_IDLE || prio < 0 || prio > LWKT_RTP_MAX)
		return EINVAL;
	set(lp, SET_PACK(SET_RTPRIO, (int)cls << 8 | prio));
	return 0;
}

/*
 * Set on which CPUs lp may run.  Returns 0, or EINVAL if the mask has no CPU
 * that exists.  If lp runs on a CPU that is not in the mask, it may move after
 * the return.
 * Any CPU context; never blocks, but an lwp that changes itself may have to
 * wait for its turn.
 */
int
lwkt_lwp_setcpumask(lwkt_lwp_t lp, lwkt_cpumask_t mask)
{
	unsigned w;
	int cpu = cpumask_next(&mask, 0);

	if (cpu < 0 || cpu >= lwkt__ncpus)
		return EINVAL;
	lwkt_spin_lock(&param_lock);				/* LPM1 */
	for (w = 0; w < CPUMASK_WORDS; w++)
		atomic_store_64(&lp->lp_cpumask.cm_word[w], mask.cm_word[w]);
	lwkt_spin_unlock(&param_lock);
	set(lp, SET_PACK(SET_CPUS, 0));
	return 0;
}

/* Return the nice value of lp.  Any CPU context; never blocks. */
int
lwkt_lwp_getnice(lwkt_lwp_t lp)
{
	return get_int(&lp->lp_nice);
}

/*
 * Return the class of lp; *priop, if priop is not NULL, gets the priority in
 * the class.  Any CPU context; never blocks.
 */
enum lwkt_rtclass
lwkt_lwp_getrtprio(lwkt_lwp_t lp, int *priop)
{
	int cls, prio;

	lwkt_spin_lock(&param_lock);				/* LPM1 */
	cls = get_int(&lp->lp_rtclass);
	prio = get_int(&lp->lp_rtprio);
	lwkt_spin_unlock(&param_lock);
	if (priop != NULL)
		*priop = prio;
	return (enum lwkt_rtclass)cls;
}

/* Return the CPUs that lp may use.  Any CPU context; never blocks. */
lwkt_cpumask_t
lwkt_lwp_getcpumask(lwkt_lwp_t lp)
{
	lwkt_cpumask_t mask;
	unsigned w;

	lwkt_spin_lock(&param_lock);				/* LPM1 */
	for (w = 0; w < CPUMASK_WORDS; w++)
		mask.cm_word[w] = atomic_load_64(&lp->lp_cpumask.cm_word[w]);
	lwkt_spin_unlock(&param_lock);
	return mask;
}
