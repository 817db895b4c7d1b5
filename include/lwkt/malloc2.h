/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_kmalloc for sizes that are constants: the compiler finds the size class.
 *
 * The classes may change from one version of the library to the next.  So a
 * program that includes this header must be compiled again for each version.
 *
 * Context: any lwkt context, also with a spinlock held.  Blocks: no.
 */
#ifndef LWKT_MALLOC2_H
#define LWKT_MALLOC2_H

#include <lwkt/malloc.h>

LWKT_BEGIN_DECLS

/* The largest size of which each CPU has blocks at hand, in bytes. */
#define LWKT_KMALLOC_QUICK	1024

/*
 * The class of a size from 1 to 16 KiB, and the size of a class.  Sizes go in
 * steps of 8 bytes up to 128, of 16 up to 256, and so on: eight steps for each
 * doubling.
 */
static inline unsigned
lwkt_kmalloc_class_of(size_t size)
{
	unsigned log;

	if (size <= 128)
		return (unsigned)((size + 7) / 8) - 1;
	log = 63 - (unsigned)__builtin_clzl(size - 1);	/* 2^log < size */
	return 16 + 8 * (log - 7) + (unsigned)((size - 1) >> (log - 3)) % 8;
}

static inline size_t
lwkt_kmalloc_class_size(unsigned cls)
{
	if (cls < 16)
		return (cls + 1) * (size_t)8;
	return ((size_t)8 + cls % 8 + 1) << (cls / 8 + 2);
}

/*
 * What the inline function calls: flags are LWKT_M_WAITOK or LWKT_M_NOWAIT, and
 * cls is the class of size.  Programs do not call it.
 */
LWKT_API void *lwkt_kmalloc_class(size_t size, struct lwkt_malloc_type *type,
    int flags, unsigned cls);

/*
 * As lwkt_kmalloc.  It is faster for a constant size of 1 to LWKT_KMALLOC_QUICK
 * and constant flags that are LWKT_M_WAITOK or LWKT_M_NOWAIT alone.
 */
static inline void *
lwkt_kmalloc_quick(size_t size, struct lwkt_malloc_type *type, int flags)
{
	if (__builtin_constant_p(size) && size - 1 < LWKT_KMALLOC_QUICK &&
	    __builtin_constant_p(flags) &&
	    (flags == LWKT_M_WAITOK || flags == LWKT_M_NOWAIT))
		return lwkt_kmalloc_class(size, type, flags,
		    lwkt_kmalloc_class_of(size));
	return lwkt_kmalloc(size, type, flags);
}

LWKT_END_DECLS

#endif
