/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks into and out of magazines, one by one.  vm_magazine.c has the theory.
 *
 * Context: a leaf section or a critical section.
 */
#ifndef LWKT_VM_VM_MAGAZINE_H
#define LWKT_VM_VM_MAGAZINE_H

#include "vm/vm_zone.h"

#define MAG_BYTES	(MAG_MOST * sizeof(struct mag_round))

/*
 * (i) Where in sl_mag[] the magazine for a block lies, in bytes, by the size of
 * the block in units of 8 bytes.  A block of 0 bytes has the empty magazine.
 */
extern uint16_t mag_at[MAG_MAXCHUNK / 8 + 1] __lwkt_hidden;

/* Panic: a chunk in a magazine was written to, or freed by another CPU. */
void	mag_corrupted(const struct mag_round *mr) __lwkt_noreturn;

/* Return the magazine for a block of 8 * units bytes. */
static inline struct mag *
mag_for(struct slab *sl, size_t units)
{
	return (struct mag *)(void *)((char *)sl->sl_mag + mag_at[units]);
}

/* Return the place in the magazine that follows the first `used` bytes. */
static inline struct mag_round *
mag_place(struct mag *mg, uint64_t used)
{
	return (struct mag_round *)(void *)((char *)mg->mg_round + used);
}

/*
 * Take the chunk on top of a magazine, for use.  Returns NULL if the magazine
 * is empty.  Panics if the mark is not in the chunk any more.
 */
static inline void *
mag_pop(struct slab *sl, struct mag *mg)
{
	struct mag_round *mr;
	uint64_t *chunk;
	uint64_t used;

	if (unlikely(__builtin_sub_overflow(mg->mg_used, sizeof(*mr), &used)))
		return NULL;
	mr = mag_place(mg, used);
	chunk = mr->mr_chunk;
	if (unlikely(*chunk != sl->sl_mark))			/* MG1 */
		mag_corrupted(mr);
	if (patterns())
		pattern_check(slab_header(chunk), (uintptr_t)chunk);
	*chunk = 0;						/* MG4 */
	mg->mg_used = used;
	*mr->mr_state = CHUNK_USED;
	return chunk;
}

/* Put a free chunk on top of a magazine, not full; `used` is its mg_used. */
static inline void
mag_put(struct mag *mg, uint64_t used, void *chunk, uint8_t *state,
    uint64_t mark)
{
	struct mag_round *mr = mag_place(mg, used);

	mg->mg_used = used + sizeof(*mr);
	mr->mr_chunk = chunk;
	mr->mr_state = state;
	if (patterns())
		pattern_fill(slab_header(chunk), (uintptr_t)chunk);
	*(uint64_t *)chunk = mark;				/* MG1 */
	*state = CHUNK_READY;
}

/*
 * Free p the quick way: put it on top of its magazine, and return its zone.
 * Returns NULL if the long way must be taken.  This is so if p is not the start
 * of a chunk of this CPU that is in use, if its class has no magazine, if sl is
 * slab_none, and if the magazine is full.  It is also so if z_remote holds
 * chunks, because p may be one of them: a double free.
 */
static inline struct zone *
mag_push(struct slab *sl, void *p)
{
	struct zone *z = slab_header(p);
	uint64_t mark = sl->sl_mark, used;
	struct mag *mg;
	uint8_t *state;
	uint32_t i;

	if (unlikely(z->z_mark != mark || !chunk_find(z, p, &i) ||
	    atomic_peek_ptr(&z->z_remote) > ASLEEP))
		return NULL;
	mg = z->z_mag;
	used = mg->mg_used;
	state = &z->z_state[i];
	if (unlikely(used == MAG_BYTES || *state != CHUNK_USED))
		return NULL;
	mag_put(mg, used, p, state, mark);
	return z;
}

#endif
