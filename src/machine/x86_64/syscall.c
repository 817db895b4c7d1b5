/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A system call of Linux, by its number.
 *
 * THEORY
 * libc's syscall(2) would store an error in errno, which belongs to the thread
 * that runs on the CPU.  The instruction itself returns it.
 */
#include "machine/machine_io.h"

/*
 * All arguments are loaded first: a checker may call a function at each load,
 * which would change registers that have their value already.
 */
int64_t
machine_syscall(long nr, const long *arg)
{
	long a0 = arg[0], a1 = arg[1], a2 = arg[2], a3 = arg[3], a4 = arg[4],
	    a5 = arg[5], r;
	register long r10 __asm__("r10") = a3;
	register long r8 __asm__("r8") = a4;
	register long r9 __asm__("r9") = a5;

	__asm__ volatile("syscall" : "=a" (r) : "0" (nr), "D" (a0), "S" (a1),
	    "d" (a2), "r" (r10), "r" (r8), "r" (r9) : "rcx", "r11", "memory");
	return r;
}
