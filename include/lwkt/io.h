/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that block the thread and never the CPU.
 *
 * Each has the form of its POSIX namesake and returns what that returns, or a
 * negative errno.  Never -EINTR, whatever signals come.  Never SIGPIPE of a
 * socket, only -EPIPE (of a pipe: since Linux 6.18).
 *
 * Descriptors may be blocking or not; the calls wait all the same, unless
 * MSG_DONTWAIT says otherwise, and leave the flags of a descriptor as they are.
 * send and write go on until all is sent: a smaller count means that the rest
 * failed or came too late.
 *
 * _timo forms end with -ETIMEDOUT after timeout_ns (LWKT_FOREVER: no limit; 0
 * or another negative number: only look).  lwkt_poll then returns 0.
 *
 * lwkt_close() of a descriptor on which others wait, on any CPU, ends their
 * calls with -ECANCELED before the descriptor is closed; what begins later gets
 * -EBADF.  A plain close(2) does not end them.
 *
 * A call that may wait for ever (the open of a FIFO, for one) needs a host
 * thread; if none can be had it ends with -EAGAIN.
 *
 * Context: thread.  Blocks: the thread.
 */
#ifndef LWKT_IO_H
#define LWKT_IO_H

#include <lwkt/types.h>
#include <sys/socket.h>

LWKT_BEGIN_DECLS

LWKT_API int	 lwkt_accept(int fd, struct sockaddr *sa, socklen_t *salen);
LWKT_API int	 lwkt_connect(int fd, const struct sockaddr *sa,
    socklen_t salen);
LWKT_API ssize_t lwkt_recv(int fd, void *buf, size_t len, int flags);
LWKT_API ssize_t lwkt_send(int fd, const void *buf, size_t len, int flags);
LWKT_API ssize_t lwkt_read(int fd, void *buf, size_t len);
LWKT_API ssize_t lwkt_write(int fd, const void *buf, size_t len);
LWKT_API ssize_t lwkt_pread(int fd, void *buf, size_t len, off_t off);
LWKT_API ssize_t lwkt_pwrite(int fd, const void *buf, size_t len, off_t off);
LWKT_API int	 lwkt_open(const char *path, int oflags, mode_t mode);
LWKT_API int	 lwkt_openat(int dfd, const char *path, int oflags,
    mode_t mode);
LWKT_API int	 lwkt_close(int fd);
LWKT_API int	 lwkt_fsync(int fd);
/* Wait for POLL* events on one descriptor; the events that came. */
LWKT_API int	 lwkt_poll(int fd, int events, int64_t timeout_ns);
/* Wait for a child; the pid, its wait status in *status. */
LWKT_API pid_t	 lwkt_waitpid(pid_t pid, int *status, int options);

LWKT_API int	 lwkt_accept_timo(int fd, struct sockaddr *sa,
    socklen_t *salen, int64_t timeout_ns);
LWKT_API int	 lwkt_connect_timo(int fd, const struct sockaddr *sa,
    socklen_t salen, int64_t timeout_ns);
LWKT_API ssize_t lwkt_recv_timo(int fd, void *buf, size_t len, int flags,
    int64_t timeout_ns);
LWKT_API ssize_t lwkt_send_timo(int fd, const void *buf, size_t len,
    int flags, int64_t timeout_ns);
LWKT_API ssize_t lwkt_read_timo(int fd, void *buf, size_t len,
    int64_t timeout_ns);
LWKT_API ssize_t lwkt_write_timo(int fd, const void *buf, size_t len,
    int64_t timeout_ns);

LWKT_END_DECLS

#endif
