/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run something in a child process that is meant to die, and read what it
 * says on stderr.
 */
#ifndef LWKT_TESTS_CORE_CHILD_H
#define LWKT_TESTS_CORE_CHILD_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

struct child {
	int	c_status;		/* of waitpid */
	size_t	c_len;
	char	c_err[65536];		/* what it wrote, as far as it fits */
};

/* In the child: no core file, no TAP, an end in sight. */
static inline void
child_begin(int fd)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)alarm(60);
	if (dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(99);
}

/* Has it written nothing for half a second? */
static inline int
child_is_quiet(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 500) == 0;
}

/*
 * Run fn(arg) in a child.  If enough is not NULL, end the child by SIGALRM when
 * it has said that, and then nothing for a while.
 */
static inline void
child_run_until(struct child *c, void (*fn)(void *), void *arg,
    const char *enough)
{
	char rest[4096];
	int fd[2];
	ssize_t n;
	pid_t pid;

	memset(c, 0, sizeof(*c));
	if (pipe(fd) != 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		child_begin(fd[1]);
		fn(arg);
		_exit(0);
	}
	(void)close(fd[1]);
	for (;;) {
		int room = c->c_len + 1 < sizeof(c->c_err);

		if (enough != NULL && strstr(c->c_err, enough) != NULL &&
		    child_is_quiet(fd[0])) {
			(void)kill(pid, SIGALRM);
			enough = NULL;
		}
		n = read(fd[0], room ? c->c_err + c->c_len : rest,
		    room ? sizeof(c->c_err) - 1 - c->c_len : sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		c->c_len += room ? (size_t)n : 0;
	}
	(void)close(fd[0]);
	while (waitpid(pid, &c->c_status, 0) < 0 && errno == EINTR)
		continue;
}

static inline void
child_run(struct child *c, void (*fn)(void *), void *arg)
{
	child_run_until(c, fn, arg, NULL);
}

/* Whether it died by this signal. */
static inline int
child_died(const struct child *c, int sig)
{
	return WIFSIGNALED(c->c_status) && WTERMSIG(c->c_status) == sig;
}

static inline int
child_said(const struct child *c, const char *what)
{
	return strstr(c->c_err, what) != NULL;
}

/* Everything it said, a remark a line. */
static inline void
child_diag(const struct child *c)
{
	const char *s = c->c_err;
	size_t len;

	diag("wait status %#x, stderr:", (unsigned)c->c_status);
	for (; *s != '\0'; s += len + (s[len] == '\n')) {
		len = strcspn(s, "\n");
		diag("| %.*s", (int)len, s);
	}
}

#endif
