/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls behind the operations: done at once, or by a carrier.
 *
 * THEORY
 * hostcall_try never stops the host thread, whatever the descriptor: sockets
 * get MSG_DONTWAIT; pipes and files RWF_NOWAIT; what knows neither (terminals,
 * some devices) is polled first and then read, and written in pieces that a
 * ready device takes.  Between that poll and the read another reader may have
 * taken the bytes: such a descriptor should have one reader.  Two calls have
 * no form that does not wait, so O_NONBLOCK it is: a listening socket gets it
 * at its first accept and keeps it; a connecting socket has it for the length
 * of connect(2) alone.
 *
 * A regular file may give less than was asked because the rest is not in the
 * page cache; hostcall_try goes on until the end of the file or until it would
 * wait, and then hands over the remainder (io_result counts what is done).
 * Writing one never succeeds at once unless its file system knows RWF_NOWAIT.
 *
 * No call raises SIGPIPE (on pipes: since Linux 6.18).
 */
#include "machine/linux/hostcall.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/kassert.h"

#define HC_RWF_NOSIGNAL	0x100		/* Linux 6.18; not in libc yet */
#define HC_PIECE	512		/* bytes a ready terminal takes */

static int64_t
result(int64_t r)
{
	return r >= 0 ? r : -errno;
}

/* 1: ready, or in error, so that a call will not wait. */
static int
ready_now(int fd, int events)
{
	struct pollfd pfd = { .fd = fd, .events = (short)events };

	return poll(&pfd, 1, 0) > 0;
}

/* Does reading or writing it go through the page cache? */
static int
is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) ||
	    S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode));
}

static int64_t
try_accept(struct hostio *io)
{
	int flags = fcntl(io->io_fd, F_GETFL);
	int64_t r;

	if (flags < 0)
		return -errno;
	if ((flags & O_NONBLOCK) == 0 &&
	    fcntl(io->io_fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	do {
		r = result(accept4(io->io_fd, io->io_buf, io->io_salen,
		    io->io_flags));
	} while (r == -ECONNABORTED);
	return r;
}

/*
 * The second half of a connect: has it come to a result?  The host wants to be
 * asked by connect(2) once more, or the next one would say 0 and not EISCONN.
 */
static int64_t
try_connected(struct hostio *io)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (!ready_now(io->io_fd, POLLOUT))
		return -EAGAIN;
	if (getsockopt(io->io_fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return -errno;
	if (error == 0 && connect(io->io_fd, io->io_buf,
	    (socklen_t)io->io_len) != 0 && errno != EISCONN)
		error = errno;
	return -error;
}

static int64_t
try_connect(struct hostio *io)
{
	int flags;
	int64_t r;

	if (io->io_state & HIOS_STARTED)
		return try_connected(io);
	flags = fcntl(io->io_fd, F_GETFL);
	if (flags < 0)
		return -errno;
	if ((flags & O_NONBLOCK) == 0 &&
	    fcntl(io->io_fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	r = result(connect(io->io_fd, io->io_buf, (socklen_t)io->io_len));
	if ((flags & O_NONBLOCK) == 0)
		(void)fcntl(io->io_fd, F_SETFL, flags);
	if (r == -EINPROGRESS || r == -EALREADY) {
		io->io_state |= HIOS_STARTED;
		r = -EAGAIN;
	}
	return r;
}

/*
 * The result of preadv2 or pwritev2.  A host that refuses the call itself has
 * no form of it that does not wait; if the descriptor was refused, the call
 * that waits says so again.
 */
static int64_t
rw_result(int64_t r)
{
	r = result(r);
	return r == -ENOSYS || r == -EPERM ? -EOPNOTSUPP : r;
}

/* One preadv2 or pwritev2 that does not wait; off -1: the file's own. */
static int64_t
rw_nowait(struct hostio *io, int writing, int64_t off)
{
	static int nosignal = HC_RWF_NOSIGNAL;	/* (a) 0: the host has none */
	struct iovec iov = { .iov_base = io->io_buf, .iov_len = io->io_len };
	int fl = atomic_load_32((uint32_t *)&nosignal);
	int64_t r;

	if (!writing)
		return rw_result(preadv2(io->io_fd, &iov, 1, off, RWF_NOWAIT));
	r = rw_result(pwritev2(io->io_fd, &iov, 1, off, RWF_NOWAIT | fl));
	if ((r == -EOPNOTSUPP || r == -EINVAL) && fl != 0) {
		r = rw_result(pwritev2(io->io_fd, &iov, 1, off, RWF_NOWAIT));
		if (r != -EOPNOTSUPP && r != -EINVAL)
			atomic_store_32((uint32_t *)&nosignal, 0);
	}
	return r;
}

/* A device without RWF_NOWAIT. */
static int64_t
rw_polled(struct hostio *io, int writing)
{
	size_t len = io->io_len;

	if (is_file(io->io_fd) ||
	    !ready_now(io->io_fd, writing ? POLLOUT : POLLIN))
		return -EAGAIN;
	if (!writing)
		return result(read(io->io_fd, io->io_buf, len));
	return result(write(io->io_fd, io->io_buf,
	    len < HC_PIECE ? len : HC_PIECE));
}

/* A short read: of a file, go on to its end or to what is not in memory. */
static int64_t
read_rest(struct hostio *io, int64_t got, int positioned)
{
	struct hostio rest = *io;
	int64_t r;

	if (!positioned && !is_file(io->io_fd))
		return got;
	rest.io_buf = (char *)io->io_buf + got;
	rest.io_len -= (size_t)got;
	r = rw_nowait(&rest, 0, positioned ? io->io_off + got : -1);
	if (r == -EAGAIN) {
		io->io_result += got;
		io->io_buf = rest.io_buf;
		io->io_len = rest.io_len;
		io->io_off += positioned ? got : 0;
		return r;
	}
	return r > 0 ? got + r : got;
}

static int64_t
try_rw(struct hostio *io, int writing)
{
	int64_t r = -ENOTSOCK;

	if (io->io_len > 0) {
		r = writing ?
		    result(send(io->io_fd, io->io_buf, io->io_len,
		    MSG_DONTWAIT | MSG_NOSIGNAL)) :
		    result(recv(io->io_fd, io->io_buf, io->io_len,
		    MSG_DONTWAIT));
	}
	if (r != -ENOTSOCK)
		return r;
	r = rw_nowait(io, writing, -1);
	if (r == -EOPNOTSUPP || r == -EINVAL)
		r = rw_polled(io, writing);
	else if (!writing && r > 0 && (size_t)r < io->io_len)
		r = read_rest(io, r, 0);
	return r;
}

static int64_t
try_prw(struct hostio *io, int writing)
{
	int64_t r = rw_nowait(io, writing, io->io_off);

	if (r == -EOPNOTSUPP)
		return -EAGAIN;
	if (!writing && r > 0 && (size_t)r < io->io_len)
		r = read_rest(io, r, 1);
	return r;
}

/* A close that can take long is a file's, or a socket's that lingers. */
static int64_t
try_close(struct hostio *io)
{
	struct linger lg = { 0, 0 };
	socklen_t len = sizeof(lg);

	if (getsockopt(io->io_fd, SOL_SOCKET, SO_LINGER, &lg, &len) == 0) {
		if (lg.l_onoff && lg.l_linger > 0)
			return -EAGAIN;
	} else if (errno == ENOTSOCK && is_file(io->io_fd)) {
		return -EAGAIN;
	}
	return result(close(io->io_fd));
}

static int64_t
try_poll(struct hostio *io)
{
	struct pollfd pfd = { .fd = io->io_fd, .events = (short)io->io_flags };
	int64_t r = result(poll(&pfd, 1, 0));

	if (r <= 0)
		return r == 0 ? -EAGAIN : r;
	return pfd.revents & POLLNVAL ? -EBADF : pfd.revents;
}

static int64_t
try_waitpid(struct hostio *io)
{
	int status;
	int64_t r;

	r = result(waitpid(io->io_fd, &status, io->io_flags | WNOHANG));
	if (r == 0)
		return io->io_flags & WNOHANG ? 0 : -EAGAIN;
	if (r > 0 && io->io_buf != NULL)
		*(int *)io->io_buf = status;
	return r;
}

static int64_t
try_once(struct hostio *io)
{
	switch ((enum hostio_op)io->io_op) {
	case HIO_NOP:
		return 0;
	case HIO_ACCEPT:
		return try_accept(io);
	case HIO_CONNECT:
		return try_connect(io);
	case HIO_RECV:
		return result(recv(io->io_fd, io->io_buf, io->io_len,
		    io->io_flags | MSG_DONTWAIT));
	case HIO_SEND:
		return result(send(io->io_fd, io->io_buf, io->io_len,
		    io->io_flags | MSG_DONTWAIT | MSG_NOSIGNAL));
	case HIO_READ:
	case HIO_WRITE:
		return try_rw(io, io->io_op == HIO_WRITE);
	case HIO_PREAD:
	case HIO_PWRITE:
		return try_prw(io, io->io_op == HIO_PWRITE);
	case HIO_OPENAT:
	case HIO_FSYNC:
		return -EAGAIN;
	case HIO_CLOSE:
		return try_close(io);
	case HIO_POLL:
		return try_poll(io);
	case HIO_WAITPID:
		return try_waitpid(io);
	case HIO_OPS:
		break;
	}
	lwkt_panic("hostcall_try: operation %d", io->io_op);
}

/* What was read before the operation had to wait belongs to its result. */
int64_t
hostcall_total(const struct hostio *io, int64_t r)
{
	if (io->io_result == 0 || r == -EAGAIN || r == -EINTR)
		return r;
	return r > 0 ? io->io_result + r : io->io_result;
}

int64_t
hostcall_try(struct hostio *io)
{
	int64_t r;

	do {
		r = try_once(io);
	} while (r == -EINTR && io->io_op != HIO_CLOSE);
	if (r == -EINTR)
		r = 0;		/* Linux has closed it all the same */
	return hostcall_total(io, r);
}

static int64_t
block_once(struct hostio *io)
{
	switch ((enum hostio_op)io->io_op) {
	case HIO_READ:
		return result(read(io->io_fd, io->io_buf, io->io_len));
	case HIO_WRITE:
		return result(write(io->io_fd, io->io_buf, io->io_len));
	case HIO_PREAD:
		return result(pread(io->io_fd, io->io_buf, io->io_len,
		    io->io_off));
	case HIO_PWRITE:
		return result(pwrite(io->io_fd, io->io_buf, io->io_len,
		    io->io_off));
	case HIO_OPENAT:
		return result(openat(io->io_fd, io->io_buf, io->io_flags,
		    io->io_mode));
	case HIO_FSYNC:
		return result(fsync(io->io_fd));
	case HIO_CLOSE:
		return result(close(io->io_fd));
	default:
		return try_once(io);	/* -EAGAIN: the carrier naps */
	}
}

int64_t
hostcall_block(struct hostio *io)
{
	int64_t r = block_once(io);

	if (r == -EINTR && io->io_op == HIO_CLOSE)
		r = 0;
	return hostcall_total(io, r);
}

enum hostcall_kind
hostcall_kind(const struct hostio *io)
{
	switch ((enum hostio_op)io->io_op) {
	case HIO_ACCEPT:
	case HIO_RECV:
	case HIO_READ:
		return HCK_IN;
	case HIO_SEND:
	case HIO_WRITE:
		return HCK_OUT;
	case HIO_POLL:
		return io->io_flags & POLLOUT ? HCK_OUT : HCK_IN;
	case HIO_CONNECT:
		return io->io_state & HIOS_STARTED ? HCK_OUT : HCK_CARRIER;
	case HIO_WAITPID:
		return io->io_aux >= 0 ? HCK_IN : HCK_CARRIER;
	default:
		return HCK_CARRIER;
	}
}

/* A child is waited for by its pidfd, where its pid is known. */
void
hostcall_prepare(struct hostio *io)
{
	if (io->io_op == HIO_WAITPID && io->io_fd > 0 && io->io_aux < 0 &&
	    (io->io_flags & (WUNTRACED | WCONTINUED)) == 0)
		io->io_aux = (int)syscall(SYS_pidfd_open, io->io_fd, 0);
}

void
hostcall_finish(struct hostio *io)
{
	if (io->io_aux >= 0)
		(void)close(io->io_aux);
	io->io_aux = -1;
}

int
hostcall_fd(const struct hostio *io)
{
	return io->io_aux >= 0 ? io->io_aux : io->io_fd;
}

void *
iomem_get(size_t size)
{
	void *p = machine_fail("io.mem") ? MAP_FAILED :
	    mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

void
iomem_put(void *p, size_t size)
{
	(void)munmap(p, size);
}

void
iocommon_init(struct iocommon *ic)
{
	ic->ic_first = NULL;
	ic->ic_lastp = &ic->ic_first;
}

void
iocommon_done(struct machine_host *h, struct hostio *io, int64_t r)
{
	struct iocommon *ic = io_common(h);

	io->io_result = r;
	io->io_next = NULL;
	*ic->ic_lastp = io;
	ic->ic_lastp = &io->io_next;
	atomic_set_32(&h->h_mc->mc_reqflags, RQF_INTPEND);
}

int
iocommon_ready(struct iocommon *ic)
{
	return ic->ic_first != NULL || atomic_load_ptr(&ic->ic_remote) != 0;
}

/* The carriers' stack, oldest last, goes behind what is complete here. */
static void
take_remote(struct iocommon *ic)
{
	struct hostio *io, *next, *fifo = NULL;

	if (atomic_load_ptr(&ic->ic_remote) == 0)
		return;
	/* Pairs with the exchange in carrier.c:finish(). */
	io = (struct hostio *)atomic_swap_ptr(&ic->ic_remote, 0);
	for (; io != NULL; io = next) {
		next = io->io_next;
		io->io_next = fifo;
		fifo = io;
	}
	*ic->ic_lastp = fifo;
	while (*ic->ic_lastp != NULL)
		ic->ic_lastp = &(*ic->ic_lastp)->io_next;
}

unsigned
iocommon_carried(struct iocommon *ic)
{
	unsigned n = 0;

	take_remote(ic);
	for (struct hostio *io = ic->ic_first; io != NULL; io = io->io_next)
		n += (io->io_state & HIOS_CARRIER) != 0;
	return n;
}

int
iocommon_reap(struct iocommon *ic)
{
	struct hostio *io;
	int64_t r;
	int n = 0;

	take_remote(ic);
	while ((io = ic->ic_first) != NULL) {
		ic->ic_first = io->io_next;
		if (ic->ic_first == NULL)
			ic->ic_lastp = &ic->ic_first;
		hostcall_finish(io);
		ic->ic_pending--;
		if (io->io_state & HIOS_CARRIER)
			ic->ic_carried--;
		io->io_state &= HIOS_STARTED;
		n++;
		r = io->io_result;
		io->io_result = 0;
		io->io_done(io, r);
	}
	return n;
}

/* The CPU stops: nobody will take these results. */
void
iocommon_drop(struct iocommon *ic)
{
	struct hostio *io;

	take_remote(ic);
	for (io = ic->ic_first; io != NULL; io = io->io_next) {
		hostcall_finish(io);
		if (io->io_result >= 0 &&
		    (io->io_op == HIO_OPENAT || io->io_op == HIO_ACCEPT))
			(void)close((int)io->io_result);
	}
	iocommon_init(ic);
}
