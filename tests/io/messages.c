/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls as messages: many under way, any reply port, any CPU.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "iotest.h"

#define N	64

static lwkt_port_t home;

/* On another CPU: start receives whose replies go to the home port. */
struct batch {
	struct lwkt_sysmsg b_sm[N];
	char		b_byte[N];
	int		b_fd[N][2];
};

static void
start_receives(void *arg)
{
	struct batch *b = arg;

	for (int i = 0; i < N; i++) {
		lwkt_sysmsg_recv(&b->b_sm[i], home, b->b_fd[i][0],
		    &b->b_byte[i], 1, 0);
		lwkt_sendsys(&b->b_sm[i]);
	}
	(void)lwkt_sleep_ns(20 * MS);	/* stay for the replies or go */
}

static void
replies_cross(void)
{
	static struct batch b;
	struct lwkt_sysmsg *sm;
	lwkt_thread_t td;
	int seen[N] = { 0 }, good = 0;
	char c;

	home = lwkt_curport();
	for (int i = 0; i < N; i++)
		pair(b.b_fd[i]);
	td = spawn(start_receives, &b, lwkt_ncpus() - 1);
	for (int i = N - 1; i >= 0; i--) {
		c = (char)i;
		lwkt_send(b.b_fd[i][1], &c, 1, 0);
	}
	for (int i = 0; i < N; i++) {
		sm = lwkt_waitport(home, 0);
		good += sm->sm_result == 1 && seen[sm - b.b_sm]++ == 0 &&
		    b.b_byte[sm - b.b_sm] == (char)(sm - b.b_sm);
	}
	is_int(good, N, "each of %d replies came once, with its byte", N);
	lwkt_join(td);
	for (int i = 0; i < N; i++) {
		lwkt_close(b.b_fd[i][0]);
		lwkt_close(b.b_fd[i][1]);
	}
}

static int64_t
run(struct lwkt_sysmsg *sm)
{
	int error;

	lwkt_sendsys(sm);
	error = lwkt_waitmsg(&sm->sm_msg, 0);
	ok(error == (sm->sm_result < 0 ? -sm->sm_result : 0),
	    "ms_error %d and sm_result %lld agree", error,
	    (long long)sm->sm_result);
	return sm->sm_result;
}

static void
bad_offsets(void)
{
	lwkt_port_t port = lwkt_curport();
	struct lwkt_sysmsg sm;
	char buf[1];
	int fd = lwkt_open("/dev/zero", O_RDWR, 0);

	lwkt_sysmsg_pread(&sm, port, fd, buf, 1, -1);
	is_int(run(&sm), -EINVAL, "pread at a negative offset");
	lwkt_sysmsg_pwrite(&sm, port, fd, buf, 1, -1);
	is_int(run(&sm), -EINVAL, "and pwrite");
	lwkt_close(fd);
}

static void
each_call(void)
{
	char name[] = "/tmp/lwkt-msg-XXXXXX", buf[16];
	lwkt_port_t port = lwkt_curport();
	struct sockaddr_in sin;
	struct lwkt_sysmsg sm, acc;
	int fd, lfd = listener(&sin), c, status, p[2];
	pid_t pid;

	close(mkstemp(name));
	lwkt_sysmsg_openat(&sm, port, AT_FDCWD, name, O_RDWR, 0);
	fd = (int)run(&sm);
	ok(fd >= 0, "openat");
	lwkt_sysmsg_write(&sm, port, fd, "0123456789", 10);
	is_int(run(&sm), 10, "write");
	lwkt_sysmsg_pwrite(&sm, port, fd, "ab", 2, 4);
	is_int(run(&sm), 2, "pwrite");
	lwkt_sysmsg_fsync(&sm, port, fd);
	is_int(run(&sm), 0, "fsync");
	lwkt_sysmsg_pread(&sm, port, fd, buf, 16, 2);
	is_int(run(&sm), 8, "pread");
	ok(memcmp(buf, "23ab6789", 8) == 0, "its data");
	lwkt_sysmsg_close(&sm, port, fd);
	is_int(run(&sm), 0, "close");
	lwkt_sysmsg_read(&sm, port, fd, buf, 1);
	is_int(run(&sm), -EBADF, "read of a closed one");
	unlink(name);

	lwkt_sysmsg_accept(&acc, port, lfd, NULL, NULL);
	lwkt_sendsys(&acc);
	c = socket(AF_INET, SOCK_STREAM, 0);
	lwkt_sysmsg_connect(&sm, port, c, (struct sockaddr *)&sin,
	    sizeof(sin));
	is_int(run(&sm), 0, "connect");
	is_int(lwkt_waitmsg(&acc.sm_msg, 0), 0, "accept");
	lwkt_sysmsg_send(&sm, port, (int)acc.sm_result, "hi", 2, 0);
	is_int(run(&sm), 2, "send");
	lwkt_sysmsg_poll(&sm, port, c, POLLIN);
	is_int(run(&sm), POLLIN, "poll");
	lwkt_sysmsg_recv(&sm, port, c, buf, 16, 0);
	is_int(run(&sm), 2, "recv");
	sm.sm_timeout_ns = 5 * MS;
	lwkt_sendsys(&sm);
	is_int(lwkt_waitmsg(&sm.sm_msg, 0), ETIMEDOUT,
	    "a message may be sent again, with a limit");
	lwkt_sysmsg_poll(&sm, port, c, POLLIN);
	sm.sm_timeout_ns = 5 * MS;
	is_int(lwkt_dosys(&sm), 0, "poll times out with 0");
	lwkt_sysmsg_connect(&sm, port, c, (struct sockaddr *)&sin,
	    sizeof(sin));
	is_int(lwkt_dosys(&sm), -EISCONN, "connect twice");
	lwkt_close(c);
	lwkt_close((int)acc.sm_result);
	lwkt_close(lfd);

	lwkt_sysmsg_init(&sm, port, LWKT_SYS_NOP, -1);
	is_int(lwkt_dosys(&sm), 0, "no operation");
	lwkt_sysmsg_sleep(&sm, port, 2 * MS);
	is_int(lwkt_dosys(&sm), 0, "sleep");
	if (pipe(p) != 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		close(p[1]);
		_exit(read(p[0], buf, 1) == 0 ? 5 : 6);
	}
	lwkt_sysmsg_waitpid(&sm, port, pid, &status, 0);
	lwkt_sendsys(&sm);
	is_int(lwkt_checkmsg(&sm.sm_msg), 0, "the child lives");
	close(p[1]);
	is_int(lwkt_waitmsg(&sm.sm_msg, 0), 0, "waitpid");
	ok(sm.sm_result == pid && WEXITSTATUS(status) == 5, "its status");
	close(p[0]);
}

/* A reply port of the program's own. */
static unsigned told;

static void
tell(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port;
	told += 1 + (msg->ms_error == ECANCELED);
}

static void
own_port(void)
{
	struct lwkt_sysmsg sm;
	struct lwkt_port port;

	lwkt_initport_replyonly(&port, tell);
	lwkt_sysmsg_sleep(&sm, &port, 1 * MS);
	lwkt_sendsys(&sm);
	while (__atomic_load_n(&told, __ATOMIC_SEQ_CST) == 0)
		let_others_wait();
	is_int(told, 1, "a reply function is called once");
}

static int
test(void *arg)
{
	(void)arg;
	iotest_backend();
	replies_cross();
	each_call();
	bad_offsets();
	own_port();
	return 0;
}

int
main(void)
{
	return iotest_run(test, 2);
}
