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

LWKT_END_DECLS

#endif
