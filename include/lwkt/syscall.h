/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any system call of Linux, from a thread: the thread waits, not the CPU.
 *
 * <sys/syscall.h> has the numbers.  lwkt-syscalls(7) says of each call how it
 * is made: at once on the CPU, by a call of <lwkt/io.h>, or on a carrier (see
 * <lwkt/blocking.h>); or that it is refused.
 */
#ifndef LWKT_SYSCALL_H
#define LWKT_SYSCALL_H

#include <lwkt/blocking.h>
#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/*
 * Make the system call nr with the arguments that Linux wants, each an integer
 * or a pointer.  Of a number that lwkt-syscalls(7) lacks: with six.
 * Returns the result, or a negative errno; errno does not change.
 *	-ENOSYS		Linux has no such call, or lwkt-syscalls(7) has it as
 *			refused
 *	-EAGAIN		also: the host refused the carrier; no call was made
 * Context: thread, not in a critical section, without spinlocks (panics).
 * Blocks the thread only.
 */
LWKT_API int64_t lwkt_syscall(long nr, ...);

/* The arguments of a system call that is a message. */
struct lwkt_callargs {
	struct lwkt_blocking_call ca_call;	/* bc_release; bc_result */
	long		 ca_nr;			/* the library's */
	long		 ca_arg[6];
};

/*
 * Prepare a system message that makes the system call nr; its reply goes to
 * port reply (<lwkt/sysmsg.h>).  If sm_result is 0, the call was made, and
 * ca->ca_call.bc_result is its result or a negative errno.  Otherwise sm_result
 * and bc_release, which the caller has set or left NULL, are those of
 * lwkt_sysmsg_call(): a call on a carrier cannot be ended, only left.
 * What may wait is made on a carrier, also calls that <lwkt/sysmsg.h> has.
 * Context: any.  Blocks: no.
 */
LWKT_API void lwkt_sysmsg_syscall(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    long nr, struct lwkt_callargs *ca);

LWKT_END_DECLS

#endif
