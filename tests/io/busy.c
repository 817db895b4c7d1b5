/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU that never idles still sees completions; a busy connection does not
 * starve its equals; the kernel stops with calls under way.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "iotest.h"

static unsigned done;
static int fds[2];

static void
reader(void *arg)
{
	char c;

	(void)arg;
	is_int(lwkt_recv(fds[0], &c, 1, 0), 1, "it arrives");
	__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
}

static void
sees_completions(void)
{
	lwkt_thread_t td;

	pair(fds);
	done = 0;
	td = spawn(reader, NULL, 0);
	lwkt_yield();			/* it waits now */
	if (write(fds[1], "x", 1) != 1)
		abort();
	/* Ends only if somebody polls. */
	while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
		lwkt_yield();
	lwkt_join(td);
	ok(1, "a CPU that only yields sees a completion");
	lwkt_close(fds[0]);
	lwkt_close(fds[1]);
}

/* Talks to itself through a socket: no call of it ever waits. */
static void
chatter(void *arg)
{
	int s[2];
	char c = 0;

	(void)arg;
	pair(s);
	while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) {
		(void)lwkt_send(s[0], &c, 1, 0);
		(void)lwkt_recv(s[1], &c, 1, 0);
	}
	lwkt_close(s[0]);
	lwkt_close(s[1]);
}

static void
finisher(void *arg)
{
	(void)arg;
	__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
}

static void
is_fair(void)
{
	lwkt_thread_t td[2];

	done = 0;
	td[0] = spawn(chatter, NULL, 0);
	lwkt_yield();
	td[1] = spawn(finisher, NULL, 0);
	lwkt_join(td[1]);
	lwkt_join(td[0]);
	ok(1, "calls that never wait let others run");
}

static char fifo[64];

static void
never_ends(void *arg)
{
	char c;

	if (arg != NULL)
		(void)lwkt_open(fifo, O_RDONLY, 0);
	else
		(void)lwkt_recv(fds[0], &c, 1, 0);
}

static int
test(void *arg)
{
	(void)arg;
	iotest_backend();
	sees_completions();
	is_fair();
	/* main returns with these under way */
	pair(fds);
	(void)spawn(never_ends, NULL, 0);
	(void)spawn(never_ends, fifo, 0);
	let_others_wait();
	return 0;
}

int
main(void)
{
	char dir[] = "/tmp/lwkt-busy-XXXXXX";
	int status;

	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	mkfifo(fifo, 0600);
	status = iotest_run(test, 1);
	unlink(fifo);
	rmdir(dir);
	return status;
}
