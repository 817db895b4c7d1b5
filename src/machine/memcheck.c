/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inform the checkers about memory; machine/memcheck.h has the theory.
 *
 * valgrind's blocks have no red zones, because the blocks of a zone are
 * adjacent.  Blocks that are in use at a shutdown are not reported.
 *
 * Source: the headers of valgrind and of ASan.
 */
#include "machine/memcheck.h"

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#ifndef VALGRIND_CREATE_MEMPOOL
#define VALGRIND_CREATE_MEMPOOL(pool, rz, z)		((void)(pool))
#define VALGRIND_DESTROY_MEMPOOL(pool)			((void)(pool))
#define VALGRIND_MEMPOOL_ALLOC(pool, p, size)		((void)(p))
#define VALGRIND_MEMPOOL_FREE(pool, p)			((void)(p))
#define VALGRIND_MEMPOOL_CHANGE(pool, p, q, size)	((void)(p))
#define VALGRIND_MAKE_MEM_DEFINED(p, size)		((void)(p))
#define VALGRIND_MAKE_MEM_NOACCESS(p, size)		((void)(p))
#define VALGRIND_DISABLE_ERROR_REPORTING		((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING			((void)0)
#endif

#define UNWOUND		((size_t)16 << 10)	/* bytes to unpoison first */

#if LWKT_ASAN
#include <sanitizer/asan_interface.h>
#else
#define __asan_poison_memory_region(p, size)	((void)(p), (void)(size))
#define __asan_unpoison_memory_region(p, size)	((void)(p), (void)(size))
#define __asan_handle_no_return()		((void)0)
#endif

#define LINK	sizeof(void *)		/* allocator's link in a free block */

static char pool[1] __lwkt_unused;	/* its address identifies the pool */

void
memcheck_begin(void)
{
	VALGRIND_CREATE_MEMPOOL(pool, 0, 0);
}

void
memcheck_end(void)
{
	VALGRIND_DESTROY_MEMPOOL(pool);
}

void
lwkt__memcheck_alloc(void *p, size_t size, size_t room, int zeroed)
{
	__asan_poison_memory_region(p, room);
	__asan_unpoison_memory_region(p, size);
	VALGRIND_MEMPOOL_ALLOC(pool, p, size);
	if (zeroed)
		(void)VALGRIND_MAKE_MEM_DEFINED(p, size);
}

void
lwkt__memcheck_free(void *p, size_t room)
{
	__asan_poison_memory_region(p, room);
	VALGRIND_MEMPOOL_FREE(pool, p);
	(void)VALGRIND_MAKE_MEM_DEFINED(p, LINK);
}

void
lwkt__memcheck_resize(void *p, size_t size, size_t room)
{
	__asan_poison_memory_region(p, room);
	__asan_unpoison_memory_region(p, size);
	VALGRIND_MEMPOOL_CHANGE(pool, p, p, size);
	(void)VALGRIND_MAKE_MEM_DEFINED(p, size);
}

void
lwkt__memcheck_hide(void *p, size_t size)
{
	__asan_poison_memory_region(p, size);
	(void)VALGRIND_MAKE_MEM_NOACCESS(p, size);
}

void
lwkt__memcheck_show(void *p, size_t size)
{
	__asan_unpoison_memory_region(p, size);
	(void)VALGRIND_MAKE_MEM_DEFINED(p, size);
}

/*
 * Unpoison the frames that ended without a return.  They lie below the present
 * frame, and their red zones are still poisoned.  The call of ASan that
 * unpoisons the stack has its own frames there and would report itself.  So the
 * nearest UNWOUND bytes are unpoisoned first.
 */
void
lwkt__memcheck_unwound(void)
{
	char *here = __builtin_frame_address(0);

	__asan_unpoison_memory_region(here - UNWOUND, UNWOUND);
	__asan_handle_no_return();
}

void
lwkt__memcheck_mute(void)
{
	VALGRIND_DISABLE_ERROR_REPORTING;
}

void
lwkt__memcheck_unmute(void)
{
	VALGRIND_ENABLE_ERROR_REPORTING;
}
