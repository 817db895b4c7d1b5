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
 * block.  Every host thread finds the address of its own block at %fs:0, and no
 * two living ones have the same.  machine_check_cpu() compares this address
 * with mc_hostid.
 *
 * A child of fork.  The child has one host thread and a copy of all memory but
 * the arena.  The arena would be shared with the parent, so it is not mapped in
 * a child (MADV_DONTFORK; where Linux refuses that, the arena is private and is
 * copied: mem.c).  Linux leaves the arena out also in children for which no
 * fork handler runs (_Fork, clone).  Stacks and slabs are copied, so the child
 * can continue on the stack of the thread that called fork.  After fork(3),
 * atfork_child() takes the identity of the CPU away and restores the timer
 * slack and the affinity that the host thread had before it was a CPU.  It also
 * maps the address range of the arena without access, so that no other mapping
 * gets there.
 *
 * No CPU at all.  The gs base of the host thread that loads the library, and of
 * those that it creates, is the address of `nobody`: a struct mcpu whose
 * mc_hostid belongs to no host thread and whose mc_self and mc_curthread are
 * NOWHERE, where every access faults.  A call that checks its caller
 * (machine_check_cpu) panics and says why.  A call that does not check faults
 * at NOWHERE, and trap.c recognizes the address.  A gs base that the program
 * has set itself stays.
 *
 * Other host threads.  The deadlock report asks whether the program has any,
 * because one of them may wake a thread (machine_foreign_threads).
 * /proc/self/task names all host threads of the process.
 *
 * INVARIANTS
 * OU1 No write of a child of fork reaches the arena of the parent.
 * OU2 If the library is booted, `forked` is set in a child of fork(3) before
 *    fork returns there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/kassert.h"
#include "machine/linux/host.h"

#define NOWHERE		UINT64_C(0xffff800000000000)	/* in Linux's half */
#define NOWHERE_SIZE	((uintptr_t)16 << 20)
#define DEPTH		32		/* frames of a backtrace */

static struct mcpu nobody = {
	.mc_self = (struct mcpu *)NOWHERE,
	.mc_curthread = (struct lwkt_thread *)NOWHERE,
};
static int atfork_known;		/* (i) 1: atfork_child is registered */
static pid_t parent;			/* (i) the process that booted, or 0 */
static int forked;			/* (i) 1: a child of such a process */

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

/*
 * Print a backtrace: the panic hook of a process without CPUs, where the kernel
 * has no state to report.
 */
static void
outside_report(const char *msg)
{
	void *pcs[DEPTH];

	(void)msg;
	machine_backtrace_print(pcs, machine_backtrace(pcs, DEPTH, NULL,
	    NULL));
}

void
lwkt__machine_not_cpu(void)
{
	if (parent == 0 && !forked)
		lwkt__panic_hook = outside_report;
	lwkt_panic("%s", lwkt__outside_reason());
}

/*
 * Mark the only host thread of a child as no CPU, before fork(3) returns there.
 * Does nothing unless the library was booted at the time of the fork.
 */
static void
atfork_child(void)
{
	if (parent == 0)
		return;
	forked = 1;						/* OU2 */
	lwkt__panic_hook = outside_report;
	lwkt__mem_forked();
	lwkt__identity_forked((unsigned long)&nobody);
}

/*
 * Register the fork handler, before any memory is reserved, and note that this
 * process boots.  Returns 0 or an errno.
 */
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

/*
 * Return 1 if the host thread is a CPU, a helper of this host (helper.c) or a
 * worker of io_uring, or has ended; else 0.  Only a worker is known by its
 * name: it creates no pthread that could inherit the name.
 */
static int
task_is_ours(const char *tid)
{
	char path[64], name[16] = "";
	int fd, i;

	for (i = 0; i < LWKT_MAXCPU; i++)
		if (lwkt__hosts[i].h_tid == atoi(tid))
			return 1;
	if (lwkt__helper_is(atoi(tid)))
		return 1;
	(void)snprintf(path, sizeof(path), "/proc/self/task/%.16s/comm", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;		/* the host thread has ended */
	(void)!read(fd, name, sizeof(name) - 1);
	(void)close(fd);
	return strncmp(name, "iou-", 4) == 0;
}

int
machine_foreign_threads(void)
{
	const struct dirent *de;
	DIR *dir = opendir("/proc/self/task");
	int foreign = 0;

	if (dir == NULL)
		return 1;
	while (!foreign && (de = readdir(dir)) != NULL)
		foreign = de->d_name[0] != '.' && !task_is_ours(de->d_name);
	(void)closedir(dir);
	return foreign;
}

/*
 * Mark the host thread that loads the library as no CPU, unless the program has
 * set its gs base.  The pthreads that it creates inherit the mark.
 */
__attribute__((constructor)) static void
outside_init(void)
{
	lwkt__identity_nobody((unsigned long)&nobody);
}
