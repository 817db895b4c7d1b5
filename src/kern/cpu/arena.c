/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared arena: boot storage and thread structures.
 *
 * THEORY
 * boot/kern_init.c reserves the arena, and vm/vm_glue.c makes threads in it.
 * What is handed out is never given back before shutdown.  So a reader needs no
 * lock to go through the thread structures.  It must skip those that are no
 * threads now (arena.h).
 */
#include "kern/cpu/arena.h"
#include "kern/cpu/thread_var.h"

#include "base/atomic.h"
#include "base/kassert.h"

struct arena_head *lwkt__arena;

/*
 * Take zeroed memory from the arena, aligned to a cache line; panic if it is
 * full.
 */
void *
arena_alloc(size_t size)
{
	uint64_t off;

	size = roundup2(size, (size_t)CACHE_LINE);
	off = atomic_fetchadd_64(&lwkt__arena->ah_used, size);
	KASSERTF(off + size <= lwkt__arena->ah_size, "the arena has no "
	    "room for %zu bytes at boot", size);
	return (char *)lwkt__arena + off;
}

/* Return the number of thread structures made so far; 0 without a kernel. */
uint64_t
thread_count(void)
{
	uint64_t n;

	if (lwkt__arena == NULL || lwkt__arena->ah_tdoff == 0)
		return 0;
	n = __atomic_load_n(&lwkt__arena->ah_tdcount, __ATOMIC_RELAXED);
	return n < lwkt__arena->ah_tdmax ? n : lwkt__arena->ah_tdmax;
}

/* Return thread structure i; i must be below thread_count(). */
lwkt_thread_t
thread_nth(uint64_t i)
{
	return (lwkt_thread_t)(void *)((char *)lwkt__arena +
	    lwkt__arena->ah_tdoff) + i;
}
