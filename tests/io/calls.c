/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every blocking call does what its POSIX namesake does.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "iotest.h"

static char dir[] = "/tmp/lwkt-io-XXXXXX";
static char path[64];

struct peer {
	int	p_fd;
	int	p_mode;
};

static void
write_later(void *arg)
{
	struct peer *p = arg;

	let_others_wait();
	(void)lwkt_write(p->p_fd, "hello", 5);
}

static void
sockets(void)
{
	char buf[32];
	struct peer p;
	lwkt_thread_t td;
	int fd[2];

	pair(fd);
	p.p_fd = fd[1];
	td = spawn(write_later, &p, lwkt_ncpus() - 1);
	is_int(lwkt_recv(fd[0], buf, sizeof(buf), 0), 5,
	    "recv waits for data of another thread");
	ok(memcmp(buf, "hello", 5) == 0, "and it is what was written");
	lwkt_join(td);
	td = spawn(write_later, &p, 0);
	is_int(lwkt_read(fd[0], buf, sizeof(buf)), 5, "so does read");
	lwkt_join(td);
	is_int(lwkt_recv(fd[0], buf, sizeof(buf), MSG_DONTWAIT), -EAGAIN,
	    "MSG_DONTWAIT does not wait");
	is_int(lwkt_send(fd[1], "abcdef", 6, 0), 6, "send");
	is_int(lwkt_recv(fd[0], buf, 3, MSG_PEEK), 3, "MSG_PEEK");
	is_int(lwkt_recv(fd[0], buf, 3, 0), 3, "a short buffer");
	is_int(lwkt_recv(fd[0], buf, sizeof(buf), 0), 3, "the rest");
	is_int(lwkt_close(fd[1]), 0, "close");
	is_int(lwkt_recv(fd[0], buf, sizeof(buf), 0), 0, "end of file");
	is_int(lwkt_send(fd[0], "x", 1, 0), -EPIPE, "EPIPE, and no signal");
	is_int(lwkt_write(fd[0], "x", 1), -EPIPE, "the same of write");
	is_int(lwkt_close(fd[0]), 0, "close the other end");
	is_int(lwkt_close(fd[0]), -EBADF, "close twice");
	is_int(lwkt_close(-1), -EBADF, "close of -1");
	is_int(lwkt_recv(fd[0], buf, 1, 0), -EBADF, "recv of a closed one");
	is_int(lwkt_read(-1, buf, 1), -EBADF, "read of -1");
	is_int(lwkt_send(9999999, buf, 1, 0), -EBADF, "send to 9999999");
}

static void
waitall(void *arg)
{
	struct peer *p = arg;

	for (int i = 0; i < 4; i++) {
		let_others_wait();
		(void)lwkt_send(p->p_fd, "0123456789", 10, 0);
	}
}

static void
whole_transfers(void)
{
	char buf[40];
	struct peer p;
	lwkt_thread_t td;
	int fd[2];

	pair(fd);
	p.p_fd = fd[1];
	td = spawn(waitall, &p, 0);
	is_int(lwkt_recv(fd[0], buf, 40, MSG_WAITALL), 40,
	    "MSG_WAITALL waits for all of it");
	lwkt_join(td);
	lwkt_close(fd[1]);
	lwkt_close(fd[0]);
}

/* One end sends 8 MB in a single call, the other takes it in pieces. */
#define BIG	(8u << 20)
static unsigned char *big_out;

static void
send_big(void *arg)
{
	struct peer *p = arg;

	is_int(p->p_mode ? lwkt_write(p->p_fd, big_out, BIG) :
	    lwkt_send(p->p_fd, big_out, BIG, 0), BIG,
	    "one call sends it whole");
}

static void
big_transfer(int fd_out, int fd_in, int mode, const char *what)
{
	unsigned char *in = malloc(BIG);
	struct peer p = { fd_out, mode };
	lwkt_thread_t td;
	size_t got = 0;
	ssize_t n = 0;

	for (size_t i = 0; i < BIG; i++)
		big_out[i] = (unsigned char)(i * 31 + (i >> 12));
	td = spawn(send_big, &p, lwkt_ncpus() - 1);
	while (got < BIG && (n = lwkt_read(fd_in, in + got, BIG - got)) > 0)
		got += (size_t)n;
	lwkt_join(td);
	is_int(got, BIG, "8 MB through a %s", what);
	ok(memcmp(in, big_out, BIG) == 0, "unchanged");
	free(in);
}

static void
pipes(void)
{
	char buf[16];
	struct peer p;
	lwkt_thread_t td;
	int fd[2];

	if (pipe(fd) != 0)
		abort();
	p.p_fd = fd[1];
	td = spawn(write_later, &p, lwkt_ncpus() - 1);
	is_int(lwkt_read(fd[0], buf, sizeof(buf)), 5, "read of a pipe waits");
	lwkt_join(td);
	big_transfer(fd[1], fd[0], 1, "pipe");
	is_int(lwkt_recv(fd[0], buf, 1, 0), -ENOTSOCK, "recv of a pipe");
	is_int(lwkt_close(fd[1]), 0, "close a pipe");
	is_int(lwkt_read(fd[0], buf, 1), 0, "its end of file");
	lwkt_close(fd[0]);
}

static void
terminals(void)
{
	char buf[64];
	struct peer p;
	lwkt_thread_t td;
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;

	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
		skip("no pseudo terminals here");
		return;
	}
	slave = lwkt_open(ptsname(master), O_RDWR | O_NOCTTY, 0);
	ok(slave >= 0, "open a terminal");
	p.p_fd = slave;
	td = spawn(write_later, &p, 0);
	is_int(lwkt_read(master, buf, sizeof(buf)), 5,
	    "read of a terminal waits");
	lwkt_join(td);
	is_int(lwkt_read_timo(slave, buf, 1, 20 * MS), -ETIMEDOUT,
	    "or times out, and the CPU goes on");
	lwkt_close(slave);
	lwkt_close(master);
}

static void
connecting(void *arg)
{
	struct sockaddr_in *sin = arg;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char buf[8];

	let_others_wait();
	is_int(lwkt_connect(fd, (struct sockaddr *)sin, sizeof(*sin)), 0,
	    "connect");
	is_int(lwkt_send(fd, "ping", 4, 0), 4, "send over TCP");
	is_int(lwkt_recv(fd, buf, 8, 0), 4, "recv over TCP");
	is_int(shutdown(fd, SHUT_WR), 0, "shutdown");
	is_int(lwkt_recv(fd, buf, 8, 0), 4, "a half-closed peer still sends");
	is_int(lwkt_recv(fd, buf, 8, 0), 0, "till it closes");
	lwkt_close(fd);
}

static void
tcp(void)
{
	struct sockaddr_in sin, from;
	socklen_t len = sizeof(from);
	char buf[8];
	lwkt_thread_t td;
	int lfd = listener(&sin), fd, c;

	td = spawn(connecting, &sin, lwkt_ncpus() - 1);
	fd = lwkt_accept(lfd, (struct sockaddr *)&from, &len);
	ok(fd >= 0, "accept waits for a connection");
	ok(from.sin_family == AF_INET && len == sizeof(from), "its address");
	is_int(fcntl(fd, F_GETFL) & O_NONBLOCK, 0,
	    "the accepted socket is a plain one");
	is_int(lwkt_recv(fd, buf, 8, 0), 4, "four bytes arrive");
	is_int(lwkt_send(fd, "pong", 4, 0), 4, "and go back");
	is_int(lwkt_recv(fd, buf, 8, 0), 0, "the peer closed its half");
	is_int(lwkt_send(fd, "more", 4, 0), 4, "ours is still open");
	lwkt_close(fd);
	lwkt_join(td);
	is_int(lwkt_accept_timo(lfd, NULL, NULL, 10 * MS), -ETIMEDOUT,
	    "accept times out");
	lwkt_close(lfd);
	c = socket(AF_INET, SOCK_STREAM, 0);
	is_int(lwkt_connect(c, (struct sockaddr *)&sin, sizeof(sin)),
	    -ECONNREFUSED, "nobody listens");
	is_int(fcntl(c, F_GETFL) & O_NONBLOCK, 0,
	    "connect leaves the socket as it was");
	lfd = listener(&sin);
	is_int(lwkt_connect(c, (struct sockaddr *)&sin, sizeof(sin)), 0,
	    "and the same socket connects elsewhere");
	is_int(lwkt_connect(c, (struct sockaddr *)&sin, sizeof(sin)),
	    -EISCONN, "once");
	lwkt_close(c);
	lwkt_close(lfd);
}

static void
urgent_later(void *arg)
{
	struct peer *p = arg;

	let_others_wait();
	(void)lwkt_send(p->p_fd, "n", 1, 0);
	let_others_wait();
	(void)lwkt_send(p->p_fd, "!", 1, MSG_OOB);
}

static void
urgent(void)
{
	struct sockaddr_in sin;
	struct peer p;
	lwkt_thread_t td;
	int lfd = listener(&sin), c = socket(AF_INET, SOCK_STREAM, 0);

	is_int(lwkt_connect(c, (struct sockaddr *)&sin, sizeof(sin)), 0,
	    "connect");
	p.p_fd = lwkt_accept(lfd, NULL, NULL);
	td = spawn(urgent_later, &p, lwkt_ncpus() - 1);
	is_int(lwkt_poll(c, POLLPRI, 20000 * MS), POLLPRI,
	    "poll waits for urgent data alone");
	lwkt_join(td);
	lwkt_close(c);
	lwkt_close(p.p_fd);
	lwkt_close(lfd);
}

/* Receives that wait, longer than the host takes at once. */
static void
long_receives(void)
{
	static const size_t lens[] = { 0x7ffff000, 0x7fffffff, 0x80000000,
	    3ul << 30, 1ul << 32 };
	size_t size = (1ul << 32) + 4096;
	char *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
	    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct peer p;
	lwkt_thread_t td;
	int fd[2];

	if (m == MAP_FAILED) {
		skip("no room for 4 GiB");
		return;
	}
	for (int i = 0; i < 5; i++) {
		pair(fd);
		p.p_fd = fd[1];
		td = spawn(write_later, &p, 0);
		is_int(lwkt_recv(fd[0], m, lens[i], 0), 5,
		    "recv of %#zx bytes waits for the first", lens[i]);
		lwkt_join(td);
		lwkt_close(fd[0]);
		lwkt_close(fd[1]);
	}
	munmap(m, size);
}

static void
packets_later(void *arg)
{
	struct peer *p = arg;

	for (int i = 0; i < 2; i++) {
		let_others_wait();
		(void)lwkt_send(p->p_fd, "abc", 3, 0);
	}
}

/* Messages are not joined, whoever waits for them. */
static void
packets(void)
{
	static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
	struct peer p;
	lwkt_thread_t td;
	char buf[8];
	int fd[2];

	for (int i = 0; i < 2; i++) {
		if (socketpair(AF_UNIX, types[i], 0, fd) != 0)
			abort();
		p.p_fd = fd[1];
		td = spawn(packets_later, &p, 0);
		is_int(lwkt_recv(fd[0], buf, 8, MSG_WAITALL), 3,
		    "MSG_WAITALL waits for one message");
		is_int(lwkt_read(fd[0], buf, 8), 3, "read for the other");
		lwkt_join(td);
		lwkt_close(fd[0]);
		lwkt_close(fd[1]);
	}
}

static void
files(void)
{
	static char page[8192];
	char buf[16];
	struct stat st;
	int fd, dfd;

	snprintf(path, sizeof(path), "%s/f", dir);
	is_int(lwkt_open(path, O_RDONLY, 0), -ENOENT, "open what is not");
	fd = lwkt_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	ok(fd >= 0, "create a file");
	is_int(lwkt_write(fd, "0123456789", 10), 10, "write");
	is_int(lwkt_pwrite(fd, "ab", 2, 4), 2, "pwrite");
	is_int(lwkt_fsync(fd), 0, "fsync");
	is_int(lwkt_pread(fd, buf, 16, 2), 8, "pread to the end");
	ok(memcmp(buf, "23ab6789", 8) == 0, "reads what was written");
	is_int(lwkt_read(fd, buf, 16), 0, "the file's own offset is behind");
	is_int(lseek(fd, 0, SEEK_SET), 0, "seek");
	is_int(lwkt_read(fd, buf, 4), 4, "read moves it");
	is_int(lwkt_read(fd, buf, 4), 4, "and moves it again");
	ok(memcmp(buf, "ab67", 4) == 0, "from where it was");
	is_int(lwkt_pread(fd, buf, 1, -1), -EINVAL, "no negative offsets");
	memset(page, 'p', sizeof(page));
	is_int(lwkt_pwrite(fd, page, sizeof(page), 1 << 20), sizeof(page),
	    "write behind a hole");
	is_int(lwkt_close(fd), 0, "close");
	ok(stat(path, &st) == 0 && st.st_size == (1 << 20) + 8192,
	    "its size is right");
	dfd = lwkt_open(dir, O_RDONLY | O_DIRECTORY, 0);
	fd = lwkt_openat(dfd, "f", O_RDONLY, 0);
	ok(fd >= 0, "openat");
	is_int(lwkt_write(fd, "x", 1), -EBADF, "not open for writing");
	is_int(lwkt_read(dfd, buf, 1), -EISDIR, "read of a directory");
	is_int(lwkt_fsync(dfd), 0, "fsync of a directory");
	lwkt_close(fd);
	lwkt_close(dfd);
	unlink(path);
}

static void
polling(void)
{
	struct peer p;
	lwkt_thread_t td;
	char buf[8];
	int fd[2];

	pair(fd);
	is_int(lwkt_poll(fd[0], POLLIN, 0), 0, "nothing to read");
	is_int(lwkt_poll(fd[0], POLLIN | POLLOUT, LWKT_FOREVER), POLLOUT,
	    "room to write");
	is_int(lwkt_poll(fd[0], POLLIN, 5 * MS), 0, "poll times out with 0");
	p.p_fd = fd[1];
	td = spawn(write_later, &p, 0);
	is_int(lwkt_poll(fd[0], POLLIN, LWKT_FOREVER), POLLIN,
	    "poll waits for data");
	lwkt_join(td);
	is_int(lwkt_recv(fd[0], buf, 8, 0), 5, "and does not take it");
	is_int(lwkt_poll(fd[0], POLLIN, 0), 0, "empty again");
	lwkt_close(fd[1]);
	ok(lwkt_poll(fd[0], POLLIN, LWKT_FOREVER) & POLLHUP, "hang-up");
	lwkt_close(fd[0]);
	is_int(lwkt_poll(fd[0], POLLIN, 0), -EBADF, "poll of a closed one");
}

/* A FIFO's open waits for its peer, and the CPU does not. */
static void
open_reader(void *arg)
{
	int fd = lwkt_open(path, O_RDONLY, 0);
	char buf[8];

	(void)arg;
	ok(fd >= 0, "open a FIFO for reading");
	is_int(lwkt_read(fd, buf, 8), 5, "read it");
	lwkt_close(fd);
}

static void
fifos(void)
{
	lwkt_thread_t td;
	int fd;

	snprintf(path, sizeof(path), "%s/fifo", dir);
	if (mkfifo(path, 0600) != 0)
		abort();
	td = spawn(open_reader, NULL, 0);
	let_others_wait();
	fd = lwkt_open(path, O_WRONLY, 0);
	ok(fd >= 0, "open a FIFO for writing");
	is_int(lwkt_write(fd, "hello", 5), 5, "write it");
	lwkt_join(td);
	lwkt_close(fd);
	unlink(path);
}

static int
test(void *arg)
{
	int fd[2];

	(void)arg;
	iotest_backend();
	big_out = malloc(BIG);
	sockets();
	whole_transfers();
	pair(fd);
	big_transfer(fd[0], fd[1], 0, "socket");
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	big_transfer(fd[1], fd[0], 0, "non-blocking socket");
	lwkt_close(fd[0]);
	lwkt_close(fd[1]);
	pipes();
	terminals();
	tcp();
	urgent();
	packets();
	long_receives();
	files();
	polling();
	fifos();
	free(big_out);
	return 0;
}

int
main(void)
{
	int status;

	if (mkdtemp(dir) == NULL)
		return 1;
	status = iotest_run(test, 2);
	rmdir(dir);
	return status;
}
