/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What booting does to the process: nothing that stays.
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>

#include "core/child.h"
#include "core/util.h"

#define BOOTS	200

struct usage {
	int		u_fds;
	int		u_threads;
	int		u_maps;
	cpu_set_t	u_cores;
	sigset_t	u_mask;
};

static int
count_entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	if (d == NULL)
		return -1;
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static int
count_lines(const char *file)
{
	FILE *f = fopen(file, "re");
	int n = 0, c;

	if (f == NULL)
		return -1;
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	(void)fclose(f);
	return n;
}

static struct usage
usage(void)
{
	struct usage u = { 0 };

	u.u_fds = count_entries("/proc/self/fd");
	u.u_threads = count_entries("/proc/self/task");
	/* Checkers map as they please. */
	u.u_maps = LWKT_ASAN || LWKT_TSAN ? 0 :
	    count_lines("/proc/self/maps");
	(void)sched_getaffinity(0, sizeof(u.u_cores), &u.u_cores);
	(void)pthread_sigmask(SIG_BLOCK, NULL, &u.u_mask);
	return u;
}

static int
some_work(void *arg)
{
	lwkt_thread_t td[20];
	unsigned i;

	(void)arg;
	for (i = 0; i < nitems(td); i++)
		td[i] = spawn(util_nothing, NULL, 0, LWKT_CPU_ROTATE);
	for (i = 0; i < nitems(td); i++)
		join(td[i]);
	(void)lwkt_create(util_nothing, NULL, NULL, NULL, LWKT_NOSTART, 0,
	    "never started");
	lwkt_sleep_ns(1000);
	return 3;
}

static void
leaves_nothing(void)
{
	struct lwkt_config cfg = { 0 };
	struct usage before, after;
	int i, bad = 0, n;

	for (i = 0; i < BOOTS; i++) {
		if (i == 20)		/* libc has made what it keeps */
			before = usage();
		cfg.lc_ncpus = 1 + i % 4;
		bad += lwkt_boot(&cfg, some_work, NULL) != 3;
	}
	for (n = 0; n < 100; n++) {	/* a thread joined may linger */
		after = usage();
		if (after.u_threads == before.u_threads)
			break;
		(void)usleep(10000);
	}
	is_int(bad, 0, "%d boots in one process work", BOOTS);
	is_int(after.u_fds, before.u_fds, "no descriptor stays");
	is_int(after.u_threads, before.u_threads, "no host thread stays");
	if (LWKT_ASAN || LWKT_TSAN || !fiber_wanted())	/* valgrind maps, too */
		ok(after.u_maps <= before.u_maps, "no mapping stays: %d, then "
		    "%d", before.u_maps, after.u_maps);
	ok(CPU_EQUAL(&after.u_cores, &before.u_cores), "the affinity is back");
	ok(memcmp(&after.u_mask, &before.u_mask, sizeof(after.u_mask)) == 0,
	    "the signal mask is back");
}

static int
ncpus(void *arg)
{
	(void)arg;
	return lwkt_ncpus();
}

static void
ncpu_variable(void)
{
	static const struct { const char *value; int result; } list[] = {
		{ "1", 1 }, { "2", 2 }, { "7", 7 }, { "0", -1 },
		{ "-1", -1 }, { "257", -1 }, { "many", -1 }, { "2x", -1 },
		{ "99999999999", -1 },
	};
	struct lwkt_config three = { .lc_ncpus = 3 };
	size_t i;
	int n;

	for (i = 0; i < nitems(list); i++) {
		(void)setenv("LWKT_NCPU", list[i].value, 1);
		is_int(lwkt_boot(NULL, ncpus, NULL), list[i].result,
		    "LWKT_NCPU=%s", list[i].value);
	}
	(void)setenv("LWKT_NCPU", "2", 1);
	is_int(lwkt_boot(&three, ncpus, NULL), 3, "the program's wish wins");
	(void)unsetenv("LWKT_NCPU");
	n = lwkt_boot(NULL, ncpus, NULL);
	ok(n >= 1 && n <= (int)sysconf(_SC_NPROCESSORS_ONLN),
	    "left alone it takes %d", n);
}

/* The n-th question at a point is answered no. */
struct refusal {
	const char	*r_fail;
	int		r_error;	/* 0: the host has another way */
};

static const struct refusal refusals[] = {
	{ "arena:1", 0 }, { "mem.reserve:1", 0 }, { "mem.reserve:*", ENOMEM },
	{ "altstack:1", ENOMEM }, { "altstack:2", ENOMEM },
	{ "timer.create:1", EAGAIN }, { "timer.create:2", EAGAIN },
	{ "vcpu.start:1", EAGAIN }, { "vcpu.start:2", EAGAIN },
	{ "vcpu.fsgsbase:*", 0 }, { "clock.tsc:*", 0 },
	{ "guard.madvise:*", 0 }, { "guard.madvise:*,guard.mprotect:*", 0 },
	{ "guard.many:*", 0 },
	{ "arena:*,mem.reserve:1", 0 }, { "arena:*,mem.reserve:2", 0 },
	{ "arena:*,mem.reserve:*", ENOMEM },
};

static void
refused_boots(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 3 };
	struct usage before, after;
	int result, error;
	size_t i;

	for (i = 0; i < nitems(refusals); i++) {
		(void)unsetenv("LWKT_FAIL");
		(void)lwkt_boot(&cfg, some_work, NULL);
		before = usage();
		(void)setenv("LWKT_FAIL", refusals[i].r_fail, 1);
		result = 0;
		error = lwkt_boot_result(&cfg, some_work, NULL, &result);
		after = usage();
		if (!ok(error == refusals[i].r_error &&
		    result == (error == 0 ? 3 : 0), "LWKT_FAIL=%s gives %d",
		    refusals[i].r_fail, refusals[i].r_error))
			diag("error %d, result %d", error, result);
		ok(after.u_fds == before.u_fds &&
		    after.u_maps <= before.u_maps &&
		    CPU_EQUAL(&after.u_cores, &before.u_cores),
		    "and nothing stays: %d descriptors, %d; %d maps, %d",
		    before.u_fds, after.u_fds, before.u_maps, after.u_maps);
	}
	(void)unsetenv("LWKT_FAIL");
}

/* A foreign pthread tries to boot while we run. */
static uint32_t tried;

static void *
boots_as_well(void *arg)
{
	struct lwkt_config cfg = { .lc_stksize = (size_t)1 << 40 };
	int result = 5;

	*(int *)arg = lwkt_boot_result(&cfg, ncpus, NULL, &result);
	if (result != 5)
		*(int *)arg = -1;
	atomic_store_rel_32(&tried, 1);
	return NULL;
}

static int
boot_beside(void *arg)
{
	pthread_t thread;
	int error = -1;

	(void)arg;
	tried = 0;
	if (pthread_create(&thread, NULL, boots_as_well, &error) != 0)
		return 1;
	await(&tried, 1);
	(void)pthread_join(thread, NULL);
	check(error == EBUSY, "error %d", error);
	/* Its wish for stacks is not ours. */
	return some_work(NULL) - 3;
}

/* The arena is full: creations fail, again and again, and cost nothing. */
static int
arena_full(void *arg)
{
	lwkt_thread_t td[64];
	int maps, i, n = 0, error = 0, round;

	(void)arg;
	while (n < (int)nitems(td) && (error = lwkt_create(util_nothing, NULL,
	    &td[n], NULL, LWKT_JOINABLE | LWKT_NOSTART, 0, "full")) == 0)
		n++;
	check(error == ENOMEM && n > 8 && n < 64, "error %d after %d", error,
	    n);
	maps = count_lines("/proc/self/maps");
	for (i = 0; i < 100000; i++)
		check(lwkt_create(util_nothing, NULL, NULL, NULL, 0, 0, "x")
		    == ENOMEM, "there was room");
	check(count_lines("/proc/self/maps") <= maps, "%d maps, then %d",
	    maps, count_lines("/proc/self/maps"));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < n; i++) {
			lwkt_schedule(td[i]);
			join(td[i]);
		}
		for (i = 0; i < n; i++)
			td[i] = spawn(util_nothing, NULL, LWKT_NOSTART, 0);
	}
	return 0;
}

int
main(void)
{
	struct sim_scenario one = { .ss_body = arena_full, .ss_ncpus = 1,
		.ss_name = "creations fail without loss when there is no room"
	};

	leaves_nothing();
	ncpu_variable();
	refused_boots();
	sim_explore("a boot beside a running one is EBUSY", boot_beside, NULL,
	    1);
	(void)setenv("LWKT_TUNE", "lwkt.maxthreads=32", 1);
	sim_explore_with(&one);
	return tap_done();
}
