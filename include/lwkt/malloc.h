/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel memory: blocks of any size, of named types, from the calling CPU's
 * own zones.
 *
 * Context of all but the last group, if not said otherwise: thread, critical
 * section, spinlock held, IPI or timer callback.  Not from foreign pthreads:
 * that panics.  Nothing here blocks the thread.
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
#define LWKT_M_POWEROF2		0x0800	/* a power of two, so aligned */
#define LWKT_M_CACHEALIGN	0x1000	/* alone in its cache lines */

/*
 * A type: who uses the memory, how much of it, and how much is allowed.  It is
 * static, made by one of the macros; a program reads none of its fields.
 */
struct lwkt_malloc_type {
	const char	*mt_name;
	const char	*mt_desc;
	size_t		 mt_objsize;	/* of lwkt_kmalloc_obj; 0: any */
	uint32_t	 mt_index;	/* in this boot; 0: not used yet */
	uint32_t	 mt_failed;	/* requests refused */
	int64_t		 mt_limit;	/* bytes */
	int64_t		 mt_soft;	/* look closely from here on */
	int64_t		 mt_loose;	/* about what is in use */
	int64_t		 mt_step;	/* how often CPUs add to that */
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
 * A block of at least size bytes.  Of size 0: a pointer that is not NULL, must
 * not be followed and may be freed.  Up to 16 KiB it lies aligned to 8 bytes
 * and to the largest power of two, up to 64, that divides the size; a power
 * of two is aligned to itself.  Above, to 128 KiB.
 */
LWKT_API void *lwkt_kmalloc(size_t size, struct lwkt_malloc_type *type,
    int flags);
/* On any CPU.  What is not a block of kmalloc, or is free, panics; so NULL. */
LWKT_API void lwkt_kfree(void *p, struct lwkt_malloc_type *type);
/*
 * Another size with the old contents; NULL (allowed by flags): p is as it was.
 * p NULL: a new block.  Without LWKT_M_ZERO.
 */
LWKT_API void *lwkt_krealloc(void *p, size_t size,
    struct lwkt_malloc_type *type, int flags);
/* A copy of a string, or of at most its first n characters, LWKT_M_WAITOK. */
LWKT_API char *lwkt_kstrdup(const char *s, struct lwkt_malloc_type *type);
LWKT_API char *lwkt_kstrndup(const char *s, size_t n,
    struct lwkt_malloc_type *type);
/* The bytes that p really has; the caller may use them. */
LWKT_API size_t lwkt_kmalloc_usable(void *p);

/*
 * Objects of one size, from memory that holds nothing but objects of the type:
 * what was freed stays one, with its contents, until every critical section
 * that could have seen it has ended (lwkt_retire).  One that was never used is
 * zero.  size is that of LWKT_MALLOC_DEFINE_OBJ, at most 16 KiB.
 */
LWKT_API void *lwkt_kmalloc_obj(size_t size, struct lwkt_malloc_type *type,
    int flags);
LWKT_API void lwkt_kfree_obj(void *p, struct lwkt_malloc_type *type);

/* Sums over the CPUs; taken while they go on, so each is near the truth. */
struct lwkt_malloc_stats {
	int64_t		ms_inuse;	/* blocks */
	int64_t		ms_memuse;	/* bytes, as rounded up */
	int64_t		ms_limit;	/* bytes */
	uint64_t	ms_calls;	/* blocks ever given out */
	uint64_t	ms_failed;	/* requests refused */
};
LWKT_API void lwkt_kmalloc_stats(struct lwkt_malloc_type *type,
    struct lwkt_malloc_stats *ms);

/* The limit in bytes; another one, until the shutdown; none. */
LWKT_API int64_t lwkt_kmalloc_limit(struct lwkt_malloc_type *type);
LWKT_API void lwkt_kmalloc_raise_limit(struct lwkt_malloc_type *type,
    int64_t bytes);
LWKT_API void lwkt_kmalloc_set_unlimited(struct lwkt_malloc_type *type);

LWKT_END_DECLS

#endif
