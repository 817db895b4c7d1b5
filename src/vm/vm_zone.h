/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of a zone, and its chunks one by one.  vm_zone.c has the theory.
 */
#ifndef LWKT_VM_VM_ZONE_H
#define LWKT_VM_VM_ZONE_H

#include "vm/slab_var.h"

#define ZONE_MAGIC	0x736c61627a6f6e65u	/* z_magic, xored with secret */
#define ASLEEP		((uintptr_t)1)	/* in z_remote: notify the owner */
#define PATTERN		0xdeadc0dedeadc0deu

/* What the owner knows of a chunk: z_state. */
enum chunk_state {
	CHUNK_FREE,			/* in z_free, or never used */
	CHUNK_USED,			/* given out; or in z_remote, SL4 */
	CHUNK_READY			/* in a magazine */
};

/*
 * (i) fixed while the slot is a zone  (a) atomic, all CPUs
 * (c) accessed only by the owner CPU, in a critical section
 */
struct zone {
	uint64_t	 z_mark;	/* (i) sl_mark; 0: uses no magazine */
	struct mag	*z_mag;		/* (i) of z_class; or NULL */
	uint64_t	 z_magic;	/* (i) */
	uintptr_t	 z_first;	/* (i) address of chunk 0 */
	uint32_t	 z_inverse;	/* (i) 2^32 / z_size, rounded up */
	uint32_t	 z_max;		/* (i) number of chunks */
	uint32_t	 z_size;	/* (i) bytes of a chunk */
	int		 z_cpu;		/* (i) the owner */
	uintptr_t	 z_key;		/* (i) what links are xored with */
	uint64_t	*z_gone;	/* (i) bitmap, its words (a): SL4 */
	uint32_t	 z_id;		/* (i) kmem_id of the slot */
	uint32_t	 z_class;	/* (i) */
	uint32_t	 z_zeroed;	/* (i) 1: never used chunks are zero */
	LWKT_CACHEALIGN
	uintptr_t	 z_free;	/* (c) list of chunks that were freed */
	uint32_t	 z_nfree;	/* (c) SL1 */
	uint32_t	 z_fresh;	/* (c) number of chunks never used */
	uint32_t	 z_next;	/* (c) chunk to take if z_fresh > 0 */
	uint32_t	 z_asleep;	/* (c) SL1 */
	uint32_t	 z_inflight;	/* (c) SL3 */
	TAILQ_ENTRY(zone) z_link;	/* (c) in sl_zone, if listed */
	LWKT_CACHEALIGN
	uintptr_t	 z_remote;	/* (a) SL2 */
	LWKT_CACHEALIGN
	uint8_t		 z_state[];	/* (c) enum chunk_state of each chunk */
};

/*
 * vm_zone.c.  Unless stated otherwise the caller is the owner, in a critical
 * section.  zone_new makes a zone of a class and lists it, or returns NULL.
 * zone_exhausted is called after the last free chunk of a zone was taken,
 * zone_wake when a zone that is in no list has a free chunk again, and
 * zone_idle when all chunks of a listed zone are free.
 */
struct zone *zone_new(struct slab *sl, unsigned cls);
void	zone_exhausted(struct slab *sl, struct zone *z);
void	zone_wake(struct slab *sl, struct zone *z);
void	zone_idle(struct slab *sl, struct zone *z);
/* Fetch in every listed zone; give up the free ones that no message names. */
void	zones_clean(struct slab *sl);
void	zones_check(struct slab *sl);
/* Free chunk p of another CPU's zone; return its size. */
size_t	zone_free_remote(struct slab *sl, struct zone *z, void *p);
/* Panic: the chunk was freed twice before it was given out again. */
void	free_twice(const struct zone *z, uintptr_t chunk) __lwkt_noreturn;
/* Fill a free chunk with the pattern, except word 0; check it, or panic. */
void	pattern_fill(const struct zone *z, uintptr_t chunk);
void	pattern_check(const struct zone *z, uintptr_t chunk);

/*
 * Return whether free chunks are filled with the pattern: in invariants builds,
 * but not if a memory checker watches free chunks.
 */
static inline int
patterns(void)
{
	return config_invariants && !fiber_wanted();
}

/*
 * Read the link in a free chunk.  While a memory checker watches, nothing else
 * of a free chunk is read.
 */
static __lwkt_no_asan __lwkt_unused uintptr_t
link_load(const struct zone *z, uintptr_t chunk)
{
	return *(const uintptr_t *)chunk ^ z->z_key;
}

/* Write the link in a free chunk. */
static __lwkt_no_asan __lwkt_unused void
link_store(const struct zone *z, uintptr_t chunk, uintptr_t next)
{
	*(uintptr_t *)chunk = next ^ z->z_key;
}

/* Return the zone in which p lies; panic if its header is damaged. */
static inline struct zone *
zone_of(const void *p)
{
	struct zone *z = slab_header(p);

	KASSERTF(z->z_magic == (ZONE_MAGIC ^ slab_secret), "the header of the "
	    "zone of %p is overwritten", p);
	return z;
}

/* Return whether z is a zone of another CPU.  Reads only the header. */
static inline int
zone_is_remote(const struct globaldata *gd, const struct zone *z)
{
	return z->z_magic == (ZONE_MAGIC ^ slab_secret) &&
	    z->z_cpu != gd->gd_m.mc_cpuid;
}

/*
 * Find the number of the chunk that begins at p.  Returns 1, or 0 if none does;
 * p lies in the slot of the zone.  The product has the number in its upper
 * half.  Its lower half is less than z_inverse exactly if p is the start of a
 * chunk, because sizes and offsets are small: with z_inverse =
 * (2^32 + e) / size and e < size, an offset i * size + r gives
 * i * e + r * z_inverse, where i * e < 2^17 < z_inverse.  An address before
 * chunk 0 gives too large a number.
 */
static inline int
chunk_find(const struct zone *z, const void *p, uint32_t *i)
{
	uint32_t off = (uint32_t)(uintptr_t)p - (uint32_t)z->z_first;
	uint64_t product = (uint64_t)off * z->z_inverse;

	*i = (uint32_t)(product >> 32);
	return (uint32_t)product < z->z_inverse && *i < z->z_max;
}

/* Return the number of the chunk that begins at p; panic if none does. */
static inline uint32_t
chunk_index(const struct zone *z, const void *p)
{
	uint32_t i;

	if (unlikely(!chunk_find(z, p, &i)))
		lwkt_panic("%p is not the start of a block of %u bytes", p,
		    z->z_size);
	return i;
}

static inline uint64_t
chunk_bit(uint32_t i)
{
	return (uint64_t)1 << i % 64;
}

/*
 * Return whether another CPU has freed chunk i and the owner has not yet
 * fetched it.
 */
static inline int
chunk_gone(const struct zone *z, uint32_t i)
{
	return (__atomic_load_n(&z->z_gone[i / 64], __ATOMIC_RELAXED) &
	    chunk_bit(i)) != 0;
}

/*
 * Change the state of chunk i from `old` to `new`.  Panics if the chunk was in
 * another state, or if another CPU has freed it.
 */
static inline void
chunk_set_state(struct zone *z, uintptr_t chunk, uint32_t i,
    enum chunk_state old, enum chunk_state new)
{
	if (unlikely(z->z_state[i] != old || chunk_gone(z, i)))
		free_twice(z, chunk);
	z->z_state[i] = (uint8_t)new;
}

/*
 * Return the chunk that follows `chunk` in a list of free chunks, or 0; panic
 * if the link leads out of the zone.
 */
static inline uintptr_t
chunk_link(const struct zone *z, uintptr_t chunk)
{
	uintptr_t next = link_load(z, chunk);

	KASSERTF(next == 0 || (next ^ (uintptr_t)z) < ZONE_SIZE, "free chunk "
	    "%p of %u bytes, zone %#x of cpu %d, was written after the free",
	    (void *)chunk, z->z_size, z->z_id, z->z_cpu);
	return next;
}

/*
 * Put a chunk that was in state `old` on z_free.  The caller counts it in
 * z_nfree.
 */
static inline void
chunk_put(struct zone *z, uintptr_t chunk, uint32_t i, enum chunk_state old)
{
	chunk_set_state(z, chunk, i, old, CHUNK_FREE);
	if (patterns())
		pattern_fill(z, chunk);
	link_store(z, chunk, z->z_free);
	z->z_free = chunk;
}

/*
 * Take a chunk of z_free, else one that was never used, and give it the state
 * `new`.  *zeroed becomes 1 if the chunk is known to be zero, else 0; *at
 * becomes its number.  z must have a free chunk; the caller updates z_nfree.
 */
static inline uintptr_t
chunk_take(struct zone *z, enum chunk_state new, uint32_t *at, int *zeroed)
{
	uintptr_t chunk = z->z_free;
	uint32_t i;

	if (likely(chunk != 0)) {
		z->z_free = chunk_link(z, chunk);
		i = chunk_index(z, (void *)chunk);
		if (patterns())
			pattern_check(z, chunk);
		*zeroed = 0;
	} else {
		i = z->z_next;
		z->z_next = i + 1 < z->z_max ? i + 1 : 0;
		z->z_fresh--;
		chunk = z->z_first + (uintptr_t)i * z->z_size;
		*zeroed = (int)z->z_zeroed;
	}
	chunk_set_state(z, chunk, i, CHUNK_FREE, new);
	*at = i;
	return chunk;
}

/*
 * Take a chunk of a listed zone as chunk_take does.  If it was the last free
 * one and there is none to fetch, the zone is then in no list.
 */
static inline uintptr_t
zone_take(struct slab *sl, struct zone *z, enum chunk_state new, uint32_t *at,
    int *zeroed)
{
	uintptr_t chunk = chunk_take(z, new, at, zeroed);

	if (unlikely(--z->z_nfree == 0))
		zone_exhausted(sl, z);
	return chunk;
}

/*
 * Give a zone of this CPU its chunk i back, which was in state `old`.  Lists
 * the zone if it was in no list, and gives it up if zone_idle allows that.
 */
static inline void
zone_put(struct slab *sl, struct zone *z, uintptr_t chunk, uint32_t i,
    enum chunk_state old)
{
	chunk_put(z, chunk, i, old);
	z->z_nfree++;
	if (unlikely(z->z_asleep))
		zone_wake(sl, z);
	if (unlikely(z->z_nfree == z->z_max))
		zone_idle(sl, z);
}

#endif
