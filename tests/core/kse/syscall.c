/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls by number: each is made in its way, or refused, under every
 * schedule; those of io/ act on the host's descriptors, the model's too.  No
 * bad addresses here (io/syscall.c has some): valgrind reports them.
 */
#include "core/util.h"

#include <fcntl.h>
#include <lwkt/io.h>
#include <lwkt/spinlock.h>
#include <lwkt/syscall.h>
#include <lwkt/thread2.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef LWKT_HOST_SIM
#include "machine/sim/sim_io.h"
#define make_pair(fd)	sim_socketpair(fd)
#else
#define make_pair(fd)	socketpair(AF_UNIX, SOCK_STREAM, 0, (fd))
#endif

#define US		((int64_t)1000)
#define NOT_THERE	5000		/* no such call, here or in Linux */
#define KEPT		77		/* an errno */

/* How a call was made, by the counters. */
struct made {
	int64_t	m_cpu, m_io, m_carried, m_refused;
};

static struct made
count_made(void)
{
	return (struct made){ counter("lwkt.syscalls_cpu"),
	    counter("lwkt.syscalls_io"), counter("lwkt.syscalls_carried"),
	    counter("lwkt.syscalls_refused") };
}

/* The letter of the way in which one call was made since `m`. */
static char
made_since(struct made m)
{
	struct made now = count_made();

	if (now.m_cpu + now.m_io + now.m_carried + now.m_refused !=
	    m.m_cpu + m.m_io + m.m_carried + m.m_refused + 1)
		return '?';
	if (now.m_cpu > m.m_cpu)
		return 'c';
	if (now.m_io > m.m_io)
		return 'i';
	return now.m_carried > m.m_carried ? 'b' : 'r';
}

/* Make a call and check its way, its result and errno. */
#define MADE(way, result, ...) do {					\
	struct made m_ = count_made();					\
	int64_t r_, want_ = (result);					\
									\
	errno = KEPT;							\
	r_ = lwkt_syscall(__VA_ARGS__);					\
	check(errno == KEPT, "errno %d after %s", errno, #__VA_ARGS__);	\
	check(r_ == want_, "%s: %d, not %d", #__VA_ARGS__, (int)r_,	\
	    (int)want_);						\
	check(made_since(m_) == (way), "%s: made as '%c', not '%c'",	\
	    #__VA_ARGS__, made_since(m_), (way));			\
} while (0)

static int
ways_body(void *arg)
{
	struct timespec bad = { .tv_nsec = -1 };
	long zero = 0;

	(void)arg;
	MADE('c', getpid(), SYS_getpid);
	MADE('c', (int)getuid(), SYS_getuid);
	MADE('c', -EBADF, SYS_dup, -1);
	MADE('c', 0, SYS_clock_gettime, CLOCK_MONOTONIC, &bad);
	MADE('b', -EBADF, SYS_fdatasync, -1);
	MADE('b', -EBADF, SYS_flock, -1, 2);
	MADE('b', -ENOSYS, (long)NOT_THERE, zero, zero, zero, zero, zero, zero);
	bad.tv_nsec = -1;
	MADE('i', -EINVAL, SYS_nanosleep, &bad, NULL);
	MADE('i', 0, SYS_sched_yield);
	MADE('i', -ECHILD, SYS_wait4, -1, NULL, 0, NULL);
	return 0;
}

/* Arguments decide how a call is made. */
static int
arguments_body(void *arg)
{
	uint32_t word = 1;
	struct flock lock = { .l_type = F_RDLCK };
	struct msghdr mh = { .msg_iovlen = 0 };
	long bits = 1;

	(void)arg;
	MADE('c', 0, SYS_futex, &word, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0);
	MADE('b', -EAGAIN, SYS_futex, &word, 0 /* FUTEX_WAIT */, 0, NULL,
	    NULL, 0);
	MADE('r', -ENOSYS, SYS_futex, &word, 6 /* FUTEX_LOCK_PI */, 0, NULL,
	    NULL, 0);
	MADE('c', -EBADF, SYS_fcntl, -1, F_GETFD, 0);
	MADE('b', -EBADF, SYS_fcntl, -1, F_SETLKW, &lock);
	MADE('c', -EBADF, SYS_recvmsg, -1, &mh, MSG_DONTWAIT);
	MADE('b', -EBADF, SYS_recvmsg, -1, &mh, 0);
	MADE('c', -EBADF, SYS_setsockopt, -1, SOL_SOCKET, SO_KEEPALIVE, &bits,
	    4);
	MADE('b', -EBADF, SYS_setsockopt, -1, 0 /* IPPROTO_IP */, 0, &bits, 4);
	MADE('b', -EAFNOSUPPORT, SYS_socket, 999, SOCK_STREAM, 0);
	MADE('c', -EINVAL, SYS_madvise, 1, 1, MADV_DONTNEED);
	MADE('b', -EINVAL, SYS_madvise, 1, 1, MADV_WILLNEED);
	MADE('r', -ENOSYS, SYS_setpriority, PRIO_PROCESS, 0, 0);
	MADE('c', -EINVAL, SYS_setpriority, 99, 0, 0);
	MADE('r', -ENOSYS, SYS_sched_setaffinity, 0, 8, NULL);
	MADE('c', -ESRCH, SYS_sched_setaffinity, INT32_MAX, 8, &bits);
	MADE('r', -ENOSYS, SYS_prctl, 15 /* PR_SET_NAME */, "x", 0, 0, 0);
	MADE('c', 1, SYS_prctl, 3 /* PR_GET_DUMPABLE */, 0, 0, 0, 0);
	return 0;
}

static int
refused_body(void *arg)
{
	static const long list[] = { SYS_brk, SYS_rt_sigaction,
	    SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending,
	    SYS_rt_sigtimedwait, SYS_rt_sigsuspend, SYS_sigaltstack, SYS_pause,
	    SYS_clone, SYS_clone3, SYS_fork, SYS_vfork, SYS_execve,
	    SYS_execveat, SYS_exit, SYS_ptrace, SYS_setuid, SYS_setgid,
	    SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid,
	    SYS_setgroups, SYS_setfsuid, SYS_setfsgid, SYS_capset,
	    SYS_arch_prctl, SYS_set_tid_address, SYS_set_robust_list, SYS_rseq,
	    SYS_seccomp, SYS_unshare, SYS_setns, SYS_io_uring_setup,
	    SYS_io_uring_enter, SYS_io_uring_register, SYS_restart_syscall };
	long zero = 0;

	(void)arg;
	for (size_t i = 0; i < nitems(list); i++)
		MADE('r', -ENOSYS, list[i], zero, zero, zero, zero, zero, zero);
	MADE('r', -ENOSYS, -1L, zero, zero, zero, zero, zero, zero);
	MADE('r', -ENOSYS, 0x40000000L + SYS_getpid, zero, zero, zero, zero,
	    zero, zero);
	return 0;
}

/* One thread reads by system calls what another one writes. */
#define ROUNDS	20

static int fds[2];

static void
writes(void *arg)
{
	char c;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		c = (char)i;
		check(lwkt_syscall(SYS_write, fds[1], &c, 1L) == 1, "write");
		if (i % 3 == 0)
			(void)lwkt_syscall(SYS_sched_yield);
		c = (char)-i;
		check(lwkt_syscall(SYS_sendto, fds[1], &c, 1L, 0L, NULL, 0L)
		    == 1, "sendto");
	}
}

static void
reads(void *arg)
{
	struct pollfd pfd = { .fd = fds[0], .events = POLLIN };
	int64_t r;
	char c;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		r = lwkt_syscall(SYS_read, fds[0], &c, 1L);
		check(r == 1 && c == (char)i, "read %d: %d", i, (int)r);
		r = lwkt_syscall(SYS_poll, &pfd, 1L, -1L);
		check(r == 1 && pfd.revents == POLLIN, "poll: %d, %#x", (int)r,
		    (unsigned)pfd.revents);
		r = lwkt_syscall(SYS_recvfrom, fds[0], &c, 1L, 0L, NULL, NULL);
		check(r == 1 && c == (char)-i, "recvfrom %d: %d", i, (int)r);
	}
}

static int
descriptors_body(void *arg)
{
	struct pollfd pfd = { .events = POLLIN };
	struct made m = count_made(), now;
	lwkt_thread_t td[2];
	char c;

	(void)arg;
	(void)make_pair(fds);
	td[0] = spawn_on(0, reads, NULL);
	td[1] = spawn_on(1, writes, NULL);
	join_all(td, 2);
	now = count_made();
	check(now.m_io - m.m_io >= 5 * ROUNDS && now.m_cpu == m.m_cpu &&
	    now.m_carried == m.m_carried, "not all were calls of io/");
	MADE('i', -EAGAIN, SYS_recvfrom, fds[0], &c, 1L, MSG_DONTWAIT, NULL,
	    NULL);
	pfd.fd = fds[0];
	MADE('i', 0, SYS_poll, &pfd, 1L, 1L);
	MADE('i', 0, SYS_close, fds[1]);
	MADE('i', 0, SYS_read, fds[0], &c, 1L);
	MADE('i', 0, SYS_close, fds[0]);
	MADE('i', -EBADF, SYS_close, fds[0]);
	MADE('i', -EBADF, SYS_read, fds[0], &c, 1L);
	return 0;
}

/* A close by number ends the calls of other threads, as lwkt_close does. */
static void
read_until_closed(void *arg)
{
	char c;
	int64_t r = lwkt_syscall(SYS_read, fds[0], &c, 1L);

	(void)arg;
	check(r == -ECANCELED || r == -EBADF, "read: %d", (int)r);
}

static int
close_body(void *arg)
{
	lwkt_thread_t td[3];

	(void)arg;
	(void)make_pair(fds);
	for (int i = 0; i < 3; i++)
		td[i] = spawn_on(i, read_until_closed, NULL);
	(void)lwkt_sleep_ns(20 * US);
	check(lwkt_syscall(SYS_close, fds[0]) == 0, "close");
	join_all(td, 3);
	(void)lwkt_close(fds[1]);
	return 0;
}

static int
sleep_body(void *arg)
{
	struct timespec ts = { .tv_nsec = 300 * US };
	int64_t begin = lwkt_time_ns();

	(void)arg;
	MADE('i', 0, SYS_nanosleep, &ts, NULL);
	check(lwkt_time_ns() - begin >= 300 * US, "too short");
	begin = lwkt_time_ns();
	MADE('i', 0, SYS_clock_nanosleep, CLOCK_MONOTONIC, 0L, &ts, NULL);
	check(lwkt_time_ns() - begin >= 300 * US, "too short");
	return 0;
}

#ifdef LWKT_HOST_SIM
static int
children_body(void *arg)
{
	pid_t pid = sim_child(256, 50 * US);
	int status = 0;

	(void)arg;
	MADE('i', 0, SYS_wait4, pid, &status, 1L /* WNOHANG */, NULL);
	MADE('i', pid, SYS_wait4, pid, &status, 0L, NULL);
	check(status == 256, "status %d", status);
	return 0;
}
#endif

/* Threads of all CPUs at once; others go on. */
static void
all_ways(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++) {
		errno = KEPT + i;
		check(lwkt_syscall(SYS_getpid) == getpid(), "getpid");
		check(lwkt_syscall(SYS_fdatasync, -1L) == -EBADF, "fdatasync");
		check(lwkt_syscall(SYS_sched_yield) == 0, "sched_yield");
		check(errno == KEPT + i, "errno %d", errno);
	}
}

static int
together_body(void *arg)
{
	(void)arg;
	run_threads(all_ways, 6);
	return 0;
}

/* A thread that only makes calls on its CPU hears of other CPUs. */
static uint32_t heard;

static void
hear(void *arg)
{
	(void)arg;
	STORE(heard, 1);
}

static void
tell(void *arg)
{
	(void)lwkt_send_ipiq((int)(intptr_t)arg, hear, NULL);
}

static int
messages_body(void *arg)
{
	int64_t end = lwkt_time_ns() + 20000 * MS;
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	STORE(heard, 0);
	td = spawn_on(other_cpu(), tell, (void *)(intptr_t)lwkt_cpuid());
	for (int i = 0; !LOAD(heard) && i < TIMES(INT32_MAX, 20000) &&
	    lwkt_time_ns() < end; i++) {
		check(lwkt_syscall(SYS_getpid) == getpid(), "getpid");
		machine_pause((unsigned)i);	/* serves nothing */
	}
	check(LOAD(heard), "no message came");
	join(td);
	return 0;
}

static int
critical_body(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	(void)lwkt_syscall(SYS_getpid);
	return 0;
}

static int
spinlock_body(void *arg)
{
	struct lwkt_spin spin;

	(void)arg;
	lwkt_spin_init(&spin, "test");
	lwkt_spin_lock(&spin);
	(void)lwkt_syscall(SYS_getpid);
	return 0;
}

static void
callback(void *arg)
{
	(void)arg;
	(void)lwkt_syscall(SYS_getpid);
}

static int
callback_body(void *arg)
{
	(void)arg;
	lwkt_wait_ipiq(1, lwkt_send_ipiq(1, callback, NULL));
	return 0;
}

int
main(void)
{
	panics("a call in a critical section panics", critical_body,
	    "lwkt_syscall: thread \"main\" is in a critical section");
	panics("a call with a spinlock panics", spinlock_body,
	    "lwkt_syscall: thread \"main\" holds spinlock \"test\"");
	panics("a call in a callback panics", callback_body,
	    "lwkt_syscall: thread \"idle");
	sim_explore("each call is made in its way", ways_body, NULL, 20);
	sim_explore("arguments decide", arguments_body, NULL, 20);
	sim_explore("calls that change a host thread are refused",
	    refused_body, NULL, 5);
	sim_explore("calls of io act on descriptors", descriptors_body, NULL,
	    100);
	sim_explore("a close ends the calls of others", close_body, NULL, 100);
	sim_explore("a sleep takes its time", sleep_body, NULL, 20);
#ifdef LWKT_HOST_SIM
	sim_explore("a child is waited for", children_body, NULL, 50);
#endif
	sim_explore("a call on the CPU executes messages", messages_body, NULL,
	    50);
	sim_explore("all ways at once", together_body, NULL, 100);
	return tap_done();
}
