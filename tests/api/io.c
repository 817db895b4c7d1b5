/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocking calls and system messages, as a program sees them: every function
 * once, on descriptors of this process alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <lwkt/lwkt.h>
#include <lwkt/sysmsg.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define MS	((int64_t)1000000)

static struct sockaddr_in address;
static char path[] = "/tmp/lwkt-api-XXXXXX";

static void
files(void)
{
	char buf[16] = "";
	int fd;

	fd = lwkt_open(path, O_RDWR | O_TRUNC, 0);
	ok(fd >= 0, "a file is opened");
	is_int(lwkt_write(fd, "abcdef", 6), 6, "written");
	is_int(lwkt_pwrite(fd, "X", 1, 2), 1, "written at an offset");
	is_int(lwkt_fsync(fd), 0, "synced");
	is_int(lwkt_pread(fd, buf, sizeof(buf), 1), 5, "read at an offset");
	is_str(buf, "bXdef", "what was written");
	is_int(lwkt_read(fd, buf, sizeof(buf)), 0, "its end is 0");
	is_int(lwkt_close(fd), 0, "closed");
	is_int(lwkt_close(fd), -EBADF, "once");
	is_int(lwkt_open("/nowhere/at/all", O_RDONLY, 0), -ENOENT,
	    "an error is negative");
	fd = lwkt_openat(AT_FDCWD, path, O_RDONLY, 0);
	ok(fd >= 0, "lwkt_openat");
	lwkt_close(fd);
}

static void
acceptor(void *arg)
{
	int lfd = *(int *)arg, fd;
	char buf[8];
	ssize_t n;

	while ((fd = lwkt_accept(lfd, NULL, NULL)) >= 0) {
		while ((n = lwkt_recv(fd, buf, sizeof(buf), 0)) > 0)
			(void)lwkt_send(fd, buf, (size_t)n, 0);
		lwkt_close(fd);
	}
	ok(fd == -ECANCELED || fd == -EBADF, "a close ends a server");
}

static int
listener(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(address);

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&address, len) != 0 ||
	    listen(fd, 8) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		lwkt_panic("no socket");
	return fd;
}

static void
sockets(void)
{
	struct sockaddr *sa = (struct sockaddr *)&address;
	int lfd = listener(), fd = socket(AF_INET, SOCK_STREAM, 0);
	char buf[8] = "";
	lwkt_thread_t td;

	is_int(lwkt_accept_timo(lfd, NULL, NULL, MS), -ETIMEDOUT,
	    "a limit ends an accept");
	lwkt_create(acceptor, &lfd, &td, NULL, LWKT_JOINABLE, 1, "acceptor");
	is_int(lwkt_connect_timo(fd, sa, sizeof(address), LWKT_FOREVER), 0,
	    "a connection");
	is_int(lwkt_recv_timo(fd, buf, 8, 0, MS), -ETIMEDOUT,
	    "a limit ends a recv");
	is_int(lwkt_recv(fd, buf, 8, MSG_DONTWAIT), -EAGAIN,
	    "MSG_DONTWAIT does not wait");
	is_int(lwkt_send_timo(fd, "echo", 5, 0, LWKT_FOREVER), 5, "a send");
	is_int(lwkt_poll(fd, POLLIN, LWKT_FOREVER) & POLLIN, POLLIN, "a poll");
	is_int(lwkt_recv(fd, buf, 5, MSG_WAITALL), 5, "a recv");
	is_str(buf, "echo", "of what was sent");
	is_int(lwkt_poll(fd, POLLIN, MS), 0, "a poll without events");
	lwkt_close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	is_int(lwkt_connect(fd, sa, sizeof(address)), 0, "another one");
	lwkt_close(fd);
	lwkt_close(lfd);
	lwkt_join(td);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	is_int(lwkt_connect(fd, sa, sizeof(address)), -ECONNREFUSED,
	    "nobody listens any more");
	lwkt_close(fd);
}

static void
reader(void *arg)
{
	char c;

	is_int(lwkt_read(*(int *)arg, &c, 1), -ECANCELED,
	    "a close ends a waiting read");
}

static void
pipes(void)
{
	lwkt_thread_t td;
	char buf[4];
	int fd[2];

	if (pipe(fd) != 0)
		lwkt_panic("no pipe");
	is_int(lwkt_read_timo(fd[0], buf, 4, MS), -ETIMEDOUT,
	    "a limit ends a read");
	is_int(lwkt_write_timo(fd[1], "ab", 2, MS), 2, "a write in time");
	is_int(lwkt_read(fd[0], buf, 4), 2, "is read");
	lwkt_close(fd[1]);
	is_int(lwkt_read(fd[0], buf, 4), 0, "the end of a pipe is 0");
	lwkt_close(fd[0]);

	if (pipe(fd) != 0)
		lwkt_panic("no pipe");
	lwkt_create(reader, &fd[0], &td, NULL, LWKT_JOINABLE, 0, "reader");
	lwkt_yield();			/* it waits now */
	is_int(lwkt_close(fd[0]), 0, "a descriptor in use is closed");
	lwkt_join(td);
	lwkt_close(fd[1]);
}

static void
children(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	is_int(lwkt_waitpid(pid, &status, 0), pid, "a child ends");
	is_int(WEXITSTATUS(status), 7, "with its status");
	is_int(lwkt_waitpid(pid, &status, 0), -ECHILD, "once");
}

static int64_t
done(struct lwkt_sysmsg *sm)
{
	lwkt_sendsys(sm);
	is_int(lwkt_waitmsg(&sm->sm_msg, 0), sm->sm_result < 0 ?
	    -sm->sm_result : 0, "the error of a message is its result");
	return sm->sm_result;
}

static void
messages(void)
{
	lwkt_port_t me = lwkt_curport();
	struct lwkt_sysmsg sm;
	char buf[8] = "";
	int fd, status = 0;
	pid_t pid;

	lwkt_sysmsg_init(&sm, me, LWKT_SYS_NOP, -1);
	is_int(lwkt_dosys(&sm), 0, "nothing is done");
	lwkt_sysmsg_openat(&sm, me, AT_FDCWD, path, O_RDWR, 0);
	ok((fd = (int)done(&sm)) >= 0, "openat");
	lwkt_sysmsg_write(&sm, me, fd, "12", 2);
	is_int(done(&sm), 2, "write");
	lwkt_sysmsg_pwrite(&sm, me, fd, "34", 2, 2);
	is_int(done(&sm), 2, "pwrite");
	lwkt_sysmsg_pread(&sm, me, fd, buf, 4, 0);
	is_int(done(&sm), 4, "pread");
	is_str(buf, "1234", "what was written");
	lwkt_sysmsg_read(&sm, me, fd, buf, 2);
	is_int(done(&sm), 2, "read goes on where write stopped");
	lwkt_sysmsg_fsync(&sm, me, fd);
	is_int(done(&sm), 0, "fsync");
	lwkt_sysmsg_close(&sm, me, fd);
	is_int(done(&sm), 0, "close");
	lwkt_sysmsg_close(&sm, me, fd);
	is_int(done(&sm), -EBADF, "once");
	lwkt_sysmsg_sleep(&sm, me, MS);
	is_int(done(&sm), 0, "sleep");
	if ((pid = fork()) == 0)
		_exit(3);
	lwkt_sysmsg_waitpid(&sm, me, pid, &status, 0);
	is_int(done(&sm), pid, "waitpid");
	is_int(WEXITSTATUS(status), 3, "and its status");
}

static void
socket_messages(void)
{
	int lfd = listener(), cfd = socket(AF_INET, SOCK_STREAM, 0), fd;
	lwkt_port_t me = lwkt_curport();
	struct lwkt_sysmsg sm, other;
	char buf[8];

	lwkt_sysmsg_accept(&sm, me, lfd, NULL, NULL);
	lwkt_sendsys(&sm);
	lwkt_sysmsg_connect(&other, me, cfd, (struct sockaddr *)&address,
	    sizeof(address));
	is_int(done(&other), 0, "connect");
	is_int(lwkt_waitmsg(&sm.sm_msg, 0), 0, "accept");
	fd = (int)sm.sm_result;
	lwkt_sysmsg_poll(&sm, me, fd, POLLIN);
	lwkt_sendsys(&sm);
	lwkt_sysmsg_send(&other, me, cfd, "hi", 3, 0);
	is_int(done(&other), 3, "send");
	is_int(lwkt_waitmsg(&sm.sm_msg, 0), 0, "poll");
	is_int(sm.sm_result & POLLIN, POLLIN, "and its events");
	lwkt_sysmsg_recv(&sm, me, fd, buf, sizeof(buf), 0);
	is_int(done(&sm), 3, "recv");
	lwkt_sysmsg_recv(&sm, me, fd, buf, sizeof(buf), 0);
	sm.sm_timeout_ns = MS;
	is_int(done(&sm), -ETIMEDOUT, "a limit");
	lwkt_sysmsg_recv(&sm, me, fd, buf, sizeof(buf), 0);
	lwkt_sendsys(&sm);
	lwkt_abortmsg(&sm.sm_msg);
	is_int(lwkt_waitmsg(&sm.sm_msg, 0), ECANCELED, "an abort");
	lwkt_close(fd);
	lwkt_close(cfd);
	lwkt_close(lfd);
}

static int
body(void *arg)
{
	(void)arg;
	files();
	sockets();
	pipes();
	children();
	messages();
	socket_messages();
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };
	int fd = mkstemp(path);

	close(fd);
	is_int(lwkt_boot(&cfg, body, NULL), 0, "the kernel ran");
	unlink(path);
	return tap_done();
}
