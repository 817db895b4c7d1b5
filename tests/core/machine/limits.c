/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits of the host: the process says in one line what it could not have, and
 * goes on if it can.
 */
#include <pthread.h>

#include "core/child.h"
#include "core/util.h"

#define MIB		((rlim_t)1 << 20)

struct limited {
	int		 l_resource;
	rlim_t		 l_value;
	const char	*l_tune;
	int		 l_result;	/* of the boot; 0: it goes on */
	const char	*l_says;	/* NULL: nothing */
	const char	*l_name;
};

static const struct limited list[] = {
	{ RLIMIT_FSIZE, 0, "", 0, "ulimit -f", "no file may have a byte" },
	{ RLIMIT_FSIZE, 900 * MIB, "", 0, "ulimit -f",
	    "files smaller than the arena" },
	{ RLIMIT_FSIZE, 4096 * MIB, "", 0, NULL, "files larger than it" },
	{ RLIMIT_AS, 900 * MIB, "", 0, "threads only, not for 4194304",
	    "little address space" },
	{ RLIMIT_AS, 900 * MIB, "lwkt.maxthreads=1000", 0, NULL,
	    "little address space and few threads" },
	{ RLIMIT_AS, 20 * MIB, "", -1, "ulimit -v",
	    "almost no address space" },
	{ RLIMIT_AS, 20 * MIB, "lwkt.maxthreads=4000000", -1, "ulimit -v",
	    "almost no address space, and many threads" },
	{ RLIMIT_NOFILE, 4, "", -1, "ulimit -n 4", "few descriptors" },
	{ RLIMIT_SIGPENDING, 0, "", -1, "ulimit -i 0",
	    "no pending signals" },
	{ RLIMIT_DATA, 4 * MIB, "", -1, "ulimit -d", "little memory" },
	{ RLIMIT_STACK, MIB / 16, "", 0, NULL, "small stacks of pthreads" },
};

static int
works(void *arg)
{
	lwkt_thread_t td[10];

	(void)arg;
	for (size_t i = 0; i < nitems(td); i++)
		td[i] = spawn(util_nothing, NULL, 0, LWKT_CPU_ROTATE);
	for (size_t i = 0; i < nitems(td); i++)
		join(td[i]);
	return 0;
}

static void
boot_limited(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };
	const struct limited *l = arg;
	struct rlimit rl = { l->l_value, l->l_value };

	(void)setenv("LWKT_TUNE", l->l_tune, 1);
	if (setrlimit((__rlimit_resource_t)l->l_resource, &rl) != 0)
		_exit(98);
	_exit(lwkt_boot(&cfg, works, NULL) == l->l_result ? 0 : 1);
}

/* Lines that it said, but for that of a failed boot. */
static int
lines(const struct child *c)
{
	int n = 0;

	for (const char *s = c->c_err; *s != '\0'; s++)
		n += *s == '\n';
	return n - (strstr(c->c_err, "boot failed") != NULL);
}

static void
test_limits(void)
{
	static struct child c;
	const struct limited *l;

	for (l = list; l < list + nitems(list); l++) {
		child_run(&c, boot_limited, (void *)(uintptr_t)l);
		if (!ok(c.c_status == 0 && lines(&c) == (l->l_says != NULL) &&
		    (l->l_says == NULL || child_said(&c, l->l_says)),
		    "%s: %s%s", l->l_name, l->l_result == 0 ? "it works" :
		    "it ends", l->l_says != NULL ? " and says why" : ""))
			child_diag(&c);
	}
}

/* A stack too small for the calls that a boot makes. */
static void *
boots_small(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };

	*(int *)arg = lwkt_boot(&cfg, works, NULL);
	return NULL;
}

static size_t stack_size;

static void
boot_small(void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int result = 7;

	(void)arg;
	(void)pthread_attr_init(&attr);
	if (pthread_attr_setstacksize(&attr, stack_size) != 0 ||
	    pthread_create(&thread, &attr, boots_small, &result) != 0)
		_exit(98);
	(void)pthread_join(thread, NULL);
	_exit(result == 0 ? 0 : result == -1 ? 1 : 2);
}

static void
test_stacks(void)
{
	static struct child c;
	int status, worked = 0;

	for (stack_size = 16384; stack_size <= 262144; stack_size +=
	    stack_size / 4 / 4096 * 4096) {
		child_run(&c, boot_small, NULL);
		status = WIFEXITED(c.c_status) ? WEXITSTATUS(c.c_status) : -1;
		worked = status == 0;
		if (!ok(status == 0 || (status == 1 &&
		    child_said(&c, "of stack")), "a boot in a pthread with %zu "
		    "bytes of stack %s", stack_size, status == 0 ? "works" :
		    "is refused and says why"))
			child_diag(&c);
	}
	ok(worked, "with the largest of them it works");
}

/* Each structure is in use. */
static int
full_body(void *arg)
{
	int n = 0;

	(void)arg;
	while (lwkt_create(util_nothing, NULL, NULL, NULL, LWKT_NOSTART, 0,
	    "full") == 0)
		n++;
	return n > 0 && lwkt_create(util_nothing, NULL, NULL, NULL, 0, 0,
	    "more") == ENOMEM;
}

static void
boot_full(void *arg)
{
	(void)setenv("LWKT_TUNE", "lwkt.maxthreads=100", 1);
	_exit(lwkt_boot(NULL, full_body, arg));
}

int
main(void)
{
	static struct child c;

	if (LWKT_ASAN || LWKT_TSAN || fiber_wanted())
		skip_all("a checker needs more than these limits");
	test_limits();
	test_stacks();
	child_run(&c, boot_full, NULL);
	ok(WIFEXITED(c.c_status) && WEXITSTATUS(c.c_status) == 1 &&
	    lines(&c) == 1 && child_said(&c, "lwkt.maxthreads"),
	    "the end of the thread structures is said once");
	return tap_done();
}
