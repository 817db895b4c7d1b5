/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel of two CPUs in a child process, with threads that keep a CPU or
 * wait.
 */
#ifndef LWKT_TESTS_CORE_CROWD_H
#define LWKT_TESTS_CORE_CROWD_H

#include <unistd.h>

#include "core/child.h"
#include "core/util.h"

static uint32_t hogs;			/* threads that keep a CPU */
static uint32_t served;

/* TSan keeps signals back; it and ASan report faults themselves. */
#define SIGNALS_LATE	LWKT_TSAN
#define FAULTS_TAKEN	(LWKT_TSAN || LWKT_ASAN)

/* Two CPUs, and no more said about the body's result. */
UTIL void
boot2(void *body)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };

	(void)lwkt_boot(&cfg, *(int (**)(void *))body, NULL);
}

UTIL struct child *
run(int (*body)(void *))
{
	static struct child c;

	child_run(&c, boot2, (void *)&body);
	return &c;
}

/* Make stderr a pipe without a reader: a write to it raises SIGPIPE. */
UTIL void
stderr_unread(void)
{
	int fd[2];

	if (pipe(fd) != 0)
		_exit(98);
	(void)dup2(fd[1], STDERR_FILENO);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

static __attribute__((noinline)) void
hog_forever(void)
{
	static volatile uint64_t n;

	for (;;)
		n = n + 1;
}

UTIL void
hog(void *arg)
{
	lwkt_setname("the hog");
	(void)arg;
	ADD(hogs, 1);
	hog_forever();
}

UTIL void
sleeper(void *arg)
{
	lwkt_setname("the sleeper");
	lwkt_tsleep(arg, 0, "nothing", LWKT_FOREVER);
}

UTIL void
joiner(void *arg)
{
	lwkt_setname("the joiner");
	join(arg);
}

/* A hog on CPU 1, a sleeper and its joiner on CPU 0. */
UTIL void
crowd(void)
{
	lwkt_thread_t td;

	td = spawn(sleeper, &served, 0, 0);
	spawn(joiner, td, 0, 0);
	spawn(hog, NULL, 0, 1);
	settle(0, LWKT_PRI_KERN_DAEMON);
	await(&hogs, 1);
}

#endif
