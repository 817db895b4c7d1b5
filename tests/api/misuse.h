/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of a programmer's errors share: each error must end the
 * process with a report that says what it was.
 *
 * Each case runs in a child process, which must die by SIGABRT and have
 * written the words of the case to stderr.
 */
#ifndef LWKT_TESTS_API_MISUSE_H
#define LWKT_TESTS_API_MISUSE_H

#include <lwkt/lwkt.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define MISUSE			static inline __attribute__((unused))

struct misuse {
	const char	*c_what;
	int		(*c_body)(void *);	/* the first thread */
	const char	*c_words;
};

MISUSE void
nothing(void *arg)
{
	(void)arg;
}

MISUSE lwkt_thread_t
start(void (*fn)(void *), int flags, int cpu)
{
	lwkt_thread_t td;

	if (lwkt_create(fn, NULL, &td, NULL, flags, cpu, "victim") != 0)
		_exit(1);
	return td;
}

/*
 * Run a case in a child process.  Return the signal that ended it, 0 if none
 * did, -1 if there was no child.  said gets what it wrote to stderr.
 */
MISUSE int
case_run(int (*body)(void *), char *said, size_t size)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };
	const struct rlimit none = { 0, 0 };
	char rest[4096];
	int fd[2], status = 0;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(fd) != 0 || (pid = fork()) < 0)
		return -1;
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		alarm(20);
		_exit(lwkt_boot(&cfg, body, NULL) & 0x7f);
	}
	close(fd[1]);
	while (len < size - 1 &&
	    (n = read(fd[0], said + len, size - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	while (read(fd[0], rest, sizeof(rest)) > 0)
		continue;
	close(fd[0]);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Run all cases; return the exit status of the program. */
MISUSE int
misuse_run(const struct misuse *cases, size_t n)
{
	static char said[16384];
	int sig;

	for (size_t i = 0; i < n; i++) {
		sig = case_run(cases[i].c_body, said, sizeof(said));
		if (!ok(sig == SIGABRT && strstr(said, cases[i].c_words),
		    "%s panics: %s", cases[i].c_what, cases[i].c_words))
			diag("signal %d, said: %.300s", sig, said);
	}
	return tap_done();
}

#endif
