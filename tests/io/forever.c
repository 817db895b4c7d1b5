/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waits that may last for ever do not stop the calls of others: opens of FIFOs
 * without a peer, waits for any child, connects to a full backlog.  An abort
 * ends the fsync of a device.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counter.h"
#include "io/iotest.h"

#define N		40		/* more than carriers for files */
#define TOOMANY		300		/* more than carriers of any kind */

static char dir[] = "/tmp/lwkt-forever-XXXXXX";

static const char *
in_dir(const char *name, int i)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s%d", dir, name, i);
	return path;
}

/* A file is made, written, synced, read and closed meanwhile. */
static void
use_a_file(const char *meanwhile)
{
	char buf[8];
	int fd = lwkt_open(in_dir("f", 0), O_RDWR | O_CREAT | O_TRUNC, 0600);

	ok(fd >= 0, "%s: a file is made", meanwhile);
	is_int(lwkt_write(fd, "abc", 3), 3, "written");
	is_int(lwkt_fsync(fd), 0, "synced");
	is_int(lwkt_pread(fd, buf, 8, 0), 3, "read");
	is_int(lwkt_close(fd), 0, "and closed");
	unlink(in_dir("f", 0));
}

static int
settled(struct lwkt_sysmsg *sm, int n)
{
	int done = 0;

	for (int i = 0; i < n; i++)
		done += lwkt_checkmsg(&sm[i].sm_msg) != 0;
	return done;
}

static int
count_results(struct lwkt_sysmsg *sm, int n, int64_t result)
{
	int same = 0;

	for (int i = 0; i < n; i++) {
		(void)lwkt_waitmsg(&sm[i].sm_msg, 0);
		same += sm[i].sm_result == result;
	}
	return same;
}

static void
fifos(void)
{
	static struct lwkt_sysmsg sm[N];
	int good = 0, fd;

	for (int i = 0; i < N; i++) {
		if (mkfifo(in_dir("fifo", i), 0600) != 0)
			abort();
		lwkt_sysmsg_openat(&sm[i], lwkt_curport(), AT_FDCWD,
		    strdup(in_dir("fifo", i)), O_RDONLY, 0);
		lwkt_sendsys(&sm[i]);
	}
	let_others_wait();
	use_a_file("opens of FIFOs wait");
	is_int(settled(sm, N), 0, "they wait, still");
	for (int i = 0; i < N; i++) {
		fd = lwkt_open(in_dir("fifo", i), O_WRONLY, 0);
		(void)lwkt_waitmsg(&sm[i].sm_msg, 0);
		good += fd >= 0 && sm[i].sm_result >= 0 &&
		    lwkt_write(fd, "x", 1) == 1;
		lwkt_close(fd);
		lwkt_close((int)sm[i].sm_result);
		unlink(in_dir("fifo", i));
		free(sm[i].sm_buf);
	}
	is_int(good, N, "each of %d meets its peer in the end", N);
}

static int
any_refused(struct lwkt_sysmsg *sm)
{
	for (int i = 0; i < TOOMANY; i++)
		if (lwkt_checkmsg(&sm[i].sm_msg) && sm[i].sm_result == -EAGAIN)
			return 1;
	return 0;
}

/* Beyond the limit an open fails and does not wait for one of the others. */
static void
too_many(void)
{
	static struct lwkt_sysmsg sm[TOOMANY];
	int64_t before = counter("lwkt.io.refused");
	char *path = strdup(in_dir("fifo", 0));
	int refused = 0, canceled = 0;

	if (mkfifo(path, 0600) != 0)
		abort();
	for (int i = 0; i < TOOMANY; i++) {
		lwkt_sysmsg_openat(&sm[i], lwkt_curport(), AT_FDCWD, path,
		    O_RDONLY, 0);
		lwkt_sendsys(&sm[i]);
	}
	use_a_file("more opens wait than can be carried");
	while (!any_refused(sm))
		let_others_wait();
	for (int i = 0; i < TOOMANY; i++)
		lwkt_abortmsg(&sm[i].sm_msg);
	for (int i = 0; i < TOOMANY; i++) {
		(void)lwkt_waitmsg(&sm[i].sm_msg, 0);
		refused += sm[i].sm_result == -EAGAIN;
		canceled += sm[i].sm_result == -ECANCELED;
	}
	is_int(refused + canceled, TOOMANY, "%d opens say that they cannot "
	    "be carried, the others waited until aborted", refused);
	while (counter("lwkt.io.refused") - before < refused)
		let_others_wait();
	is_int(counter("lwkt.io.refused") - before, refused, "counted");
	unlink(path);
	free(path);
}

static void
children(void)
{
	static struct lwkt_sysmsg sm[N];
	int p[2], status[N];
	pid_t pid;
	char c;

	if (pipe(p) != 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		close(p[1]);
		_exit((int)read(p[0], &c, 1));
	}
	close(p[0]);
	for (int i = 0; i < N; i++) {
		lwkt_sysmsg_waitpid(&sm[i], lwkt_curport(), -1, &status[i], 0);
		lwkt_sendsys(&sm[i]);
	}
	let_others_wait();
	use_a_file("waits for any child");
	is_int(settled(sm, N), 0, "they wait, still");
	close(p[1]);
	is_int(count_results(sm, N, -ECHILD), N - 1,
	    "one gets the child, the others hear that there is none");
}

static void
connects(void)
{
	static struct lwkt_sysmsg sm[N];
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int lfd = socket(AF_UNIX, SOCK_STREAM, 0), fd[N], c, ok_now = 0;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", in_dir("sock", 0));
	if (bind(lfd, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    listen(lfd, 1) != 0)
		abort();
	for (int i = 0; i < N; i++) {
		fd[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		lwkt_sysmsg_connect(&sm[i], lwkt_curport(), fd[i],
		    (struct sockaddr *)&sun, sizeof(sun));
		lwkt_sendsys(&sm[i]);
	}
	let_others_wait();
	use_a_file("connects to a full backlog wait");
	lwkt_abortmsg(&sm[N - 1].sm_msg);
	is_int(lwkt_waitmsg(&sm[N - 1].sm_msg, 0), ECANCELED,
	    "one of them is aborted");
	for (int i = 0; i < N - 1; i++) {
		c = lwkt_accept_timo(lfd, NULL, NULL, 20000 * MS);
		ok_now += c >= 0;
		lwkt_close(c);
	}
	is_int(ok_now, N - 1, "each of the others is accepted in the end");
	is_int(count_results(sm, N - 1, 0), N - 1, "and connected");
	for (int i = 0; i < N; i++) {
		ok_now -= (fcntl(fd[i], F_GETFL) & O_NONBLOCK) == 0;
		lwkt_close(fd[i]);
	}
	is_int(ok_now, -1, "no socket is left non-blocking");
	lwkt_close(lfd);
	unlink(sun.sun_path);
}

static int device = -1;
static int never[2];		/* a pipe that nobody writes to */
static uint32_t flushing;

/*
 * The fsync of the device waits for a peer that never takes the output, unless
 * a cancel could not end it.  (TSan ignores locks after a cancelled pause.)
 */
int
fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	int state, disabled;
	char c;

	if (fd != device)
		return real(fd);
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	(void)pthread_setcancelstate(state, &disabled);
	__atomic_store_n(&flushing, 1, __ATOMIC_SEQ_CST);
	while (state == PTHREAD_CANCEL_ENABLE)
		if (read(never[0], &c, 1) == 0)
			abort();
	return 0;
}

static void
flush(void)
{
	struct lwkt_sysmsg sm;

	device = posix_openpt(O_RDWR | O_NOCTTY);
	if (device < 0) {
		skip("no terminal: %s", strerror(errno));
		return;
	}
	if (pipe(never) != 0)
		abort();
	lwkt_sysmsg_fsync(&sm, lwkt_curport(), device);
	lwkt_sendsys(&sm);
	while (__atomic_load_n(&flushing, __ATOMIC_SEQ_CST) == 0)
		let_others_wait();
	lwkt_abortmsg(&sm.sm_msg);
	is_int(lwkt_waitmsg(&sm.sm_msg, 0), ECANCELED,
	    "an abort ends the fsync of a device");
	is_int(lwkt_close(device), 0, "and the device can be closed");
	device = -1;
}

static int
test(void *arg)
{
	(void)arg;
	iotest_backend();
	fifos();
	too_many();
	children();
	connects();
	flush();
	return 0;
}

static pid_t kid;

/* CPUs stop while such waits are under way. */
static int
leave_them(void *arg)
{
	static struct lwkt_sysmsg sm[3];
	static int status;

	(void)arg;
	if (mkfifo(in_dir("fifo", 0), 0600) != 0 || (kid = fork()) < 0)
		abort();
	if (kid == 0)
		_exit(pause());
	for (int i = 0; i < 3; i++) {
		lwkt_sysmsg_waitpid(&sm[i], lwkt_curport(), -1, &status, 0);
		if (i > 0)
			lwkt_sysmsg_openat(&sm[i], lwkt_curport(), AT_FDCWD,
			    in_dir("fifo", 0), O_RDONLY, 0);
		lwkt_sendsys(&sm[i]);
	}
	let_others_wait();
	return 0;
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		return 1;
	iotest_boot(test, 2);
	iotest_boot(leave_them, 1);
	unlink(in_dir("fifo", 0));
	rmdir(dir);
	kill(kid, SIGKILL);
	is_int(waitpid(kid, NULL, 0), kid, "the child was left alone");
	return tap_done();
}
