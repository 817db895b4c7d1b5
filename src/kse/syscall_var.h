/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a system call is made: what the files of lwkt_syscall() share.
 */
#ifndef LWKT_KSE_SYSCALL_VAR_H
#define LWKT_KSE_SYSCALL_VAR_H

#include <stdint.h>

/* The ways; the names stand in syscall_table.h and, in words, in the page. */
enum sysway {
	SYSWAY_UNKNOWN,		/* not in the table */
	SYSWAY_CPU,		/* on the CPU: does not wait */
	SYSWAY_IO,		/* a call of io/ has the same meaning */
	SYSWAY_MAYBE,		/* on a carrier, but usually does not wait */
	SYSWAY_CARRIER,		/* on a carrier: waits by nature */
	SYSWAY_REFUSED		/* -ENOSYS */
};

#define SYSCALL_ARGS	6

struct sysargs {
	long		 sa_nr;
	long		 sa_arg[SYSCALL_ARGS];	/* those it does not have: 0 */
};

/* syscall_args.c: how a call is made, by the table and its arguments. */
enum sysway syscall_way(const struct sysargs *sa);
/* How many arguments a call has; of a number that the table lacks, six. */
int	syscall_nargs(long nr);

/*
 * syscall_io.c: make a call of SYSWAY_IO by a call of io/.  Returns SYSWAY_IO,
 * with the result in *resultp; or the way to make it, if its arguments have a
 * meaning that the call of io/ lacks.  Thread; blocks the thread only.
 */
enum sysway syscall_io(const struct sysargs *sa, int64_t *resultp);

#endif
