/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs as children: system and popen on carriers.
 *
 * THEORY
 * libc's popen would return a stream whose reads stop the CPU.  The stream here
 * is one of fopencookie, and its functions are the calls of io/: a read or a
 * write blocks the thread only.  Creating the process stops its host thread
 * until the child has called exec, so this is done on a carrier.
 *
 * libc's lock of a stream has a host thread as its owner, so for two threads of
 * a CPU it would be one owner.  The lock is switched off; one thread at a time
 * uses the stream.
 *
 * libc may write a stream out where there is no thread, at the end of the
 * process.  Then the cookie makes the plain call.
 *
 * INVARIANTS
 * POP1 A stream is on the list `streams` from lwkt_popen() until lwkt_pclose()
 *    takes it off.  `lock` protects the list.
 *
 * Source: POSIX system, popen, pclose; the streams of fopencookie(3).
 */
#include <lwkt/blocking.h>
#include <lwkt/io.h>
#include <lwkt/libc.h>
#include <lwkt/spinlock.h>

#include <bsd/sys/queue.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kse/kse_errno.h"

/* A stream, and the program at its other end. */
struct child_stream {
	SLIST_ENTRY(child_stream) cs_link;	/* POP1 */
	FILE		*cs_file;
	const char	*cs_command;
	int		 cs_write;	/* 1: the program reads */
	int		 cs_fd;		/* our end of the pipe, or -1 */
	pid_t		 cs_pid;
};
static SLIST_HEAD(, child_stream) streams = SLIST_HEAD_INITIALIZER(streams);
static struct lwkt_spin lock = LWKT_SPIN_INITIALIZER("popen");

/* Carrier. */
static intptr_t
run_shell(void *arg)
{
	return system(arg);
}

/* system(3).  Thread; blocks the thread only. */
int
lwkt_system(const char *command)
{
	return (int)lwkt_blocking(run_shell, (void *)(uintptr_t)command);
}

/*
 * Start the program with `end`, its end of the pipe, as its standard input or
 * output.  Returns 0 or an errno.
 */
static int
spawn_shell(struct child_stream *cs, int end)
{
	char sh[] = "sh", c[] = "-c", *const argv[] = { sh, c,
	    (char *)(uintptr_t)cs->cs_command, NULL };
	posix_spawn_file_actions_t fa;
	int to = cs->cs_write ? STDIN_FILENO : STDOUT_FILENO, error;

	error = posix_spawn_file_actions_init(&fa);
	if (error != 0)
		return error;
	error = posix_spawn_file_actions_adddup2(&fa, end, to);
	if (error == 0)
		error = posix_spawn(&cs->cs_pid, "/bin/sh", &fa, NULL, argv,
		    environ);
	(void)posix_spawn_file_actions_destroy(&fa);
	return error;
}

/* Start the program of a stream; returns 0 or an errno.  Carrier. */
static intptr_t
start(void *arg)
{
	struct child_stream *cs = arg;
	int fds[2], error;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return errno;
	error = spawn_shell(cs, fds[!cs->cs_write]);
	(void)close(fds[!cs->cs_write]);
	if (error == 0)
		cs->cs_fd = fds[cs->cs_write];
	else
		(void)close(fds[cs->cs_write]);
	return error;
}

/* Turn a result of io/ into one of POSIX, with errno. */
static ssize_t
posix_result(ssize_t n)
{
	if (n >= 0)
		return n;
	kse_set_errno((int)-n);
	return -1;
}

static ssize_t
stream_read(void *cookie, char *buf, size_t size)
{
	const struct child_stream *cs = cookie;

	if (machine_oncpu() == NULL)
		return read(cs->cs_fd, buf, size);
	return posix_result(lwkt_read(cs->cs_fd, buf, size));
}

/* Unlike a read, an error is 0 (fopencookie). */
static ssize_t
stream_write(void *cookie, const char *buf, size_t size)
{
	const struct child_stream *cs = cookie;
	ssize_t n;

	n = machine_oncpu() == NULL ? write(cs->cs_fd, buf, size) :
	    posix_result(lwkt_write(cs->cs_fd, buf, size));
	return n < 0 ? 0 : n;
}

static int
stream_close(void *cookie)
{
	const struct child_stream *cs = cookie;

	if (cs->cs_fd < 0)
		return 0;
	if (machine_oncpu() == NULL)
		return close(cs->cs_fd);
	return (int)posix_result(lwkt_close(cs->cs_fd));
}

/* Open the file of a stream that has no program yet.  Returns 0 or an errno. */
static int
stream_open(struct child_stream *cs)
{
	static const cookie_io_functions_t functions = {
		.read = stream_read, .write = stream_write,
		.close = stream_close,
	};

	cs->cs_fd = -1;
	cs->cs_file = fopencookie(cs, cs->cs_write ? "w" : "r", functions);
	if (cs->cs_file == NULL)
		return errno;
	(void)__fsetlocking(cs->cs_file, FSETLOCKING_BYCALLER);
	return 0;
}

/* Return a stream for the type, or NULL with errno. */
static struct child_stream *
stream_alloc(const char *command, const char *type)
{
	struct child_stream *cs;
	int error;

	if ((type[0] != 'r' && type[0] != 'w') ||
	    (type[1] != '\0' && strcmp(type + 1, "e") != 0)) {
		errno = EINVAL;
		return NULL;
	}
	cs = calloc(1, sizeof(*cs));
	if (cs == NULL)
		return NULL;
	cs->cs_command = command;
	cs->cs_write = type[0] == 'w';
	error = stream_open(cs);
	if (error == 0)
		return cs;
	free(cs);
	errno = error;
	return NULL;
}

/* popen(3).  Thread; blocks the thread only. */
FILE *
lwkt_popen(const char *command, const char *type)
{
	struct child_stream *cs = stream_alloc(command, type);
	int error;

	if (cs == NULL)
		return NULL;
	error = (int)lwkt_blocking(start, cs);
	if (error != 0) {
		if (error < 0)
			error = kse_errno();		/* no carrier */
		(void)fclose(cs->cs_file);
		free(cs);
		kse_set_errno(error);
		return NULL;
	}
	cs->cs_command = NULL;				/* the caller's */
	lwkt_spin_lock(&lock);
	SLIST_INSERT_HEAD(&streams, cs, cs_link);	/* POP1 */
	lwkt_spin_unlock(&lock);
	return cs->cs_file;
}

/* Take the stream of the file off the list; NULL: there is none. */
static struct child_stream *
stream_take(const FILE *file)
{
	struct child_stream *cs;

	lwkt_spin_lock(&lock);
	SLIST_FOREACH(cs, &streams, cs_link)
		if (cs->cs_file == file)
			break;
	if (cs != NULL)
		SLIST_REMOVE(&streams, cs, child_stream, cs_link); /* POP1 */
	lwkt_spin_unlock(&lock);
	return cs;
}

/* pclose(3).  Thread; blocks the thread only. */
int
lwkt_pclose(FILE *file)
{
	struct child_stream *cs = stream_take(file);
	int status;
	pid_t pid;

	if (cs == NULL)
		return (int)posix_result(-EINVAL);
	(void)fclose(file);
	pid = lwkt_waitpid(cs->cs_pid, &status, 0);
	free(cs);
	return pid < 0 ? (int)posix_result(pid) : status;
}
