/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds of descriptors, and which host thread makes a call on them.
 */
#ifndef LWKT_MACHINE_LINUX_HOSTKIND_H
#define LWKT_MACHINE_LINUX_HOSTKIND_H

#include <sys/types.h>

#include "machine/machine_io.h"

enum hostkind {
	HK_BAD,			/* not open */
	HK_FILE,		/* a regular file, on a disk or a server */
	HK_PSEUDO,		/* a regular file that can be polled */
	HK_DIR,
	HK_BLOCK,
	HK_PIPE,		/* also FIFOs */
	HK_SOCKET,
	HK_MEM,			/* /dev/null, zero, full, random, urandom */
	HK_CHAR,		/* terminals, devices that can be polled */
	HK_RAW,			/* devices that cannot be polled */
	HK_COUNTER,		/* eventfd */
	HK_TIMER,		/* timerfd */
	HK_SIGNALS,		/* signalfd */
	HK_MUTE,		/* epoll, pidfd: neither read nor written */
	HK_OTHER,		/* inotify and whatever else there is */
	HK_KINDS
};

/* Which host thread makes the call; hostkind.c describes the ways. */
enum hostway {
	HW_CPU,			/* the CPU: the call cannot wait */
	HW_READY,		/* the CPU, each time poll(2) says ready */
	HW_READYFOR,		/* when ready, a carrier for this call only */
	HW_FILE,		/* the ring, or a carrier for files */
	HW_LINE,		/* a carrier for files; waits in gate.c */
	HW_PROBE,		/* a carrier for files: object not yet known */
	HW_LONG,		/* a carrier for this call only: may not end */
	HW_CALL,		/* a carrier for functions of the program */
	HW_RETRY,		/* the retry thread, which repeats a try */
	HW_WAYS
};

/*
 * Facts about a descriptor or path, found without asking its file system (but
 * with fstat(2) where a filter refuses statx(2)).
 */
struct hostkind_info {
	enum hostkind	 hi_kind;
	dev_t		 hi_dev;	/* of its file system */
	int		 hi_linked;	/* it still has a name */
};

enum hostkind hostkind_of(int fd, struct hostkind_info *hi);
enum hostway hostkind_way(enum hostkind kind, enum hostio_op op);
/* Returns a length, bytes: shorter transfers are always refused at once. */
size_t	hostkind_least(enum hostkind kind, int writing);
/* May a transfer of this length be refused, or wait, whatever poll(2) says? */
int	hostkind_odd(enum hostkind kind, int writing, size_t len);
/* Must a write that moved only a part be repeated for the rest? */
int	hostkind_goes_on(enum hostkind kind);
const char *hostkind_name(enum hostkind kind);
int	hostkind_option(int fd, int option);	/* of a socket; -1: none */
int	hostkind_is_tcp(int fd);
/* The contract of machine_io_nonblock; changes errno. */
int	hostkind_nonblock(int fd);

/*
 * hostkind_local returns whether a file system is known to be local, so that no
 * open, close or poll of a file waits for a server.  Carriers find this out
 * (hostkind_learn); the answer is valid for one to two seconds.  Any host
 * thread; hostkind_learn may wait.
 */
int	hostkind_known(dev_t dev);	/* is there an answer? */
int	hostkind_local(dev_t dev);
void	hostkind_learn(int fd);

#endif
