/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The blocking calls: straight-line code that blocks the thread, not the CPU.
 * USES io_req.c.
 *
 * THEORY
 * The request lies on the caller's stack; nothing is allocated.  A call that
 * need not wait costs little more than the system call.  If the tick or a
 * wake-up has requested a reschedule meanwhile, the call yields before it
 * returns, unless the caller is in a critical section.  So a thread whose
 * connection always has data cannot starve threads of equal priority.
 */
#include "io/io_var.h"

#include <errno.h>
#include <fcntl.h>
#include <lwkt/io.h>

static const char *const wmesgs[HIO_OPS] = {
	[HIO_NOP] = "nop",
	[HIO_ACCEPT] = "accept",
	[HIO_CONNECT] = "connect",
	[HIO_RECV] = "recv",
	[HIO_SEND] = "send",
	[HIO_READ] = "read",
	[HIO_WRITE] = "write",
	[HIO_PREAD] = "pread",
	[HIO_PWRITE] = "pwrite",
	[HIO_OPENAT] = "open",
	[HIO_CLOSE] = "close",
	[HIO_FSYNC] = "fsync",
	[HIO_POLL] = "poll",
	[HIO_WAITPID] = "waitpid",
	[HIO_CALL] = "blocking",
};

/*
 * Start a request and wait for its end; return the result.  Thread; blocks the
 * thread only.
 */
int64_t
ioreq_call(struct ioreq *ir, int64_t timeout_ns)
{
	lwkt_thread_t td = caller_thread();
	struct lwkt_systimer st;
	int resched = 0;

	ir->ir_td = td;
	ir->ir_timer = &st;
	crit_enter_td(td);
	if (ioreq_start(ir, timeout_ns))
		resched = (mygd()->gd_ast & AST_LWKT_RESCHED) != 0;
	else
		(void)ioreq_wait(ir, wmesgs[ir->ir_io.io_op]);
	crit_exit_td(td);
	/* A call that did not wait has not been a preemption point yet. */
	if (unlikely(resched) && td->td_critcount == 0)
		lwkt_yield_quick();
	return ir->ir_result;
}

/* Make the call op on fd; return its result, or -errno.  May block. */
static ssize_t
transfer(enum hostio_op op, int fd, const void *buf, size_t len, int flags,
    int64_t off, int64_t timeout_ns)
{
	struct ioreq ir;

	ioreq_init(&ir, op, fd);
	ir.ir_io.io_buf = (void *)(uintptr_t)buf;
	ir.ir_io.io_len = len;
	ir.ir_io.io_flags = flags;
	ir.ir_io.io_off = off;
	return ioreq_call(&ir, timeout_ns);
}

/* Accept a connection, with a time limit.  Thread; blocks the thread only. */
int
lwkt_accept_timo(int fd, struct sockaddr *sa, socklen_t *salen,
    int64_t timeout_ns)
{
	struct ioreq ir;

	ioreq_init(&ir, HIO_ACCEPT, fd);
	ir.ir_io.io_buf = sa;
	ir.ir_io.io_salen = salen;
	return (int)ioreq_call(&ir, timeout_ns);
}

/* Accept a connection.  Thread; blocks the thread only. */
int
lwkt_accept(int fd, struct sockaddr *sa, socklen_t *salen)
{
	return lwkt_accept_timo(fd, sa, salen, LWKT_FOREVER);
}

/* Connect a socket, with a time limit.  Thread; blocks the thread only. */
int
lwkt_connect_timo(int fd, const struct sockaddr *sa, socklen_t salen,
    int64_t timeout_ns)
{
	return (int)transfer(HIO_CONNECT, fd, sa, salen, 0, 0, timeout_ns);
}

/* Connect a socket.  Thread; blocks the thread only. */
int
lwkt_connect(int fd, const struct sockaddr *sa, socklen_t salen)
{
	return lwkt_connect_timo(fd, sa, salen, LWKT_FOREVER);
}

/* Receive, with a time limit.  Thread; blocks the thread only. */
ssize_t
lwkt_recv_timo(int fd, void *buf, size_t len, int flags, int64_t timeout_ns)
{
	return transfer(HIO_RECV, fd, buf, len, flags, 0, timeout_ns);
}

/* Receive from a socket.  Thread; blocks the thread only. */
ssize_t
lwkt_recv(int fd, void *buf, size_t len, int flags)
{
	return lwkt_recv_timo(fd, buf, len, flags, LWKT_FOREVER);
}

/* Send, with a time limit.  Thread; blocks the thread only. */
ssize_t
lwkt_send_timo(int fd, const void *buf, size_t len, int flags,
    int64_t timeout_ns)
{
	return transfer(HIO_SEND, fd, buf, len, flags, 0, timeout_ns);
}

/* Send on a socket.  Thread; blocks the thread only. */
ssize_t
lwkt_send(int fd, const void *buf, size_t len, int flags)
{
	return lwkt_send_timo(fd, buf, len, flags, LWKT_FOREVER);
}

/* Read, with a time limit.  Thread; blocks the thread only. */
ssize_t
lwkt_read_timo(int fd, void *buf, size_t len, int64_t timeout_ns)
{
	return transfer(HIO_READ, fd, buf, len, 0, 0, timeout_ns);
}

/* Read from a descriptor.  Thread; blocks the thread only. */
ssize_t
lwkt_read(int fd, void *buf, size_t len)
{
	return lwkt_read_timo(fd, buf, len, LWKT_FOREVER);
}

/* Write, with a time limit.  Thread; blocks the thread only. */
ssize_t
lwkt_write_timo(int fd, const void *buf, size_t len, int64_t timeout_ns)
{
	return transfer(HIO_WRITE, fd, buf, len, 0, 0, timeout_ns);
}

/* Write to a descriptor.  Thread; blocks the thread only. */
ssize_t
lwkt_write(int fd, const void *buf, size_t len)
{
	return lwkt_write_timo(fd, buf, len, LWKT_FOREVER);
}

/* Read at an offset.  Thread; blocks the thread only. */
ssize_t
lwkt_pread(int fd, void *buf, size_t len, off_t off)
{
	return off < 0 ? -EINVAL :
	    transfer(HIO_PREAD, fd, buf, len, 0, off, LWKT_FOREVER);
}

/* Write at an offset.  Thread; blocks the thread only. */
ssize_t
lwkt_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return off < 0 ? -EINVAL :
	    transfer(HIO_PWRITE, fd, buf, len, 0, off, LWKT_FOREVER);
}

/* Open a file in a directory.  Thread; blocks the thread only. */
int
lwkt_openat(int dfd, const char *path, int oflags, mode_t mode)
{
	struct ioreq ir;

	ioreq_init(&ir, HIO_OPENAT, dfd);
	ir.ir_io.io_buf = (void *)(uintptr_t)path;
	ir.ir_io.io_flags = oflags;
	ir.ir_io.io_mode = (int)mode;
	return (int)ioreq_call(&ir, LWKT_FOREVER);
}

/* Open a file.  Thread; blocks the thread only. */
int
lwkt_open(const char *path, int oflags, mode_t mode)
{
	return lwkt_openat(AT_FDCWD, path, oflags, mode);
}

/* Write a file to its device.  Thread; blocks the thread only. */
int
lwkt_fsync(int fd)
{
	return (int)transfer(HIO_FSYNC, fd, NULL, 0, 0, 0, LWKT_FOREVER);
}

/*
 * Wait until fd is ready; return the events that are ready, 0 at the time
 * limit, or -errno.
 * Thread; blocks the thread only.
 */
int
lwkt_poll(int fd, int events, int64_t timeout_ns)
{
	ssize_t r;

	r = transfer(HIO_POLL, fd, NULL, 0, events, 0, timeout_ns);
	return r == -ETIMEDOUT ? 0 : (int)r;
}

/* Wait for a child process.  Thread; blocks the thread only. */
pid_t
lwkt_waitpid(pid_t pid, int *status, int options)
{
	return (pid_t)transfer(HIO_WAITPID, pid, status, 0, options, 0,
	    LWKT_FOREVER);
}
