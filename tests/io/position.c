/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that share the position of a file: no record is lost, none is
 * written or read twice, and none is torn.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "iotest.h"

#define THREADS		8
#define EACH		60
#define RECORDS		(THREADS * EACH)
#define LEN		100

static char path[] = "/tmp/lwkt-position-XXXXXX";
static int fd;
static int seen[RECORDS];
static unsigned short_ones;

static void
record(char *buf, int i)
{
	memset(buf, '.', LEN);
	snprintf(buf, LEN, "%06d", i);
	buf[6] = '.';
	buf[LEN - 1] = '\n';
}

static void
note(const char *buf)
{
	int i = atoi(buf);

	if (buf[6] == '.' && buf[LEN - 1] == '\n' && i >= 0 && i < RECORDS)
		__atomic_add_fetch(&seen[i], 1, __ATOMIC_SEQ_CST);
}

static int
once(void)
{
	int n = 0;

	for (int i = 0; i < RECORDS; i++)
		n += seen[i] == 1;
	return n;
}

static void
begin(int oflags)
{
	fd = open(path, O_RDWR | O_TRUNC | oflags);
	memset(seen, 0, sizeof(seen));
	short_ones = 0;
}

static void
check_file(const char *what)
{
	char buf[LEN];

	for (off_t off = 0; pread(fd, buf, LEN, off) == LEN; off += LEN)
		note(buf);
	is_int(once(), RECORDS, "%s: each record is there once", what);
	is_int(lseek(fd, 0, SEEK_END), RECORDS * LEN, "and nothing else");
	is_int(short_ones, 0, "and no write was short");
	lwkt_close(fd);
}

static void
writer(void *arg)
{
	int first = (int)(intptr_t)arg * EACH;
	char buf[LEN];

	for (int i = first; i < first + EACH; i++) {
		record(buf, i);
		if (lwkt_write(fd, buf, LEN) != LEN)
			__atomic_add_fetch(&short_ones, 1, __ATOMIC_SEQ_CST);
	}
}

static void
reader(void *arg)
{
	char buf[LEN];
	ssize_t n;

	(void)arg;
	while ((n = lwkt_read(fd, buf, LEN)) > 0) {
		if (n == LEN)
			note(buf);
		else
			__atomic_add_fetch(&short_ones, 1, __ATOMIC_SEQ_CST);
	}
}

static void
all(void (*fn)(void *), int ncpus)
{
	lwkt_thread_t td[THREADS];

	for (int i = 0; i < THREADS; i++)
		td[i] = spawn(fn, (void *)(intptr_t)i, i % ncpus);
	for (int i = 0; i < THREADS; i++)
		lwkt_join(td[i]);
}

/* Many writes of one thread under way, some aborted in the line. */
static void
messages(void)
{
	static struct lwkt_sysmsg sm[32];
	static char buf[32][LEN];
	int written = 0;

	begin(0);
	for (int i = 0; i < 32; i++) {
		record(buf[i], i);
		lwkt_sysmsg_write(&sm[i], lwkt_curport(), fd, buf[i], LEN);
		lwkt_sendsys(&sm[i]);
	}
	for (int i = 1; i < 32; i += 3)
		lwkt_abortmsg(&sm[i].sm_msg);
	for (int i = 0; i < 32; i++) {
		(void)lwkt_waitmsg(&sm[i].sm_msg, 0);
		written += sm[i].sm_result == LEN;
		if (sm[i].sm_result != LEN && (sm[i].sm_result != -ECANCELED ||
		    i % 3 != 1))
			diag("message %d: %lld", i,
			    (long long)sm[i].sm_result);
	}
	ok(written >= 21, "%d of 32 writes were not aborted", written);
	is_int(lseek(fd, 0, SEEK_CUR), written * LEN,
	    "and moved the position each");
	for (int i = 0; i < written; i++)
		if (pread(fd, buf[0], LEN, (off_t)i * LEN) == LEN)
			note(buf[0]);
	is_int(once(), written, "each record is there once");
	lwkt_close(fd);
}

static int
test(void *arg)
{
	(void)arg;
	iotest_backend();
	begin(0);
	all(writer, 2);
	check_file("8 threads on 2 CPUs");
	begin(0);
	all(writer, 1);
	check_file("8 threads on one CPU");
	begin(O_APPEND);
	all(writer, 2);
	check_file("with O_APPEND");
	fd = lwkt_open(path, O_RDONLY, 0);
	memset(seen, 0, sizeof(seen));
	all(reader, 2);
	is_int(once(), RECORDS, "8 readers: each record is read once");
	is_int(short_ones, 0, "and whole");
	lwkt_close(fd);
	messages();
	return 0;
}

int
main(void)
{
	close(mkstemp(path));
	iotest_boot(test, 2);
	setenv("LWKT_FAIL", "hostcall.nowait:*", 1);
	iotest_boot(test, 2);
	unlink(path);
	return tap_done();
}
