/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel memory: blocks of any size, of named types, from zones of the calling
 * CPU.
 *
 * Context: any lwkt context, also with a spinlock held.  A call from a plain
 * pthread panics.  Blocks: no.
 */
#ifndef LWKT_MALLOC_H
#define LWKT_MALLOC_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* One of these two. */
#define LWKT_M_NOWAIT		0x0001	/* NULL if there is none */
#define LWKT_M_WAITOK		0x0002	/* never NULL: panics instead */
/* Any of these as well. */
#define LWKT_M_ZERO		0x0100	/* all bytes zero */
#define LWKT_M_NULLOK		0x0400	/* with WAITOK: NULL, no panic */
#define LWKT_M_POWEROF2		0x0800	/* round up to a power of two */
#define LWKT_M_CACHEALIGN	0x1000	/* shares no cache line */

/*
 * A type: what the memory is for, how much is in use, and how much is allowed.
 * It is static, and one of the macros defines it.  Its fields belong to the
 * library.
 */
struct lwkt_malloc_type {
	const char	*mt_name;
	const char	*mt_desc;
	size_t		 mt_objsize;	/* of lwkt_kmalloc_obj; 0: any */
	uint32_t	 mt_index;	/* in this boot; 0: not yet used */
	uint32_t	 mt_failed;	/* requests refused */
	int64_t		 mt_limit;	/* bytes */
	int64_t		 mt_soft;	/* check exactly above this use */
	int64_t		 mt_loose;	/* approximate use */
	uint64_t	 mt_floor;	/* what the CPUs' allowances begin at */
	uint32_t	 mt_warned;	/* WAITOK in a callback */
	void		*mt_obj;	/* the slabs of its objects */
};

/* M_NAME becomes a pointer to a type. */
#define LWKT_MALLOC_DEFINE(type, name, desc)				\
	LWKT_MALLOC_DEFINE_OBJ(type, 0, name, desc)
#define LWKT_MALLOC_DEFINE_OBJ(type, objsize, name, desc)		\
	struct lwkt_malloc_type type[1] = {				\
	    { (name), (desc), (objsize), 0, 0, 0, 0, 0, 0, 0, NULL } }
#define LWKT_MALLOC_DECLARE(type)	extern struct lwkt_malloc_type type[1]

/*
 * Allocate a block of at least size bytes; the caller owns it.  Size 0: a
 * pointer that is not NULL, must not be followed and may be freed.  A block of
 * up to 16 KiB is aligned to 8 bytes and to the largest power of two, up to 64,
 * that divides the size; if the size is a power of two, to the size.  Larger
 * blocks are aligned to 128 KiB.
 */
LWKT_API void *lwkt_kmalloc(size_t size, struct lwkt_malloc_type *type,
    int flags);
/*
 * Free a block, on any CPU, with the type of its allocation.  Panics for
 * anything that is no block, NULL included.
 */
LWKT_API void lwkt_kfree(void *p, struct lwkt_malloc_type *type);
/*
 * Change the size of a block and keep its contents, as far as they fit.  The
 * result may be another block; p is then free.  If the result is NULL (which
 * flags must allow), p is unchanged.  p NULL: allocate.  LWKT_M_ZERO panics.
 */
LWKT_API void *lwkt_krealloc(void *p, size_t size,
    struct lwkt_malloc_type *type, int flags);
/*
 * Copy a string, or at most its first n characters, to a new block, with
 * LWKT_M_WAITOK.  The caller owns the copy.
 */
LWKT_API char *lwkt_kstrdup(const char *s, struct lwkt_malloc_type *type);
LWKT_API char *lwkt_kstrndup(const char *s, size_t n,
    struct lwkt_malloc_type *type);
/* Return the size of block p in bytes; the caller may use all of them. */
LWKT_API size_t lwkt_kmalloc_usable(void *p);

/*
 * Allocate, free an object of a type that is type-stable: its memory holds only
 * objects of this type.  A freed object keeps its contents until it is
 * allocated again; its memory gets another use only after all critical sections
 * that could have seen it have ended (lwkt_retire).  An object that was never
 * used is zero.  size is that of LWKT_MALLOC_DEFINE_OBJ, at most 16 KiB.
 * LWKT_M_POWEROF2 and LWKT_M_CACHEALIGN have no effect.
 */
LWKT_API void *lwkt_kmalloc_obj(size_t size, struct lwkt_malloc_type *type,
    int flags);
LWKT_API void lwkt_kfree_obj(void *p, struct lwkt_malloc_type *type);

/* Sums over the CPUs.  The CPUs run meanwhile, so they are approximate. */
struct lwkt_malloc_stats {
	int64_t		ms_inuse;	/* blocks */
	int64_t		ms_memuse;	/* bytes, with rounding */
	int64_t		ms_limit;	/* bytes */
	uint64_t	ms_calls;	/* blocks ever allocated */
	uint64_t	ms_failed;	/* requests refused */
};
LWKT_API void lwkt_kmalloc_stats(struct lwkt_malloc_type *type,
    struct lwkt_malloc_stats *ms);

/*
 * Return the limit in bytes (INT64_MAX: none); set it, until the shutdown;
 * remove it.
 */
LWKT_API int64_t lwkt_kmalloc_limit(struct lwkt_malloc_type *type);
LWKT_API void lwkt_kmalloc_raise_limit(struct lwkt_malloc_type *type,
    int64_t bytes);
LWKT_API void lwkt_kmalloc_set_unlimited(struct lwkt_malloc_type *type);

LWKT_END_DECLS

#endif
