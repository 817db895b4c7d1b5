/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a system call is made: the table, and what arguments change.
 *
 * THEORY
 * Most calls wait or do not wait whatever their arguments are.  The functions
 * below know the others: a flag that says not to wait, commands of which some
 * wait, and thread ids of which 0 means the calling host thread.  A command
 * that no function knows is treated as one that waits, or that changes the
 * host thread.
 */
#include "kse/syscall_var.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/kassert.h"

#define PRIO_OF_IO_PROCESS	1	/* IOPRIO_WHO_PROCESS */
#define UNSHARE_FILES		2	/* CLOSE_RANGE_UNSHARE */
#define QUERY_ONLY		0xffffffffu	/* of personality */

/* Numbers with this bit are those of another ABI (x32) for the same calls. */
#define OTHER_ABI	0x40000000

static const struct sysrow {
	uint8_t		 sr_way;	/* enum sysway */
	uint8_t		 sr_args;
} rows[] = {
#define S(nr, name, way, args, note)	[nr] = { SYSWAY_##way, args },
#include "kse/syscall_table.h"
#undef S
};

static const struct sysrow *
row(long nr)
{
	static const struct sysrow unknown = { SYSWAY_UNKNOWN, SYSCALL_ARGS };

	return nr >= 0 && nr < (long)nitems(rows) &&
	    rows[nr].sr_way != SYSWAY_UNKNOWN ? &rows[nr] : &unknown;
}

int
syscall_nargs(long nr)
{
	return row(nr)->sr_args;
}

static int
one_of(long value, const uint32_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == (uint32_t)value)
			return 1;
	return 0;
}

#define ONE_OF(value, list)	one_of(value, list, nitems(list))

/* Flags.  Returns `way` if the call is none of these. */
static enum sysway
by_flags(long nr, const long *a, enum sysway way)
{
	switch (nr) {
	case SYS_mmap:
		return a[3] & (MAP_POPULATE | MAP_LOCKED) ? SYSWAY_CARRIER :
		    way;
	case SYS_socketpair:
		return (int)a[0] == AF_UNIX ? way : SYSWAY_MAYBE;
	case SYS_recvmsg:
	case SYS_sendmsg:
		return a[2] & MSG_DONTWAIT ? SYSWAY_CPU : way;
	case SYS_recvmmsg:
	case SYS_sendmmsg:
		return a[3] & MSG_DONTWAIT ? SYSWAY_CPU : way;
	case SYS_msgsnd:
		return a[3] & IPC_NOWAIT ? SYSWAY_CPU : way;
	case SYS_msgrcv:
		return a[4] & IPC_NOWAIT ? SYSWAY_CPU : way;
	case SYS_waitid:
		return a[3] & WNOHANG ? SYSWAY_CPU : way;
	case SYS_close_range:
		return a[2] & UNSHARE_FILES ? SYSWAY_REFUSED : way;
	case SYS_personality:
		return (uint32_t)a[0] == QUERY_ONLY ? SYSWAY_CPU : way;
	default:
		return way;
	}
}

static enum sysway
by_futex(long op)
{
	static const uint32_t waits[] = { FUTEX_WAIT, FUTEX_WAIT_BITSET };
	static const uint32_t calm[] = { FUTEX_WAKE, FUTEX_REQUEUE,
	    FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_WAKE_BITSET };

	op &= FUTEX_CMD_MASK;
	if (ONE_OF(op, calm))
		return SYSWAY_CPU;
	return ONE_OF(op, waits) ? SYSWAY_MAYBE : SYSWAY_REFUSED;
}

/* Commands.  Returns `way` if the call is none of these. */
static enum sysway
by_command(long nr, const long *a, enum sysway way)
{
	static const uint32_t advice[] = { MADV_NORMAL, MADV_RANDOM,
	    MADV_SEQUENTIAL, MADV_DONTNEED, MADV_FREE, MADV_DONTFORK,
	    MADV_DOFORK, MADV_MERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
	    MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK };
	static const uint32_t fcntls[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
	    F_SETFD, F_GETFL, F_SETFL, F_GETOWN, F_SETOWN, F_GETOWN_EX,
	    F_SETOWN_EX, F_GETSIG, F_SETSIG, F_GETPIPE_SZ, F_SETPIPE_SZ,
	    F_GET_SEALS };
	static const uint32_t ioctls[] = { FIOCLEX, FIONCLEX, FIONBIO, FIOASYNC,
	    FIONREAD };
	static const uint32_t keys[] = { KEYCTL_JOIN_SESSION_KEYRING,
	    KEYCTL_SET_REQKEY_KEYRING, KEYCTL_ASSUME_AUTHORITY,
	    KEYCTL_SESSION_TO_PARENT };
	static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6 };
	static const uint32_t levels[] = { SOL_SOCKET, IPPROTO_TCP };
	static const uint32_t memory[] = { SHM_LOCK, SHM_UNLOCK };
	static const uint32_t prctls[] = { PR_GET_DUMPABLE, PR_SET_DUMPABLE,
	    PR_GET_CHILD_SUBREAPER, PR_SET_CHILD_SUBREAPER,
	    PR_GET_THP_DISABLE, PR_SET_THP_DISABLE, PR_CAPBSET_READ,
	    PR_SET_PTRACER, PR_SET_VMA };

	switch (nr) {
	case SYS_madvise:
		return ONE_OF(a[2], advice) ? SYSWAY_CPU : SYSWAY_CARRIER;
	case SYS_fcntl:
		return ONE_OF(a[1], fcntls) ? SYSWAY_CPU : way;
	case SYS_ioctl:
		return ONE_OF(a[1], ioctls) ? SYSWAY_CPU : way;
	case SYS_futex:
		return by_futex(a[1]);
	case SYS_keyctl:
		return ONE_OF(a[0], keys) ? SYSWAY_REFUSED : way;
	case SYS_prctl:
		return ONE_OF(a[0], prctls) ? SYSWAY_CPU : way;
	case SYS_socket:
		return ONE_OF(a[0], families) ? way : SYSWAY_MAYBE;
	case SYS_setsockopt:
		return ONE_OF(a[1], levels) ? way : SYSWAY_MAYBE;
	case SYS_shmctl:
		return ONE_OF(a[1], memory) ? SYSWAY_CARRIER : way;
	default:
		return way;
	}
}

/* Calls that change the calling host thread if its id is given as 0. */
static enum sysway
by_thread(long nr, const long *a, enum sysway way)
{
	int which = (int)a[0], own = (int)a[1] == 0;

	switch (nr) {
	case SYS_setpriority:
		return which == PRIO_PROCESS && own ? SYSWAY_REFUSED : way;
	case SYS_ioprio_set:
		return which == PRIO_OF_IO_PROCESS && own ? SYSWAY_REFUSED :
		    way;
	case SYS_sched_setparam:
	case SYS_sched_setscheduler:
	case SYS_sched_setaffinity:
	case SYS_sched_setattr:
		return which == 0 ? SYSWAY_REFUSED : way;
	default:
		return way;
	}
}

enum sysway
syscall_way(const struct sysargs *sa)
{
	enum sysway way = row(sa->sa_nr)->sr_way;

	if (sa->sa_nr < 0 || sa->sa_nr >= OTHER_ABI)
		return SYSWAY_REFUSED;
	way = by_flags(sa->sa_nr, sa->sa_arg, way);
	way = by_command(sa->sa_nr, sa->sa_arg, way);
	return by_thread(sa->sa_nr, sa->sa_arg, way);
}
