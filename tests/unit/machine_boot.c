/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boots: how many CPUs, refusals, and that nothing stays behind.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "machine/linux/host.h"
#include "machine_util.h"

#define CYCLES	(CHECKED ? 100 : 1000)

static uint32_t ran;

static void
count(struct mcpu *mc)
{
	(void)mc;
	atomic_fetchadd_32(&ran, 1);
}

/* Each CPU must be able to reach its neighbour. */
static void
meet(struct mcpu *mc)
{
	atomic_fetchadd_32(&ran, 1);
	mu_send(&mu_cpu[mc->mc_cpuid ^ 1], RQF_IPIQ);
	while ((atomic_load_32(&mc->mc_reqflags) & RQF_IPIQ) == 0)
		machine_idle(mc);
}

struct things {
	int	t_fds, t_tasks, t_maps;
};

static int
lines(const char *path)
{
	FILE *f = fopen(path, "re");
	int c, n = 0;

	while (f != NULL && (c = getc(f)) != EOF)
		n += c == '\n';
	if (f != NULL)
		(void)fclose(f);
	return n;
}

static int tasks_first;			/* when main began */

/* A thread that was joined may still be listed: its last steps are later. */
static int
tasks(void)
{
	int n = mu_count("/proc/self/task");

	for (unsigned turn = 0; n > tasks_first && turn < 10000; turn++) {
		machine_pause(turn);
		n = mu_count("/proc/self/task");
	}
	return n;
}

static struct things
things(void)
{
	struct things t = {
		.t_fds = mu_count("/proc/self/fd"),
		.t_tasks = tasks(),
		/* A checker's own mappings come and go. */
		.t_maps = CHECKED ? 0 : lines("/proc/self/maps"),
	};

	return t;
}

static void
is_same(struct things a, struct things b, const char *when)
{
	ok(a.t_fds == b.t_fds && a.t_tasks == b.t_tasks &&
	    a.t_maps == b.t_maps, "%s: nothing stays behind (fds %d %d, "
	    "threads %d %d, maps %d %d)", when, a.t_fds, b.t_fds, a.t_tasks,
	    b.t_tasks, a.t_maps, b.t_maps);
}

/* What the caller of machine_run must find as it was. */
struct state {
	cpu_set_t	 s_cores;
	sigset_t	 s_mask;
	stack_t		 s_altstack;
	struct sigaction s_segv;
	int		 s_slack;
};

static void
state_get(struct state *s)
{
	memset(s, 0, sizeof(*s));
	(void)sched_getaffinity(0, sizeof(s->s_cores), &s->s_cores);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &s->s_mask);
	(void)sigaltstack(NULL, &s->s_altstack);
	(void)sigaction(SIGSEGV, NULL, &s->s_segv);
	s->s_slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
}

static void
test_cycles(void)
{
	struct things before, after;
	struct state was, is;
	int failed = 0;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGSEGV);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	is_int(on_cpus(2, meet), 0, "two CPUs boot");
	before = things();
	state_get(&was);
	ran = 0;
	for (int i = 0; i < CYCLES; i++)
		failed += on_cpus(2, meet) != 0;
	after = things();
	state_get(&is);
	ok(failed == 0 && ran == 2 * CYCLES, "%d boots follow each other",
	    CYCLES);
	is_same(before, after, "after them");
	ok(CPU_EQUAL(&was.s_cores, &is.s_cores), "affinity is as before");
	ok(memcmp(&was.s_mask, &is.s_mask, sizeof(was.s_mask)) == 0,
	    "signal mask is as before");
	ok(was.s_altstack.ss_sp == is.s_altstack.ss_sp &&
	    was.s_altstack.ss_flags == is.s_altstack.ss_flags,
	    "alternate stack is as before");
	ok(was.s_segv.sa_handler == is.s_segv.sa_handler,
	    "handlers are as before");
	is_int(is.s_slack, was.s_slack, "timer slack is as before");
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static cpu_set_t helper_cores;
static int helper_blocks, helper_known;
static pid_t helper_tid;

static void *
helper(void *arg)
{
	sigset_t mask;

	(void)sched_getaffinity(0, sizeof(helper_cores), &helper_cores);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	helper_blocks = sigismember(&mask, SIGTERM) &&
	    sigismember(&mask, SIGUSR1);
	helper_tid = gettid();
	helper_known = lwkt__helper_is(helper_tid);
	return arg;
}

static void
helps(struct mcpu *mc)
{
	struct helper h = { .hp_fn = helper, .hp_name = "helper" };
	pthread_t t;

	(void)mc;
	if (lwkt__helper_create(&t, 64 * 1024, &h) == 0)
		(void)pthread_join(t, NULL);
}

static void
test_helper(void)
{
	cpu_set_t cores;

	(void)sched_getaffinity(0, sizeof(cores), &cores);
	is_int(on_cpus(1, helps), 0, "one CPU boots");
	ok(CPU_EQUAL(&helper_cores, &cores), "a helper is pinned to no core");
	ok(helper_blocks, "and takes none of the program's signals");
	ok(helper_known && !lwkt__helper_is(helper_tid),
	    "it is known until it ends");
}

static void
test_refusals(void)
{
	static const struct {
		const char *fail;
		int	error;
	} refusal[] = {
		{ "vcpu.start:1", EAGAIN }, { "vcpu.start:2", EAGAIN },
		{ "altstack:1", ENOMEM }, { "altstack:2", ENOMEM },
		{ "altstack:*", ENOMEM }, { "timer.create:1", EAGAIN },
		{ "timer.create:3", EAGAIN }, { "timer.signal:*", EAGAIN },
		{ "io.init:1", ENOMEM }, { "io.init:3", ENOMEM },
		{ "nonsense", EINVAL }, { "x:", EINVAL }, { "x:0", EINVAL },
	};
	struct things before, after;

	is_int(on_cpus(3, count), 0, "three CPUs boot");
	before = things();
	for (size_t i = 0; i < nitems(refusal); i++) {
		(void)setenv("LWKT_FAIL", refusal[i].fail, 1);
		ran = 0;
		is_int(on_cpus(3, count), refusal[i].error, "%s",
		    refusal[i].fail);
		is_int(ran, 0, "no CPU ran");
		after = things();
		is_same(before, after, refusal[i].fail);
	}
	(void)setenv("LWKT_FAIL", "vcpu.fsgsbase:*", 1);
	is_int(on_cpus(2, meet), 0, "boots without the fsgsbase instructions");
	(void)unsetenv("LWKT_FAIL");
	is_int(on_cpus(3, count), 0, "and boots again after all that");
}

static int
ncpu_with(const char *value, int *error)
{
	if (value != NULL)
		(void)setenv("LWKT_NCPU", value, 1);
	else
		(void)unsetenv("LWKT_NCPU");
	ran = 0;
	*error = on_cpus(0, count);
	(void)unsetenv("LWKT_NCPU");
	return (int)ran;
}

static void
test_ncpu(void)
{
	static const char *const absurd[] = {
		"0", "-1", "257", "1000000000000000000000", "two", "2x", " "
	};
	cpu_set_t set, one;
	int error, n;

	(void)sched_getaffinity(0, sizeof(set), &set);
	n = ncpu_with(NULL, &error);
	ok(error == 0 && n >= 1 && n <= CPU_COUNT(&set),
	    "%d CPUs on %d cores", n, CPU_COUNT(&set));
	is_int(ncpu_with("7", &error), 7, "LWKT_NCPU=7 gives 7");
	ok(strstr(machine_describe(), "7 cpus") != NULL,
	    "the boot line says so");
	for (size_t i = 0; i < nitems(absurd); i++) {
		n = ncpu_with(absurd[i], &error);
		ok(n == 0 && error == EINVAL, "LWKT_NCPU=%s is refused",
		    absurd[i]);
	}
	is_int(on_cpus(LWKT_MAXCPU + 1, count), EINVAL,
	    "so is too large a number from the program");
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
		if (CPU_ISSET(i, &set))
			CPU_SET(i, &one);
	}
	(void)sched_setaffinity(0, sizeof(one), &one);
	is_int(ncpu_with(NULL, &error), 1, "one allowed core gives one CPU");
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static char dir[] = "/tmp/lwkt-cgroup-XXXXXX";

/* Write text to dir/path, with directories as needed. */
static void
put(const char *path, const char *text)
{
	char name[200];
	FILE *f;

	(void)snprintf(name, sizeof(name), "%s/%s", dir, path);
	for (char *s = name + strlen(dir) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		(void)mkdir(name, 0700);
		*s = '/';
	}
	f = fopen(name, "we");
	if (f == NULL)
		return;
	(void)fprintf(f, "%s", text);
	(void)fclose(f);
}

static char self[100], info[100];	/* of the process that is made up */

static void
put_process(const char *cgroup, const char *mount)
{
	char text[300];

	put("self", cgroup);
	(void)snprintf(text, sizeof(text), mount, dir);
	put("mountinfo", text);
	(void)snprintf(self, sizeof(self), "%s/self", dir);
	(void)snprintf(info, sizeof(info), "%s/mountinfo", dir);
}

static int
quota(const char *cgroup, const char *mount)
{
	put_process(cgroup, mount);
	return lwkt__cgroup_quota(self, info);
}

static int64_t
memory(const char *cgroup, const char *mount)
{
	put_process(cgroup, mount);
	return (int64_t)lwkt__cgroup_memory(self, info);
}

#define V2	"30 23 0:26 / %s/v2 rw shared:4 - cgroup2 cgroup2 rw\n"
#define V2_IN	"30 23 0:26 /pod %s/v2 rw - cgroup2 cgroup2 rw\n"
#define V1	"32 31 0:29 / %s/v1 rw - cgroup cgroup rw,cpu,cpuacct\n"
#define V1_MEM	"33 31 0:30 /pod %s/v1 rw - cgroup cgroup rw,memory\n"
#define V1_SET	"32 31 0:29 / %s/v1 rw - cgroup cgroup rw,cpuset\n"

static void
test_memory(void)
{
	put("v2/memory.max", "max\n");
	put("v2/a/memory.max", "268435456\n");
	put("v2/a/b/memory.max", "max\n");
	put("v2/a/c/memory.max", "4096\n");
	put("v2/d/memory.max", "much\n");
	put("v1/memory.limit_in_bytes", "9223372036854771712\n");
	put("v1/a/memory.limit_in_bytes", "8589934592\n");
	is_int(memory("0::/\n", V2), 0, "memory: no limit is none");
	is_int(memory("0::/a/b\n", V2), 268435456,
	    "memory: the limit of an ancestor counts");
	is_int(memory("0::/a/c\n", V2), 4096, "memory: the least one counts");
	is_int(memory("0::/d\n", V2), 0, "memory: no number is no limit");
	is_int(memory("0::/gone/away\n", V2), 0,
	    "memory: unreadable is no limit");
	is_int(memory("4:memory:/pod/a\n0::/\n", V1_MEM), 8589934592,
	    "memory: version 1, a container's mount");
	is_int(memory("4:memory:/a\n", V1_SET), 0, "memory: cpuset is not it");
	is_int(memory("rubbish", "more rubbish\n"), 0,
	    "memory: rubbish is no limit");
}

static void
test_quota(void)
{
	char cmd[100];

	if (mkdtemp(dir) == NULL) {
		ok(0, "a directory can be made");
		return;
	}
	put("v2/cpu.max", "max 100000\n");
	put("v2/a/cpu.max", "350000 100000\n");
	put("v2/a/b/cpu.max", "800000 100000\n");
	put("v2/a/c/cpu.max", "50000 100000\n");
	put("v1/cpu.cfs_quota_us", "-1\n");
	put("v1/a/cpu.cfs_quota_us", "250000\n");
	put("v1/a/cpu.cfs_period_us", "100000\n");
	is_int(quota("0::/\n", V2), 0, "no limit is none");
	is_int(quota("0::/a\n", V2), 4, "a quota of 3.5 makes 4");
	is_int(quota("0::/a/b\n", V2), 4, "the least one above counts");
	is_int(quota("0::/a/c\n", V2), 1, "a half makes 1");
	is_int(quota("0::/gone/away\n", V2), 0, "unreadable is no limit");
	is_int(quota("0::/pod/a\n", V2_IN), 4, "a container's mount");
	is_int(quota("3:cpu,cpuacct:/a\n0::/\n", V1), 3, "version 1: 2.5");
	is_int(quota("3:cpuset:/a\n", V1_SET), 0, "cpuset is not cpu");
	is_int(quota("3:cpu:/a\n0::/a/c\n", V1), 3, "both versions, one mount");
	is_int(quota("rubbish", "more rubbish\n"), 0, "rubbish is no limit");
	test_memory();
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	is_int(system(cmd), 0, "cleaned up");
}

int
main(void)
{
	tasks_first = mu_count("/proc/self/task");
	test_cycles();
	test_helper();
	test_refusals();
	test_ncpu();
	test_quota();
	return tap_done();
}
