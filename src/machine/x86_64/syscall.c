/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A system call of Linux, by its number.
 *
 * THEORY
 * libc's syscall(2) would store an error in errno, which belongs to the thread
 * that runs on the CPU.  The instruction itself returns it.
 */
#include "machine/machine_io.h"

int64_t
machine_syscall(long nr, const long *arg)
{
	register long r10 __asm__("r10") = arg[3];
	register long r8 __asm__("r8") = arg[4];
	register long r9 __asm__("r9") = arg[5];
	long r;

	__asm__ volatile("syscall" : "=a" (r) : "0" (nr), "D" (arg[0]),
	    "S" (arg[1]), "d" (arg[2]), "r" (r10), "r" (r8), "r" (r9) :
	    "rcx", "r11", "memory");
	return r;
}
