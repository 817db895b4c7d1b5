/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening whatever a path names, beside open(2): the same number or error, the
 * same flags, the same file; and closing it.  Known and unknown file systems,
 * and a host that has no open in memory alone.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "counter.h"
#include "io/iotest.h"

static char dir[] = "/tmp/lwkt-opens-XXXXXX";

static const struct path {
	const char	*name;		/* in dir, unless it begins with / */
	int		 oflags;
} paths[] = {
	{ "file", O_RDONLY }, { "file", O_RDONLY | O_CLOEXEC },
	{ "file", O_RDWR }, { "file", O_WRONLY | O_APPEND },
	{ "file", O_RDONLY | O_NONBLOCK }, { "file", O_RDONLY | O_NOATIME },
	{ "file", O_RDWR | O_TRUNC }, { "file", O_RDONLY | O_DIRECTORY },
	{ "file", O_RDONLY | O_NOFOLLOW }, { "file", O_PATH },
	{ "file", O_RDWR | O_CREAT }, { "file", O_RDWR | O_CREAT | O_EXCL },
	{ "file", O_RDONLY | O_DIRECT }, { "file", O_RDONLY | O_SYNC },
	{ "file/", O_RDONLY }, { "file/below", O_RDONLY },
	{ "none", O_RDONLY }, { "none/below", O_RDWR | O_CREAT },
	{ "new", O_RDWR | O_CREAT | O_EXCL }, { "", O_RDONLY },
	{ "link", O_RDONLY }, { "link", O_RDONLY | O_NOFOLLOW },
	{ "link", O_PATH | O_NOFOLLOW }, { "dangling", O_RDONLY },
	{ "loop", O_RDONLY }, { "secret", O_RDONLY },
	{ ".", O_RDONLY }, { ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC },
	{ ".", O_RDWR }, { ".", O_TMPFILE | O_RDWR },
	{ "socket", O_RDONLY }, { "fifo", O_RDONLY | O_NONBLOCK },
	{ "fifo", O_WRONLY | O_NONBLOCK }, { "fifo", O_RDWR },
	{ "fifo", O_PATH }, { "/dev/null", O_RDWR },
	{ "/dev/zero", O_RDONLY | O_NONBLOCK },
	{ "/proc/version", O_RDONLY }, { "/proc/self/comm", O_RDWR },
	{ "/proc/self", O_RDONLY }, { "/proc/self/exe", O_RDONLY },
	{ "/sys/kernel/mm", O_RDONLY }, { "/", O_RDONLY },
};
#define NPATHS	((int)(sizeof(paths) / sizeof(paths[0])))

struct outcome {
	int		result;		/* the number, or -errno */
	int		flags;
	int		fdflags;
	struct stat	st;
};

static const char *
in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return name[0] == '/' || name[0] == '\0' ? name : path;
}

static void
look(struct outcome *o)
{
	o->flags = fcntl(o->result, F_GETFL);
	o->fdflags = fcntl(o->result, F_GETFD);
	memset(&o->st, 0, sizeof(o->st));
	(void)fstat(o->result, &o->st);
}

static int
same(const struct outcome *a, const struct outcome *b, int oflags)
{
	return a->result == b->result && a->flags == b->flags &&
	    a->fdflags == b->fdflags && a->st.st_mode == b->st.st_mode &&
	    a->st.st_dev == b->st.st_dev && (a->st.st_ino == b->st.st_ino ||
	    (oflags & (O_CREAT | O_TMPFILE)) != 0);
}

static void
one(const struct path *p, const char *when)
{
	struct outcome want, got;

	unlink(in_dir("new"));
	want.result = open(in_dir(p->name), p->oflags, 0640);
	if (want.result < 0)
		want.result = -errno;
	look(&want);
	close(want.result);
	unlink(in_dir("new"));
	got.result = lwkt_open(in_dir(p->name), p->oflags, 0640);
	look(&got);
	ok(same(&got, &want, p->oflags), "%s: open of \"%s\" with %#o does "
	    "what open(2) does", when, p->name, p->oflags);
	if (!same(&got, &want, p->oflags))
		diag("%d %#x %d, not %d %#x %d", got.result, got.flags,
		    got.fdflags, want.result, want.flags, want.fdflags);
	if (got.result < 0)
		return;
	is_int(lwkt_close(got.result), 0, "close");
	is_int(fcntl(got.result, F_GETFD), -1, "and it is closed");
}

/* The locks of a process on a file end with any close of it: none may. */
static void
locks_stay(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(in_dir("file"), O_RDWR), n = 0;
	pid_t pid;

	if (fcntl(fd, F_SETLK, &fl) != 0)
		abort();
	for (int i = 0; i < 3; i++)
		n += lwkt_open(in_dir("file"), O_RDONLY, 0) >= 0;
	is_int(n, 3, "a locked file is opened");
	pid = fork();
	if (pid == 0)
		_exit(fcntl(fd, F_GETLK, &fl) != 0 || fl.l_type == F_UNLCK);
	is_int(lwkt_waitpid(pid, &n, 0), pid, "another process looks");
	is_int(n, 0, "and finds it locked, still");
	close(fd);
}

/* Files that are only read cost no hand-over, where that can be known. */
static void
by_the_cpu(int wanted)
{
	int64_t waits = counter("lwkt.io.waits");
	struct statfs sf;
	int fd;

	if (statfs(dir, &sf) != 0 || (sf.f_type != EXT4_SUPER_MAGIC &&
	    sf.f_type != TMPFS_MAGIC && sf.f_type != XFS_SUPER_MAGIC)) {
		skip("/tmp is on another kind of file system");
		return;
	}
	for (int i = 0; i < 200; i++) {
		fd = lwkt_open(in_dir("file"), O_RDONLY, 0);
		lwkt_close(fd);
	}
	waits = counter("lwkt.io.waits") - waits;
	ok(wanted ? waits < 100 : waits >= 200,
	    "of 400 opens and closes %lld had to wait", (long long)waits);
}

static int
test(void *arg)
{
	const char *when = arg;

	iotest_backend();
	for (int i = 0; i < NPATHS; i++)
		one(&paths[i], when);
	for (int i = 0; i < NPATHS; i++)
		one(&paths[i], "once more");
	locks_stay();
	by_the_cpu(getenv("LWKT_FAIL") == NULL);
	return 0;
}

static void
boot(const char *when)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };
	int result = -1;

	is_int(lwkt_boot_result(&cfg, test, (void *)(uintptr_t)when, &result),
	    0, "boot");
	is_int(result, 0, "the test ran to its end");
}

static void
prepare(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/socket", dir);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    mkfifo(in_dir("fifo"), 0600) != 0 ||
	    symlink("file", in_dir("link")) != 0 ||
	    symlink("none", in_dir("dangling")) != 0 ||
	    symlink("loop", in_dir("loop")) != 0)
		abort();
	close(fd);
	close(open(in_dir("file"), O_RDWR | O_CREAT, 0600));
	close(open(in_dir("secret"), O_RDWR | O_CREAT, 0));
}

static void
clean(void)
{
	static const char *const names[] = { "socket", "fifo", "link",
	    "dangling", "loop", "file", "secret", "new" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(names[i]));
	rmdir(dir);
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		return 1;
	prepare();
	boot("in memory");
	setenv("LWKT_FAIL", "open.cached:*", 1);
	boot("without openat2");
	clean();
	return tap_done();
}
