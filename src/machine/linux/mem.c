/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reserve address space, the arena that tools can see, and guard pages.
 *
 * THEORY
 * Reservations are large (many stacks, the arena of structures).  A page takes
 * no memory until its first access, and Linux does not count it before
 * (MAP_NORESERVE).  Anonymous reservations have no huge pages, so a stack in
 * use takes one page and not 2 MiB.  The arena is a memfd, which a tool opens
 * through /proc.  If the memfd cannot be made, the arena is anonymous memory,
 * and tools see nothing.  In both cases it is not mapped in children
 * (outside.c).  Where Linux refuses that (MADV_DONTFORK), the arena is private
 * memory, and children have a copy.  In a program linked to have executable
 * stacks, reservations other than a memfd are executable, as the stacks of
 * pthreads are: nested functions of GCC run from the stack.  From a table of
 * the reservations, decommit learns the kind of the memory, and the fault
 * handler learns whether an address is in a reservation.
 *
 * Guards.  MADV_GUARD_INSTALL (Linux 6.13) marks pages without splitting the
 * mapping, so a million guards cost page table entries only.  On older Linux,
 * mprotect splits the mapping: each guard takes two more entries of the
 * process's map table.  The guards and what is mapped at the boot may fill this
 * table up to 80 % of vm.max_map_count, because the program needs mmap too.
 * Beyond that the caller must use a canary.
 * The kind is decided for each guard, so a process may have several kinds.
 * Where Linux can, many guards are made by one system call (advise.c).
 *
 * INVARIANTS
 * MM1 guard_maps counts 2 for each living mprotect guard of all reservations,
 *    and r_maps counts 2 for each one of its reservation.
 *
 * LEGEND  (l) mem_lock.  resv_find(), which the fault handler also calls,
 *         reads without the lock.  So r_base is written last when a
 *         reservation is made, and first when it ends.
 */
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/kassert.h"
#include "machine/hostlib.h"
#include "machine/linux/host.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

#define MAPS_PERCENT		80	/* of vm.max_map_count; see THEORY */
#define MAPS_DEFAULT		65530	/* vm.max_map_count, if unreadable */

struct reservation {
	uintptr_t	r_base;		/* (l) 0: free slot */
	size_t		r_size;		/* (l) */
	int		r_fd;		/* (l) memfd, or -1 */
	int		r_arena;	/* (l) 1: the arena */
	uint64_t	r_maps;		/* (a) map entries of its guards */
};

static struct reservation resv[RESV_MOST];
static uint32_t nresv;			/* (a) entries ever used; only grows */
static uint32_t mem_lock;		/* (a) 1: a host thread changes resv */
static uint64_t guard_maps;		/* (a) MM1 */
static uint64_t guard_maps_max;		/* (i) limit of guard_maps */
static enum machine_guard guard_kind;	/* (i) what the boot probe found */
static int stack_prot;			/* (i) PROT_EXEC, or 0 */
static size_t mem_size;			/* (i) machine_mem_size() */

static void
mem_enter(void)
{
	for (unsigned turn = 0; !atomic_cmpset_32(&mem_lock, 0, 1); turn++)
		machine_pause(turn);
}

static void
mem_leave(void)
{
	atomic_store_rel_32(&mem_lock, 0);
}

size_t
machine_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

size_t
machine_mem_size(void)
{
	return mem_size;
}

/*
 * Return the memory of the machine in bytes, or the limit that the cgroups of
 * the process set (cgroup.c), if that is less.
 */
static size_t
size_look(void)
{
	size_t size = (size_t)sysconf(_SC_PHYS_PAGES) * machine_page_size();
	uint64_t limit = lwkt__cgroup_memory("/proc/self/cgroup",
	    "/proc/self/mountinfo");

	return limit > 0 && limit < size ? limit : size;
}

/* Find the reservation that contains addr, or NULL.  Async-signal-safe. */
static struct reservation *
resv_find(uintptr_t addr)
{
	struct reservation *r;
	uint32_t n = atomic_load_acq_32(&nresv);
	uintptr_t base;

	for (r = resv; r < resv + n; r++) {
		base = atomic_load_acq_ptr(&r->r_base);
		if (base != 0 && addr - base < r->r_size)
			return r;
	}
	return NULL;
}

int
lwkt__mem_is_ours(uintptr_t addr)
{
	return resv_find(addr) != NULL;
}

int
lwkt__mem_is_arena(uintptr_t addr)
{
	const struct reservation *r = resv_find(addr);

	return r != NULL && r->r_arena;
}

/*
 * In a child of fork, map the address range of the arena without access, so
 * that no later mapping of the child gets there.
 */
void
lwkt__mem_forked(void)
{
	const struct reservation *r;

	for (r = resv; r < resv + nresv; r++)
		if (r->r_base != 0 && r->r_arena)
			(void)mmap((void *)r->r_base, r->r_size, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			    MAP_FIXED, -1, 0);
}

/*
 * Enter the mapping p into the table and return p.  If the table is full, unmap
 * p, close fd (unless it is -1) and return NULL.
 */
static void *
resv_add(void *p, size_t size, int fd, int arena)
{
	struct reservation *r;

	mem_enter();
	for (r = resv; r < resv + RESV_MOST; r++) {
		if (r->r_base != 0)
			continue;
		r->r_size = size;
		r->r_fd = fd;
		r->r_arena = arena;
		r->r_maps = 0;
		/* Last: resv_find may read the entry from now on. */
		atomic_store_rel_ptr(&r->r_base, (uintptr_t)p);
		if (r == resv + nresv)
			atomic_store_rel_32(&nresv, nresv + 1);
		mem_leave();
		return p;
	}
	mem_leave();
	(void)munmap(p, size);
	if (fd >= 0)
		(void)close(fd);
	return NULL;
}

void *
machine_mem_reserve(size_t size)
{
	void *p;

	if (machine_fail("mem.reserve"))
		return NULL;
	p = lwkt__map_zeros(size, stack_prot);
	return p != NULL ? resv_add(p, size, -1, 0) : NULL;
}

/*
 * Return whether a file of this process may have that size.  ftruncate to a
 * size above the limit would raise SIGXFSZ.
 */
static int
file_size_allowed(size_t size)
{
	struct rlimit rl;

	return getrlimit(RLIMIT_FSIZE, &rl) != 0 ||
	    rl.rlim_cur == RLIM_INFINITY || rl.rlim_cur >= size;
}

/* Make the memfd of the arena.  Returns its descriptor, or -1. */
static int
arena_memfd(size_t size)
{
	int fd;

	if (machine_fail("arena"))
		return -1;
	if (!file_size_allowed(size)) {
		lwkt_printf("lwkt: the limit of file sizes (ulimit -f) is "
		    "below %zu MiB: tools cannot look into this process",
		    size >> 20);
		return -1;
	}
	fd = memfd_create("lwkt-arena", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, (off_t)size) != 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

void *
machine_arena_reserve(size_t size)
{
	int fd = arena_memfd(size);
	void *p = MAP_FAILED;

	if (fd >= 0) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, fd, 0);
		if (p == MAP_FAILED) {
			(void)close(fd);
			fd = -1;
		}
	}
	if (p == MAP_FAILED && (machine_fail("mem.reserve") ||
	    (p = lwkt__map_zeros(size, stack_prot)) == NULL))
		return NULL;
	if (madvise(p, size, MADV_DONTFORK) != 0 && fd >= 0) {
		/* Children would map it, so it must not be shared (OU1). */
		(void)munmap(p, size);
		(void)close(fd);
		fd = -1;
		if ((p = lwkt__map_zeros(size, stack_prot)) == NULL)
			return NULL;
	}
	return resv_add(p, size, fd, 1);
}

void
machine_mem_release(void *p, size_t size)
{
	struct reservation *r;
	int fd = -1;

	mem_enter();
	r = resv_find((uintptr_t)p);
	KASSERTF(r != NULL && r->r_base == (uintptr_t)p && r->r_size == size,
	    "%p, %zu bytes, is no reservation", p, size);
	fd = r->r_fd;
	(void)atomic_fetchadd_64(&guard_maps, -atomic_load_64(&r->r_maps));
	atomic_store_rel_ptr(&r->r_base, 0);
	mem_leave();
	(void)munmap(p, size);
	if (fd >= 0)
		(void)close(fd);
}

void
machine_mem_decommit(void *p, size_t size)
{
	struct reservation *r = resv_find((uintptr_t)p);

	/* The arena needs MADV_REMOVE: DONTNEED keeps pages of a memfd. */
	KASSERTF(r != NULL, "%p is in no reservation", p);
	if (madvise(p, size, r->r_fd >= 0 ? MADV_REMOVE : MADV_DONTNEED) != 0)
		memset(p, 0, size);
}

/*
 * Make a guard by mprotect, if two more map entries are allowed.  Returns 0 or
 * ENOMEM.
 */
static int
guard_mprotect(void *p, size_t size)
{
	struct reservation *r = resv_find((uintptr_t)p);

	if (r == NULL || machine_fail("guard.mprotect"))
		return ENOMEM;
	if (atomic_fetchadd_64(&guard_maps, 2) + 2 > guard_maps_max ||
	    mprotect(p, size, PROT_NONE) != 0) {
		(void)atomic_fetchadd_64(&guard_maps, (uint64_t)-2);
		return ENOMEM;
	}
	(void)atomic_fetchadd_64(&r->r_maps, 2);	/* MM1 */
	return 0;
}

/*
 * Make a guard by the best means left, and return its kind.  With GUARD_CANARY
 * nothing was done: the caller writes the canary.  Any host thread.
 */
enum machine_guard
machine_mem_guard(void *p, size_t size)
{
	if (guard_kind == GUARD_MADVISE && !machine_fail("guard.madvise") &&
	    madvise(p, size, MADV_GUARD_INSTALL) == 0)
		return GUARD_MADVISE;
	return guard_mprotect(p, size) == 0 ? GUARD_MPROTECT : GUARD_CANARY;
}

int
machine_mem_guard_many(const struct iovec *piece, unsigned n)
{
	return guard_kind == GUARD_MADVISE && !machine_fail("guard.many") &&
	    lwkt__advise_many(piece, n, MADV_GUARD_INSTALL);
}

void
machine_mem_decommit_many(const struct iovec *piece, unsigned n)
{
	unsigned i;

	if (!machine_fail("decommit.many") &&
	    lwkt__advise_many(piece, n, MADV_DONTNEED))
		return;
	for (i = 0; i < n; i++)
		machine_mem_decommit(piece[i].iov_base, piece[i].iov_len);
}

/* Return the number in a file of /proc, or dflt if it cannot be read. */
static uint64_t
proc_number(const char *path, uint64_t dflt)
{
	FILE *f = fopen(path, "re");
	unsigned long n = 0;

	if (f == NULL)
		return dflt;
	if (fscanf(f, "%lu", &n) != 1)
		n = dflt;
	(void)fclose(f);
	return n;
}

/* Return the number of mappings of the process, or 0 if it is unknown. */
static uint64_t
maps_in_use(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	uint64_t n = 0;
	int c;

	if (f == NULL)
		return 0;
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	(void)fclose(f);
	return n;
}

/*
 * Return PROT_EXEC if the program wants executable stacks, else -1.  Callback
 * of dl_iterate_phdr, which begins with the program and stops at a result
 * other than 0; so no library is examined.
 */
static int
stack_look(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size, (void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_STACK)
			return (info->dlpi_phdr[i].p_flags & PF_X) != 0 ?
			    PROT_EXEC : -1;
	return -1;
}

/*
 * Find out how much memory there is, which kinds of guards the host has, and
 * how stacks are mapped.
 */
void
lwkt__mem_boot(void)
{
	size_t page = machine_page_size();
	uint64_t most, used;
	void *p;

	mem_size = size_look();
	most = proc_number("/proc/sys/vm/max_map_count", MAPS_DEFAULT) *
	    MAPS_PERCENT / 100;
	used = maps_in_use();
	guard_maps_max = most > used ? most - used : 0;
	guard_kind = GUARD_MPROTECT;
	stack_prot = dl_iterate_phdr(stack_look, NULL) == PROT_EXEC ?
	    PROT_EXEC : 0;
	p = lwkt__map_zeros(page, stack_prot);
	if (p == NULL)
		return;
	if (!machine_fail("guard.madvise") &&
	    madvise(p, page, MADV_GUARD_INSTALL) == 0)
		guard_kind = GUARD_MADVISE;
	(void)munmap(p, page);
}

const char *
lwkt__mem_guard_name(void)
{
	return guard_kind == GUARD_MADVISE ? "madvise" :
	    guard_maps_max > 0 ? "mprotect" : "canary";
}
