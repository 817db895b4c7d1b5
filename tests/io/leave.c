/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU that leaves waits for the host threads that still tell it something.
 *
 * A host thread that has made a call for a CPU first hands the result over and
 * then wakes the CPU by its eventfd.  The CPU may be awake by then, take the
 * result and leave.  This program's write() lets it, and looks whether the
 * eventfd is still open.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/iotest.h"

#define ROUNDS	6
#define NAP_NS	30000000

typedef ssize_t (*write_t)(int, const void *, size_t);

static uint32_t armed, waked, closed;
static unsigned rounds;

/* Of a host thread that is no CPU, and 8 bytes: a CPU is being woken. */
static int
is_doorbell(size_t len)
{
	return len == sizeof(uint64_t) && lwkt_self() == NULL &&
	    __atomic_exchange_n(&armed, 0, __ATOMIC_SEQ_CST) != 0;
}

ssize_t
write(int fd, const void *buf, size_t len)
{
	static const struct timespec nap = { 0, NAP_NS };
	static write_t real;

	if (real == NULL)
		real = (write_t)dlsym(RTLD_NEXT, "write");
	if (is_doorbell(len)) {
		__atomic_store_n(&waked, 1, __ATOMIC_SEQ_CST);
		(void)nanosleep(&nap, NULL);
		if (fcntl(fd, F_GETFD) < 0)
			__atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
	}
	return real(fd, buf, len);
}

/* A call that a carrier makes, for one back end; its end wakes this CPU. */
static void
opens(void *arg)
{
	int fd;

	(void)arg;
	while (__atomic_load_n(&waked, __ATOMIC_SEQ_CST) == 0) {
		__atomic_store_n(&armed, 1, __ATOMIC_SEQ_CST);
		fd = lwkt_open("io-leave.tmp", O_WRONLY | O_CREAT, 0600);
		if (fd >= 0)
			(void)lwkt_close(fd);
	}
}

/* One that the host thread of retry.c makes, for both. */
static void
waits_for_any_child(void *arg)
{
	static const struct timespec life = { 0, 3000000 };
	int status;

	(void)arg;
	while (__atomic_load_n(&waked, __ATOMIC_SEQ_CST) == 0) {
		if (fork() == 0) {
			(void)nanosleep(&life, NULL);
			_exit(0);
		}
		__atomic_store_n(&armed, 1, __ATOMIC_SEQ_CST);
		(void)lwkt_waitpid(-1, &status, 0);
	}
}

struct asked {
	struct lwkt_port a_port;
	pthread_t	a_pthread;
};

/* A pthread whose reply is executed before it has woken the CPU. */
static void *
replies(void *arg)
{
	struct asked *a = arg;
	lwkt_msg_t msg = lwkt_waitport(&a->a_port, 0);

	__atomic_store_n(&armed, 1, __ATOMIC_SEQ_CST);
	lwkt_replymsg(msg, 0);
	return NULL;
}

/* The CPU wakes by itself, and finds the reply. */
static void
wakes_often(void *arg)
{
	(void)arg;
	for (;;)
		(void)lwkt_sleep_ns(MS);
}

/* Input that never comes: the CPU waits for it, and so by its eventfd. */
static void
receives(void *arg)
{
	int fd[2];
	char c;

	(void)arg;
	pair(fd);
	(void)lwkt_recv(fd[0], &c, 1, 0);
}

static int
asks_a_pthread(void *arg)
{
	struct asked *a = arg;
	struct lwkt_msg msg;
	int i;

	if (lwkt_create(wakes_often, NULL, NULL, NULL, 0, 0, "t") != 0 ||
	    lwkt_create(receives, NULL, NULL, NULL, 0, 0, "t") != 0)
		return 1;
	for (i = 0; i < 1000; i++) {
		lwkt_initport_spin(&a->a_port);
		if (pthread_create(&a->a_pthread, NULL, replies, a) != 0)
			return 1;
		lwkt_initmsg(&msg, lwkt_curport(), 0);
		(void)lwkt_domsg(&a->a_port, &msg, 0);
		if (__atomic_load_n(&waked, __ATOMIC_SEQ_CST) != 0)
			return 0;
		(void)pthread_join(a->a_pthread, NULL);
	}
	return 1;
}

static int
leaves_early(void *arg)
{
	int epoll = strcmp(machine_io_name(), "epoll") == 0;

	(void)arg;
	if (lwkt_create(epoll && (rounds++ & 1) ? opens : waits_for_any_child,
	    NULL, NULL, NULL, 0, 1, "t") != 0)
		return 1;
	while (__atomic_load_n(&waked, __ATOMIC_SEQ_CST) == 0)
		(void)lwkt_sleep_ns(MS / 10);
	return 0;
}

static int
first(void *arg)
{
	(void)arg;
	iotest_backend();
	return leaves_early(arg);
}

int
main(void)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		waked = armed = 0;
		iotest_boot(i == 0 ? first : leaves_early, 2);
	}
	(void)unlink("io-leave.tmp");
	for (i = 0; i < ROUNDS; i++) {
		static struct asked a;
		struct lwkt_config cfg = { .lc_ncpus = 1 };

		waked = armed = 0;
		is_int(lwkt_boot_result(&cfg, asks_a_pthread, &a, NULL), 0,
		    "boot beside a pthread");
		(void)pthread_join(a.a_pthread, NULL);
	}
	ok(closed == 0, "no eventfd is closed before it is written");
	return tap_done();
}
