/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decide how many CPUs to run, and on which cores.
 *
 * THEORY
 * If there are more CPUs than the host runs at a time, those in excess wait.
 * So the number of CPUs is the smallest one of three numbers: the cores in the
 * affinity mask, the CPU quota of the cgroup, rounded up, and LWKT_MAXCPU.  The
 * quota is the least one on the path from the process's group to the root, in
 * version 2 (cpu.max) and version 1 (cpu.cfs_*).  A container sees a mount
 * whose root is inside the hierarchy, so the path of that root is removed from
 * the front of the group's path.  The program may request another number, also
 * more CPUs than cores.  If it does not, LWKT_NCPU may.
 *
 * CPU i starts on the i-th allowed core, counted cyclically from the core on
 * which the caller runs.  So several processes with few CPUs each do not all
 * start on core 0.  identity.c places the CPUs, as lwkt.pin says.
 *
 * The buffers are static, because a boot may be called in a pthread with a
 * small stack.  Only one boot runs at a time.
 */
#include <errno.h>
#include <lwkt/panic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/linux/host.h"

#define CORE_BITS	8192		/* most cores of a Linux kernel */
#define LINE_BYTES	4096
#define PATH_BYTES	(2 * LINE_BYTES)

struct cores lwkt__cores;

static void
cores_affinity(struct cores *co)
{
	static cpu_set_t set[CORE_BITS / (8 * sizeof(cpu_set_t))];
	long online;

	co->co_n = 0;
	if (sched_getaffinity(0, sizeof(set), set) == 0) {
		for (int i = 0; i < CORE_BITS && co->co_n < LWKT_MAXCPU; i++) {
			if (CPU_ISSET_S((size_t)i, sizeof(set), set))
				co->co_core[co->co_n++] = i;
		}
	}
	if (co->co_n == 0) {
		/* The mask is unknown: count the cores; bind no CPU (-1). */
		online = sysconf(_SC_NPROCESSORS_ONLN);
		co->co_n = online < 1 ? 1 : online > LWKT_MAXCPU ?
		    LWKT_MAXCPU : (int)online;
		for (int i = 0; i < co->co_n; i++)
			co->co_core[i] = -1;
	}
}

static void
cores_first(struct cores *co)
{
	int now = sched_getcpu();

	co->co_first = 0;
	for (int i = 0; i < co->co_n; i++) {
		if (co->co_core[i] == now)
			co->co_first = i;
	}
}

/*
 * Return the quota of a group in cores, rounded up.  Returns 0 if there is no
 * limit or if it cannot be read.  The quota and its period are in one file if
 * v2 is set (cgroup version 2), else in two files.
 */
static int
quota_of_dir(const char *dir, int v2)
{
	static const char *const name[2][2] = {
		{ "cpu.cfs_quota_us", "cpu.cfs_period_us" },
		{ "cpu.max", NULL }
	};
	static char path[PATH_BYTES + 32];
	long num[2] = { 0, 0 };
	int n = 0;
	FILE *f;

	for (int i = 0; i < 2 && name[v2][i] != NULL; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, name[v2][i]);
		f = fopen(path, "re");
		if (f == NULL)
			return 0;
		while (n < 2 && fscanf(f, "%ld", &num[n]) == 1)
			n++;
		(void)fclose(f);
	}
	/* "max 100000" and -1 mean no limit. */
	if (n != 2 || num[0] <= 0 || num[1] <= 0)
		return 0;
	return (int)((num[0] + num[1] - 1) / num[1]);
}

/* Return the least quota from mount/group up to mount; 0 means no limit. */
static int
quota_of_tree(const char *mount, const char *group, int v2)
{
	static char path[PATH_BYTES];
	size_t stem = strlen(mount);
	int q, least = 0;
	char *slash;

	(void)snprintf(path, sizeof(path), "%s%s", mount, group);
	for (;;) {
		q = quota_of_dir(path, v2);
		if (q > 0 && (least == 0 || q < least))
			least = q;
		slash = strrchr(path, '/');
		if (slash == NULL || (size_t)(slash - path) < stem)
			return least;
		*slash = '\0';
	}
}

/* Does a comma separated list contain the word "cpu"? */
static int
has_cpu(const char *list)
{
	size_t n;

	for (; *list != '\0'; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		if (n == 3 && memcmp(list, "cpu", 3) == 0)
			return 1;
	}
	return 0;
}

/*
 * Store the path of the process's group of version 2 (v2 is set) or 1, read
 * from the file self_cgroup.  Its lines are like "0::/path" (v2) or
 * "4:cpu,cpuacct:/path".  The path of the root is "".  Returns 1, or 0 if no
 * line is of that version.
 */
static int
group_path(const char *self_cgroup, int v2, char *path, size_t size)
{
	static char line[LINE_BYTES];
	char *list, *group;
	FILE *f = fopen(self_cgroup, "re");
	int found = 0;

	if (f == NULL)
		return 0;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		list = strchr(line, ':');
		group = list != NULL ? strchr(list + 1, ':') : NULL;
		if (group == NULL)
			continue;
		*group++ = '\0';
		list++;
		if (v2 ? *list == '\0' : has_cpu(list)) {
			/* "/" itself is the mount point. */
			(void)snprintf(path, size, "%s",
			    strcmp(group, "/") == 0 ? "" : group);
			found = 1;
		}
	}
	(void)fclose(f);
	return found;
}

/*
 * Read one line of mountinfo: "id parent dev root mount options ... - type
 * source superoptions".  If it mounts the cgroup hierarchy of version 2 (v2 is
 * set) or 1, return the quota of the process's group there.  Returns 0 for any
 * other line, and if there is no limit.
 */
static int
quota_of_mount(char *line, const char *group, int v2)
{
	char *field[5], *save, *dash, *type, *super;
	size_t len;

	dash = strstr(line, " - ");
	if (dash == NULL)
		return 0;
	*dash = '\0';
	for (int i = 0; i < 5; i++) {
		field[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
		if (field[i] == NULL)
			return 0;
	}
	type = strtok_r(dash + 3, " ", &save);
	super = strtok_r(NULL, " ", &save);
	super = super != NULL ? strtok_r(NULL, " \n", &save) : NULL;
	if (type == NULL || super == NULL)
		return 0;
	if (v2 ? strcmp(type, "cgroup2") != 0 :
	    strcmp(type, "cgroup") != 0 || !has_cpu(super))
		return 0;
	len = strcmp(field[3], "/") == 0 ? 0 : strlen(field[3]);
	if (strncmp(group, field[3], len) == 0 &&
	    (group[len] == '/' || group[len] == '\0'))
		group += len;
	return quota_of_tree(field[4], group, v2);
}

/*
 * Return the least quota of the process in cores; 0 means no limit.  The
 * arguments are paths of files; a test passes other ones than /proc/self has.
 */
int
lwkt__cgroup_quota(const char *self_cgroup, const char *mountinfo)
{
	static char line[LINE_BYTES], group[LINE_BYTES];
	int q, least = 0;
	FILE *f;

	for (int v2 = 0; v2 <= 1; v2++) {
		if (!group_path(self_cgroup, v2, group, sizeof(group)))
			continue;
		f = fopen(mountinfo, "re");
		if (f == NULL)
			return least;
		while (fgets(line, sizeof(line), f) != NULL) {
			q = quota_of_mount(line, group, v2);
			if (q > 0 && (least == 0 || q < least))
				least = q;
		}
		(void)fclose(f);
	}
	return least;
}

/* Store LWKT_NCPU in *want if it is set.  Returns 0 or EINVAL. */
static int
ncpu_env(int *want)
{
	const char *s = getenv("LWKT_NCPU");
	char *end;
	long n;

	if (s == NULL || *s == '\0')
		return 0;
	errno = 0;
	n = strtol(s, &end, 10);
	if (errno != 0 || *end != '\0' || n < 1 || n > LWKT_MAXCPU) {
		lwkt_printf("lwkt: LWKT_NCPU=%s: must be a number from 1 to "
		    "%d", s, LWKT_MAXCPU);
		return EINVAL;
	}
	*want = (int)n;
	return 0;
}

int
lwkt__cores_boot(int want)
{
	struct cores *co = &lwkt__cores;
	int error;

	if (want == 0) {
		error = ncpu_env(&want);
		if (error != 0)
			return error;
	}
	if (want < 0 || want > LWKT_MAXCPU) {
		lwkt_printf("lwkt: lc_ncpus is %d: must be from 1 to %d", want,
		    LWKT_MAXCPU);
		return EINVAL;
	}
	cores_affinity(co);
	cores_first(co);
	co->co_quota = lwkt__cgroup_quota("/proc/self/cgroup",
	    "/proc/self/mountinfo");
	if (want == 0) {
		want = co->co_n;
		if (co->co_quota > 0 && co->co_quota < want)
			want = co->co_quota;
	}
	co->co_ncpus = want;
	return 0;
}
