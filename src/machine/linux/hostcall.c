/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of the operations, without waiting or on a carrier.
 *
 * THEORY
 * hostcall_try does not block the host thread: sockets get MSG_DONTWAIT,
 * everything else RWF_NOWAIT.  A descriptor without RWF_NOWAIT follows the
 * table in hostkind.c.  hostcall_try makes its call if the call cannot wait, or
 * when poll(2) reports ready.  Otherwise io_way tells the caller how to
 * continue.  In one case hostcall_try blocks the CPU: another reader takes the
 * bytes between that poll and the call.  So a terminal or another device
 * without RWF_NOWAIT should have only one reader.  Writes to such a device are
 * made in pieces of at most HC_PIECE bytes, which a ready device takes without
 * waiting.
 *
 * accept4(2) and connect(2) have no form that does not wait.  So a blocking
 * socket is O_NONBLOCK during one such call, under a lock.  A descriptor that
 * does not listen, or on which connect cannot block, is not changed.
 *
 * A transfer of a file may be short because the rest is not in the page cache.
 * hostcall_try continues to the end of the file or until a call would wait.  In
 * the second case the operation waits for the rest (io_result counts the bytes
 * done), unless io_now is set: then the bytes done are the result.  A write to
 * a file goes to a carrier or the ring unless the file system knows RWF_NOWAIT.
 *
 * No call raises SIGPIPE (on pipes: since Linux 6.18).
 */
#include "machine/linux/hostcall.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/kassert.h"

#define HC_RWF_NOSIGNAL	0x100		/* Linux 6.18; not in libc yet */
#define HC_PIECE	512		/* bytes a ready terminal takes */
#define HC_LOCKS	64		/* locks: that of fd is fd % HC_LOCKS */

static int64_t
result(int64_t r)
{
	return r >= 0 ? r : -errno;
}

/* Is the descriptor ready or in error, so that a call will not wait? */
static int
ready_now(int fd, int events)
{
	struct pollfd pfd = { .fd = fd, .events = (short)events };

	return poll(&pfd, 1, 0) > 0;
}

static pthread_mutex_t nonblock_lock[HC_LOCKS] = {
	[0 ... HC_LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER
};

/*
 * Make the call with O_NONBLOCK set.  The lock is held during the call, which
 * does not wait.  Without the lock another CPU would take the flag for the
 * program's own; then the flag is cleared, and that CPU's call would block.
 * FIONBIO changes this flag only.
 */
static int64_t
without_waiting(struct hostio *io, int64_t (*call)(struct hostio *io))
{
	pthread_mutex_t *m = &nonblock_lock[(unsigned)io->io_fd % HC_LOCKS];
	int flags, on = 1, off = 0;
	int64_t r;

	(void)pthread_mutex_lock(m);
	flags = fcntl(io->io_fd, F_GETFL);
	if (flags < 0) {
		r = -errno;
	} else if (flags & O_NONBLOCK) {
		r = call(io);
	} else {
		(void)ioctl(io->io_fd, FIONBIO, &on);
		r = call(io);
		(void)ioctl(io->io_fd, FIONBIO, &off);
	}
	(void)pthread_mutex_unlock(m);
	return r;
}

static int64_t
call_accept(struct hostio *io)
{
	int64_t r;

	do {
		r = result(accept4(io->io_fd, io->io_buf, io->io_salen,
		    io->io_flags));
	} while (r == -ECONNABORTED);
	return r;
}

static int64_t
try_accept(struct hostio *io)
{
	io->io_way = HW_READY;
	io->io_state |= HIOS_SOCKET;
	if (hostkind_option(io->io_fd, SO_ACCEPTCONN) <= 0)
		return call_accept(io);		/* fails: not listening */
	return without_waiting(io, call_accept);
}

static int64_t
call_connect(struct hostio *io)
{
	return result(connect(io->io_fd, io->io_buf, (socklen_t)io->io_len));
}

/*
 * Finish a connect that is under way.  The result must come from connect(2)
 * itself: only that makes the socket connected or, after a refusal, ready for
 * another connect.
 */
static int64_t
try_connected(struct hostio *io)
{
	int64_t r;

	if (!ready_now(io->io_fd, POLLOUT))
		return -EAGAIN;
	r = without_waiting(io, call_connect);
	if (r == -EISCONN)
		return 0;
	return r == -EALREADY || r == -EINPROGRESS ? -EAGAIN : r;
}

static int64_t
try_connect(struct hostio *io)
{
	int type = hostkind_option(io->io_fd, SO_TYPE);
	int64_t r;

	if (type != SOCK_STREAM && type != SOCK_SEQPACKET)
		return call_connect(io);	/* does not wait */
	if (io->io_state & HIOS_STARTED)
		return try_connected(io);
	r = without_waiting(io, call_connect);
	io->io_way = HW_RETRY;			/* if EAGAIN: backlog full */
	if (r == -EINPROGRESS || r == -EALREADY) {
		io->io_state |= HIOS_STARTED;
		io->io_way = HW_READY;
		r = -EAGAIN;
	}
	return r;
}

/*
 * Return the result of preadv2 or pwritev2.  If the host refuses the system
 * call, return -EOPNOTSUPP: there is no form that does not wait.  EPERM may
 * also mean that the descriptor is refused.  Then the form that waits returns
 * the same error.
 */
static int64_t
rw_result(int64_t r)
{
	r = result(r);
	return r == -ENOSYS || r == -EPERM ? -EOPNOTSUPP : r;
}

/*
 * Make one preadv2 or pwritev2 that does not wait.  If off is -1, the transfer
 * is at the position of the descriptor.  Returns the bytes moved or -errno:
 * -EAGAIN if the call would wait, -EOPNOTSUPP if the host has no form of it
 * that does not wait.
 */
static int64_t
rw_nowait(struct hostio *io, int writing, int64_t off)
{
	static int nosignal = HC_RWF_NOSIGNAL;	/* (a) 0: the host refuses it */
	struct iovec iov = { .iov_base = io->io_buf, .iov_len = io->io_len };
	int fl = atomic_load_32((uint32_t *)&nosignal);
	int64_t r;

	if (machine_fail("hostcall.nowait")) {	/* 0 bytes: check arguments */
		iov.iov_len = 0;
		r = result(writing ? pwritev2(io->io_fd, &iov, 1, off, 0) :
		    preadv2(io->io_fd, &iov, 1, off, 0));
		return r < 0 || io->io_len == 0 ? r : -EOPNOTSUPP;
	}
	if (machine_fail("hostcall.part")) {	/* half, then no more */
		if (io->io_result > 0)
			return -EAGAIN;
		iov.iov_len = howmany(io->io_len, 2);
	}
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

/* Make the plain system call, of at most len bytes.  It may wait. */
static int64_t
rw_plain(const struct hostio *io, size_t len)
{
	switch ((enum hostio_op)io->io_op) {
	case HIO_READ:
		return result(read(io->io_fd, io->io_buf, len));
	case HIO_WRITE:
		return result(write(io->io_fd, io->io_buf, len));
	case HIO_PREAD:
		return result(pread(io->io_fd, io->io_buf, len, io->io_off));
	default:
		return result(pwrite(io->io_fd, io->io_buf, len,
		    io->io_off));
	}
}

static int64_t
wait_by(struct hostio *io, enum hostway way)
{
	io->io_way = way;
	return -EAGAIN;
}

/*
 * Continue a transfer as the table of hostkind.c says.  r is why: -EAGAIN, the
 * call would wait; -EOPNOTSUPP, it has no form that does not wait; -EINVAL, one
 * of its arguments or that form is refused.  Returns the result of the call, or
 * -EAGAIN with the way in io_way.
 */
static int64_t
rw_by_kind(struct hostio *io, int writing, int64_t r, enum hostkind kind)
{
	enum hostway way = hostkind_way(kind, io->io_op);
	int polled = way == HW_READY || way == HW_READYFOR;

	if (r == -EINVAL && way != HW_LINE && way != HW_FILE)
		return r;				/* refused */
	if (way == HW_CPU || io->io_len < hostkind_least(kind, writing))
		return rw_plain(io, io->io_len);
	if (polled && hostkind_odd(kind, writing, io->io_len))
		way = HW_LONG;
	if (way != HW_READY && way != HW_READYFOR)
		return wait_by(io, way);
	if ((r == -EAGAIN && way == HW_READY) ||
	    !ready_now(io->io_fd, writing ? POLLOUT : POLLIN))
		return wait_by(io, HW_READY);
	if (way == HW_READYFOR)
		return wait_by(io, HW_LONG);
	return rw_plain(io, writing && io->io_len > HC_PIECE ? HC_PIECE :
	    io->io_len);
}

static int
is_file(enum hostkind kind)
{
	return kind == HK_FILE || kind == HK_BLOCK;
}

/*
 * Is a transfer of 0 bytes known to have no effect?  On a file of /proc it may
 * be a command.  Stores the facts about fd in *hi.
 */
static int
empty_is_done(int fd, struct hostkind_info *hi)
{
	enum hostkind kind = hostkind_of(fd, hi);

	if (kind == HK_FILE)
		return hostkind_local(hi->hi_dev);
	return kind == HK_BLOCK || kind == HK_PIPE || kind == HK_SOCKET;
}

/*
 * Continue a transfer that has moved r bytes, fewer than requested, to the end
 * of the file or until a call fails or would wait.  Counts in io_result the
 * parts before the last one.  Returns the bytes of the last part: 0 at the end
 * of the file, or if that part has failed, or if it would wait and io_now is
 * set.  If it would wait and io_now is not set, returns -EAGAIN, with the way
 * to wait for the rest in io_way.
 */
static int64_t
file_rest(struct hostio *io, int writing, int64_t r, enum hostkind kind)
{
	int positioned = io->io_op == HIO_PREAD || io->io_op == HIO_PWRITE;

	while (r > 0 && (size_t)r < io->io_len) {
		io->io_result += r;
		io->io_buf = (char *)io->io_buf + r;
		io->io_len -= (size_t)r;
		io->io_off += positioned ? r : 0;
		r = rw_nowait(io, writing, positioned ? io->io_off : -1);
	}
	if (r != -EAGAIN && r != -EOPNOTSUPP && r != -EINVAL)
		return r > 0 ? r : 0;	/* an error comes with the next call */
	if (io->io_now)
		return 0;
	return wait_by(io, hostkind_way(kind, io->io_op));
}

/*
 * Try READ, WRITE, PREAD or PWRITE.  Of a socket only PREAD, PWRITE and a READ
 * of 0 bytes come here.  If off is -1, the transfer is at the position of the
 * descriptor.
 */
static int64_t
rw_try(struct hostio *io, int writing, int64_t off)
{
	int64_t r = rw_nowait(io, writing, off);
	struct hostkind_info hi;

	if (r == 0 && io->io_len == 0)
		return empty_is_done(io->io_fd, &hi) ? 0 :
		    rw_by_kind(io, writing, -EOPNOTSUPP, hi.hi_kind);
	if (r == -EAGAIN || r == -EOPNOTSUPP || (writing && r == -EINVAL))
		return rw_by_kind(io, writing, r,
		    hostkind_of(io->io_fd, &hi));
	if (r > 0 && (size_t)r < io->io_len &&
	    is_file(hostkind_of(io->io_fd, &hi)))
		return file_rest(io, writing, r, hi.hi_kind);
	return r;
}

/*
 * Try READ or WRITE at the position of the descriptor; of a file only if the
 * gate can be taken.  The operation keeps the gate if it has moved a part and
 * must wait for the rest (gate.c).
 */
static int64_t
rw_here(struct hostio *io, int writing)
{
	struct hostkind_info hi;
	int64_t r;

	if (!gate_try(io) && is_file(hostkind_of(io->io_fd, &hi)))
		return wait_by(io, HW_LINE);
	r = rw_try(io, writing, -1);
	if (r != -EAGAIN || io->io_result == 0)
		gate_leave(io);
	return r;
}

static int64_t
try_rw(struct hostio *io, int writing)
{
	int64_t r = -ENOTSOCK;

	if (writing)
		r = result(send(io->io_fd, io->io_buf, io->io_len,
		    MSG_DONTWAIT | MSG_NOSIGNAL));
	else if (io->io_len > 0)
		r = result(recv(io->io_fd, io->io_buf, io->io_len,
		    MSG_DONTWAIT));
	if (r == -ENOTSOCK)
		return rw_here(io, writing);
	io->io_state |= HIOS_SOCKET;
	io->io_way = HW_READY;
	return r;
}

static int64_t
try_message(struct hostio *io)
{
	int flags = io->io_flags | MSG_DONTWAIT;
	int64_t r;

	io->io_state |= HIOS_SOCKET;
	io->io_way = HW_READY;
	if (io->io_op == HIO_SEND)
		return result(send(io->io_fd, io->io_buf, io->io_len,
		    flags | MSG_NOSIGNAL));
	r = result(recv(io->io_fd, io->io_buf, io->io_len, flags));
	if (r == -EAGAIN && io->io_len == 0 && hostkind_is_tcp(io->io_fd))
		r = 0;			/* what a recv that waits returns */
	return r;
}

static int64_t
try_fsync(struct hostio *io)
{
	struct hostkind_info hi;
	enum hostway way;

	way = hostkind_way(hostkind_of(io->io_fd, &hi), HIO_FSYNC);
	return way == HW_CPU ? result(fsync(io->io_fd)) : wait_by(io, way);
}

static int64_t
try_poll(struct hostio *io)
{
	struct pollfd pfd = { .fd = io->io_fd, .events = (short)io->io_flags };
	int64_t r;

	if (io->io_fd < 0)
		return -EBADF;		/* poll(2) would ignore it */
	r = result(poll(&pfd, 1, 0));
	if (r <= 0)
		return r == 0 ? wait_by(io, HW_READY) : r;
	return pfd.revents & POLLNVAL ? -EBADF : pfd.revents;
}

static int64_t
try_waitpid(struct hostio *io)
{
	int status;
	int64_t r;

	r = result(waitpid(io->io_fd, &status, io->io_flags | WNOHANG));
	if (r == 0)
		return io->io_flags & WNOHANG ? 0 : wait_by(io, HW_RETRY);
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
	case HIO_SEND:
		return try_message(io);
	case HIO_READ:
	case HIO_WRITE:
		return try_rw(io, io->io_op == HIO_WRITE);
	case HIO_PREAD:
	case HIO_PWRITE:
		return rw_try(io, io->io_op == HIO_PWRITE, io->io_off);
	case HIO_OPENAT:
		return hostopen_try(io);
	case HIO_FSYNC:
		return try_fsync(io);
	case HIO_CLOSE:
		return hostclose_try(io);
	case HIO_POLL:
		return try_poll(io);
	case HIO_WAITPID:
		return try_waitpid(io);
	case HIO_CALL:
		return wait_by(io, HW_CALL);
	case HIO_OPS:
		break;
	}
	lwkt_panic("hostcall_try: unknown operation %d", io->io_op);
}

/*
 * Make the call without waiting.  Returns the result of the operation: a size,
 * a descriptor or -errno.  Returns -EAGAIN if the operation must wait as io_way
 * says; but if io_short is set, it must not wait, and -EAGAIN is its result
 * (MI5).  Any host thread; does not block (but see THEORY).
 */
int64_t
hostcall_try(struct hostio *io)
{
	int64_t r;

	do {
		r = try_once(io);
	} while (r == -EINTR && io->io_op != HIO_CLOSE);	/* MI3 */
	if (r == -EINTR)
		r = 0;		/* Linux has closed the descriptor */
	return hostcall_total(io, r);
}

/*
 * Make a transfer or an fsync that may wait.  pthread_cancel ends it only if
 * io_way is HW_LONG.
 */
static int64_t
block_plain(struct hostio *io)
{
	int64_t r;

	if (io->io_way == HW_LONG)
		hostcall_endable(1);
	r = io->io_op == HIO_FSYNC ? result(fsync(io->io_fd)) :
	    rw_plain(io, io->io_len);
	hostcall_endable(0);
	return r;
}

static int64_t
block_once(struct hostio *io)
{
	int64_t r;

	switch ((enum hostio_op)io->io_op) {
	case HIO_READ:
	case HIO_WRITE:
	case HIO_PREAD:
	case HIO_PWRITE:
	case HIO_FSYNC:
		r = block_plain(io);
		break;
	case HIO_OPENAT:
		return hostopen_block(io);
	case HIO_CLOSE:
		hostkind_learn(io->io_fd);
		return result(close(io->io_fd));
	default:
		return try_once(io);
	}
	if (io->io_way != HW_LONG)
		hostkind_learn(io->io_fd);
	return r;
}

/*
 * Make the call in a form that may wait.  Returns the result of the operation,
 * or -EAGAIN or -EINTR if the call must be repeated.  Carriers only.
 */
int64_t
hostcall_block(struct hostio *io)
{
	int64_t r = block_once(io);

	if (r == -EINTR && io->io_op == HIO_CLOSE)
		r = 0;
	return hostcall_total(io, r);
}

int
hostcall_is_out(const struct hostio *io)
{
	switch ((enum hostio_op)io->io_op) {
	case HIO_SEND:
	case HIO_WRITE:
	case HIO_PWRITE:
	case HIO_CONNECT:
		return 1;
	case HIO_POLL:
		return (io->io_flags & POLLOUT) != 0;
	default:
		return 0;
	}
}
