/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One descriptor of each kind, each in each state that matters to a call.
 */
#include "io/subjects.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#include "io/iotest.h"

static char dir[] = "/tmp/lwkt-kinds-XXXXXX";
static int full_disk;			/* there is a small file system */

const char *
subject_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

int
must(int r, const char *what)
{
	if (r < 0) {
		diag("%s: %s", what, strerror(errno));
		abort();
	}
	return r;
}

static void
put(int fd, const char *s)
{
	must((int)write(fd, s, strlen(s)), "write");
}

static int
file_with(int oflags, off_t pos, const char *name)
{
	int fd = must(open(subject_path(name), O_RDWR | O_CREAT | O_TRUNC,
	    0600), name);

	put(fd, "0123456789abcdef");
	close(fd);
	fd = must(open(subject_path(name), oflags), name);
	(void)lseek(fd, pos, SEEK_SET);
	return fd;
}

static void
file_rw(struct subject *s)
{
	s->fd = file_with(O_RDWR, 4, "f");
}

static void
file_ro(struct subject *s)
{
	s->fd = file_with(O_RDONLY, 0, "f");
}

static void
file_wo(struct subject *s)
{
	s->fd = file_with(O_WRONLY, 0, "f");
}

static void
file_end(struct subject *s)
{
	s->fd = file_with(O_RDWR, 16, "f");
}

static void
file_nb(struct subject *s)
{
	s->fd = file_with(O_RDWR | O_NONBLOCK, 4, "f");
}

static void
append(struct subject *s)
{
	s->fd = file_with(O_RDWR | O_APPEND, 2, "f");
}

static void
at_limit(struct subject *s)
{
	s->fd = file_with(O_RDWR, LIMIT - 5, "f");
}

static void
over_limit(struct subject *s)
{
	s->fd = file_with(O_RDWR, LIMIT, "f");
}

static void
opath(struct subject *s)
{
	s->fd = file_with(O_PATH, 0, "f");
}

/* All but a few bytes of the small file system are in use. */
static void
disk_full(struct subject *s)
{
	static char page[4096];
	int fd;

	if (!full_disk)
		return;
	unlink(subject_path("small/fill"));
	s->fd = must(open(subject_path("small/f"), O_RDWR | O_CREAT |
	    O_TRUNC, 0600), "f");
	put(s->fd, "0123456789abcdef");
	fd = must(open(subject_path("small/fill"), O_RDWR | O_CREAT, 0600),
	    "fill");
	while (write(fd, page, sizeof(page)) > 0)
		continue;
	close(fd);
	must((int)lseek(s->fd, 4096 - 5, SEEK_SET), "seek");
}

static void
memfd(struct subject *s)
{
	s->fd = must((int)syscall(SYS_memfd_create, "m", 0), "memfd");
	put(s->fd, "0123456789abcdef");
	lseek(s->fd, 3, SEEK_SET);
}

static void
directory(struct subject *s)
{
	s->fd = open(dir, O_RDONLY);
}

static void
closed(struct subject *s)
{
	s->fd = -1;
}

static void
never(struct subject *s)
{
	s->fd = 99999;
}

static void
null(struct subject *s)
{
	s->fd = open("/dev/null", O_RDWR);
}

static void
null_wo(struct subject *s)
{
	s->fd = open("/dev/null", O_WRONLY);
}

static void
zero(struct subject *s)
{
	s->fd = open("/dev/zero", O_RDWR);
}

static void
full(struct subject *s)
{
	s->fd = open("/dev/full", O_RDWR);
}

static void
proc_version(struct subject *s)
{
	s->fd = open("/proc/version", O_RDONLY);
}

static void
proc_mounts(struct subject *s)
{
	s->fd = open("/proc/self/mounts", O_RDONLY);
}

static void
proc_fs(struct subject *s)
{
	s->fd = open("/proc/filesystems", O_RDONLY);
}

static void
proc_dir(struct subject *s)
{
	s->fd = open("/proc/self", O_RDONLY);
}

static void
proc_set(struct subject *s)
{
	int fd = must(open("/proc/self/comm", O_WRONLY), "comm");

	put(fd, "kinds");
	close(fd);
	s->fd = open("/proc/self/comm", O_RDWR);
}

static void
sysfs(struct subject *s)
{
	s->fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);
}

static void
pipe_of(struct subject *s, int reads, int oflags, const char *data)
{
	int p[2];

	must(pipe2(p, oflags), "pipe");
	s->fd = p[!reads];
	s->peer = p[reads];
	if (data != NULL)
		put(p[1], data);
}

static void
pipe_in(struct subject *s)
{
	pipe_of(s, 1, 0, NULL);
}

static void
pipe_data(struct subject *s)
{
	pipe_of(s, 1, 0, "0123456789");
}

static void
pipe_nb(struct subject *s)
{
	pipe_of(s, 1, O_NONBLOCK, NULL);
}

static void
pipe_out(struct subject *s)
{
	pipe_of(s, 0, 0, NULL);
}

static void
hang_up(struct subject *s)
{
	close(s->peer);
	s->peer = -1;
}

static void
pipe_eof(struct subject *s)
{
	pipe_of(s, 1, 0, "01");
	hang_up(s);
}

static void
pipe_broken(struct subject *s)
{
	pipe_of(s, 0, 0, NULL);
	hang_up(s);
}

static void
pipe_full(struct subject *s)
{
	static char page[4096];

	pipe_of(s, 0, O_NONBLOCK, NULL);
	must(fcntl(s->fd, F_SETPIPE_SZ, 4096), "size");
	while (write(s->fd, page, sizeof(page)) > 0)
		continue;
	fcntl(s->fd, F_SETFL, 0);
}

static void
fifo(struct subject *s)
{
	unlink(subject_path("fifo"));
	must(mkfifo(subject_path("fifo"), 0600), "fifo");
	s->fd = must(open(subject_path("fifo"), O_RDONLY | O_NONBLOCK), "fifo");
	s->peer = must(open(subject_path("fifo"), O_WRONLY), "fifo");
	fcntl(s->fd, F_SETFL, 0);
}

static void
pair_of(struct subject *s, int type, const char *data)
{
	int p[2];

	must(socketpair(AF_UNIX, type, 0, p), "socketpair");
	s->fd = p[0];
	s->peer = p[1];
	if (data != NULL)
		must((int)send(p[1], data, strlen(data), 0), "send");
}

#define NB	SOCK_NONBLOCK

static void
stream(struct subject *s)
{
	pair_of(s, SOCK_STREAM, NULL);
}

static void
stream_data(struct subject *s)
{
	pair_of(s, SOCK_STREAM, "0123456789");
}

static void
stream_bit(struct subject *s)
{
	pair_of(s, SOCK_STREAM, "01");
}

static void
stream_nb(struct subject *s)
{
	pair_of(s, SOCK_STREAM | NB, NULL);
}

static void
dgram(struct subject *s)
{
	pair_of(s, SOCK_DGRAM, NULL);
}

static void
dgram_data(struct subject *s)
{
	pair_of(s, SOCK_DGRAM, "0123456789");
}

static void
dgram_bit(struct subject *s)
{
	pair_of(s, SOCK_DGRAM, "01");
}

static void
dgram_empty(struct subject *s)
{
	pair_of(s, SOCK_DGRAM, "");
}

static void
packet(struct subject *s)
{
	pair_of(s, SOCK_SEQPACKET, NULL);
}

static void
packet_bit(struct subject *s)
{
	pair_of(s, SOCK_SEQPACKET, "01");
}

/* Two messages: a call takes one of them. */
static void
dgram_two(struct subject *s)
{
	dgram_bit(s);
	must((int)send(s->peer, "abc", 3, 0), "send");
}

static void
packet_two(struct subject *s)
{
	packet_bit(s);
	must((int)send(s->peer, "abc", 3, 0), "send");
}

static void
stream_eof(struct subject *s)
{
	pair_of(s, SOCK_STREAM, "01");
	hang_up(s);
}

static void
stream_gone(struct subject *s)
{
	pair_of(s, SOCK_STREAM, NULL);
	hang_up(s);
}

static void
dgram_full(struct subject *s)
{
	pair_of(s, SOCK_DGRAM | NB, NULL);
	while (send(s->fd, "x", 1, 0) > 0)
		continue;
	fcntl(s->fd, F_SETFL, O_RDWR);
}

static void
connected(struct subject *s, int type, struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);

	s->fd = must(socket(AF_INET, type, 0), "socket");
	must(connect(s->fd, (struct sockaddr *)sin, len), "connect");
}

static void
tcp_pair(struct subject *s)
{
	struct sockaddr_in sin;
	int lfd = listener(&sin);

	connected(s, SOCK_STREAM, &sin);
	s->peer = must(accept(lfd, NULL, NULL), "accept");
	close(lfd);
}

static void
tcp_urgent(struct subject *s)
{
	tcp_pair(s);
	must((int)send(s->peer, "ab!", 3, MSG_OOB), "urgent");
	while (poll(&(struct pollfd){ s->fd, POLLPRI, 0 }, 1, -1) <= 0)
		continue;
}

static void
tcp_reset(struct subject *s)
{
	struct linger lg = { 1, 0 };

	tcp_pair(s);
	setsockopt(s->peer, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	hang_up(s);
	while (poll(&(struct pollfd){ s->fd, POLLIN, 0 }, 1, -1) <= 0)
		continue;
}

static void
udp(struct subject *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	s->peer = must(socket(AF_INET, SOCK_DGRAM, 0), "udp");
	must(bind(s->peer, (struct sockaddr *)&sin, len), "bind");
	getsockname(s->peer, (struct sockaddr *)&sin, &len);
	connected(s, SOCK_DGRAM, &sin);
}

static void
tcp_alone(struct subject *s)
{
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
}

static void
udp_alone(struct subject *s)
{
	s->fd = socket(AF_INET, SOCK_DGRAM, 0);
}

static void
unix_alone(struct subject *s)
{
	s->fd = socket(AF_UNIX, SOCK_STREAM, 0);
}

static void
listening(struct subject *s)
{
	struct sockaddr_in sin;

	s->fd = listener(&sin);
}

static void
listening_one(struct subject *s)
{
	struct subject c = { -1, -1 };
	struct sockaddr_in sin;

	s->fd = listener(&sin);
	connected(&c, SOCK_STREAM, &sin);
	s->peer = c.fd;
}

static void
terminal(struct subject *s, int slave, const char *to_slave, const char *back)
{
	int master = must(posix_openpt(O_RDWR | O_NOCTTY), "ptmx"), fd;
	struct termios tio;

	must(grantpt(master), "grantpt");
	must(unlockpt(master), "unlockpt");
	fd = must(open(ptsname(master), O_RDWR | O_NOCTTY), "pts");
	must(tcgetattr(fd, &tio), "tcgetattr");
	cfmakeraw(&tio);
	must(tcsetattr(fd, TCSANOW, &tio), "tcsetattr");
	if (to_slave != NULL) {
		put(master, to_slave);
		while (poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, -1) <= 0)
			continue;
	}
	if (back != NULL) {
		put(fd, back);
		while (poll(&(struct pollfd){ master, POLLIN, 0 }, 1, -1) <= 0)
			continue;
	}
	s->fd = slave ? fd : master;
	s->peer = slave ? master : fd;
}

static void
tty(struct subject *s)
{
	terminal(s, 1, NULL, NULL);
}

static void
tty_data(struct subject *s)
{
	terminal(s, 1, "0123456789", NULL);
}

static void
ptmx(struct subject *s)
{
	terminal(s, 0, NULL, NULL);
}

static void
ptmx_data(struct subject *s)
{
	terminal(s, 0, NULL, "0123456789");
}

static void
counter0(struct subject *s)
{
	s->fd = eventfd(0, 0);
}

static void
counter3(struct subject *s)
{
	s->fd = eventfd(3, 0);
}

static void
counter_nb(struct subject *s)
{
	s->fd = eventfd(0, EFD_NONBLOCK);
}

static void
semaphore(struct subject *s)
{
	s->fd = eventfd(3, EFD_SEMAPHORE);
}

static void
epollfd(struct subject *s)
{
	s->fd = epoll_create1(0);
}

static void
inotify(struct subject *s)
{
	s->fd = inotify_init1(0);
}

static void
timer(struct subject *s)
{
	s->fd = timerfd_create(CLOCK_MONOTONIC, 0);
}

static void
counter_max(struct subject *s)
{
	uint64_t most = UINT64_MAX - 1;

	s->fd = eventfd(0, 0);
	must((int)write(s->fd, &most, 8), "eventfd");
}

static void
timer_due(struct subject *s)
{
	struct itimerspec its = { .it_value.tv_nsec = 1 };

	timer(s);
	must(timerfd_settime(s->fd, 0, &its, NULL), "timerfd");
	while (poll(&(struct pollfd){ s->fd, POLLIN, 0 }, 1, -1) <= 0)
		continue;
}

static void
signals(struct subject *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	s->fd = signalfd(-1, &set, 0);
}

static void
pidfd(struct subject *s)
{
	s->fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
}

static void
inotify_due(struct subject *s)
{
	inotify(s);
	must(inotify_add_watch(s->fd, dir, IN_CREATE), "watch");
	close(must(open(subject_path("new"), O_CREAT | O_WRONLY, 0600), "new"));
	unlink(subject_path("new"));
}

#define K(name)		{ #name, name }
const struct subject_kind subject_kinds[] = {
	K(file_rw), K(file_ro), K(file_wo), K(file_end), K(file_nb), K(append),
	K(at_limit), K(over_limit), K(opath), K(disk_full), K(memfd),
	K(directory), K(closed), K(never), K(null), K(null_wo), K(zero),
	K(full), K(proc_version), K(proc_mounts), K(proc_fs), K(proc_dir),
	K(proc_set), K(sysfs), K(pipe_in), K(pipe_data), K(pipe_nb),
	K(pipe_out), K(pipe_eof), K(pipe_broken), K(pipe_full), K(fifo),
	K(stream), K(stream_data), K(stream_bit), K(stream_nb), K(dgram),
	K(dgram_data), K(dgram_bit), K(dgram_empty), K(dgram_two),
	K(dgram_full), K(packet), K(packet_bit), K(packet_two), K(stream_eof),
	K(stream_gone), K(tcp_pair), K(tcp_urgent), K(tcp_reset), K(udp),
	K(tcp_alone), K(udp_alone), K(unix_alone), K(listening),
	K(listening_one), K(tty), K(tty_data), K(ptmx), K(ptmx_data),
	K(counter0), K(counter3), K(counter_nb), K(counter_max), K(semaphore),
	K(epollfd), K(inotify), K(inotify_due), K(timer), K(timer_due),
	K(signals), K(pidfd),
};

const int subject_nkinds = (int)(sizeof(subject_kinds) /
    sizeof(subject_kinds[0]));

void
subject_prepare(void)
{
	struct rlimit rl = { LIMIT, RLIM_INFINITY };

	if (mkdtemp(dir) == NULL)
		abort();
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &rl);
	must(mkdir(subject_path("small"), 0700), "small");
	full_disk = unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", subject_path("small"), "tmpfs", 0, "size=32k") == 0;
	if (!full_disk)
		diag("no small file system: not permitted");
}

void
subject_clean(void)
{
	static const char *const names[] = { "f", "fifo", "new" };

	if (full_disk)
		umount(subject_path("small"));
	for (unsigned i = 0; i < 3; i++)
		unlink(subject_path(names[i]));
	rmdir(subject_path("small"));
	rmdir(dir);
}
