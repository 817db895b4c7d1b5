/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O under every schedule: completions, time limits, aborts and closes race,
 * on one CPU and between CPUs, and no byte, reply or wake-up is lost.
 *
 * The same bodies run on the host's own sockets and on the model's.
 */
#include "core/util.h"

#include <fcntl.h>
#include <lwkt/io.h>
#include <lwkt/sysmsg.h>
#include <sys/socket.h>

#ifdef LWKT_HOST_SIM
#include <netinet/in.h>

#include "machine/sim/sim_io.h"
#define make_pair(fd)	sim_socketpair(fd)
#else
#define make_pair(fd)	socketpair(AF_UNIX, SOCK_STREAM, 0, (fd))
#endif

#define US		((int64_t)1000)
#define MAXT		8

struct stream {
	int		s_fd[2];
	unsigned	s_bytes;	/* to be sent */
	unsigned	s_got;
	unsigned	s_wrong;
	unsigned	s_timeouts;
	int		s_error;	/* of the reader, at the end */
};

static unsigned char
pattern(unsigned i)
{
	return (unsigned char)(i * 7 + (i >> 5));
}

static void
stream_send(void *arg)
{
	struct stream *s = arg;
	unsigned char buf[96];
	unsigned done = 0, n;
	ssize_t r;

	while (done < s->s_bytes) {
		n = s->s_bytes - done < sizeof(buf) ? s->s_bytes - done :
		    sizeof(buf);
		for (unsigned i = 0; i < n; i++)
			buf[i] = pattern(done + i);
		r = lwkt_send(s->s_fd[1], buf, n, 0);
		check(r == (ssize_t)n, "send of %u: %zd", n, r);
		if (r <= 0)
			break;
		done += (unsigned)r;
		if (done % 3 == 0)
			(void)lwkt_sleep_ns(done * 37 % 5000);
	}
	check(lwkt_close(s->s_fd[1]) == 0, "close of the sending end");
}

/* Read to the end, with a time limit that races with the data. */
static void
stream_recv(void *arg)
{
	struct stream *s = arg;
	unsigned char buf[40];
	ssize_t r;

	for (unsigned turn = 0;; turn++) {
		r = lwkt_recv_timo(s->s_fd[0], buf, sizeof(buf), 0,
		    turn % 3 == 2 ? LWKT_FOREVER : (turn * 977 % 20000) + 1);
		if (r == -ETIMEDOUT) {
			s->s_timeouts++;
			continue;
		}
		if (r <= 0)
			break;
		for (ssize_t i = 0; i < r; i++)
			s->s_wrong += buf[i] != pattern(s->s_got++);
	}
	s->s_error = (int)r;
}

static int
streams_lose_nothing(void *arg)
{
	struct stream s[3];
	lwkt_thread_t td[6];

	(void)arg;
	memset(s, 0, sizeof(s));
	for (int i = 0; i < 3; i++) {
		s[i].s_bytes = 200 + 50 * (unsigned)i;
		(void)make_pair(s[i].s_fd);
		td[2 * i] = spawn_on(i, stream_recv, &s[i]);
		td[2 * i + 1] = spawn_on(i + 1, stream_send, &s[i]);
	}
	join_all(td, 6);
	for (int i = 0; i < 3; i++) {
		check(s[i].s_error == 0, "end of stream: %d", s[i].s_error);
		check(s[i].s_got == s[i].s_bytes, "got %u of %u", s[i].s_got,
		    s[i].s_bytes);
		check(s[i].s_wrong == 0, "%u bytes differ", s[i].s_wrong);
		lwkt_close(s[i].s_fd[0]);
	}
	return 0;
}

/* A descriptor on which several CPUs wait is closed; its number comes back. */
static int shared_fd;
static uint32_t waiters_ended, waiters_wrong;

static void
wait_for_data(void *arg)
{
	char c;
	ssize_t r;

	r = arg != NULL ? lwkt_recv_timo(shared_fd, &c, 1, 0, 1000000 * US) :
	    lwkt_recv(shared_fd, &c, 1, 0);
	if (r != -ECANCELED && r != -EBADF)
		atomic_fetchadd_32(&waiters_wrong, 1);
	atomic_fetchadd_32(&waiters_ended, 1);
}

/* arg: wait until all wait, and use the number again at once. */
static int
close_ends_waiters(void *arg)
{
	int64_t waits = counter("lwkt.io.waits");
	int n = 2 + lwkt_ncpus() > MAXT ? MAXT : 2 + lwkt_ncpus(), old[2];
	lwkt_thread_t td[MAXT], reader;
	struct stream s;

	memset(&s, 0, sizeof(s));
	waiters_ended = waiters_wrong = 0;
	(void)make_pair(old);
	shared_fd = old[0];
	for (int i = 0; i < n; i++)
		td[i] = spawn_on(i, wait_for_data, i & 1 ? &s : NULL);
	for (unsigned turn = 0; arg != NULL &&
	    counter("lwkt.io.waits") < waits + n; turn++) {
		lwkt_yield();		/* no poll in between */
		machine_pause(turn);
	}
	check(lwkt_close(old[0]) == 0, "close under %d waiters", n);
	if (arg == NULL)
		join_all(td, n);
	(void)make_pair(s.s_fd);
	s.s_bytes = 100;
	reader = spawn_on(1, stream_recv, &s);
	stream_send(&s);
	join(reader);
	check(s.s_got == 100 && s.s_wrong == 0, "%u bytes, %u wrong",
	    s.s_got, s.s_wrong);
	if (arg != NULL)
		join_all(td, n);
	check(waiters_wrong == 0, "%u waiters ended otherwise",
	    waiters_wrong);
	lwkt_close(s.s_fd[0]);
	lwkt_close(old[1]);
	return 0;
}

/* Two threads close the same descriptor: one of them does. */
static int close_results[2];

static void
close_it(void *arg)
{
	close_results[(intptr_t)arg] = lwkt_close(shared_fd);
}

static int
one_of_two_closes(void *arg)
{
	lwkt_thread_t td[3];
	int fd[2];

	(void)arg;
	waiters_wrong = 0;
	(void)make_pair(fd);
	shared_fd = fd[0];
	td[2] = spawn_on(0, wait_for_data, NULL);
	td[0] = spawn_on(1, close_it, (void *)0);
	td[1] = spawn_on(2, close_it, (void *)1);
	join_all(td, 3);
	check(close_results[0] + close_results[1] == -EBADF,
	    "closes said %d and %d", close_results[0], close_results[1]);
	check(waiters_wrong == 0, "the waiter ended otherwise");
	lwkt_close(fd[1]);
	return 0;
}

/*
 * An asynchronous receive with a reply port on another CPU, aborted there
 * while data may be arriving: one reply, and the byte is with one of the two.
 */
struct async {
	struct lwkt_sysmsg a_sm;
	lwkt_port_t	a_port;
	int		a_fd;
	uint32_t	a_sent;
	char		a_byte;
};

static void
async_start(void *arg)
{
	struct async *a = arg;

	lwkt_sysmsg_recv(&a->a_sm, a->a_port, a->a_fd, &a->a_byte, 1, 0);
	atomic_store_rel_32(&a->a_sent, 1);	/* pairs: abort_races */
	lwkt_sendsys(&a->a_sm);
}

static void
send_byte(void *arg)
{
	check(lwkt_send((int)(intptr_t)arg, "x", 1, 0) == 1, "send a byte");
}

static int
abort_races(void *arg)
{
	lwkt_thread_t td[2];
	struct async a;
	int fd[2];
	int64_t r;
	char c;

	(void)arg;
	memset(&a, 0, sizeof(a));
	(void)make_pair(fd);
	a.a_port = lwkt_curport();
	a.a_fd = fd[0];
	td[0] = spawn_on(1, async_start, &a);
	td[1] = spawn_on(2, send_byte, (void *)(intptr_t)fd[1]);
	while (!atomic_load_acq_32(&a.a_sent))	/* pairs: async_start */
		(void)lwkt_sleep_ns(US);
	join(td[0]);
	lwkt_abortmsg(&a.a_sm.sm_msg);
	check(lwkt_waitport(a.a_port, 0) == &a.a_sm, "the reply");
	r = a.a_sm.sm_result;
	check(r == 1 || r == -ECANCELED, "result %lld", (long long)r);
	check(a.a_sm.sm_msg.ms_error == (r < 0 ? ECANCELED : 0),
	    "error %d", a.a_sm.sm_msg.ms_error);
	/* The message is ours: a late abort must not meet its next use. */
	lwkt_sysmsg_sleep(&a.a_sm, a.a_port, 5 * US);
	check(lwkt_dosys(&a.a_sm) == 0, "the message's next use: %lld",
	    (long long)a.a_sm.sm_result);
	join(td[1]);
	check(lwkt_recv_timo(fd[0], &c, 1, 0, 1000000 * US) ==
	    (r == 1 ? -ETIMEDOUT : 1), "the byte is there once");
	lwkt_close(fd[0]);
	lwkt_close(fd[1]);
	return 0;
}

/* Sleeps as messages: all replies come, the aborted one early. */
static int
sleeps_end(void *arg)
{
	struct lwkt_sysmsg sm[4], *got;
	int64_t begin = lwkt_time_ns();
	int canceled = 0;

	(void)arg;
	for (int i = 0; i < 4; i++) {
		lwkt_sysmsg_sleep(&sm[i], lwkt_curport(),
		    i == 3 ? 3600000000 * US : i * 20 * US);
		lwkt_sendsys(&sm[i]);
	}
	lwkt_abortmsg(&sm[3].sm_msg);
	for (int i = 0; i < 4; i++) {
		got = lwkt_waitport(lwkt_curport(), 0);
		canceled += got->sm_result == -ECANCELED;
		check(got->sm_result == 0 || got == &sm[3], "result %lld",
		    (long long)got->sm_result);
	}
	check(canceled == 1, "%d canceled", canceled);
	check(lwkt_time_ns() - begin >= 40 * US, "the longest took its time");
	return 0;
}

#ifdef LWKT_HOST_SIM
/* The host fails now and then: calls say so, and none hangs. */
static int
failing_streams(void *arg)
{
	struct stream s;
	unsigned char c[40];
	ssize_t r;

	(void)arg;
	(void)make_pair(s.s_fd);
	r = lwkt_send(s.s_fd[1], "0123456789", 10, 0);
	check((r > 0 && r <= 10) || r == -ECONNRESET, "send: %zd", r);
	r = lwkt_recv_timo(s.s_fd[0], c, sizeof(c), MSG_WAITALL, 100 * US);
	check(r == 10 || r == -ECONNRESET || r == -ETIMEDOUT ||
	    (r > 0 && r < 10), "recv: %zd", r);
	lwkt_close(s.s_fd[0]);
	lwkt_close(s.s_fd[1]);
	return 0;
}

/* Connections, files and children of the model. */
static void
client(void *arg)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(7) };
	unsigned char c = (unsigned char)(intptr_t)arg;
	int fd = sim_socket();

	check(lwkt_connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0,
	    "connect");
	check(lwkt_send(fd, &c, 1, 0) == 1 && lwkt_recv(fd, &c, 1, 0) == 1 &&
	    c == (unsigned char)((intptr_t)arg + 1), "answered %u", c);
	lwkt_close(fd);
}

/* The model has no more descriptors: again and again, and nothing is lost. */
static int
no_descriptors(void *arg)
{
	int fd[SIM_IO_FDS], n = 0, i;

	(void)arg;
	while ((fd[n] = sim_socket()) >= 0)
		n++;
	check(fd[n] == -EMFILE, "error %d", fd[n]);
	for (i = 0; i < 4 * SIM_IO_FDS; i++) {
		check(sim_socket() == -EMFILE, "a socket");
		check(sim_listen(9) == -EMFILE, "a listener");
		check(lwkt_open("f", O_CREAT | O_RDWR, 0600) == -EMFILE,
		    "a file");
	}
	while (n > 0)
		lwkt_close(fd[--n]);
	return 0;
}

static void
serve(void *arg)
{
	int lfd = (int)(intptr_t)arg, fd;
	unsigned char c;

	while ((fd = lwkt_accept(lfd, NULL, NULL)) >= 0) {
		check(lwkt_recv(fd, &c, 1, 0) == 1, "a request");
		c++;
		check(lwkt_send(fd, &c, 1, 0) == 1, "an answer");
		lwkt_close(fd);
	}
	check(fd == -ECANCELED || fd == -EBADF, "accept ended by %d", fd);
}

static int
connections(void *arg)
{
	int before = sim_open_fds(), lfd = sim_listen(7);
	lwkt_thread_t td[MAXT];

	(void)arg;
	for (int i = 0; i < 2; i++)
		td[i] = spawn_on(i, serve, (void *)(intptr_t)lfd);
	for (int i = 2; i < MAXT; i++)
		td[i] = spawn_on(i, client, (void *)(intptr_t)i);
	join_all(td + 2, MAXT - 2);
	check(lwkt_close(lfd) == 0, "close the listener");
	join_all(td, 2);
	check(sim_open_fds() == before, "%d descriptors stay", sim_open_fds());
	return 0;
}

static int
files_and_children(void *arg)
{
	int fd = lwkt_open("f", O_RDWR | O_CREAT, 0600), status = 0;
	pid_t pid[2] = { sim_child(256, 100 * US), sim_child(512, 10 * US) };
	char buf[16];

	(void)arg;
	check(fd >= 0, "open: %d", fd);
	check(lwkt_write(fd, "0123456789", 10) == 10, "write");
	check(lwkt_pwrite(fd, "ab", 2, 4) == 2, "pwrite");
	check(lwkt_fsync(fd) == 0, "fsync");
	check(lwkt_pread(fd, buf, 16, 3) == 7, "pread");
	check(memcmp(buf, "3ab6789", 7) == 0, "what was written");
	check(lwkt_close(fd) == 0 && lwkt_close(fd) == -EBADF, "close");
	check(lwkt_open("g", O_RDWR, 0) == -ENOENT, "no such file");
	check(lwkt_waitpid(pid[0], &status, 0) == pid[0] && status == 256,
	    "the first child: %d", status);
	check(lwkt_waitpid(-1, &status, 0) == pid[1] && status == 512,
	    "any child: %d", status);
	check(lwkt_waitpid(-1, &status, 0) == -ECHILD, "no child left");
	return 0;
}

static int
too_many_children(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 65; i++)
		(void)sim_child(0, MS);
	return 0;
}
#endif

int
main(void)
{
#ifdef LWKT_HOST_SIM
	const struct sim_scenario failing = {
		.ss_name = "calls of a failing host return",
		.ss_body = failing_streams, .ss_seeds = 100, .ss_faults = 1,
	};
#endif

#ifdef LWKT_HOST_SIM
	panics("more children than the model has room for",
	    too_many_children, "more than 64 children");
#endif
	sim_explore("streams lose nothing to time limits",
	    streams_lose_nothing, NULL, 60);
	/* TSan knows descriptors of the host, and that this is a race. */
	if (!LWKT_TSAN || TIMES(0, 1))
		sim_explore("close races with waiters on every CPU",
		    close_ends_waiters, NULL, 100);
	sim_explore("a number used again is not the waiters'",
	    close_ends_waiters, &shared_fd, 100);
	if (!LWKT_TSAN || TIMES(0, 1))
		sim_explore("one of two closes wins", one_of_two_closes, NULL,
		    150);
	sim_explore("an abort races with its completion", abort_races, NULL,
	    150);
	sim_explore("sleeps as messages", sleeps_end, NULL, 100);
#ifdef LWKT_HOST_SIM
	sim_explore_with(&failing);
	sim_explore("connections", connections, NULL, 60);
	sim_explore("no descriptors", no_descriptors, NULL, 5);
	sim_explore("files and children", files_and_children, NULL, 100);
#endif
	return tap_done();
}
