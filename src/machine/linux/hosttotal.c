/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compute the result of a whole operation, of which a part may have been made
 * earlier.
 *
 * THEORY
 * An operation may move a part of its bytes and then wait for the rest;
 * io_result counts the bytes moved.  The result of the operation is io_result
 * plus the bytes of the last part.  If the last part failed, the result is
 * io_result alone: the error comes again with the next call.  If no part was
 * moved before, the result is the error.  -EAGAIN and -EINTR are no failures:
 * the operation goes on (but see again_is_all).  If the result is short, the
 * caller may repeat the call for the rest, unless the call can do no more
 * (io_short: MI5 of machine_io.h).
 */
#include <errno.h>

#include "machine/linux/hostcall.h"

/* The result is less than requested.  Is it all that this call can do? */
static int
short_is_all(const struct hostio *io)
{
	struct hostkind_info hi;

	switch ((enum hostio_op)io->io_op) {
	case HIO_RECV:
		return (io->io_flags & (MSG_WAITALL | MSG_PEEK)) ==
		    MSG_WAITALL &&
		    (hostkind_option(io->io_fd, SO_TYPE) != SOCK_STREAM ||
		    sockatmark(io->io_fd) == 1);
	case HIO_WRITE:
	case HIO_PWRITE:
		return (io->io_state & HIOS_SOCKET) == 0 &&
		    !hostkind_goes_on(hostkind_of(io->io_fd, &hi));
	default:
		return 0;
	}
}

/*
 * Do the flags ask for something that cannot be waited for on this socket?
 * Then -EAGAIN is the result of the operation.
 */
static int
again_is_all(const struct hostio *io)
{
	if (io->io_op != HIO_RECV)
		return 0;
	return ((io->io_flags & MSG_OOB) && hostkind_is_tcp(io->io_fd)) ||
	    ((io->io_flags & MSG_ERRQUEUE) &&
	    hostkind_option(io->io_fd, SO_DOMAIN) != AF_UNIX);
}

/*
 * Return the total result of the operation.  r is the result of the last call;
 * io_result is the number of bytes moved before the operation had to wait.
 * -EAGAIN and -EINTR are returned as they are.  Sets io_short.
 */
int64_t
hostcall_total(struct hostio *io, int64_t r)
{
	if (r == -EAGAIN || r == -EINTR) {
		io->io_short = (uint8_t)again_is_all(io);
		return r;
	}
	io->io_short = io->io_result > 0;
	if (r > 0 && (size_t)r < io->io_len)
		io->io_short |= (uint8_t)short_is_all(io);
	if (io->io_result == 0)
		return r;
	return r > 0 ? io->io_result + r : io->io_result;
}

/*
 * The operation ends with `error`, a positive errno, without another call.
 * Return its total result: the bytes moved before, or -error if there are none.
 */
int64_t
hostcall_failed(struct hostio *io, int error)
{
	io->io_short = io->io_result > 0;
	return io->io_result > 0 ? io->io_result : -error;
}
