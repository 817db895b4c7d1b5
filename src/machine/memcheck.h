/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inform the checkers about memory that is allocated and freed.
 *
 * THEORY
 * A free block must not be accessed, nor the bytes of a block after the size
 * requested.  For ASan they are poisoned.  For valgrind the blocks belong to a
 * pool, which is destroyed as a whole.  A plain build without valgrind pays one
 * test of a word for each call.  An allocator keeps its links in the first word
 * of a free block: valgrind allows access to that word; for ASan the functions
 * that read links are not instrumented.
 */
#ifndef LWKT_MACHINE_MEMCHECK_H
#define LWKT_MACHINE_MEMCHECK_H

#include "machine/fiber.h"

/*
 * memcheck_begin is called before the first block is allocated, memcheck_end
 * after the last use of a block.  Both are called only if fiber_wanted().
 */
void	memcheck_begin(void);
void	memcheck_end(void);

/*
 * Allows access to [p, p + size) and forbids it to the rest of the `room` bytes
 * at p.  If zeroed is not set, valgrind treats the contents as not yet written.
 */
void	lwkt__memcheck_alloc(void *p, size_t size, size_t room, int zeroed);
/*
 * Forbids access to the `room` bytes at p, which are free again.  Valgrind
 * still allows access to the first word, which is the allocator's link.
 */
void	lwkt__memcheck_free(void *p, size_t room);
/* Gives a block another size in place; its contents count as written. */
void	lwkt__memcheck_resize(void *p, size_t size, size_t room);
/*
 * _hide forbids access to memory.  _show allows access; the contents count as
 * written.
 */
void	lwkt__memcheck_hide(void *p, size_t size);
void	lwkt__memcheck_show(void *p, size_t size);
/*
 * Between _mute and _unmute valgrind reports no access of this host thread, for
 * memory that it rightly takes for dead.
 */
void	lwkt__memcheck_mute(void);
void	lwkt__memcheck_unmute(void);
/* To be called when a cancellation has left frames without a return. */
void	lwkt__memcheck_unwound(void);

static inline void
memcheck_unwound(void)
{
	if (fiber_wanted())
		lwkt__memcheck_unwound();
}

static inline void
memcheck_mute(void)
{
	if (fiber_wanted())
		lwkt__memcheck_mute();
}

static inline void
memcheck_unmute(void)
{
	if (fiber_wanted())
		lwkt__memcheck_unmute();
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
