/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls that calls of the library replace.  USES io_call.c.
 *
 * THEORY
 * The calls of <lwkt/io.h> wait whatever the flags of the descriptor say.  A
 * system call on a descriptor with O_NONBLOCK does not.  The flag is asked for
 * only when a request would wait (IR_NONBLOCK), so it costs nothing before.
 *
 * The kernel reports a bad address by EFAULT.  So a function below that reads
 * or writes memory of the caller itself lets the kernel do that first.
 *
 * A function has the result of syscall_io().
 */
#include <errno.h>
#include <fcntl.h>
#include <lwkt/io.h>
#include <lwkt/synch.h>
#include <lwkt/thread.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "io/io_var.h"
#include "kse/syscall_var.h"

#define TRANSFER_MAX	0x7ffff000	/* bytes; Linux moves no more */
#define MS_NS		1000000
#define S_NS		1000000000

/* Flags with which the call of io/ does what the system call does. */
#define RECV_FLAGS	(MSG_PEEK | MSG_WAITALL | MSG_TRUNC | MSG_DONTWAIT)
#define SEND_FLAGS	(MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE | MSG_EOR)

static enum sysway
done(int64_t r, int64_t *resultp)
{
	*resultp = r;
	return SYSWAY_IO;
}

/* Memory of the caller, as an argument of a system call gives its address. */
static void *
pointer(long arg)
{
	return (void *)arg;
}

static int64_t
raw(long nr, long a0, long a1, long a2, long a3)
{
	long a[SYSCALL_ARGS] = { a0, a1, a2, a3 };

	return machine_syscall(nr, a);
}

/*
 * Copy size bytes of the caller's memory.  Returns 0, or -EFAULT if the kernel
 * cannot read them.  A sandbox may refuse the call; then a bad address is a
 * memory fault of the program.
 */
static int
copy_in(void *to, const void *from, size_t size)
{
	struct iovec local = { .iov_base = to, .iov_len = size };
	struct iovec remote = { .iov_base = (void *)(uintptr_t)from,
	    .iov_len = size };
	long a[SYSCALL_ARGS] = { raw(SYS_getpid, 0, 0, 0, 0), (long)&local, 1,
	    (long)&remote, 1 };
	int64_t r = machine_syscall(SYS_process_vm_readv, a);

	if (r == -EFAULT || (r >= 0 && (size_t)r < size))
		return -EFAULT;
	if (r < 0)
		memcpy(to, from, size);
	return 0;
}

/* Can the kernel write an int at p?  It writes the number of the core. */
static int
writable_int(const int *p)
{
	return raw(SYS_getcpu, (long)p, 0, 0, 0) != -EFAULT;
}

/*
 * Make a request on its descriptor.  With O_NONBLOCK the request ends with
 * -EAGAIN instead of waiting.  On some descriptors with that flag the system
 * call may wait nevertheless, or not need to: these are left to a carrier.
 */
static enum sysway
request(struct ioreq *ir, int64_t *resultp)
{
	int64_t r;

	ir->ir_flags |= IR_NONBLOCK;
	r = ioreq_call(ir, LWKT_FOREVER);
	if (r == -EAGAIN && machine_io_nonblock(ir->ir_io.io_fd) < 0)
		return SYSWAY_CARRIER;
	return done(r, resultp);
}

static enum sysway
do_transfer(enum hostio_op op, const long *a, int64_t off, int64_t *resultp)
{
	struct ioreq ir;

	if (a[2] < 0)
		return SYSWAY_CARRIER;		/* which error is Linux's */
	if (off < 0)
		return done(-EINVAL, resultp);
	ioreq_init(&ir, op, (int)a[0]);
	ir.ir_io.io_buf = pointer(a[1]);
	ir.ir_io.io_len = a[2] < TRANSFER_MAX ? (size_t)a[2] : TRANSFER_MAX;
	ir.ir_io.io_off = off;
	return request(&ir, resultp);
}

static enum sysway
do_message(enum hostio_op op, int known_flags, const long *a, int64_t *resultp)
{
	int fd = (int)a[0], flags = (int)a[3];
	struct ioreq ir;

	if (a[4] != 0 || (flags & ~known_flags) != 0 || a[2] < 0 ||
	    a[2] > TRANSFER_MAX)
		return (flags & MSG_DONTWAIT) || machine_io_nonblock(fd) > 0 ?
		    SYSWAY_CPU : SYSWAY_CARRIER;
	ioreq_init(&ir, op, fd);
	ir.ir_io.io_buf = pointer(a[1]);
	ir.ir_io.io_len = (size_t)a[2];
	ir.ir_io.io_flags = flags;
	return request(&ir, resultp);
}

static enum sysway
do_accept(const long *a, int flags, int64_t *resultp)
{
	struct ioreq ir;

	ioreq_init(&ir, HIO_ACCEPT, (int)a[0]);
	ir.ir_io.io_buf = pointer(a[1]);
	ir.ir_io.io_salen = pointer(a[2]);
	ir.ir_io.io_flags = flags;
	return request(&ir, resultp);
}

/* With O_NONBLOCK a connect does not end with EAGAIN, but is under way. */
static enum sysway
do_connect(const long *a, int64_t *resultp)
{
	int fd = (int)a[0];

	if (machine_io_nonblock(fd) > 0)
		return SYSWAY_CPU;
	return done(lwkt_connect(fd, pointer(a[1]), (socklen_t)a[2]), resultp);
}

/* Nanoseconds of t, at most INT64_MAX; -1 if t is not a time. */
static int64_t
nanoseconds(const struct timespec *t)
{
	if (t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= S_NS)
		return -1;
	if (t->tv_sec >= INT64_MAX / S_NS)
		return INT64_MAX;
	return t->tv_sec * S_NS + t->tv_nsec;
}

static enum sysway
do_sleep(const void *user, int64_t *resultp)
{
	struct timespec t;
	int64_t ns;

	if (copy_in(&t, user, sizeof(t)) != 0)
		return done(-EFAULT, resultp);
	ns = nanoseconds(&t);
	return done(ns < 0 ? -EINVAL : lwkt_sleep_ns(ns), resultp);
}

static enum sysway
do_clock_nanosleep(const long *a, int64_t *resultp)
{
	int clock = (int)a[0], flags = (int)a[1];

	if (flags != 0 || (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME))
		return SYSWAY_CARRIER;
	return do_sleep(pointer(a[2]), resultp);
}

static int64_t
ms_to_ns(int ms)
{
	return ms < 0 ? LWKT_FOREVER : (int64_t)ms * MS_NS;
}

/* The kernel looks at the structure first, which stores revents only. */
static enum sysway
do_poll(const long *a, int64_t *resultp)
{
	struct pollfd *pfd = pointer(a[0]);
	int timeout = (int)a[2], r;

	if ((unsigned)a[1] != 1)
		return timeout == 0 ? SYSWAY_CPU : SYSWAY_MAYBE;
	if (raw(SYS_poll, a[0], 1, 0, 0) == -EFAULT)
		return done(-EFAULT, resultp);
	pfd->revents = 0;
	if (pfd->fd < 0) {
		if (timeout < 0)
			return SYSWAY_CARRIER;
		return done(lwkt_sleep_ns(ms_to_ns(timeout)), resultp);
	}
	r = lwkt_poll(pfd->fd, pfd->events, ms_to_ns(timeout));
	if (r == -EBADF)
		r = POLLNVAL;
	if (r > 0)
		pfd->revents = (short)r;
	return done(r > 0 ? 1 : r, resultp);
}

/* Take events without waiting; wait until the epoll descriptor has some. */
static enum sysway
do_epoll_wait(const long *a, int64_t *resultp)
{
	int timeout = (int)a[3];
	int64_t left = ms_to_ns(timeout), end = lwkt_time_ns() + left, r;

	for (;;) {
		r = raw(SYS_epoll_wait, a[0], a[1], a[2], 0);
		if (r != 0 || left == 0)
			return done(r, resultp);
		r = lwkt_poll((int)a[0], POLLIN, left);
		if (r < 0)
			return done(r, resultp);
		if (timeout > 0) {
			left = end - lwkt_time_ns();
			left = left > 0 ? left : 0;
		}
	}
}

static enum sysway
do_wait4(const long *a, int64_t *resultp)
{
	int options = (int)a[2], status, *user = pointer(a[1]);
	pid_t pid;

	if (a[3] != 0)
		return options & WNOHANG ? SYSWAY_CPU : SYSWAY_CARRIER;
	pid = lwkt_waitpid((pid_t)a[0], user != NULL ? &status : NULL,
	    options);
	if (pid <= 0 || user == NULL)
		return done(pid, resultp);
	if (!writable_int(user))
		return done(-EFAULT, resultp);
	*user = status;
	return done(pid, resultp);
}

static enum sysway
do_open(int dfd, long path, long flags, long mode, int64_t *resultp)
{
	return done(lwkt_openat(dfd, pointer(path), (int)flags, (mode_t)mode),
	    resultp);
}

enum sysway
syscall_io(const struct sysargs *sa, int64_t *resultp)
{
	const long *a = sa->sa_arg;

	switch (sa->sa_nr) {
	case SYS_read:
		return do_transfer(HIO_READ, a, 0, resultp);
	case SYS_write:
		return do_transfer(HIO_WRITE, a, 0, resultp);
	case SYS_pread64:
		return do_transfer(HIO_PREAD, a, a[3], resultp);
	case SYS_pwrite64:
		return do_transfer(HIO_PWRITE, a, a[3], resultp);
	case SYS_recvfrom:
		return do_message(HIO_RECV, RECV_FLAGS, a, resultp);
	case SYS_sendto:
		return do_message(HIO_SEND, SEND_FLAGS, a, resultp);
	case SYS_accept:
		return do_accept(a, 0, resultp);
	case SYS_accept4:
		return do_accept(a, (int)a[3], resultp);
	case SYS_connect:
		return do_connect(a, resultp);
	case SYS_open:
		return do_open(AT_FDCWD, a[0], a[1], a[2], resultp);
	case SYS_creat:
		return do_open(AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC,
		    a[1], resultp);
	case SYS_openat:
		return do_open((int)a[0], a[1], a[2], a[3], resultp);
	case SYS_close:
		return done(lwkt_close((int)a[0]), resultp);
	case SYS_fsync:
		return done(lwkt_fsync((int)a[0]), resultp);
	case SYS_wait4:
		return do_wait4(a, resultp);
	case SYS_nanosleep:
		return do_sleep(pointer(a[0]), resultp);
	case SYS_clock_nanosleep:
		return do_clock_nanosleep(a, resultp);
	case SYS_poll:
		return do_poll(a, resultp);
	case SYS_epoll_pwait:
		return a[4] != 0 ? SYSWAY_CARRIER :
		    do_epoll_wait(a, resultp);
	case SYS_epoll_wait:
		return do_epoll_wait(a, resultp);
	case SYS_sched_yield:
		lwkt_yield();
		return done(0, resultp);
	default:
		return SYSWAY_CARRIER;
	}
}
