/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host threads that are not a CPU: pthreads, children of fork, and the program
 * before its boot.
 *
 * THEORY
 * The kernel finds the calling CPU through the gs base.  Linux copies the gs
 * base to each host thread that a host thread creates, so a gs base does not
 * prove that the caller is that CPU.
 *
 * A pthread.  mc_hostid of a CPU is the address of its host thread's control
 * block, which every thread finds at %fs:0 and which differs in every other
 * living thread of the process.  machine_check_cpu() compares the two.
 *
 * A child of fork.  The child has one host thread and a copy of everything
 * but the arena, which would be shared with the parent and is therefore not
 * mapped in a child at all (MADV_DONTFORK in mem.c).  The kernel does that,
 * also for children that no handler hears of (_Fork, clone).  Stacks and
 * slabs are copied, so the child can go on computing on the stack of the
 * thread that called fork.  After fork(3), atfork_child() takes the identity
 * of the CPU away, covers the place of the arena, so that no other mapping
 * gets there, and gives back what a CPU has and a plain thread has not.
 *
 * No CPU at all.  The gs base of the program's first thread, and of what that
 * thread creates, is the address of `nobody`: a CPU whose mc_hostid is no
 * thread's, and whose pointers lead to NOWHERE, where every access faults.
 * A call that checks panics and says why; a call that does not check faults
 * there, and trap.c knows the address.  A program that uses the gs base for
 * something else keeps it.
 *
 * INVARIANTS
 * OU1 No write of a child of fork reaches the arena of the parent.
 * OU2 `forked` is set in a child of fork(3) before fork returns there.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/kassert.h"
#include "machine/linux/host.h"

#define NOWHERE		UINT64_C(0xffff800000000000)	/* the kernel's half */
#define NOWHERE_SIZE	((uintptr_t)16 << 20)
#define DEPTH		32

static struct mcpu nobody = {
	.mc_self = (struct mcpu *)NOWHERE,
	.mc_curthread = (struct lwkt_thread *)NOWHERE,
};
static int atfork_known;		/* (i) the handler is registered */
static pid_t parent;			/* (i) the process that booted, or 0 */
static int forked;			/* (i) in a child: of such a process */

int
lwkt__outside_is_nowhere(uintptr_t addr)
{
	return addr - NOWHERE < NOWHERE_SIZE;
}

int
machine_forked(void)
{
	return forked || (parent != 0 && getpid() != parent);
}

const char *
lwkt__outside_reason(void)
{
	if (machine_forked())
		return "call of the library in a child of fork, which has no "
		    "cpus";
	if (parent == 0)
		return "call of the library before lwkt_boot, or after it";
	return "call from a pthread that is not a cpu";
}

/* In place of the kernel's report: there is nothing to look at. */
static void
outside_report(const char *msg)
{
	void *pcs[DEPTH];

	(void)msg;
	machine_backtrace_print(pcs, machine_backtrace(pcs, DEPTH, NULL,
	    NULL));
}

void
lwkt__machine_strayed(void)
{
	if (parent == 0 && !forked)
		lwkt__panic_hook = outside_report;
	lwkt_panic("%s", lwkt__outside_reason());
}

/* The only thread of a child, before fork(3) returns in it. */
static void
atfork_child(void)
{
	if (parent == 0)
		return;
	forked = 1;						/* OU2 */
	lwkt__panic_hook = outside_report;
	lwkt__mem_forked();
	lwkt__vcpu_forked((unsigned long)&nobody);
}

/* Before anything is reserved. */
int
lwkt__outside_boot(void)
{
	int error = atfork_known ? 0 :
	    pthread_atfork(NULL, NULL, atfork_child);

	if (error == 0) {
		atfork_known = 1;
		parent = getpid();
	}
	return error;
}

void
lwkt__outside_shutdown(void)
{
	parent = 0;
}

__attribute__((constructor)) static void
outside_init(void)
{
	lwkt__vcpu_nobody((unsigned long)&nobody);
}
