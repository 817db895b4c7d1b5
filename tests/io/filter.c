/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hosts that refuse a system call: older kernels, and containers whose filter
 * does not know it.  The library works without it, or the boot says what it
 * lacks; an idle CPU sleeps in any case.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/compiler.h"
#include "core/child.h"
#include "io/iotest.h"
#include "machine/memcheck.h"

#define IDLE_MS		60		/* of rest, which costs few polls */
#define IDLE_POLLS	100
#define ANY_ARG		0

/* With which of the two errors it works: libc cares for some calls. */
#define ENOSYS_OK	1
#define EPERM_OK	2
#define BOTH_OK		(ENOSYS_OK | EPERM_OK)

static const struct refused {
	const char	*r_name;
	int		 r_nr;
	unsigned	 r_arg2;	/* only with this third argument */
	int		 r_boots;	/* a mask; else it says why not */
} list[] = {
	{ "epoll_pwait2", SYS_epoll_pwait2, ANY_ARG, BOTH_OK },
	{ "io_uring_setup", SYS_io_uring_setup, ANY_ARG, BOTH_OK },
	{ "membarrier", SYS_membarrier, ANY_ARG, BOTH_OK },
	{ "perf_event_open", SYS_perf_event_open, ANY_ARG, BOTH_OK },
	{ "memfd_create", SYS_memfd_create, ANY_ARG, BOTH_OK },
	{ "userfaultfd", SYS_userfaultfd, ANY_ARG, BOTH_OK },
	{ "madvise", SYS_madvise, ANY_ARG, BOTH_OK },
	{ "MADV_GUARD_INSTALL", SYS_madvise, 102, BOTH_OK },
	{ "MADV_DONTFORK", SYS_madvise, MADV_DONTFORK, BOTH_OK },
	{ "pidfd_open", SYS_pidfd_open, ANY_ARG, BOTH_OK },
	{ "sched_setaffinity", SYS_sched_setaffinity, ANY_ARG, BOTH_OK },
	{ "sched_getaffinity", SYS_sched_getaffinity, ANY_ARG, BOTH_OK },
	{ "prctl", SYS_prctl, ANY_ARG, BOTH_OK },
	{ "getcpu", SYS_getcpu, ANY_ARG, BOTH_OK },
	{ "close_range", SYS_close_range, ANY_ARG, BOTH_OK },
	{ "openat2", SYS_openat2, ANY_ARG, BOTH_OK },
	{ "statx", SYS_statx, ANY_ARG, BOTH_OK },
	{ "prlimit64", SYS_prlimit64, ANY_ARG, BOTH_OK },
	{ "clone3", SYS_clone3, ANY_ARG, ENOSYS_OK },
	{ "preadv2", SYS_preadv2, ANY_ARG, BOTH_OK },
	{ "pwritev2", SYS_pwritev2, ANY_ARG, BOTH_OK },
	{ "eventfd2", SYS_eventfd2, ANY_ARG, 0 },
	{ "timer_create", SYS_timer_create, ANY_ARG, 0 },
	{ "sigaltstack", SYS_sigaltstack, ANY_ARG, 0 },
};

/* From now on the call fails with the error. */
static int
refuse(const struct refused *r, int error)
{
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)r->r_nr, 0, 3),
		BPF_STMT(r->r_arg2 == ANY_ARG ? BPF_RET | BPF_K :
		    BPF_LD | BPF_W | BPF_ABS, r->r_arg2 == ANY_ARG ?
		    SECCOMP_RET_ERRNO | (unsigned)error :
		    offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->r_arg2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { nitems(code),
	    (struct sock_filter *)(uintptr_t)code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0;
}

static int pipes[2];

static void
writes(void *arg)
{
	let_others_wait();
	if (lwkt_write(pipes[1], arg, 1) != 1)
		_exit(11);
}

/* A file, a child, a pipe to another CPU. */
static int
uses(void)
{
	static char path[] = "/tmp/lwkt-filter-XXXXXX";
	int fd = mkstemp(path), status = -1;
	char c = 'x';
	pid_t pid;

	if (fd < 0 || lwkt_write(fd, "abc", 3) != 3 || lwkt_fsync(fd) != 0 ||
	    lwkt_pread(fd, &c, 1, 2) != 1 || c != 'c' || lwkt_close(fd) != 0 ||
	    unlink(path) != 0)
		return 12;
	if ((pid = fork()) == 0)
		_exit(5);
	if (lwkt_waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 5)
		return 13;
	spawn(writes, &c, 1);
	return lwkt_read(pipes[0], &c, 1) == 1 ? 0 : 14;
}

/* A CPU that only waits must not go round in its idle loop. */
static int
rests(void)
{
	uint64_t polls = machine_io_stats()->his_polls;
	char c;

	if (lwkt_read_timo(pipes[0], &c, 1, IDLE_MS * MS) != -ETIMEDOUT)
		return 15;
	polls = machine_io_stats()->his_polls - polls;
	if (polls > IDLE_POLLS)
		lwkt_printf("%llu polls", (unsigned long long)polls);
	return polls > IDLE_POLLS ? 16 : 0;
}

static int
body(void *arg)
{
	int result;

	(void)arg;
	(void)lwkt_sleep_ns(MS);
	result = uses();
	return result != 0 ? result : rests();
}

static const struct refused *now;
static int with;

static void
boot(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };

	(void)arg;
	if (pipe(pipes) != 0 || refuse(now, with))
		_exit(97);
	_exit(lwkt_boot(&cfg, body, NULL) & 0xff);
}

static int
looks(void *arg)
{
	(void)arg;
	iotest_backend();
	return 0;
}

int
main(void)
{
	static const int errors[] = { ENOSYS, EPERM };
	static struct child c;
	int status, boots, works;

	if (LWKT_TSAN || LWKT_ASAN || fiber_wanted())
		skip_all("a checker makes these calls itself");
	(void)lwkt_boot(NULL, looks, NULL);
	for (size_t i = 0; i < 2 * nitems(list); i++) {
		now = &list[i / 2];
		with = errors[i % 2];
		child_run(&c, boot, NULL);
		status = WIFEXITED(c.c_status) ? WEXITSTATUS(c.c_status) : -1;
		boots = (now->r_boots & (with == EPERM ? EPERM_OK :
		    ENOSYS_OK)) != 0;
		works = boots ? status == 0 :
		    status == 255 && child_said(&c, "the host refuses");
		if (!ok(works, "%s refused with %s: %s", now->r_name,
		    with == EPERM ? "EPERM" : "ENOSYS", boots ?
		    "it works, and rests" : "the boot says so"))
			child_diag(&c);
	}
	return tap_done();
}
