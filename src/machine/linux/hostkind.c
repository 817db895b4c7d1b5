/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of descriptors and calls: it says which host thread makes which
 * call.
 *
 * THEORY
 * A CPU must not wait in the host, and a call must do what the plain system
 * call does.  How to meet both depends on the kind of the descriptor.  So one
 * table has a way for each kind and call, and every back end follows it:
 *
 *	CPU	The call cannot wait; the CPU makes it.
 *	READY	The CPU makes the call in a form that does not wait.  If the
 *		descriptor has no such form, the CPU makes the plain call when
 *		poll(2) reports ready.  If the call would wait, the back end
 *		waits for readiness and the CPU tries again.  (On a socket
 *		the ring itself may wait and make the call.)
 *	READYFOR The call has no form that does not wait, and may wait although
 *		poll(2) reports ready (/proc/kmsg, trace_pipe).  When the
 *		descriptor is ready, a carrier reserved for the call makes it.
 *	FILE	The call waits for a disk or a server and ends by itself.  The
 *		ring makes it, or one of the few carriers for files.
 *	LINE	As FILE, but at the position of the descriptor.  The ring does
 *		not take the lock of the position, nor move the position after a
 *		partial write, so a carrier makes the plain call.  The calls on
 *		one descriptor wait in a line (gate.c) for one carrier.
 *	LONG	The call may wait for ever; a carrier reserved for it makes it.
 *
 * The way of an open depends on the object that its path names.  Three ways are
 * in no row.  PROBE is an open or a close for which a carrier must first find
 * out the kind of the object, or whether its file system is local (hostopen.c).
 * RETRY is a wait for a child without a pidfd, or for room in a full backlog.
 * CALL is a function of the program (HIO_CALL).  Only sockets have recv, send,
 * accept and connect; the other kinds refuse them at once.  A wait for events
 * is READY for every kind.
 *
 * A transfer that moves all bytes at once needs no look at the kind.  The kind
 * is found by statx(2) without synchronization, which no server can delay.
 * Where a filter refuses statx, the CPU calls fstat(2) instead, and waits if a
 * server delays that.  A file system is local if its type is in the table of
 * is_local().  A call that asks for the type may wait, so carriers make it.
 * They store the answer by device number.  The number may be reused for another
 * file system, so an answer is valid only until LOCAL_S seconds after the
 * second in which it was stored.  (That second is stored modulo 2^19.  So an
 * answer that nobody has replaced for six days is taken for a new one.)
 *
 * The columns "least" have the length of the shortest transfer.  timerfd,
 * signalfd and eventfd refuse a shorter one before they check whether they
 * would wait.  So the CPU can make the plain call.  This matters on Linux
 * before 6.10, where RWF_NOWAIT does not work for all of them.
 *
 * INVARIANTS
 * HK1 No row lets a CPU make a call that can wait.  There is one exception: the
 *    plain call of READY waits if another reader takes the bytes after poll(2)
 *    has reported ready (hostcall.c).  No row lets a carrier for files make a
 *    call that can wait for ever.
 */
#include "machine/linux/hostkind.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/kassert.h"

#define LOCAL_SLOTS	64		/* answers that are kept */
#define LOCAL_S		1		/* oldest valid answer, whole s */

struct kindrow {
	const char	*kr_name;
	uint8_t		 kr_read;
	uint8_t		 kr_write;
	uint8_t		 kr_at;		/* pread, pwrite */
	uint8_t		 kr_fsync;
	uint8_t		 kr_close;	/* hostclose_try() may choose another */
	uint8_t		 kr_open;
	uint8_t		 kr_leastread;	/* shortest read, bytes */
	uint8_t		 kr_leastwrite;	/* shortest write, bytes */
	uint8_t		 kr_goeson;	/* 1: repeat a partial write */
};

#define CPU	HW_CPU
#define READY	HW_READY
#define READYFOR HW_READYFOR
#define FILE_	HW_FILE
#define LINE	HW_LINE
#define LONG	HW_LONG

/*
 * Why a close may wait: the last close of a file that has lost its name frees
 * its blocks; the close of a file on a server sends the data that are left; a
 * terminal sends its output; inotify waits for a grace period.
 *		read	 write	  at	   fsync  close  open	least	goes on
 */
static const struct kindrow rows[HK_KINDS] = {			/* HK1 */
	[HK_BAD] = { "bad",
		CPU,	 CPU,	  CPU,	   CPU,	  CPU,	 CPU,	0, 0,	0 },
	[HK_FILE] = { "file",
		LINE,	 LINE,	  FILE_,   FILE_, FILE_, FILE_,	0, 0,	0 },
	[HK_PSEUDO] = { "pseudo",
		READYFOR, READYFOR, READYFOR, FILE_, FILE_, FILE_, 0, 0, 0 },
	[HK_DIR] = { "directory",
		CPU,	 CPU,	  CPU,	   FILE_, FILE_, FILE_,	0, 0,	0 },
	[HK_BLOCK] = { "block device",
		LINE,	 LINE,	  FILE_,   FILE_, FILE_, FILE_,	0, 0,	0 },
	[HK_PIPE] = { "pipe",
		READY,	 READY,	  CPU,	   CPU,	  CPU,	 LONG,	0, 0,	1 },
	[HK_SOCKET] = { "socket",
		READY,	 READY,	  CPU,	   CPU,	  CPU,	 FILE_,	0, 0,	1 },
	[HK_MEM] = { "memory device",
		CPU,	 CPU,	  CPU,	   CPU,	  CPU,	 FILE_,	0, 0,	0 },
	[HK_CHAR] = { "device",
		READY,	 READY,	  READY,   LONG,  LONG,	 LONG,	0, 0,	1 },
	[HK_RAW] = { "raw device",
		LONG,	 LONG,	  LONG,	   LONG,  LONG,	 LONG,	0, 0,	0 },
	[HK_COUNTER] = { "eventfd",
		READY,	 READY,	  READY,   CPU,	  CPU,	 CPU,	8, 8,	0 },
	[HK_TIMER] = { "timerfd",
		READY,	 READY,	  READY,   CPU,	  CPU,	 CPU,	8, 0,	0 },
	[HK_SIGNALS] = { "signalfd",
		READY,	 READY,	  READY,   CPU,	  CPU,	 CPU,	128, 0,	0 },
	[HK_MUTE] = { "mute",
		CPU,	 CPU,	  CPU,	   CPU,	  CPU,	 CPU,	0, 0,	0 },
	[HK_OTHER] = { "other",
		READY,	 READY,	  READY,   FILE_, FILE_, LONG,	0, 0,	0 },
};

enum hostway
hostkind_way(enum hostkind kind, enum hostio_op op)
{
	const struct kindrow *kr = &rows[kind];

	switch (op) {
	case HIO_READ:
		return kr->kr_read;
	case HIO_WRITE:
		return kr->kr_write;
	case HIO_PREAD:
	case HIO_PWRITE:
		return kr->kr_at;
	case HIO_FSYNC:
		return kr->kr_fsync;
	case HIO_CLOSE:
		return kr->kr_close;
	case HIO_OPENAT:
		return kr->kr_open;
	default:
		return HW_READY;
	}
}

size_t
hostkind_least(enum hostkind kind, int writing)
{
	return writing ? rows[kind].kr_leastwrite : rows[kind].kr_leastread;
}

/*
 * Return 1 if what poll(2) reports says nothing about this transfer, which may
 * wait or be refused, else 0.  A terminal may take a lock even for 0 bytes.  An
 * eventfd refuses a write of more than 8 bytes; before Linux 6.9 it ignored the
 * bytes after the eighth.
 */
int
hostkind_odd(enum hostkind kind, int writing, size_t len)
{
	return (kind == HK_CHAR && len == 0) ||
	    (kind == HK_COUNTER && writing && len > 8);
}

int
hostkind_goes_on(enum hostkind kind)
{
	return rows[kind].kr_goeson;
}

const char *
hostkind_name(enum hostkind kind)
{
	return rows[kind].kr_name;
}

/*
 * Can the descriptor be polled?  epoll refuses one that cannot; poll(2) would
 * report it as ready.  Returns 0 also if epoll cannot be asked.
 */
static int
pollable(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int epfd = epoll_create1(EPOLL_CLOEXEC), can;

	if (epfd < 0)
		return 0;
	can = epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) == 0;
	(void)close(epfd);
	return can;
}

/* Find the kind of a descriptor without inode type, by its link in /proc. */
static enum hostkind
anonymous(int fd)
{
	static const struct {
		const char	*name;
		enum hostkind	 kind;
	} known[] = {
		{ "[eventfd]", HK_COUNTER },
		{ "[timerfd]", HK_TIMER },
		{ "[signalfd]", HK_SIGNALS },
		{ "[eventpoll]", HK_MUTE },
		{ "[pidfd]", HK_MUTE },
	};
	char path[32], link[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; i < nitems(known); i++)
		if (strstr(link, known[i].name) != NULL)
			return known[i].kind;
	return HK_OTHER;
}

static enum hostkind
device(int fd, const struct statx *stx)
{
	static const unsigned mem[] = { 3, 5, 7, 8, 9 };

	for (size_t i = 0; i < nitems(mem) && stx->stx_rdev_major == 1; i++)
		if (stx->stx_rdev_minor == mem[i])
			return HK_MEM;
	return pollable(fd) ? HK_CHAR : HK_RAW;
}

/*
 * Read the attributes of the object that fd refers to, by fstat(2) where a
 * filter refuses statx(2).  Returns 1, or 0 if that fails.
 */
static int
attributes(int fd, struct statx *stx)
{
	struct stat st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
	    STATX_TYPE | STATX_NLINK, stx) == 0)
		return 1;
	if (errno == EBADF || fstat(fd, &st) != 0)
		return 0;
	memset(stx, 0, sizeof(*stx));
	stx->stx_mode = (uint16_t)st.st_mode;
	stx->stx_nlink = (uint32_t)st.st_nlink;
	stx->stx_dev_major = major(st.st_dev);
	stx->stx_dev_minor = minor(st.st_dev);
	stx->stx_rdev_major = major(st.st_rdev);
	stx->stx_rdev_minor = minor(st.st_rdev);
	return 1;
}

enum hostkind
hostkind_of(int fd, struct hostkind_info *hi)
{
	struct statx stx;

	*hi = (struct hostkind_info){ .hi_kind = HK_BAD };
	if (!attributes(fd, &stx))
		return HK_BAD;
	hi->hi_dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	hi->hi_linked = stx.stx_nlink > 0;
	if (S_ISREG(stx.stx_mode))
		hi->hi_kind = hostkind_local(hi->hi_dev) || !pollable(fd) ?
		    HK_FILE : HK_PSEUDO;
	else if (S_ISDIR(stx.stx_mode) || S_ISLNK(stx.stx_mode))
		hi->hi_kind = HK_DIR;
	else if (S_ISBLK(stx.stx_mode))
		hi->hi_kind = HK_BLOCK;
	else if (S_ISFIFO(stx.stx_mode))
		hi->hi_kind = HK_PIPE;
	else if (S_ISSOCK(stx.stx_mode))
		hi->hi_kind = HK_SOCKET;
	else if (S_ISCHR(stx.stx_mode))
		hi->hi_kind = device(fd, &stx);
	else
		hi->hi_kind = anonymous(fd);
	return hi->hi_kind;
}

/*
 * (a) From the highest bit down: the device number, the second in which the
 * answer was stored, and the answer (LOCAL_YES).
 */
static uint64_t local_slot[LOCAL_SLOTS];

#define LOCAL_YES	1u
#define LOCAL_SHIFT	20		/* bits of second and answer */

static uint64_t
now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec & ((1u << (LOCAL_SHIFT - 1)) - 1);
}

static uint64_t *
slot_of(dev_t dev)
{
	return &local_slot[(major(dev) * 31 + minor(dev)) % LOCAL_SLOTS];
}

static uint64_t
slot_value(dev_t dev, uint64_t second, int local)
{
	return ((uint64_t)major(dev) << 52 | (uint64_t)minor(dev) <<
	    (LOCAL_SHIFT + 12)) | second << 1 | (local ? LOCAL_YES : 0);
}

/* Is there a valid answer for the device?  If so, *localp is the answer. */
static int
noted(dev_t dev, int *localp)
{
	uint64_t v = atomic_load_64(slot_of(dev)), now = now_s();

	*localp = (v & LOCAL_YES) != 0;
	for (uint64_t age = 0; age <= LOCAL_S; age++)
		if (v == slot_value(dev, now - age, *localp))
			return 1;
	return 0;
}

int
hostkind_known(dev_t dev)
{
	int local;

	return noted(dev, &local);
}

int
hostkind_local(dev_t dev)
{
	int local;

	return noted(dev, &local) && local;
}

static int
is_local(long type)
{
	static const long types[] = { BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC,
	    F2FS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, RAMFS_MAGIC,
	    XFS_SUPER_MAGIC, SQUASHFS_MAGIC, EROFS_SUPER_MAGIC_V1,
	    ISOFS_SUPER_MAGIC };

	for (size_t i = 0; i < nitems(types); i++)
		if (types[i] == type)
			return 1;
	return 0;
}

void
hostkind_learn(int fd)
{
	struct statx stx;
	struct statfs sf;
	dev_t dev;
	int local;

	if (!attributes(fd, &stx))
		return;
	dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	if (noted(dev, &local))
		return;
	local = fstatfs(fd, &sf) == 0 && is_local((long)sf.f_type);
	atomic_store_64(slot_of(dev), slot_value(dev, now_s(), local));
}

/* Return an int option of the socket, or -1 if it has none. */
int
hostkind_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int v;

	return getsockopt(fd, SOL_SOCKET, option, &v, &len) == 0 ? v : -1;
}

int
hostkind_is_tcp(int fd)
{
	return hostkind_option(fd, SO_PROTOCOL) == IPPROTO_TCP;
}

int
hostkind_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct hostkind_info hi;

	if (flags < 0 || (flags & O_NONBLOCK) == 0)
		return 0;
	switch (hostkind_of(fd, &hi)) {
	case HK_BAD:
	case HK_FILE:
	case HK_DIR:
	case HK_BLOCK:
	case HK_MEM:
	case HK_MUTE:
		return 0;
	case HK_PIPE:
	case HK_SOCKET:
	case HK_COUNTER:
	case HK_TIMER:
	case HK_SIGNALS:
		return 1;
	default:
		return -1;
	}
}
