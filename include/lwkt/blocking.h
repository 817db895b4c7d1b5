/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that may block: they run on a host thread of their own, and only
 * the calling thread waits.
 *
 * A function of a library that waits in the host (a name server, a disk, a lock
 * of a pthread) would stop the CPU and all its threads.  These calls run it on
 * a carrier: a host thread that is no CPU, with a stack of lwkt.blocking_stack
 * KiB (256).  The function is plain pthread code: it may do all that a pthread
 * may, libc and messages included.  It has the signal mask that the caller of
 * lwkt_boot() had, so handlers of the program may run in it.
 *
 * At most kern.threads.max_threads_per_proc functions run at one time (1500);
 * more of them wait in order.  A function that waits for one that has not begun
 * therefore needs room below that limit.
 *
 * Source: the calls that move to another thread in FreeBSD's KSE.
 */
#ifndef LWKT_BLOCKING_H
#define LWKT_BLOCKING_H

#include <lwkt/sysmsg.h>
#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/*
 * Call fn(arg) on a carrier and wait until it has returned.  Returns what fn
 * returned; errno is what fn left there.  If the host refuses the carrier: -1,
 * with errno EAGAIN; fn was not called.
 * Context: thread, not in a critical section, without spinlocks (panics).
 * Tokens are released meanwhile.  Blocks the thread only.
 */
LWKT_API intptr_t lwkt_blocking(intptr_t (*fn)(void *), void *arg);

/*
 * A function that its caller may leave.  The structure and all that the
 * function uses must be memory that outlives the caller's stack.
 */
struct lwkt_blocking_call {
	intptr_t	(*bc_fn)(void *);	/* the function */
	void		*bc_arg;		/* its argument */
	void		(*bc_release)(struct lwkt_blocking_call *);
	intptr_t	 bc_result;		/* what it returned */
	int		 bc_errno;		/* what it left in errno */
	void		*bc_reserved[3];	/* the library's */
};

/*
 * Call bc->bc_fn(bc->bc_arg) on a carrier, and wait until it has returned, for
 * at most timeout_ns.  Returns 0, with bc_result and bc_errno; then bc is the
 * caller's again.
 *
 * Otherwise returns a negative errno, and bc is no longer the caller's:
 * bc_release(bc) frees what the function used.  It is called once, on the
 * carrier when the function has returned, or by this call if the function was
 * never called.
 *	-ETIMEDOUT	the time was over first
 *	-EAGAIN		the host refused a carrier; the function was not called
 * Context and blocking are those of lwkt_blocking().
 */
LWKT_API int lwkt_blocking_timo(struct lwkt_blocking_call *bc,
    int64_t timeout_ns);

/*
 * Prepare a system message that calls bc->bc_fn(bc->bc_arg) on a carrier; its
 * reply goes to port reply (<lwkt/sysmsg.h>).  sm_result is
 *	0		the function has returned: bc_result, bc_errno
 *	-EINPROGRESS	a time limit or an abort came first, and the function
 *			goes on: bc belongs to the carrier, which calls
 *			bc_release(bc) when the function has returned
 *	other errno	(-ETIMEDOUT, -ECANCELED, -EAGAIN) the function was not
 *			called
 * Unless it is -EINPROGRESS, bc is the caller's again.  If bc_release is NULL,
 * a function that has begun is not left: the reply comes when it has returned.
 * Context: any.  Blocks: no.
 */
LWKT_API void lwkt_sysmsg_call(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    struct lwkt_blocking_call *bc);

LWKT_END_DECLS

#endif
