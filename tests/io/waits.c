/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends of a wait that are not data: time limits, aborts, closes, and a number
 * that comes back behind the library's back.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iotest.h"

static int64_t result[8];
static int fds[2], started;

static void
waiter(void *arg)
{
	int i = (int)(intptr_t)arg;
	char buf[8];

	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	switch (i % 4) {
	case 0:
		result[i] = lwkt_recv(fds[0], buf, 8, 0);
		break;
	case 1:
		result[i] = lwkt_read(fds[0], buf, 8);
		break;
	case 2:
		result[i] = lwkt_poll(fds[0], POLLIN, LWKT_FOREVER);
		break;
	default:
		result[i] = lwkt_recv_timo(fds[0], buf, 8, 0, 100000 * MS);
		break;
	}
}

static void
close_under_waiters(void)
{
	lwkt_thread_t td[8];

	pair(fds);
	started = 0;
	for (int i = 0; i < 8; i++)
		td[i] = spawn(waiter, (void *)(intptr_t)i, i % lwkt_ncpus());
	while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < 8)
		let_others_wait();
	let_others_wait();
	is_int(lwkt_close(fds[0]), 0, "close under eight waiters");
	for (int i = 0; i < 8; i++) {
		lwkt_join(td[i]);
		is_int(result[i], -ECANCELED, "waiter %d is canceled", i);
	}
	is_int(lwkt_send(fds[1], "x", 1, 0), -EPIPE,
	    "and the socket is really closed");
	lwkt_close(fds[1]);
}

static void
acceptor(void *arg)
{
	result[0] = lwkt_accept((int)(intptr_t)arg, NULL, NULL);
}

static void
close_listener(void)
{
	struct sockaddr_in sin;
	int fd = listener(&sin);
	lwkt_thread_t td;

	td = spawn(acceptor, (void *)(intptr_t)fd, lwkt_ncpus() - 1);
	let_others_wait();
	is_int(lwkt_close(fd), 0, "close under accept");
	lwkt_join(td);
	is_int(result[0], -ECANCELED, "accept is canceled");
}

/* A writer whose peer does not read. */
static void
stuck_writer(void *arg)
{
	static char big[1 << 22];

	(void)arg;
	result[0] = lwkt_send_timo(fds[0], big, sizeof(big), 0, 30 * MS);
	result[1] = lwkt_send_timo(fds[0], big, sizeof(big), 0, 10 * MS);
}

static void
time_limits(void)
{
	char buf[8];
	lwkt_thread_t td;
	int64_t begin;

	pair(fds);
	begin = lwkt_time_ns();
	is_int(lwkt_recv_timo(fds[0], buf, 8, 0, 20 * MS), -ETIMEDOUT,
	    "recv times out");
	ok(lwkt_time_ns() - begin >= 20 * MS, "not before its time");
	is_int(lwkt_recv_timo(fds[0], buf, 8, 0, 0), -ETIMEDOUT,
	    "no time at all");
	is_int(lwkt_read_timo(fds[0], buf, 8, 1), -ETIMEDOUT, "1 ns");
	lwkt_send(fds[1], "abc", 3, 0);
	is_int(lwkt_recv_timo(fds[0], buf, 8, 0, 0), 3,
	    "what is there needs no time");
	lwkt_send(fds[1], "abc", 3, 0);
	is_int(lwkt_recv_timo(fds[0], buf, 8, MSG_WAITALL, 10 * MS), 3,
	    "a part that came in time is the result");
	td = spawn(stuck_writer, NULL, 0);
	lwkt_join(td);
	ok(result[0] > 0 && result[0] < 1 << 22,
	    "a part that was sent in time is the result: %lld",
	    (long long)result[0]);
	is_int(result[1], -ETIMEDOUT, "nothing sent in time");
	lwkt_close(fds[0]);
	lwkt_close(fds[1]);
}

/* close(2) by the program itself, then another file under the number. */
static void
number_comes_back(void)
{
	struct sockaddr_in sin;
	int lfd = listener(&sin), c, s, again[2];
	char buf[64];

	c = socket(AF_INET, SOCK_STREAM, 0);
	is_int(lwkt_connect(c, (struct sockaddr *)&sin, sizeof(sin)), 0,
	    "connect");
	s = lwkt_accept(lfd, NULL, NULL);
	lwkt_send(c, "one", 3, 0);
	is_int(lwkt_recv_timo(s, buf, 64, 0, 1000 * MS), 3, "first bytes");
	is_int(lwkt_recv_timo(s, buf, 64, 0, 5 * MS), -ETIMEDOUT,
	    "and no more: the library has waited on it");
	close(s);
	pair(again);
	while (again[0] != s && again[1] != s) {
		if (again[0] > s)
			break;
		pair(again);
	}
	ok(again[0] == s || again[1] == s, "its number is another file's");
	lwkt_send(again[0], "two", 3, 0);
	lwkt_send(again[1], "two", 3, 0);
	is_int(lwkt_recv_timo(s, buf, 64, 0, 10000 * MS), 3,
	    "data that was there before the wait");
	lwkt_send(again[0] == s ? again[1] : again[0], "more", 4, 0);
	is_int(lwkt_recv_timo(s, buf, 64, 0, 10000 * MS), 4, "and after");
	close(again[0]);
	close(again[1]);
	lwkt_close(c);
	lwkt_close(lfd);
}

/* The number comes back as a file that refuses the call. */
static void
number_refuses(void)
{
	int p[2], s[2];
	char c;

	pair(s);
	is_int(lwkt_recv_timo(s[0], &c, 1, 0, 5 * MS), -ETIMEDOUT,
	    "the library has waited on a socket");
	if (pipe(p) != 0 || dup2(p[0], s[0]) != s[0])
		abort();
	is_int(lwkt_recv_timo(s[0], &c, 1, 0, 10000 * MS), -ENOTSOCK,
	    "which is a pipe now, without a word to the library");
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(s[i]);
	}
}

/* More calls than carriers, none of which ends by itself. */
static void
many_opens(const char *fifo)
{
	static struct lwkt_sysmsg sm[40];
	int canceled = 0, fd;

	for (int i = 0; i < 40; i++) {
		lwkt_sysmsg_openat(&sm[i], lwkt_curport(), AT_FDCWD, fifo,
		    O_RDONLY, 0);
		lwkt_sendsys(&sm[i]);
	}
	let_others_wait();
	for (int i = 0; i < 40; i++)
		lwkt_abortmsg(&sm[i].sm_msg);
	fd = lwkt_open("/", O_RDONLY, 0);
	for (int i = 0; i < 40; i++)
		canceled += lwkt_waitmsg(&sm[i].sm_msg, 0) == ECANCELED;
	is_int(canceled, 40, "forty opens are aborted");
	ok(fd >= 0, "and another call is served meanwhile");
	lwkt_close(fd);
}

static void
aborts(void)
{
	struct lwkt_sysmsg sm;
	char buf[8], path[] = "/tmp/lwkt-io-XXXXXX", name[64];

	pair(fds);
	lwkt_sysmsg_recv(&sm, lwkt_curport(), fds[0], buf, 8, 0);
	lwkt_sendsys(&sm);
	is_int(lwkt_checkmsg(&sm.sm_msg), 0, "a receive is under way");
	lwkt_abortmsg(&sm.sm_msg);
	is_int(lwkt_waitmsg(&sm.sm_msg, 0), ECANCELED, "aborted");
	is_int(sm.sm_result, -ECANCELED, "says its result");
	lwkt_abortmsg(&sm.sm_msg);
	ok(1, "aborting what is done does nothing");
	lwkt_send(fds[1], "abc", 3, 0);
	is_int(lwkt_recv(fds[0], buf, 8, 0), 3, "nothing was taken");
	lwkt_close(fds[0]);
	lwkt_close(fds[1]);

	/* A call that no readiness ends, in the hands of the host. */
	if (mkdtemp(path) == NULL)
		abort();
	snprintf(name, sizeof(name), "%s/fifo", path);
	mkfifo(name, 0600);
	lwkt_sysmsg_openat(&sm, lwkt_curport(), AT_FDCWD, name, O_RDONLY, 0);
	lwkt_sendsys(&sm);
	let_others_wait();
	is_int(lwkt_checkmsg(&sm.sm_msg), 0, "a FIFO's open waits");
	lwkt_abortmsg(&sm.sm_msg);
	is_int(lwkt_waitmsg(&sm.sm_msg, 0), ECANCELED, "and is aborted");
	sm.sm_timeout_ns = 10 * MS;
	lwkt_sendsys(&sm);
	is_int(lwkt_waitmsg(&sm.sm_msg, 0), ETIMEDOUT, "or times out");
	many_opens(name);
	unlink(name);
	rmdir(path);
}

static int
test(void *arg)
{
	(void)arg;
	iotest_backend();
	close_under_waiters();
	close_listener();
	time_limits();
	number_comes_back();
	number_refuses();
	aborts();
	return 0;
}

int
main(void)
{
	return iotest_run(test, 2);
}
