/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tell the checkers about memory: machine/memcheck.h says what and why.
 *
 * valgrind's blocks have no red zones, for the blocks of a zone touch each
 * other.  Source: the headers of valgrind and of ASan.
 */
#include "machine/memcheck.h"

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#ifndef VALGRIND_MALLOCLIKE_BLOCK
#define VALGRIND_MALLOCLIKE_BLOCK(p, size, rz, z)	((void)(p))
#define VALGRIND_FREELIKE_BLOCK(p, rz)			((void)(p))
#define VALGRIND_MAKE_MEM_DEFINED(p, size)		((void)(p))
#define VALGRIND_MAKE_MEM_NOACCESS(p, size)		((void)(p))
#endif

#if LWKT_ASAN
#include <sanitizer/asan_interface.h>
#else
#define __asan_poison_memory_region(p, size)	((void)(p), (void)(size))
#define __asan_unpoison_memory_region(p, size)	((void)(p), (void)(size))
#endif

#define LINK	sizeof(void *)		/* the allocator's word in it */

void
lwkt__memcheck_alloc(void *p, size_t size, size_t room, int zeroed)
{
	(void)zeroed;
	__asan_poison_memory_region(p, room);
	__asan_unpoison_memory_region(p, size);
	VALGRIND_MALLOCLIKE_BLOCK(p, size, 0, zeroed);
}

void
lwkt__memcheck_free(void *p, size_t room)
{
	__asan_poison_memory_region(p, room);
	VALGRIND_FREELIKE_BLOCK(p, 0);
	(void)VALGRIND_MAKE_MEM_DEFINED(p, LINK);
}

void
lwkt__memcheck_resize(void *p, size_t size, size_t room)
{
	__asan_poison_memory_region(p, room);
	__asan_unpoison_memory_region(p, size);
	VALGRIND_FREELIKE_BLOCK(p, 0);
	VALGRIND_MALLOCLIKE_BLOCK(p, size, 0, 1);
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
