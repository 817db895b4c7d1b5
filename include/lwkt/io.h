/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O calls that block the thread and never the CPU.
 *
 * Each call has the form of the POSIX call of its name.  It returns the result
 * of that call, or a negative errno; never -EINTR.  A write to a socket whose
 * peer has closed gives -EPIPE and no SIGPIPE; for pipes this needs Linux 6.18.
 *
 * The calls wait whether the descriptor is O_NONBLOCK or not, and do not change
 * its flags; with MSG_DONTWAIT a call does not wait.  send and write continue
 * until all bytes are sent.  A smaller count means that an error, a time limit
 * or a close came after these bytes.
 *
 * The _timo forms end with -ETIMEDOUT after timeout_ns nanoseconds
 * (LWKT_FOREVER: no limit; 0 or another negative number: do not wait).
 * lwkt_poll returns 0 then.
 *
 * lwkt_close() ends the calls of other threads on the descriptor with
 * -ECANCELED, on every CPU, before it closes the descriptor.  Calls that begin
 * later get -EBADF.  A plain close(2) does not end them.
 *
 * A call that may wait for ever in the host (the open of a FIFO, for example)
 * needs a host thread.  If the library cannot get one, the call ends with
 * -EAGAIN.
 *
 * Buffers, paths and addresses belong to the caller and must stay until the
 * return.
 * Context: thread.  Blocks: the thread, not the CPU.
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
/* Wait for POLL* events on one descriptor; return those that hold. */
LWKT_API int	 lwkt_poll(int fd, int events, int64_t timeout_ns);
/* Wait for a child; return its pid, and store its wait status in *status. */
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
