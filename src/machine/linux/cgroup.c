/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limits that the cgroups of the process set: cores and memory.
 *
 * THEORY
 * A limit of a cgroup holds for all cgroups below it.  So the limit of the
 * process is the least one on the path from its group to the root, in version 2
 * (cpu.max, memory.max) and version 1 (cpu.cfs_*, memory.limit_in_bytes).  Both
 * versions may be mounted.  /proc/self/cgroup has the path of the group,
 * /proc/self/mountinfo the directories of the hierarchies.  A container sees a
 * mount whose root is inside the hierarchy, so the path of that root is removed
 * from the front of the group's path.  What cannot be read or is not understood
 * is no limit.
 *
 * The buffers are static, because a boot may be called in a pthread with a
 * small stack.  Only one boot runs at a time.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "machine/linux/host.h"

#define LINE_BYTES	4096
#define PATH_BYTES	(2 * LINE_BYTES)

/*
 * A kind of limit: the controller that version 1 mounts for it, and a function
 * that returns the limit of the group whose directory is dir, 0: none.  v2: 1
 * in version 2.
 */
struct kind {
	const char	*ki_controller;
	uint64_t	(*ki_of_dir)(const char *dir, int v2);
};

/*
 * Return the quota of a group in cores, rounded up.  Returns 0 if there is no
 * limit or if it cannot be read.  The quota and its period are in one file if
 * v2 is set (cgroup version 2), else in two files.
 */
static uint64_t
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
	return (uint64_t)((num[0] + num[1] - 1) / num[1]);
}

/*
 * Return the limit of a group's memory in bytes.  Returns 0 if there is no
 * limit or if it cannot be read.
 */
static uint64_t
memory_of_dir(const char *dir, int v2)
{
	static char path[PATH_BYTES + 32];
	uint64_t limit = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir,
	    v2 ? "memory.max" : "memory.limit_in_bytes");
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	/* "max" means no limit. */
	if (fscanf(f, "%" SCNu64, &limit) != 1)
		limit = 0;
	(void)fclose(f);
	return limit;
}

/* Return the least limit from mount/group up to mount; 0 means no limit. */
static uint64_t
limit_of_tree(const struct kind *ki, const char *mount, const char *group,
    int v2)
{
	static char path[PATH_BYTES];
	size_t stem = strlen(mount);
	uint64_t limit, least = 0;
	char *slash;

	(void)snprintf(path, sizeof(path), "%s%s", mount, group);
	for (;;) {
		limit = ki->ki_of_dir(path, v2);
		if (limit > 0 && (least == 0 || limit < least))
			least = limit;
		slash = strrchr(path, '/');
		if (slash == NULL || (size_t)(slash - path) < stem)
			return least;
		*slash = '\0';
	}
}

/* Return whether a comma separated list contains the word. */
static int
list_has(const char *list, const char *word)
{
	size_t n;

	for (; *list != '\0'; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		if (n == strlen(word) && memcmp(list, word, n) == 0)
			return 1;
	}
	return 0;
}

/*
 * Store the path of the process's group of version 2 (v2 is set) or 1, read
 * from the file self_cgroup.  Its lines are like "0::/path" (v2) or
 * "4:cpu,cpuacct:/path".  The path of the root is "".  Returns 1, or 0 if no
 * line is of that version (and, in version 1, of the controller).
 */
static int
group_path(const struct kind *ki, const char *self_cgroup, int v2, char *path,
    size_t size)
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
		if (v2 ? *list == '\0' : list_has(list, ki->ki_controller)) {
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
 * set), or that of the controller in version 1, return the limit of the
 * process's group there.  Returns 0 for any other line, and if there is no
 * limit.
 */
static uint64_t
limit_of_mount(const struct kind *ki, char *line, const char *group, int v2)
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
	    strcmp(type, "cgroup") != 0 ||
	    !list_has(super, ki->ki_controller))
		return 0;
	len = strcmp(field[3], "/") == 0 ? 0 : strlen(field[3]);
	if (strncmp(group, field[3], len) == 0 &&
	    (group[len] == '/' || group[len] == '\0'))
		group += len;
	return limit_of_tree(ki, field[4], group, v2);
}

/* Return the least limit of the process; 0 means no limit. */
static uint64_t
limit_least(const struct kind *ki, const char *self_cgroup,
    const char *mountinfo)
{
	static char line[LINE_BYTES], group[LINE_BYTES];
	uint64_t limit, least = 0;
	FILE *f;

	for (int v2 = 0; v2 <= 1; v2++) {
		if (!group_path(ki, self_cgroup, v2, group, sizeof(group)))
			continue;
		f = fopen(mountinfo, "re");
		if (f == NULL)
			return least;
		while (fgets(line, sizeof(line), f) != NULL) {
			limit = limit_of_mount(ki, line, group, v2);
			if (limit > 0 && (least == 0 || limit < least))
				least = limit;
		}
		(void)fclose(f);
	}
	return least;
}

/*
 * Return the least quota of the process in cores; 0 means no limit.  The
 * arguments are paths of files; a test passes other ones than /proc/self has.
 * Boot.
 */
int
lwkt__cgroup_quota(const char *self_cgroup, const char *mountinfo)
{
	static const struct kind cpu = { "cpu", quota_of_dir };
	uint64_t least = limit_least(&cpu, self_cgroup, mountinfo);

	return least > INT_MAX ? INT_MAX : (int)least;
}

/*
 * Return the least limit of the process's memory in bytes; 0 means no limit.
 * The arguments are those of lwkt__cgroup_quota().  Boot.
 */
uint64_t
lwkt__cgroup_memory(const char *self_cgroup, const char *mountinfo)
{
	static const struct kind memory = { "memory", memory_of_dir };

	return limit_least(&memory, self_cgroup, mountinfo);
}
