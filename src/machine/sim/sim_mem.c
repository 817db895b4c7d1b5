/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of the simulated host: plain mappings.
 *
 * THEORY
 * No program outside reads a simulated machine, so an arena is ordinary memory.
 * A run takes a fraction of a millisecond, so few calls of the operating system
 * are affordable.  Guards are of the cheapest kind that is available
 * (linux/mem.c explains the kinds).
 */
#include <stddef.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/kassert.h"
#include "machine/hostlib.h"
#include "machine/sim/sim_var.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

size_t
machine_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

size_t
machine_mem_size(void)
{
	return (size_t)1 << 30;
}

/* Map memory, all zero.  Returns NULL if the host refuses. */
static void *
reserve(const char *point, size_t size)
{
	lwkt__choice(CHOICE_ALLOC);
	return machine_fail(point) ? NULL : lwkt__map_zeros(size, 0);
}

void *
machine_mem_reserve(size_t size)
{
	return reserve("mem.reserve", size);
}

void *
machine_arena_reserve(size_t size)
{
	return reserve("arena", size);
}

/* Unmap memory.  Pending stores go to memory before it is unmapped. */
void
machine_mem_release(void *p, size_t size)
{
	int error;

	lwkt__choice(CHOICE_ALLOC);
	sim_store_drain_all();
	error = munmap(p, size);
	KASSERTF(error == 0, "munmap of %p, %zu bytes, fails", p, size);
}

/*
 * Give pages back; they are zero afterwards.  Stores are drained first, because
 * a pending store to these pages must not reach memory later.
 */
void
machine_mem_decommit(void *p, size_t size)
{
	int error;

	lwkt__choice(CHOICE_ALLOC);
	sim_store_drain_all();
	error = madvise(p, size, MADV_DONTNEED);
	KASSERTF(error == 0, "madvise of %p, %zu bytes, fails", p, size);
}

/*
 * Make a guard of the first kind that neither the operating system nor an
 * injected fault refuses, and return the kind.  With GUARD_CANARY nothing was
 * done.
 */
enum machine_guard
machine_mem_guard(void *p, size_t size)
{
	lwkt__choice(CHOICE_ALLOC);
	sim_store_drain_all();
	if (!machine_fail("guard.madvise") &&
	    madvise(p, size, MADV_GUARD_INSTALL) == 0)
		return GUARD_MADVISE;
	if (!machine_fail("guard.mprotect") &&
	    mprotect(p, size, PROT_NONE) == 0)
		return GUARD_MPROTECT;
	return GUARD_CANARY;
}

/* As machine_mem_guard, for many at once; see machine.h. */
int
machine_mem_guard_many(const struct iovec *piece, unsigned n)
{
	lwkt__choice(CHOICE_ALLOC);
	sim_store_drain_all();
	return !machine_fail("guard.many") &&
	    lwkt__advise_many(piece, n, MADV_GUARD_INSTALL);
}

void
machine_mem_decommit_many(const struct iovec *piece, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		machine_mem_decommit(piece[i].iov_base, piece[i].iov_len);
}
