/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program with much thread-local data: it takes its room from the stacks of
 * pthreads, and the library's helpers must have enough all the same.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "io/iotest.h"

static __thread volatile char local[100 * 1024];

static int
run(void *arg)
{
	static char path[] = "/tmp/lwkt-local-XXXXXX";
	char buf[4096] = "";
	int fd;

	(void)arg;
	iotest_backend();
	for (size_t i = 0; i < sizeof(local); i++)
		local[i] = 1;
	fd = mkstemp(path);
	is_int(lwkt_write(fd, buf, sizeof(buf)), sizeof(buf),
	    "a file is written");
	is_int(lwkt_fsync(fd), 0, "and on the disk");
	is_int(lwkt_close(fd), 0, "and closed");
	fd = lwkt_open(path, O_RDONLY, 0);
	ok(fd >= 0, "and opened");
	is_int(lwkt_pread(fd, buf, sizeof(buf), 0), sizeof(buf), "and read");
	(void)lwkt_close(fd);
	(void)unlink(path);
	return 0;
}

int
main(void)
{
	return iotest_run(run, 2);
}
