/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the host may refuse: a ring, a carrier, a registration, memory.
 */
#include <fcntl.h>

#include "iotest.h"

static const char *served;

static int
name_it(void *arg)
{
	int fd[2];
	char c;

	(void)arg;
	served = machine_io_name();
	pair(fd);
	is_int(lwkt_recv_timo(fd[0], &c, 1, 0, 2 * MS), -ETIMEDOUT,
	    "%s waits", served);
	lwkt_close(fd[0]);
	lwkt_close(fd[1]);
	return 0;
}

static int
boot(const char *io, const char *fail, int (*fn)(void *))
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };
	int error, result = 0;

	setenv("LWKT_IO", io, 1);
	setenv("LWKT_FAIL", fail, 1);
	served = "nobody";
	error = lwkt_boot_result(&cfg, fn, NULL, &result);
	unsetenv("LWKT_FAIL");
	return error != 0 ? error : result;
}

static int
no_carrier(void *arg)
{
	(void)arg;
	is_int(lwkt_open("/", O_RDONLY, 0), -EAGAIN,
	    "open without a carrier says so");
	ok(lwkt_open("/", O_RDONLY, 0) >= 0, "and works when there is one");
	return 0;
}

/* The host reads half of it at once; the rest would be a carrier's. */
static int
no_carrier_for_the_rest(void *arg)
{
	char path[] = "/tmp/lwkt-refused.XXXXXX", buf[100] = { 1 };
	int fd = mkstemp(path);

	(void)arg;
	unlink(path);
	is_int(write(fd, buf, sizeof(buf)), sizeof(buf), "write");
	is_int(lseek(fd, 0, SEEK_SET), 0, "lseek");
	is_int(lwkt_pread(fd, buf, sizeof(buf), 0), sizeof(buf) / 2,
	    "a part that was read counts, if the rest gets no carrier");
	is_int(lwkt_read(fd, buf, sizeof(buf)), sizeof(buf) / 2,
	    "also at the position");
	is_int(lseek(fd, 0, SEEK_CUR), sizeof(buf) / 2, "which agrees");
	close(fd);
	return 0;
}

static int
no_registration(void *arg)
{
	int fd[2];
	char c;

	(void)arg;
	pair(fd);
	is_int(lwkt_recv_timo(fd[0], &c, 1, 0, 2 * MS), -ENOMEM,
	    "a wait that epoll refuses says so");
	is_int(lwkt_recv_timo(fd[0], &c, 1, 0, 2 * MS), -ETIMEDOUT,
	    "and the next one waits");
	lwkt_close(fd[0]);
	lwkt_close(fd[1]);
	return 0;
}

int
main(void)
{
	is_int(boot("io_uring", "io_uring.setup:*", name_it), 0,
	    "boots when io_uring is refused");
	is_str(served, "epoll", "with epoll");
	is_int(boot("epoll", "epoll.create:*", name_it), 0,
	    "boots when epoll is refused, if a ring can be had");
	is_int(boot("epoll", "io.mem:1", name_it), ENOMEM,
	    "does not boot without memory");
	is_str(served, "nobody", "and runs nothing");
	is_int(boot("nonsense", "", name_it), EINVAL, "no such back end");
	is_int(boot("epoll", "carrier.create:1", no_carrier), 0, "carriers");
	is_int(boot("epoll", "hostcall.part:*,carrier.create:*",
	    no_carrier_for_the_rest), 0, "the rest of a transfer");
	is_int(boot("epoll", "epoll.add:1", no_registration), 0,
	    "registrations");
	return tap_done();
}
