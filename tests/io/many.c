/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thousands of descriptors with a thread each, and no descriptors at all.
 */
#include <fcntl.h>
#include <sys/resource.h>

#include "iotest.h"

#define PAIRS	2000
#define ROUNDS	5

static int fd[PAIRS][2];
static unsigned wrong;

static void
echo(void *arg)
{
	int s = (int)(intptr_t)arg;
	int v;

	while (lwkt_recv(s, &v, sizeof(v), MSG_WAITALL) == sizeof(v)) {
		v++;
		(void)lwkt_send(s, &v, sizeof(v), 0);
	}
	if (lwkt_close(s) != 0)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
}

static unsigned
talk_to_all(unsigned n)
{
	unsigned good = 0;
	int v;

	for (unsigned r = 0; r < ROUNDS; r++) {
		for (unsigned i = 0; i < n; i++) {
			v = (int)(i * 10 + r);
			good += lwkt_send(fd[i][1], &v, sizeof(v), 0) ==
			    sizeof(v);
		}
		for (unsigned i = 0; i < n; i++) {
			if (lwkt_recv(fd[i][1], &v, sizeof(v), MSG_WAITALL) ==
			    sizeof(v) && v == (int)(i * 10 + r + 1))
				good++;
		}
	}
	return good;
}

static void
thousands(void)
{
	static lwkt_thread_t td[PAIRS];
	struct rlimit rl;
	unsigned n = PAIRS;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur < 2 * PAIRS + 64)
		n = (unsigned)(rl.rlim_cur - 64) / 2;
	for (unsigned i = 0; i < n; i++) {
		pair(fd[i]);
		td[i] = spawn(echo, (void *)(intptr_t)fd[i][0],
		    (int)i % lwkt_ncpus());
	}
	is_int(talk_to_all(n), 2 * n * ROUNDS, "%u threads answer", n);
	for (unsigned i = 0; i < n; i++)
		lwkt_close(fd[i][1]);
	for (unsigned i = 0; i < n; i++)
		lwkt_join(td[i]);
	is_int(wrong, 0, "all descriptors were closed once");
}

static void
no_descriptors(void)
{
	struct rlimit rl, few;
	struct sockaddr_in sin;
	int lfd = listener(&sin), c, keep[64], n = 0, s;

	c = socket(AF_INET, SOCK_STREAM, 0);
	is_int(lwkt_connect(c, (struct sockaddr *)&sin, sizeof(sin)), 0,
	    "connect");
	getrlimit(RLIMIT_NOFILE, &rl);
	few = rl;
	few.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &few);
	while (n < 64 && (keep[n] = dup(0)) >= 0)
		n++;
	is_int(lwkt_accept(lfd, NULL, NULL), -EMFILE, "accept: EMFILE");
	is_int(lwkt_open("/", O_RDONLY, 0), -EMFILE, "open: EMFILE");
	is_int(lwkt_recv_timo(c, &s, sizeof(s), 0, 5 * MS), -ETIMEDOUT,
	    "waiting needs no descriptor");
	while (n > 0)
		close(keep[--n]);
	setrlimit(RLIMIT_NOFILE, &rl);
	s = lwkt_accept(lfd, NULL, NULL);
	ok(s >= 0, "the connection was not lost");
	lwkt_close(s);
	lwkt_close(c);
	lwkt_close(lfd);
}

static int
test(void *arg)
{
	(void)arg;
	iotest_backend();
	thousands();
	no_descriptors();
	return 0;
}

int
main(void)
{
	return iotest_run(test, 2);
}
