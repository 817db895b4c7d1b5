/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel's signal does to calls of libc that wait, and to those of the
 * library that are to be used instead.
 */
#include <errno.h>
#include <lwkt/io.h>
#include <lwkt/lwkt.h>
#include <lwkt/sync.h>
#include <lwkt/systimer.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "tap.h"

#define MS	INT64_C(1000000)

static int pair[2];

static void
fires(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
}

/* A plain pthread: it writes when the kernel's timer has fired for a while. */
static void *
writes(void *arg)
{
	const struct timespec ts = { 0, 100 * MS };

	(void)nanosleep(&ts, NULL);
	return write(*(int *)arg, "x", 1) == 1 ? NULL : arg;
}

static void
restarted(void)
{
	pthread_t writer;
	ssize_t n;
	char c;

	if (pthread_create(&writer, NULL, writes, &pair[1]) != 0)
		abort();
	errno = 0;
	n = read(pair[0], &c, 1);
	ok(n == 1, "a call without a time limit is restarted: %zd, errno %d",
	    n, errno);
	(void)pthread_join(writer, NULL);
}

static void
cut_short(void)
{
	const struct timespec ts = { 100, 0 };
	struct pollfd pf = { pair[0], POLLIN, 0 };
	int n;

	n = poll(&pf, 1, 100000);
	ok(n == -1 && errno == EINTR, "poll ends early: %d, errno %d", n,
	    errno);
	n = nanosleep(&ts, NULL);
	ok(n == -1 && errno == EINTR, "nanosleep ends early: %d, errno %d", n,
	    errno);
}

static void
waited(int64_t began, const char *what)
{
	ok(lwkt_time_ns() - began >= 20 * MS, "%s waits for all of its time",
	    what);
}

static void
the_library(void)
{
	struct lwkt_sem se = LWKT_SEM_INITIALIZER(0, "never");
	int64_t began = lwkt_time_ns();
	char c;

	is_int(lwkt_sleep_ns(20 * MS), 0, "lwkt_sleep_ns sleeps");
	waited(began, "it");
	began = lwkt_time_ns();
	is_int(lwkt_poll(pair[0], POLLIN, 20 * MS), 0, "lwkt_poll times out");
	waited(began, "it");
	began = lwkt_time_ns();
	is_int(lwkt_sem_wait(&se, 20 * MS), EWOULDBLOCK,
	    "lwkt_sem_wait times out");
	waited(began, "it");
	began = lwkt_time_ns();
	is_int(lwkt_recv_timo(pair[0], &c, 1, 0, 20 * MS), -ETIMEDOUT,
	    "lwkt_recv_timo times out");
	waited(began, "it");
}

static int
body(void *arg)
{
	struct lwkt_systimer st;

	(void)arg;
	lwkt_systimer_init_periodic(&st, fires, NULL, 5 * MS, 0);
	restarted();
	cut_short();
	the_library();
	lwkt_systimer_del(&st);
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		abort();
	is_int(lwkt_boot(&cfg, body, NULL), 0, "it ran");
	return tap_done();
}
