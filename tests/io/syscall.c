/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls by number on the real host: results are those of syscall(2),
 * errors too; a call that waits stops its thread only, whatever its way; and
 * more calls wait than there are cores.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <lwkt/syscall.h>
#include <lwkt/sysmsg.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "base/kassert.h"
#include "counter.h"
#include "io/iotest.h"

#define MANY		60
#define KEPT		77		/* an errno */
#define NOT_THERE	5000		/* no such call */
#define BAD		((void *)8)	/* an address that is not mapped */

static char dir[] = "/tmp/lwkt-syscall-XXXXXX";
static int file_fd, dir_fd, pipe_fd[2], sock_fd[2], epoll_fd, listen_fd;
static int quiet_fd[2];			/* a pipe with O_NONBLOCK, empty */

/* Both ways give the same result.  A doorbell of the CPU may end the first. */
static void
same(const char *what, const long *a)
{
	int64_t r, want;

	do {
		errno = 0;
		want = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
		want = want == -1 && errno != 0 ? -errno : want;
	} while (want == -EINTR);
	errno = KEPT;
	r = lwkt_syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
	if (!ok(r == want && errno == KEPT, "%s", what))
		diag("%ld, not %ld; errno %d", (long)r, (long)want, errno);
}

#define ARG(x)	((long)(x))
#define SAME(nr, a, b, c, d)						\
	same(#nr "(" #a ", " #b ", " #c ", " #d ")", (const long[7]){	\
	    (nr), ARG(a), ARG(b), ARG(c), ARG(d) })

static void
on_cpu(void)
{
	struct utsname uts;
	struct rlimit *lim = BAD;

	SAME(SYS_getpid, 0, 0, 0, 0);
	SAME(SYS_getppid, 0, 0, 0, 0);
	SAME(SYS_geteuid, 0, 0, 0, 0);
	SAME(SYS_gettid, 0, 0, 0, 0);
	SAME(SYS_uname, &uts, 0, 0, 0);
	ok(strcmp(uts.sysname, "Linux") == 0, "and the name is stored");
	SAME(SYS_uname, BAD, 0, 0, 0);
	SAME(SYS_getrlimit, 1000, lim, 0, 0);
	SAME(SYS_getrlimit, RLIMIT_NOFILE, lim, 0, 0);
	SAME(SYS_clock_gettime, 99, &uts, 0, 0);
	SAME(SYS_getrandom, BAD, 8, 0, 0);
	SAME(SYS_socket, 999, SOCK_STREAM, 0, 0);
	SAME(SYS_listen, pipe_fd[0], 1, 0, 0);
	SAME(SYS_setsockopt, -1, 0, 0, NULL);
	SAME(SYS_mmap, NULL, 0, PROT_READ, MAP_PRIVATE);
	SAME(SYS_munmap, 1, 4096, 0, 0);
	SAME(SYS_mprotect, 1, 4096, 0, 0);
	SAME(SYS_dup, -1, 0, 0, 0);
	SAME(SYS_fcntl, file_fd, F_GETFD, 0, 0);
	SAME(SYS_fcntl, file_fd, F_GETFL, 0, 0);
	SAME(SYS_epoll_ctl, epoll_fd, 99, -1, 0);
	SAME(SYS_kill, getpid(), 0, 0, 0);
	SAME(SYS_kill, getpid(), 999, 0, 0);
	SAME(SYS_futex, BAD, FUTEX_WAKE, 1, 0);
	SAME(SYS_create_module, 0, 0, 0, 0);
}

static void
by_io(void)
{
	struct timespec bad = { .tv_nsec = -1 }, none = { .tv_nsec = 0 };
	char buf[64];

	SAME(SYS_read, -1, buf, 1, 0);
	SAME(SYS_read, file_fd, BAD, 4, 0);
	SAME(SYS_read, file_fd, buf, -1, 0);
	SAME(SYS_read, dir_fd, buf, 4, 0);
	SAME(SYS_read, epoll_fd, buf, 4, 0);
	SAME(SYS_read, quiet_fd[0], buf, 4, 0);
	SAME(SYS_write, quiet_fd[0], buf, 4, 0);
	SAME(SYS_write, -1, buf, 1, 0);
	SAME(SYS_write, pipe_fd[1], BAD, 4, 0);
	SAME(SYS_pread64, file_fd, buf, 8, 0);
	SAME(SYS_pread64, file_fd, buf, 8, -5);
	SAME(SYS_pread64, file_fd, buf, 8, 1000);
	SAME(SYS_pread64, pipe_fd[0], buf, 8, 0);
	SAME(SYS_pwrite64, file_fd, "lwkt", 4, 0);
	SAME(SYS_pwrite64, dir_fd, "lwkt", 4, 0);
	SAME(SYS_open, BAD, O_RDONLY, 0, 0);
	SAME(SYS_open, "/nonexistent", O_RDONLY, 0, 0);
	SAME(SYS_open, "/", O_WRONLY, 0, 0);
	SAME(SYS_openat, -1, "x", O_RDONLY, 0);
	SAME(SYS_creat, "/nonexistent/x", 0600, 0, 0);
	SAME(SYS_close, -1, 0, 0, 0);
	SAME(SYS_fsync, -1, 0, 0, 0);
	SAME(SYS_fsync, pipe_fd[0], 0, 0, 0);
	SAME(SYS_fsync, file_fd, 0, 0, 0);
	SAME(SYS_accept, -1, NULL, NULL, 0);
	SAME(SYS_accept, pipe_fd[0], NULL, NULL, 0);
	SAME(SYS_accept, sock_fd[0], NULL, NULL, 0);
	SAME(SYS_accept4, listen_fd, NULL, NULL, 0x77);
	SAME(SYS_accept4, listen_fd, NULL, NULL, 0);
	SAME(SYS_connect, -1, NULL, 0, 0);
	SAME(SYS_connect, sock_fd[0], BAD, 16, 0);
	SAME(SYS_recvfrom, -1, buf, 4, 0);
	SAME(SYS_recvfrom, pipe_fd[0], buf, 4, 0);
	SAME(SYS_recvfrom, sock_fd[0], buf, 4, MSG_DONTWAIT);
	SAME(SYS_recvfrom, sock_fd[0], buf, 4, MSG_OOB | MSG_DONTWAIT);
	SAME(SYS_sendto, pipe_fd[1], buf, 4, 0);
	SAME(SYS_sendto, sock_fd[0], BAD, 4, 0);
	SAME(SYS_wait4, -1, NULL, 0, NULL);
	SAME(SYS_wait4, -1, NULL, 0x12345, NULL);
	SAME(SYS_wait4, -1, NULL, WNOHANG, buf);
	SAME(SYS_nanosleep, BAD, NULL, 0, 0);
	SAME(SYS_nanosleep, &bad, NULL, 0, 0);
	SAME(SYS_nanosleep, &none, NULL, 0, 0);
	SAME(SYS_clock_nanosleep, 99, 0, &none, NULL);
	SAME(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &bad, NULL);
	SAME(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &none, NULL);
	SAME(SYS_sched_yield, 0, 0, 0, 0);
	SAME(SYS_epoll_wait, -1, buf, 1, 0);
	SAME(SYS_epoll_wait, pipe_fd[0], buf, 1, 0);
	SAME(SYS_epoll_wait, epoll_fd, buf, 0, 0);
	SAME(SYS_epoll_wait, epoll_fd, buf, 1, 0);
	SAME(SYS_epoll_wait, epoll_fd, buf, 1, 3);
}

static void
polls(void)
{
	struct pollfd pfd[2] = { { .fd = pipe_fd[1], .events = POLLOUT },
	    { .fd = pipe_fd[0], .events = POLLIN } };

	SAME(SYS_poll, BAD, 1, 0, 0);
	SAME(SYS_poll, pfd, 1, -1, 0);
	SAME(SYS_poll, &pfd[1], 1, 2, 0);
	SAME(SYS_poll, pfd, 2, 0, 0);
	SAME(SYS_poll, pfd, 2, -1, 0);
	ok(pfd[0].revents == POLLOUT && pfd[1].revents == 0, "the events");
	SAME(SYS_poll, NULL, 0, 1, 0);
	pfd[0].fd = 9999;
	SAME(SYS_poll, pfd, 1, 100, 0);
	is_int(pfd[0].revents, POLLNVAL, "of a descriptor that is none");
	pfd[0].fd = -3;
	SAME(SYS_poll, pfd, 1, 2, 0);
	is_int(pfd[0].revents, 0, "no event of one that is to be ignored");
}

static void
on_carriers(void)
{
	struct stat st;
	long word = 0;

	SAME(SYS_stat, "/", &st, 0, 0);
	ok(S_ISDIR(st.st_mode), "and the attributes are stored");
	SAME(SYS_stat, BAD, &st, 0, 0);
	SAME(SYS_stat, "/", BAD, 0, 0);
	SAME(SYS_fstat, -1, &st, 0, 0);
	SAME(SYS_access, "/nonexistent", R_OK, 0, 0);
	SAME(SYS_mkdir, "/", 0700, 0, 0);
	SAME(SYS_unlink, "/nonexistent", 0, 0, 0);
	SAME(SYS_lseek, file_fd, 3, SEEK_SET, 0);
	SAME(SYS_lseek, pipe_fd[0], 3, SEEK_SET, 0);
	SAME(SYS_ioctl, file_fd, 0xdead, NULL, 0);
	SAME(SYS_flock, -1, LOCK_EX, 0, 0);
	SAME(SYS_fcntl, file_fd, F_SETLKW, BAD, 0);
	SAME(SYS_fdatasync, file_fd, 0, 0, 0);
	SAME(SYS_fdatasync, pipe_fd[0], 0, 0, 0);
	SAME(SYS_readv, file_fd, BAD, 1, 0);
	SAME(SYS_sendmsg, sock_fd[0], BAD, 0, 0);
	SAME(SYS_futex, &word, FUTEX_WAIT, 1, NULL);
	SAME(SYS_bind, -1, NULL, 0, 0);
	SAME(NOT_THERE, 0, 0, 0, 0);
}

/* Two results that are numbers of their own, and a child's status. */
static void
descriptors_and_children(void)
{
	int fd, status = 0, bad;
	char buf[8];
	pid_t pid;

	fd = (int)lwkt_syscall(SYS_openat, dir_fd, "data", O_RDWR, 0);
	ok(fd >= 0, "an open gives a descriptor");
	is_int(lwkt_syscall(SYS_read, fd, buf, 4L), 4, "that can be read");
	is_int(memcmp(buf, "lwkt", 4), 0, "and has what was written");
	is_int(lwkt_syscall(SYS_write, fd, "KERN", 4L), 4, "and written");
	is_int(lwkt_syscall(SYS_close, fd), 0, "and closed");
	is_int(lwkt_syscall(SYS_close, fd), -EBADF, "once");
	for (int i = 0; i < 3; i++) {
		pid = fork();
		if (pid == 0) {
			usleep(20000);
			_exit(3 + i);
		}
		bad = i == 2;
		is_int(lwkt_syscall(SYS_wait4, pid, bad ? BAD : &status, 0L,
		    NULL), bad ? -EFAULT : pid, "a child is waited for");
		is_int(WEXITSTATUS(status), i == 0 ? 3 : 4, "its status");
	}
}

/*
 * A call of one thread that only another thread of the same CPU ends.  If the
 * call stopped the CPU, the test would not end.
 */
struct wait {
	const char	*w_what;
	int64_t		(*w_call)(void);	/* waits */
	void		(*w_end)(void);		/* ends the wait */
	const char	*w_way;			/* the counter of its way */
};

static int lock_fd[2];			/* two descriptions of one file */
static int queue_id = -1;		/* of messages */
static uint32_t word;
static struct msgbuf_1 {
	long	mtype;
	char	mtext[4];
} message = { 1, "abc" };

static int64_t
wait_flock(void)
{
	return lwkt_syscall(SYS_flock, lock_fd[1], LOCK_EX);
}

static void
end_flock(void)
{
	is_int(lwkt_syscall(SYS_flock, lock_fd[0], LOCK_UN), 0, "unlocked");
}

static int64_t
wait_fifo(void)
{
	int64_t fd = lwkt_syscall(SYS_openat, dir_fd, "fifo", O_RDONLY, 0);

	return fd < 0 ? fd : lwkt_syscall(SYS_close, fd);
}

static void
end_fifo(void)
{
	int64_t fd = lwkt_syscall(SYS_openat, dir_fd, "fifo", O_WRONLY, 0);

	is_int(lwkt_syscall(SYS_close, fd), 0, "the other end is opened");
}

static int64_t
wait_futex(void)
{
	return lwkt_syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL,
	    NULL, 0);
}

static void
end_futex(void)
{
	while (lwkt_syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL,
	    NULL, 0) != 1)
		let_others_wait();
}

static int64_t
wait_message(void)
{
	struct msgbuf_1 got;
	int64_t r;

	if (queue_id < 0)
		return 0;
	r = lwkt_syscall(SYS_msgrcv, queue_id, &got, sizeof(got.mtext), 0L,
	    0L);
	return r == sizeof(got.mtext) ? strcmp(got.mtext, "abc") : r;
}

static void
end_message(void)
{
	if (queue_id >= 0)
		is_int(lwkt_syscall(SYS_msgsnd, queue_id, &message,
		    sizeof(message.mtext), IPC_NOWAIT), 0, "a message");
}

static int64_t
wait_readv(void)
{
	char c[2];
	struct iovec iov[2] = { { c, 1 }, { c + 1, 1 } };

	return lwkt_syscall(SYS_readv, pipe_fd[0], iov, 2L) - 2;
}

static int64_t
wait_read(void)
{
	char c[2];

	return lwkt_syscall(SYS_read, pipe_fd[0], c, 2L) - 2;
}

static int64_t
wait_poll(void)
{
	struct pollfd pfd = { .fd = pipe_fd[0], .events = POLLIN };
	int64_t r = lwkt_syscall(SYS_poll, &pfd, 1L, -1L);

	return r == 1 && pfd.revents == POLLIN ? wait_read() : -1;
}

static int64_t
wait_epoll(void)
{
	struct epoll_event ev;
	int64_t r = lwkt_syscall(SYS_epoll_wait, epoll_fd, &ev, 1L, -1L);

	return r == 1 && ev.data.fd == pipe_fd[0] ? wait_read() : r - 100;
}

static int64_t
wait_ppoll(void)
{
	struct pollfd pfd[2] = { { .fd = sock_fd[0], .events = POLLIN },
	    { .fd = pipe_fd[0], .events = POLLIN } };
	int64_t r = lwkt_syscall(SYS_ppoll, pfd, 2L, NULL, NULL, 8L);

	return r == 1 && pfd[1].revents == POLLIN ? wait_read() : -1;
}

static void
end_read(void)
{
	is_int(lwkt_syscall(SYS_write, pipe_fd[1], "xy", 2L), 2, "written");
}

static int64_t
wait_recv(void)
{
	char c[2];
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	return lwkt_syscall(SYS_recvfrom, sock_fd[0], c, 2L, 0L, &sin, &len) -
	    2;
}

static void
end_recv(void)
{
	is_int(lwkt_syscall(SYS_sendto, sock_fd[1], "xy", 2L, 0L, NULL, 0L),
	    2, "sent");
}

static const struct wait waits[] = {
	{ "flock", wait_flock, end_flock, "lwkt.syscalls_carried" },
	{ "the open of a FIFO", wait_fifo, end_fifo, "lwkt.syscalls_io" },
	{ "a futex", wait_futex, end_futex, "lwkt.syscalls_carried" },
	{ "msgrcv", wait_message, end_message, NULL },
	{ "read", wait_read, end_read, "lwkt.syscalls_io" },
	{ "readv", wait_readv, end_read, "lwkt.syscalls_carried" },
	{ "poll", wait_poll, end_read, "lwkt.syscalls_io" },
	{ "epoll_wait", wait_epoll, end_read, "lwkt.syscalls_io" },
	{ "ppoll", wait_ppoll, end_read, "lwkt.syscalls_carried" },
	{ "recvfrom with an address", wait_recv, end_recv,
	    "lwkt.syscalls_carried" },
};

static void
ender(void *arg)
{
	let_others_wait();
	((const struct wait *)arg)->w_end();
}

static void
cpu_goes_on(void)
{
	lwkt_thread_t td;
	int64_t before;

	queue_id = (int)lwkt_syscall(SYS_msgget, IPC_PRIVATE, 0600);
	is_int(lwkt_syscall(SYS_flock, lock_fd[0], LOCK_EX), 0, "locked");
	for (size_t i = 0; i < nitems(waits); i++) {
		before = waits[i].w_way ? counter(waits[i].w_way) : 0;
		td = spawn(ender, (void *)(uintptr_t)&waits[i], 0);
		is_int(waits[i].w_call(), 0, "%s stops its thread only",
		    waits[i].w_what);
		(void)lwkt_join(td);
		ok(waits[i].w_way == NULL ||
		    counter(waits[i].w_way) > before, "in its way");
	}
	if (queue_id >= 0)
		(void)lwkt_syscall(SYS_msgctl, queue_id, IPC_RMID, NULL);
}

/* Many calls wait at one time. */
static uint32_t many_word, came;

static void
one_of_many(void *arg)
{
	(void)arg;
	if (lwkt_syscall(SYS_futex, &many_word, FUTEX_WAIT_PRIVATE, 0, NULL,
	    NULL, 0) == 0)
		came++;
}

static void
many(void)
{
	static lwkt_thread_t td[MANY];
	int64_t woken = 0;

	came = 0;
	for (int i = 0; i < MANY; i++)
		td[i] = spawn(one_of_many, NULL, 0);
	while (woken < MANY) {
		let_others_wait();
		woken += lwkt_syscall(SYS_futex, &many_word,
		    FUTEX_WAKE_PRIVATE, MANY, NULL, NULL, 0);
	}
	for (int i = 0; i < MANY; i++)
		(void)lwkt_join(td[i]);
	is_int(came, MANY, "%d calls wait at one time", MANY);
}

/* A message whose call goes on after its time limit. */
static uint32_t left_word, released;

static void
release(struct lwkt_blocking_call *bc)
{
	free(bc);		/* first in its struct lwkt_callargs */
	__atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
}

static void
messages(void)
{
	struct lwkt_callargs *ca, stat_args = { .ca_arg = { ARG("/") } };
	struct lwkt_sysmsg sm[2];
	struct stat st;
	int64_t ms = 10;
	long woken;

	stat_args.ca_arg[1] = ARG(&st);
	lwkt_sysmsg_syscall(&sm[1], lwkt_curport(), SYS_stat, &stat_args);
	do {		/* until the call has begun, on a slow host */
		ca = calloc(1, sizeof(*ca));
		if (ca == NULL)
			abort();
		ca->ca_arg[0] = ARG(&left_word);
		ca->ca_arg[1] = FUTEX_WAIT_PRIVATE;
		ca->ca_call.bc_release = release;
		lwkt_sysmsg_syscall(&sm[0], lwkt_curport(), SYS_futex, ca);
		sm[0].sm_timeout_ns = ms * MS;
		lwkt_sendsys(&sm[0]);
		if (ms == 10)
			lwkt_sendsys(&sm[1]);
		(void)lwkt_waitmsg(&sm[0].sm_msg, 0);
		ms *= 2;
		woken = lwkt_syscall(SYS_futex, &left_word, FUTEX_WAKE_PRIVATE,
		    1, NULL, NULL, 0);
		if (sm[0].sm_result == -ETIMEDOUT)
			free(ca);	/* never made */
	} while (sm[0].sm_result == -ETIMEDOUT && woken == 0);
	is_int(sm[0].sm_result, -EINPROGRESS, "a message has a time limit");
	is_int(woken, 1, "after which its call goes on");
	while (__atomic_load_n(&released, __ATOMIC_SEQ_CST) == 0)
		lwkt_sleep_ns(MS);
	is_int(released, 1, "and then releases its arguments");
	(void)lwkt_waitmsg(&sm[1].sm_msg, 0);
	is_int(sm[1].sm_result, 0, "another call of the thread meanwhile");
	ok(stat_args.ca_call.bc_result == 0 && S_ISDIR(st.st_mode),
	    "has its result");
}

/* With O_NONBLOCK nothing waits, and a write may move a part. */
static void
nonblocking(void)
{
	int room = fcntl(quiet_fd[1], F_GETPIPE_SZ), s, r;
	char *big = calloc(2, (size_t)room);
	struct sockaddr_in sin;
	int fd;

	is_int(lwkt_syscall(SYS_write, quiet_fd[1], big, 2L * room), room,
	    "a write that does not wait moves what fits");
	is_int(lwkt_syscall(SYS_write, quiet_fd[1], big, 1L), -EAGAIN,
	    "and no more");
	is_int(lwkt_syscall(SYS_read, quiet_fd[0], big, 2L * room), room,
	    "which is read");
	free(big);
	s = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (s >= 0 && grantpt(s) == 0 && unlockpt(s) == 0) {
		fd = open(ptsname(s), O_RDWR | O_NOCTTY | O_NONBLOCK);
		SAME(SYS_read, fd, &r, 1, 0);
		SAME(SYS_read, s, &r, 1, 0);
		(void)close(fd);
		(void)close(s);
	}
	fd = listener(&sin);
	s = (int)lwkt_syscall(SYS_socket, AF_INET,
	    SOCK_STREAM | SOCK_NONBLOCK, 0);
	r = (int)lwkt_syscall(SYS_connect, s, &sin, sizeof(sin));
	ok(r == -EINPROGRESS || r == 0, "a connect that does not wait");
	is_int(lwkt_syscall(SYS_read, s, &r, 4L), -EAGAIN,
	    "a read that does not wait");
	is_int(lwkt_syscall(SYS_close, s), 0, "closed");
	is_int(lwkt_syscall(SYS_close, fd), 0, "closed");
}

static void
make_files(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct sockaddr_in sin;

	if (mkdtemp(dir) == NULL || (dir_fd = open(dir, O_RDONLY)) < 0)
		abort();
	file_fd = openat(dir_fd, "data", O_RDWR | O_CREAT, 0600);
	lock_fd[0] = openat(dir_fd, "data", O_RDWR);
	lock_fd[1] = openat(dir_fd, "data", O_RDWR);
	if (pipe(pipe_fd) != 0 || pipe2(quiet_fd, O_NONBLOCK) != 0 ||
	    mkfifoat(dir_fd, "fifo", 0600) != 0)
		abort();
	pair(sock_fd);
	listen_fd = listener(&sin);
	(void)fcntl(listen_fd, F_SETFL, O_NONBLOCK);
	epoll_fd = epoll_create1(0);
	ev.data.fd = pipe_fd[0];
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pipe_fd[0], &ev) != 0)
		abort();
}

static void
remove_files(void)
{
	(void)unlinkat(dir_fd, "data", 0);
	(void)unlinkat(dir_fd, "fifo", 0);
	(void)rmdir(dir);
}

static int
calls(void *arg)
{
	(void)arg;
	iotest_backend();
	make_files();
	on_cpu();
	by_io();
	polls();
	on_carriers();
	descriptors_and_children();
	nonblocking();
	cpu_goes_on();
	many();
	messages();
	remove_files();
	return 0;
}

/* Without a carrier. */
static int
refused(void *arg)
{
	(void)arg;
	is_int(lwkt_syscall(SYS_fdatasync, -1L), -EAGAIN, "no carrier");
	is_int(lwkt_syscall(SYS_getpid), getpid(), "which needs none");
	return 0;
}

int
main(void)
{
	iotest_boot(calls, 1);
	setenv("LWKT_FAIL", "carrier.create:*", 1);
	iotest_boot(refused, 1);
	return tap_done();
}
