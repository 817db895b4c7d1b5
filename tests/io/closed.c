/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program closes what the library has open: it is told, and does not hang.
 */
#include <fcntl.h>

#include "core/child.h"
#include "io/iotest.h"

static int pipes[2];

static void
reads(void *arg)
{
	char c;

	(void)arg;
	(void)lwkt_read(pipes[0], &c, 1);
}

/* Everything above stderr, but for the pipe. */
static void
close_all(void)
{
	(void)dup2(pipes[0], 3);
	(void)dup2(pipes[1], 4);
	pipes[0] = 3;
	pipes[1] = 4;
	closefrom(5);
}

/* While nothing waits; then something does. */
static int
then_waits(void *arg)
{
	(void)arg;
	(void)lwkt_sleep_ns(MS);
	close_all();
	reads(NULL);
	return 0;
}

static void
reads_on(void *arg)
{
	for (;;)
		reads(arg);
}

/* While a thread waits on this CPU, or on another one. */
static int
while_waiting(void *arg)
{
	lwkt_thread_t td = spawn(reads_on, NULL, arg != NULL);

	let_others_wait();
	close_all();
	(void)lwkt_sleep_ns(MS);
	(void)!write(pipes[1], "x", 1);
	lwkt_join(td);
	return 0;
}

/* The numbers are used again, by files of the program. */
static int
then_reused(void *arg)
{
	(void)arg;
	(void)lwkt_sleep_ns(MS);
	close_all();
	for (int i = 0; i < 20; i++)
		(void)open("/dev/null", O_RDWR);
	reads(NULL);
	return 0;
}

static const struct scene {
	int	(*s_fn)(void *);
	void	*s_arg;
	const char *s_name;
} scenes[] = {
	{ then_waits, NULL, "a thread that waits after closefrom" },
	{ while_waiting, NULL, "one that waits meanwhile" },
	{ while_waiting, pipes, "one that waits on another cpu" },
	{ then_reused, NULL, "one that waits when the numbers are used again" },
};

static void
boot_scene(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };
	const struct scene *s = arg;

	(void)alarm(20);
	if (pipe(pipes) == 0)
		_exit(lwkt_boot(&cfg, s->s_fn, s->s_arg));
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
	static struct child c;
	const struct scene *s;

	(void)lwkt_boot(NULL, looks, NULL);
	for (s = scenes; s < scenes + nitems(scenes); s++) {
		child_run(&c, boot_scene, (void *)(uintptr_t)s);
		if (!ok(child_died(&c, SIGABRT) &&
		    child_said(&c, "closed a descriptor of the library"),
		    "%s: the process ends and says why", s->s_name))
			child_diag(&c);
	}
	return tap_done();
}
