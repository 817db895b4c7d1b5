/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds of descriptors, and which part of the host makes which call on them.
 */
#ifndef LWKT_MACHINE_LINUX_HOSTKIND_H
#define LWKT_MACHINE_LINUX_HOSTKIND_H

#include <sys/types.h>

#include "machine/machine_io.h"

enum hostkind {
	HK_BAD,			/* not open */
	HK_FILE,		/* regular, in the page cache or on a server */
	HK_PSEUDO,		/* regular by its type, but can be polled */
	HK_DIR,
	HK_BLOCK,
	HK_PIPE,		/* also FIFOs */
	HK_SOCKET,
	HK_MEM,			/* /dev/null, zero, full, random, urandom */
	HK_CHAR,		/* terminals, devices that can be polled */
	HK_RAW,			/* devices that cannot */
	HK_COUNTER,		/* eventfd */
	HK_TIMER,		/* timerfd */
	HK_SIGNALS,		/* signalfd */
	HK_MUTE,		/* epoll, pidfd: neither read nor written */
	HK_OTHER,		/* inotify and whatever else there is */
	HK_KINDS
};

/* Who makes the call.  hostkind.c has the whole account. */
enum hostway {
	HW_CPU,			/* the CPU: it cannot wait */
	HW_READY,		/* the CPU, each time poll(2) says ready */
	HW_READYFOR,		/* the same, but a call of its own carrier */
	HW_FILE,		/* the ring, or a carrier for files */
	HW_LINE,		/* a carrier for files, one a descriptor */
	HW_LOOK,		/* a carrier for files looks before it opens */
	HW_LONG,		/* a carrier of its own: may wait for ever */
	HW_RETRY,		/* the retry thread: no form can be ended */
	HW_WAYS
};

/* What is known of a descriptor or path without asking its file system. */
struct hostkind_info {
	enum hostkind	 hi_kind;
	dev_t		 hi_dev;
	int		 hi_linked;	/* it has a name */
};

enum hostkind hostkind_of(int fd, struct hostkind_info *hi);
enum hostway hostkind_way(enum hostkind kind, enum hostio_op op);
/* Shorter reads or writes are refused at once, whatever else holds. */
size_t	hostkind_least(enum hostkind kind, int writing);
/* May a transfer of this length be refused, or wait, whatever poll(2) says? */
int	hostkind_odd(enum hostkind kind, int writing, size_t len);
/* Does a write that took a part go on with the rest? */
int	hostkind_goes_on(enum hostkind kind);
const char *hostkind_name(enum hostkind kind);

/*
 * File systems of which opening and closing a file, and polling one, are known
 * to be local: learned on carriers, forgotten after a second.  Any thread.
 */
int	hostkind_known(dev_t dev);	/* is there an answer? */
int	hostkind_local(dev_t dev);
void	hostkind_learn(int fd);

#endif
