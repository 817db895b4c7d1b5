/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that may block, on host threads of their own.
 *
 * THEORY
 * The call moves, the CPU stays: the function runs on a carrier, which is no
 * CPU (machine/linux/carrier.c), and the calling thread waits as for any other
 * operation of the host.  Its CPU runs other threads meanwhile.  So the thread
 * keeps its CPU, its priority and its port, and nothing of a CPU is lent.
 *
 * The structure of lwkt_blocking() lies on the caller's stack, because the
 * caller waits without a limit.  With a limit, or as a message, the carrier may
 * outlive the wait; then the structure is the program's memory, and belongs to
 * the carrier from then on (struct hostfn of machine_io.h).
 *
 * errno is a thread's own (switch.h).  The function of lwkt_blocking() begins
 * with the caller's, and what it leaves there becomes the caller's.
 *
 * Source: FreeBSD's KSE moved the thread that blocked to a new upcall.  Here
 * the call is known to block, so it is moved before.
 */
#include <lwkt/blocking.h>

#include <errno.h>

#include "io/io_var.h"
#include "kern/cpu/crit.h"
#include "kse/kse_errno.h"
#include "kse/kse_var.h"

COUNTER(calls, "lwkt.blocking_calls",
    "functions given to carriers, except by messages");
COUNTER(orphans, "lwkt.blocking_orphans",
    "of these, left by lwkt_blocking_timo at a time limit");

/* lwkt_blocking(): the function, on the caller's stack. */
struct stack_call {
	struct hostfn	 sc_hf;		/* first */
	intptr_t	(*sc_fn)(void *);
	void		*sc_arg;
	intptr_t	 sc_result;	/* written by the carrier */
	int		 sc_errno;	/* the caller's, then the carrier's */
};

CTASSERT(sizeof(struct hostfn) ==
    sizeof(((struct lwkt_blocking_call *)0)->bc_reserved),
    "the library's part of a call with a limit");

/* Panic if the caller must not block, in the name of `what`. */
void
kse_assert_may_block(const char *what)
{
	lwkt_thread_t td = caller_thread();
	struct globaldata *gd = mygd();

	KASSERTF(gd->gd_spinlocks == 0, "%s: thread \"%s\" holds spinlock "
	    "\"%s\"", what, td->td_name,
	    gd->gd_spinheld[gd->gd_spinlocks - 1]->s_name);
	KASSERTF(td->td_critcount == 0 && gd->gd_intr_nesting == 0,
	    "%s: thread \"%s\" is in a critical section or callback", what,
	    td->td_name);
}

/*
 * Have hf called on a carrier, and wait; returns 0 or -errno.  Thread; blocks
 * the thread only.
 */
int64_t
kse_carry(struct hostfn *hf, int64_t timeout_ns)
{
	struct ioreq ir;

	counter_inc(mygd()->gd_cntbias, calls);
	ioreq_init(&ir, HIO_CALL, -1);
	ir.ir_io.io_buf = hf;
	return ioreq_call(&ir, timeout_ns);
}

/* hf_fn of lwkt_blocking().  Carrier. */
static void
stack_run(struct hostfn *hf)
{
	struct stack_call *sc = (struct stack_call *)hf;

	errno = sc->sc_errno;
	sc->sc_result = sc->sc_fn(sc->sc_arg);
	sc->sc_errno = errno;
}

/*
 * Call fn(arg) on a carrier, wait for its end and return its result.  Thread;
 * blocks the thread only.
 */
intptr_t
lwkt_blocking(intptr_t (*fn)(void *), void *arg)
{
	struct stack_call sc = {
		.sc_hf = { .hf_fn = stack_run, .hf_what = (void *)fn },
		.sc_fn = fn, .sc_arg = arg,
	};
	int64_t r;

	kse_assert_may_block("lwkt_blocking");
	sc.sc_errno = kse_errno();
	r = kse_carry(&sc.sc_hf, LWKT_FOREVER);
	if (r < 0) {
		sc.sc_result = -1;
		sc.sc_errno = (int)-r;
	}
	kse_set_errno(sc.sc_errno);
	return sc.sc_result;
}

/* The call of which hf is the library's part. */
static struct lwkt_blocking_call *
call_of(struct hostfn *hf)
{
	return container_of((void *(*)[3])(void *)hf,
	    struct lwkt_blocking_call, bc_reserved);
}

/* hf_fn of a function that its caller may leave.  Carrier. */
static void
limited_run(struct hostfn *hf)
{
	struct lwkt_blocking_call *bc = call_of(hf);

	errno = 0;
	bc->bc_result = bc->bc_fn(bc->bc_arg);
	bc->bc_errno = errno;
}

/* hf_orphan of the same: the caller has left.  Carrier. */
static void
limited_release(struct hostfn *hf)
{
	struct lwkt_blocking_call *bc = call_of(hf);

	bc->bc_release(bc);
}

/* Return the library's part of bc, prepared for a call. */
static struct hostfn *
prepare(struct lwkt_blocking_call *bc)
{
	struct hostfn *hf = (struct hostfn *)(void *)bc->bc_reserved;

	hf->hf_fn = limited_run;
	hf->hf_orphan = bc->bc_release != NULL ? limited_release : NULL;
	hf->hf_what = (void *)bc->bc_fn;
	return hf;
}

/*
 * Call bc->bc_fn on a carrier and wait for its end, for at most timeout_ns.
 * Return 0; or -errno, and then bc is released by bc_release.  Thread; blocks
 * the thread only.
 */
int
lwkt_blocking_timo(struct lwkt_blocking_call *bc, int64_t timeout_ns)
{
	int64_t r;

	kse_assert_may_block("lwkt_blocking_timo");
	KASSERTF(bc->bc_release != NULL, "lwkt_blocking_timo: call %p has no "
	    "bc_release", (void *)bc);
	r = kse_carry(prepare(bc), timeout_ns);
	if (r == 0)
		return 0;
	if (r == -EINPROGRESS) {
		counter_inc(mygd()->gd_cntbias, orphans);
		return -ETIMEDOUT;
	}
	bc->bc_release(bc);
	return (int)r;
}

/*
 * Prepare a message that calls bc->bc_fn on a carrier.  Any context; never
 * blocks.
 */
void
lwkt_sysmsg_call(struct lwkt_sysmsg *sm, lwkt_port_t port,
    struct lwkt_blocking_call *bc)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_CALL, -1);
	sm->sm_buf = prepare(bc);
}
