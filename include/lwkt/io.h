/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that block the thread and never the CPU.
 *
 * Each has the form of its POSIX namesake and returns what that returns, or a
 * negative errno: never -EINTR.  _timo forms end with -ETIMEDOUT after
 * timeout_ns (LWKT_FOREVER: no limit).  lwkt_close() of a descriptor on which
 * other threads wait ends their calls with -ECANCELED; a descriptor that is
 * not open gives -EBADF.
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
