/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Open and close descriptors on the CPU, where the call is known not to wait.
 *
 * THEORY
 * Both calls can wait.  An open waits for a directory on the disk, for a server
 * or for the peer of a FIFO.  A close waits for a server, for a terminal that
 * drains, or for the blocks of a file that has lost its name.  Passing a call
 * to a carrier costs tens of microseconds, the call itself one or two.
 *
 * So the CPU first opens the path with O_PATH and RESOLVE_CACHED, and asks for
 * the kind.  That open uses Linux's cache only and does not open the object
 * itself.  If the object is a regular file or a directory of a local file
 * system, and the caller opens it only to be read and without a flag of
 * NOT_HERE, the CPU then opens it with O_NONBLOCK.  Without that flag the open
 * would wait if a lease must be broken, or if the path names a FIFO now.  With
 * the flag the open fails because of the lease; of a FIFO it succeeds, and the
 * descriptor is closed again.  In both cases the path is opened by a carrier or
 * the ring.  Otherwise the flag is cleared before the caller gets the
 * descriptor, unless the caller wanted it.
 *
 * A path that is not in the cache goes to a carrier for files, which first
 * finds the kind of the object (HW_PROBE).  If the open of that object may wait
 * for ever, the carrier passes the operation on (HW_LONG).
 *
 * Only a carrier can ask whether a file system is local (hostkind_learn).  So
 * an open in a file system that is not known goes to a carrier, too.
 *
 * The CPU makes a close in two cases.  The kind of the descriptor is one whose
 * close cannot wait (a socket: unless SO_LINGER has a time).  Or the descriptor
 * is that of a file or directory of a local file system, which was opened only
 * to be read and still has a name.
 *
 * On Linux before 5.12 openat2(2) has no RESOLVE_CACHED, and some sandboxes
 * refuse openat2; in both cases all opens go to carriers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine/linux/hostcall.h"

/* Flags of an open that serves only to find out the kind of the object. */
#define PROBE		(O_PATH | O_CLOEXEC)
/* Flags that this open has if the caller's open has them. */
#define PROBE_AS	(O_NOFOLLOW | O_DIRECTORY)
/* If the caller's open has one of these flags, the CPU does not make it. */
#define NOT_HERE	(O_CREAT | O_TRUNC | O_PATH | \
			    (O_TMPFILE & ~O_DIRECTORY))

static uint32_t cached_refused;		/* (a) 1: RESOLVE_CACHED is refused */

/*
 * Open a path if Linux can resolve it from its cache alone.  Returns the
 * descriptor or -errno.
 */
static int
open_cached(const struct hostio *io, int oflags)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)oflags,
	    .resolve = RESOLVE_CACHED };
	long fd;

	if (machine_fail("open.cached"))
		return -ENOSYS;
	fd = syscall(SYS_openat2, io->io_fd, io->io_buf, &how, sizeof(how));
	return fd >= 0 ? (int)fd : -errno;
}

/*
 * Open a file or directory on the CPU, to be read.  Returns the descriptor, or
 * -EAGAIN if a carrier or the ring must open the path.
 */
static int
open_here(const struct hostio *io)
{
	int fd = open_cached(io, io->io_flags | O_NONBLOCK);
	struct hostkind_info hi;

	if (fd < 0)
		return -EAGAIN;
	(void)hostkind_of(fd, &hi);
	if (hi.hi_kind != HK_FILE && hi.hi_kind != HK_DIR) {
		(void)close(fd);
		return -EAGAIN;
	}
	if ((io->io_flags & O_NONBLOCK) == 0)
		(void)fcntl(fd, F_SETFL, io->io_flags);
	return fd;
}

int64_t
hostopen_try(struct hostio *io)
{
	int oflags = io->io_flags, fd, kind;
	struct hostkind_info hi;

	io->io_way = HW_PROBE;
	if (atomic_load_32(&cached_refused))
		return -EAGAIN;
	fd = open_cached(io, PROBE | (oflags & PROBE_AS));
	if (fd == -ENOENT) {
		io->io_way = HW_FILE;		/* there is no object yet */
		return oflags & O_CREAT ? -EAGAIN : -ENOENT;
	}
	if (fd == -ENOSYS || fd == -EPERM || fd == -EINVAL)
		atomic_store_32(&cached_refused, 1);
	if (fd < 0)
		return -EAGAIN;
	kind = hostkind_of(fd, &hi);
	(void)close(fd);
	if (hostkind_way(kind, HIO_OPENAT) != HW_FILE ||
	    hostkind_known(hi.hi_dev))
		io->io_way = (uint8_t)hostkind_way(kind, HIO_OPENAT);
	if ((kind != HK_FILE && kind != HK_DIR) ||
	    !hostkind_local(hi.hi_dev) || (oflags & NOT_HERE) != 0 ||
	    (oflags & O_ACCMODE) != O_RDONLY)
		return -EAGAIN;
	return open_here(io);
}

/*
 * May the open wait for ever?  Returns 0 also if the path names no object, or
 * none that may be opened.  Called on a carrier; may wait.
 */
static int
probe(const struct hostio *io)
{
	struct hostkind_info hi;
	enum hostway way;
	int fd;

	hostcall_endable(1);
	fd = openat(io->io_fd, io->io_buf, PROBE | (io->io_flags & PROBE_AS));
	hostcall_endable(0);
	if (fd < 0)
		return 0;
	way = hostkind_way(hostkind_of(fd, &hi), HIO_OPENAT);
	(void)close(fd);
	return way == HW_LONG;
}

int64_t
hostopen_block(struct hostio *io)
{
	int fd;

	if (io->io_way == HW_PROBE && probe(io)) {
		io->io_way = HW_LONG;
		return -EAGAIN;
	}
	hostcall_endable(1);
	fd = openat(io->io_fd, io->io_buf, io->io_flags, io->io_mode);
	hostcall_endable(0);
	if (fd < 0)
		return -errno;
	if (io->io_way != HW_LONG)
		hostkind_learn(fd);
	return fd;
}

/*
 * May a close of the socket wait?  Returns 1 if SO_LINGER has a time, 0 if not,
 * or -errno: -ENOTSOCK if fd is no socket.
 */
static int
lingers(int fd)
{
	struct linger lg = { 0, 0 };
	socklen_t len = sizeof(lg);

	return getsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, &len) == 0 ?
	    lg.l_onoff && lg.l_linger > 0 : -errno;
}

int64_t
hostclose_try(struct hostio *io)
{
	int fd = io->io_fd, wait = lingers(fd);
	struct hostkind_info hi;
	enum hostkind kind;

	io->io_way = HW_LONG;
	if (wait == -ENOTSOCK) {
		kind = hostkind_of(fd, &hi);
		io->io_way = (uint8_t)hostkind_way(kind, HIO_CLOSE);
		wait = io->io_way != HW_CPU;
		if (io->io_way == HW_FILE && !hostkind_known(hi.hi_dev))
			io->io_way = HW_PROBE;
		if ((kind == HK_FILE || kind == HK_DIR) && hi.hi_linked &&
		    hostkind_local(hi.hi_dev) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
			wait = 0;
	}
	if (wait > 0)
		return -EAGAIN;
	return close(fd) == 0 ? 0 : -errno;
}
