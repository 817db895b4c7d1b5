/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reservations, guards in their three kinds, and the arena that tools see.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "machine_util.h"

#define GIB		((size_t)1 << 30)
#define MANY		40000		/* more guards than mprotect can give */

static size_t page;
static char *target;

static void
poke(void)
{
	*(volatile char *)target = 1;
}

static int
pokes(void *p)
{
	target = p;
	return mu_child(poke);
}

static void
nothing(struct mcpu *mc)
{
	(void)mc;
}

/* Boot only reads what LWKT_FAIL says; guards work afterwards as well. */
static void
boot_with(const char *fail)
{
	if (fail != NULL)
		(void)setenv("LWKT_FAIL", fail, 1);
	else
		(void)unsetenv("LWKT_FAIL");
	is_int(on_cpus(1, nothing), 0, "boots with %s refused",
	    fail != NULL ? fail : "nothing");
}

static void
test_guard(const char *fail, enum machine_guard want, const char *name)
{
	char *p;

	boot_with(fail);
	ok(strstr(machine_describe(), name) != NULL,
	    "guards are by %s, says the boot line", name);
	p = machine_mem_reserve(4 * page);
	is_int(machine_mem_guard(p, page), want, "a guard is by %s", name);
	memset(p + page, 7, 3 * page);
	ok(mu_died(pokes(p + page - 1), SIGSEGV), "touching it faults");
	is_int(pokes(p + page), 0, "touching above it does not");
	machine_mem_decommit(p + page, 2 * page);
	ok(p[page] == 0 && p[3 * page - 1] == 0 && p[3 * page] == 7,
	    "decommitted pages are zero again, others keep their contents");
	machine_mem_decommit(p, 4 * page);
	ok(mu_died(pokes(p), SIGSEGV), "a guard outlives that");
	machine_mem_release(p, 4 * page);
}

/*
 * Three guards and three pieces of memory in turn, by one system call each; or,
 * if that is refused, by the caller and one by one.
 */
static void
test_many_pieces(const char *fail)
{
	struct iovec guard[3], piece[3];
	int i, made;
	char *p;

	boot_with(fail);
	p = machine_mem_reserve(6 * page);
	for (i = 0; i < 3; i++) {
		guard[i] = (struct iovec){ p + (size_t)i * 2 * page, page };
		piece[i] = (struct iovec){ p + (size_t)(i * 2 + 1) * page,
		    page };
		memset(piece[i].iov_base, 7, page);
	}
	made = machine_mem_guard_many(guard, 3);
	if (fail != NULL)
		is_int(made, 0, "no guard is made");
	else if (!made)
		skip("this kernel takes one guard at a time");
	machine_mem_decommit_many(piece, 3);
	for (i = 0; i < 3; i++) {
		ok(*(char *)piece[i].iov_base == 0, "piece %d is zero", i);
		ok(!made || mu_died(pokes(guard[i].iov_base), SIGSEGV),
		    "guard %d stands", i);
	}
	is_int(pokes(piece[1].iov_base), 0, "touching a piece does no harm");
	machine_mem_release(p, 6 * page);
}

/* Whether the host lets a process reserve more than it has. */
static int
overcommits(void)
{
	FILE *f = fopen("/proc/sys/vm/overcommit_memory", "re");
	int policy = 0;

	if (f == NULL || fscanf(f, "%d", &policy) != 1)
		policy = 0;
	if (f != NULL)
		(void)fclose(f);
	return policy != 2;
}

static void
test_reserve(void)
{
	char *p = machine_mem_reserve(64 * GIB);

	if (overcommits())
		ok(p != NULL, "64 GiB of address space can be had");
	else
		skip("this host counts address space");
	if (p != NULL) {
		p[0] = p[64 * GIB - 1] = 1;
		machine_mem_release(p, 64 * GIB);
	}
	boot_with("mem.reserve:1");
	ok(machine_mem_reserve(page) == NULL, "a refused one is NULL");
	p = machine_mem_reserve(page);
	ok(p != NULL, "the next one is not refused");
	machine_mem_release(p, page);
	boot_with(NULL);
}

/* A record for each reservation that the users may have, and no more. */
static void
test_records(void)
{
	static char *p[RESV_MOST + 1];
	int n, i;

	for (n = 0; n <= RESV_MOST; n++)
		if ((p[n] = machine_mem_reserve(page)) == NULL)
			break;
	is_int(n, RESV_MOST, "as many reservations as all shares together");
	for (i = 0; i < n; i++)
		machine_mem_release(p[i], page);
	p[0] = machine_mem_reserve(page);
	ok(p[0] != NULL, "after a refusal and a release there is one again");
	machine_mem_release(p[0], page);
}

/* A second mapping of the arena, as a tool makes it. */
static char *
arena_from_outside(size_t size)
{
	char path[300], link[64];
	ssize_t n;
	void *p = MAP_FAILED;
	int fd;

	for (int i = 0; i < 256 && p == MAP_FAILED; i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		n = readlink(path, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = '\0';
		if (strstr(link, "memfd:lwkt-arena") == NULL)
			continue;
		fd = open(path, O_RDONLY);
		p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
		(void)close(fd);
	}
	return p == MAP_FAILED ? NULL : p;
}

static void
test_arena(void)
{
	size_t size = 16 * page;
	int fds = mu_count("/proc/self/fd");
	char *p = machine_arena_reserve(size);
	char *seen = arena_from_outside(size);

	ok(p != NULL && seen != NULL, "the arena can be opened from outside");
	if (p == NULL || seen == NULL)
		return;
	memset(p, 5, size);
	ok(seen[page] == 5, "and shows what is written");
	machine_mem_decommit(p + page, page);
	ok(p[page] == 0 && seen[page] == 0 && seen[2 * page] == 5,
	    "a decommitted page is zero on both sides");
	(void)munmap(seen, size);
	machine_mem_release(p, size);
	is_int(mu_count("/proc/self/fd"), fds, "its descriptor is closed");

	boot_with("arena:*");
	p = machine_arena_reserve(size);
	ok(p != NULL && p[0] == 0, "without memfd there is one all the same");
	ok(arena_from_outside(size) == NULL, "that nobody else sees");
	machine_mem_release(p, size);
	boot_with("arena:*,mem.reserve:*");
	ok(machine_arena_reserve(size) == NULL, "no memory at all is NULL");
	boot_with(NULL);
}

/* mprotect runs out of map entries; it must stop while mmap still works. */
static void
test_many(void)
{
	size_t size = (size_t)MANY * 2 * page;
	char *p;
	void *q;
	int n;

	boot_with("guard.madvise:*");
	p = machine_mem_reserve(size);
	for (n = 0; n < MANY; n++) {
		if (machine_mem_guard(p + (size_t)n * 2 * page, page) ==
		    GUARD_CANARY)
			break;
	}
	ok(n > 1000 && n < MANY, "mprotect gives %d guards, then no more", n);
	q = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ok(q != MAP_FAILED, "the program can still map memory");
	(void)munmap(q, page);
	machine_mem_release(p, size);
	p = machine_mem_reserve(2 * page);
	is_int(machine_mem_guard(p, page), GUARD_MPROTECT,
	    "a release gives the entries back");
	machine_mem_release(p, 2 * page);
	boot_with(NULL);
	p = machine_mem_reserve(size);
	if (machine_mem_guard(p, page) != GUARD_MADVISE) {
		skip("this kernel has no MADV_GUARD_INSTALL");
	} else {
		for (n = 1; n < MANY; n++) {
			if (machine_mem_guard(p + (size_t)n * 2 * page,
			    page) != GUARD_MADVISE)
				break;
		}
		is_int(n, MANY, "madvise gives them all");
	}
	machine_mem_release(p, size);
}

int
main(void)
{
	page = machine_page_size();
	boot_with(NULL);
	if (strstr(machine_describe(), "madvise") != NULL)
		test_guard(NULL, GUARD_MADVISE, "madvise");
	else
		skip("this kernel has no MADV_GUARD_INSTALL");
	test_guard("guard.madvise:*", GUARD_MPROTECT, "mprotect");
	boot_with("guard.madvise:*,guard.mprotect:*");
	target = machine_mem_reserve(page);
	is_int(machine_mem_guard(target, page), GUARD_CANARY,
	    "with both refused the caller must use a canary");
	machine_mem_release(target, page);
	boot_with(NULL);
	test_many_pieces(NULL);
	test_many_pieces("guard.many:*,decommit.many:*");
	boot_with(NULL);
	test_reserve();
	test_records();
	test_arena();
	test_many();
	return tap_done();
}
