/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_syscall(): any system call of the host, from a thread.
 * USES blocking.c, syscall_args.c, syscall_io.c.
 *
 * THEORY
 * A system call belongs to the host thread that makes it, which here is a CPU.
 * So the table says of each call how it can be made: at once, because it does
 * not wait; by the call of io/ that has the same meaning; or on a carrier.
 * Calls that would change or end the host thread itself are refused.
 *
 * Which calls wait is known only for those that the table has.  A number that
 * it lacks, of a newer Linux, is made on a carrier.
 *
 * INVARIANTS
 * KS1 A call that may wait is not made on a CPU.
 * KS2 A call that changes a host thread is made on no host thread.
 * KS3 The caller's errno does not change.
 */
#include <lwkt/syscall.h>

#include <errno.h>
#include <stdarg.h>

#include "kern/cpu/crit.h"
#include "kern/sched/sched_var.h"
#include "kse/kse_errno.h"
#include "kse/kse_var.h"
#include "kse/syscall_var.h"

COUNTER(on_cpu, "lwkt.syscalls_cpu", "system calls made at once on the CPU");
COUNTER(by_io, "lwkt.syscalls_io", "system calls made by calls of io/");
COUNTER(carried, "lwkt.syscalls_carried", "system calls given to carriers");
COUNTER(refused, "lwkt.syscalls_refused", "system calls refused");

/* A call on a carrier, on the caller's stack. */
struct carried_call {
	struct hostfn	 cc_hf;		/* first */
	const struct sysargs *cc_args;
	int64_t		 cc_result;	/* written by the carrier */
};

/* hf_fn of a call.  Carrier. */
static void
carried_run(struct hostfn *hf)
{
	struct carried_call *cc = (struct carried_call *)hf;

	cc->cc_result = machine_syscall(cc->cc_args->sa_nr,
	    cc->cc_args->sa_arg);
}

/* Make a call on a carrier; return its result.  Blocks the thread only. */
static int64_t
carry(const struct sysargs *sa)
{
	struct carried_call cc = {
		.cc_hf.hf_fn = carried_run,
		.cc_hf.hf_what = (void *)machine_syscall,
		.cc_args = sa,
	};
	int64_t r;

	counter_inc(mygd()->gd_cntbias, carried);
	r = kse_carry(&cc.cc_hf, LWKT_FOREVER);
	return r < 0 ? r : cc.cc_result;
}

/*
 * Make a call on the CPU; return its result.  The call was no preemption point,
 * so this function is one.
 */
static int64_t
make_here(const struct sysargs *sa)
{
	int64_t r;

	counter_inc(mygd()->gd_cntbias, on_cpu);
	r = machine_syscall(sa->sa_nr, sa->sa_arg);
	lwkt_yield_quick();
	return r;
}

/* Make a call in its way; return its result.  Blocks the thread only. */
static int64_t
make(const struct sysargs *sa)
{
	enum sysway way = syscall_way(sa);
	int64_t r = -ENOSYS;

	if (way == SYSWAY_IO)
		way = syscall_io(sa, &r);
	switch (way) {
	case SYSWAY_CPU:
		return make_here(sa);
	case SYSWAY_IO:
		counter_inc(mygd()->gd_cntbias, by_io);
		return r;
	case SYSWAY_REFUSED:
		counter_inc(mygd()->gd_cntbias, refused);
		return -ENOSYS;					/* KS2 */
	case SYSWAY_UNKNOWN:
	case SYSWAY_MAYBE:
	case SYSWAY_CARRIER:
		break;
	}
	return carry(sa);					/* KS1 */
}

/*
 * Make the system call nr; return its result, or a negative errno.  Thread;
 * blocks the thread only.
 *
 * Only the arguments that the call has are read: the caller has not written
 * others, and what lies in their place may be memory of anybody.
 */
int64_t
lwkt_syscall(long nr, ...)
{
	struct sysargs sa = { .sa_nr = nr };
	int i, n = syscall_nargs(nr), error;
	int64_t r;
	va_list ap;

	va_start(ap, nr);
	for (i = 0; i < n; i++)
		sa.sa_arg[i] = va_arg(ap, long);
	va_end(ap);
	kse_assert_may_block("lwkt_syscall");
	error = kse_errno();
	r = make(&sa);
	kse_set_errno(error);					/* KS3 */
	return r;
}
