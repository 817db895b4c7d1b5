/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the checkers must be told about memory that is handed out and returned.
 *
 * THEORY
 * A block that is free, and what lies behind the bytes that somebody asked
 * for, is forbidden ground: ASan poisons it; for valgrind the blocks are those
 * of a pool, which goes as a whole.  A plain build without valgrind pays one
 * test of a word for each call.  valgrind leaves the first word of a free block
 * alone, where an allocator keeps its links; for ASan those who read links are
 * not instrumented.
 */
#ifndef LWKT_MACHINE_MEMCHECK_H
#define LWKT_MACHINE_MEMCHECK_H

#include "machine/fiber.h"

/* Before the first block; all blocks are gone.  If fiber_wanted(). */
void	memcheck_begin(void);
void	memcheck_end(void);

/* [p, p + size) is somebody's, the rest of p's `room` bytes nobody's. */
void	lwkt__memcheck_alloc(void *p, size_t size, size_t room, int zeroed);
/* What was asked for in the `room` bytes at p is nobody's again. */
void	lwkt__memcheck_free(void *p, size_t room);
/* It stays where it is and has another size; what is in it counts. */
void	lwkt__memcheck_resize(void *p, size_t size, size_t room);
/* Nobody may touch it; it is ordinary memory again. */
void	lwkt__memcheck_hide(void *p, size_t size);
void	lwkt__memcheck_show(void *p, size_t size);
/* A cancellation has left frames of this stack without their returns. */
void	lwkt__memcheck_unwound(void);

static inline void
memcheck_unwound(void)
{
	if (fiber_wanted())
		lwkt__memcheck_unwound();
}

static inline void
memcheck_alloc(void *p, size_t size, size_t room, int zeroed)
{
	if (fiber_wanted())
		lwkt__memcheck_alloc(p, size, room, zeroed);
}

static inline void
memcheck_free(void *p, size_t room)
{
	if (fiber_wanted())
		lwkt__memcheck_free(p, room);
}

static inline void
memcheck_resize(void *p, size_t size, size_t room)
{
	if (fiber_wanted())
		lwkt__memcheck_resize(p, size, room);
}

static inline void
memcheck_hide(void *p, size_t size)
{
	if (fiber_wanted())
		lwkt__memcheck_hide(p, size);
}

static inline void
memcheck_show(void *p, size_t size)
{
	if (fiber_wanted())
		lwkt__memcheck_show(p, size);
}

#endif
