/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A short result that is the whole: the call ends with it.  Messages are not
 * joined, a full file is not written over.
 */
#include "core/util.h"

#include <fcntl.h>
#include <lwkt/io.h>
#include <lwkt/sysmsg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef LWKT_HOST_SIM
#include "machine/sim/sim_io.h"
#define make_pair(fd)	sim_dgrampair(fd)
#define FILE_NAME	"f"
#define ROOM		SIM_IO_FILE
#else
#define make_pair(fd)	socketpair(AF_UNIX, SOCK_DGRAM, 0, (fd))
#define FILE_NAME	"/tmp/lwkt-iowhole"
#define ROOM		4096
#endif

static int fds[2];

/* Messages of 3, 0 and 2 bytes. */
static void
send_three(void *arg)
{
	(void)arg;
	check(lwkt_send(fds[1], "abc", 3, 0) == 3, "three bytes");
	(void)lwkt_sleep_ns(20000);
	check(lwkt_send(fds[1], "", 0, 0) == 0, "no byte");
	check(lwkt_send(fds[1], "de", 2, 0) == 2, "two bytes");
}

static int
messages_stay_apart(void *arg)
{
	static const ssize_t want[] = { 3, 0, 2 };
	lwkt_thread_t td;
	char buf[16];
	ssize_t n;

	(void)arg;
	(void)make_pair(fds);
	td = spawn_on(1, send_three, NULL);
	for (int i = 0; i < 3; i++) {
		n = lwkt_recv(fds[0], buf, sizeof(buf), MSG_WAITALL);
		check(n == want[i], "message %d: %zd", i, n);
	}
	join(td);
	check(lwkt_recv_timo(fds[0], buf, 1, 0, 0) == -ETIMEDOUT, "no more");
	lwkt_close(fds[0]);
	lwkt_close(fds[1]);
	return 0;
}

/* Ten bytes less than a file holds are written before; then twenty more. */
static int
full_file(void *arg)
{
	static char big[ROOM], tail[20];
	int fd = lwkt_open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	(void)arg;
	memset(big, 'a', sizeof(big));
	memset(tail, 'b', sizeof(tail));
	n = lwkt_write(fd, big, ROOM - 10);
	check(n == ROOM - 10, "what there is room for: %zd", n);
	n = lwkt_write(fd, tail, sizeof(tail));
	check(n == 10, "a part: %zd", n);
	n = lwkt_write(fd, tail, sizeof(tail));
	check(n == -ENOSPC || n == -EFBIG, "no room: %zd", n);
	memset(big, 0, sizeof(big));
	check(lwkt_pread(fd, big, ROOM, 0) == ROOM, "its size");
	check(big[0] == 'a' && big[ROOM - 11] == 'a' && big[ROOM - 10] == 'b',
	    "nothing is written over");
	lwkt_close(fd);
	return 0;
}

int
main(void)
{
#ifndef LWKT_HOST_SIM
	struct rlimit rl = { ROOM, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &rl);
#endif
	sim_explore("messages stay apart with MSG_WAITALL",
	    messages_stay_apart, NULL, 100);
	sim_explore("a file that is full", full_file, NULL, 50);
	if (FILE_NAME[0] == '/')
		unlink(FILE_NAME);
	return tap_done();
}
