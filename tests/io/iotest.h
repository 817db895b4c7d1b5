/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the I/O tests share: boot on the wanted back end, run, and skip when
 * the host refuses it.
 */
#ifndef LWKT_TESTS_IOTEST_H
#define LWKT_TESTS_IOTEST_H

#include <arpa/inet.h>
#include <errno.h>
#include <lwkt/io.h>
#include <lwkt/lwkt.h>
#include <lwkt/sysmsg.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "machine/machine_io.h"
#include "tap.h"

#define MS		((int64_t)1000000)

/* Long enough that a thread that was to wait does, whatever the machine. */
static inline void
let_others_wait(void)
{
	(void)lwkt_sleep_ns(5 * MS);
}

/* Boot ncpus CPUs and run the test. */
static inline void
iotest_boot(int (*fn)(void *), int ncpus)
{
	struct lwkt_config cfg = { .lc_ncpus = ncpus };
	int error, result;

	error = lwkt_boot_result(&cfg, fn, NULL, &result);
	is_int(error, 0, "boot with %d CPUs", ncpus);
	is_int(result, 0, "the test ran to its end");
}

/* The same; tap's status. */
static inline int
iotest_run(int (*fn)(void *), int ncpus)
{
	iotest_boot(fn, ncpus);
	return tap_done();
}

/* First thing in the test: does the back end that was asked for serve? */
static inline void
iotest_backend(void)
{
	const char *want = getenv("LWKT_IO");

	if (want != NULL && strstr(machine_io_name(), want) == NULL)
		skip_all("the host refuses %s", want);
	diag("back end: %s", machine_io_name());
}

static inline lwkt_thread_t
spawn(void (*fn)(void *), void *arg, int cpu)
{
	lwkt_thread_t td;
	int error = lwkt_create(fn, arg, &td, NULL, LWKT_JOINABLE, cpu, "t");

	if (error != 0) {
		diag("create: %s", strerror(error));
		abort();
	}
	return td;
}

static inline void
pair(int fd[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0) {
		diag("socketpair: %s", strerror(errno));
		abort();
	}
}

/* A listening socket on 127.0.0.1, its address in *sin. */
static inline int
listener(struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)sin, sizeof(*sin)) != 0 ||
	    listen(fd, 64) != 0 ||
	    getsockname(fd, (struct sockaddr *)sin, &len) != 0) {
		diag("listener: %s", strerror(errno));
		abort();
	}
	return fd;
}

#endif
