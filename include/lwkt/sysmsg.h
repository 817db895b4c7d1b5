/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls as messages: start a call, do other work, receive the reply.
 *
 *	struct lwkt_sysmsg sm;
 *	lwkt_sysmsg_recv(&sm, lwkt_curport(), fd, buf, sizeof buf, 0);
 *	lwkt_sendsys(&sm);
 *	...
 *	lwkt_waitmsg(&sm.sm_msg, 0);	(or lwkt_waitport on the reply port)
 *	n = sm.sm_result;		(what the call returned, or -errno)
 *
 * lwkt_abortmsg(&sm.sm_msg) ends a waiting call with -ECANCELED.  A time limit
 * in sm_timeout_ns (set it after the constructor) ends it with -ETIMEDOUT, a
 * poll with 0.  In both cases the reply still comes, and a call that waits for
 * a disk or a server may be complete before.  A message may be sent again after
 * its reply.  LWKT_SYS_CLOSE is different: lwkt_sendsys carries it out before
 * it returns, and blocks as lwkt_close does.  LWKT_SYS_CALL calls a function of
 * the program (lwkt_sysmsg_call in <lwkt/blocking.h>).
 */
#ifndef LWKT_SYSMSG_H
#define LWKT_SYSMSG_H

#include <lwkt/msgport.h>
#include <lwkt/systimer.h>
#include <sys/socket.h>

LWKT_BEGIN_DECLS

enum lwkt_sysop {
	LWKT_SYS_NOP, LWKT_SYS_ACCEPT, LWKT_SYS_CONNECT, LWKT_SYS_RECV,
	LWKT_SYS_SEND, LWKT_SYS_READ, LWKT_SYS_WRITE, LWKT_SYS_PREAD,
	LWKT_SYS_PWRITE, LWKT_SYS_OPENAT, LWKT_SYS_CLOSE, LWKT_SYS_FSYNC,
	LWKT_SYS_POLL, LWKT_SYS_WAITPID, LWKT_SYS_SLEEP, LWKT_SYS_CALL,
	LWKT_SYS_NOPS
};

struct lwkt_sysmsg {
	struct lwkt_msg	 sm_msg;
	enum lwkt_sysop	 sm_op;
	int		 sm_fd;
	void		*sm_buf;	/* buffer, path or sockaddr */
	size_t		 sm_len;
	int64_t		 sm_off;
	socklen_t	*sm_salen;
	int		 sm_flags;	/* MSG_*, O_*, POLL*, wait options */
	int		 sm_mode;
	int64_t		 sm_timeout_ns;	/* LWKT_FOREVER unless set */
	int64_t		 sm_result;	/* >= 0 or -errno, once replied */
	/* The library's, from lwkt_sendsys to the reply. */
	struct lwkt_systimer sm_timer;
	unsigned char	 sm_host[192] LWKT_ALIGNED(16);
};

/*
 * Constructors, one for each call; its reply goes to port reply.  The message
 * and all that its arguments point to stay the caller's, and must stay until
 * the reply.
 * Context: any.  Blocks: no.
 */
LWKT_API void lwkt_sysmsg_init(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    enum lwkt_sysop op, int fd);
LWKT_API void lwkt_sysmsg_accept(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd, struct sockaddr *sa, socklen_t *salen);
LWKT_API void lwkt_sysmsg_connect(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd, const struct sockaddr *sa, socklen_t salen);
LWKT_API void lwkt_sysmsg_recv(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd, void *buf, size_t len, int flags);
LWKT_API void lwkt_sysmsg_send(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd, const void *buf, size_t len, int flags);
LWKT_API void lwkt_sysmsg_read(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd, void *buf, size_t len);
LWKT_API void lwkt_sysmsg_write(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd, const void *buf, size_t len);
LWKT_API void lwkt_sysmsg_pread(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd, void *buf, size_t len, off_t off);
LWKT_API void lwkt_sysmsg_pwrite(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd, const void *buf, size_t len, off_t off);
LWKT_API void lwkt_sysmsg_openat(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int dfd, const char *path, int oflags, mode_t mode);
LWKT_API void lwkt_sysmsg_close(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd);
LWKT_API void lwkt_sysmsg_fsync(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd);
LWKT_API void lwkt_sysmsg_poll(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int fd, int events);
LWKT_API void lwkt_sysmsg_waitpid(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    pid_t pid, int *status, int options);
LWKT_API void lwkt_sysmsg_sleep(struct lwkt_sysmsg *sm, lwkt_port_t reply,
    int64_t ns);

/*
 * Start the call.  Its reply comes when the call is complete, perhaps before
 * the return.
 * Context: thread.  Blocks: LWKT_SYS_CLOSE: the thread.  Another call blocks
 * the thread only if it would wait while its descriptor is being closed, or one
 * whose number differs from it by a multiple of 4096.
 */
LWKT_API void lwkt_sendsys(struct lwkt_sysmsg *sm);
/*
 * Start the call, wait until it is complete, and return sm_result.
 * Context: thread.  Blocks: the thread.
 */
LWKT_API int64_t lwkt_dosys(struct lwkt_sysmsg *sm);

LWKT_END_DECLS

#endif
