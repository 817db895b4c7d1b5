/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc: blocks of any size, counted by type.
 *
 * THEORY
 * Up to 16 KiB a block is a chunk of a zone of the calling CPU, above it is a
 * run of slots of its own, whose pages are counted; a single slot is one that
 * the CPU has set aside, if there is.  Which of the two a pointer is, or that
 * it is neither, says the record of its slot.
 *
 * Nothing here waits: there is memory, or there is not.  WAITOK promises that
 * there is, and a broken promise is a panic; NULLOK takes the promise back.
 *
 * In a callback, in a hard section, with a spinlock or as the master of a
 * rendezvous others wait for us, so memory is then taken but not given back:
 * blocks of several slots, and slots beyond lwkt.zone_cache, wait for the next
 * call of this CPU that is in none of these.
 *
 * Source: kmalloc(9) of DragonFly, kern_slaballoc.c.  A block of several whole
 * pages below 16 KiB comes from a zone here, too.
 */
#include "vm/slab_var.h"

#include <string.h>

COUNTER(large, "vm.malloc_large", "blocks of more than 16 KiB");

#define NO_BYTES	((void *)(intptr_t)-8)	/* a block of size 0 */
#define SIZE_LARGEST	((size_t)1 << 39)

static __lwkt_noinline __lwkt_noreturn void
not_ours(const void *p, const struct kmem_slot *ks,
    struct lwkt_malloc_type *type)
{
	lwkt_panic("%p, of malloc type \"%s\" to thread \"%s\" on cpu %d, %s",
	    p, type != NULL ? type->mt_name : "-", curthread->td_name,
	    mycpuid, ks == NULL ? "did not come from kmalloc" :
	    ks->ks_kind == KS_OBJ ? "came from kmalloc_obj" :
	    "is free, or inside a block");
}

/* What the size becomes by the flags. */
static size_t
size_rounded(size_t size, int flags)
{
	if (unlikely(size - 1 >= SIZE_LARGEST))
		return size;
	if ((flags & LWKT_M_POWEROF2) && (size & (size - 1)) != 0)
		size = (size_t)1 << (64 - __builtin_clzl(size));
	if (flags & LWKT_M_CACHEALIGN)
		size = roundup2(size, (size_t)CACHE_LINE);
	return size;
}

static void *
large_alloc(struct slab *sl, struct lwkt_malloc_type *type, size_t size,
    int *zeroed)
{
	struct kmem_slot *ks;
	void *p;

	if (size > SIZE_LARGEST)
		return NULL;
	ks = size <= ZONE_SIZE ? slab_slot(sl, zeroed) :
	    kmem_alloc(howmany(size, ZONE_SIZE));
	if (ks == NULL)
		return NULL;
	counter_inc(sl->sl_gd->gd_cntbias, large);
	ks->ks_kind = KS_LARGE;
	ks->ks_type = type;
	ks->ks_size = roundup2(size, machine_page_size());
	p = kmem_addr(ks);
	memcheck_alloc(p, size, ks->ks_size, *zeroed);
	type_count_alloc(sl, type, ks->ks_size);
	return p;
}

static void
large_free(struct slab *sl, struct kmem_slot *ks, void *p,
    struct lwkt_malloc_type *type)
{
	if (p != kmem_addr(ks))
		not_ours(p, ks, type);
	if (ks->ks_type != type)
		lwkt_panic("%p of malloc type \"%s\" is freed as \"%s\"", p,
		    ks->ks_type->mt_name, type->mt_name);
	type_count_free(sl, type, ks->ks_size);
	memcheck_free(p, ks->ks_size);
	slab_put(sl, ks);
}

static inline void *
small_alloc(struct slab *sl, struct lwkt_malloc_type *type, size_t size,
    int *zeroed)
{
	size_t room;
	void *p = slab_alloc(sl, slab_class(size), &room, zeroed);

	if (likely(p != NULL)) {
		memcheck_alloc(p, size, room, *zeroed);
		type_count_alloc(sl, type, room);
	}
	return p;
}

void *
lwkt_kmalloc(size_t size, struct lwkt_malloc_type *type, int flags)
{
	struct slab *sl = slab_enter(__func__);
	int zeroed = 1;
	void *p = NULL;

	if (unlikely(flags & (LWKT_M_POWEROF2 | LWKT_M_CACHEALIGN)))
		size = size_rounded(size, flags);
	if (unlikely(!type_ask(sl, type, size, flags)))
		p = NULL;
	else if (unlikely(size == 0))
		p = NO_BYTES;
	else if (likely(size <= ZONE_MAXCHUNK))
		p = small_alloc(sl, type, size, &zeroed);
	else
		p = large_alloc(sl, type, size, &zeroed);
	if (unlikely(p == NULL))
		p = type_refuse(type, size, flags);
	slab_exit(sl);
	if ((flags & LWKT_M_ZERO) && !zeroed && p != NULL)
		memset(p, 0, size);
	return p;
}

void
lwkt_kfree(void *p, struct lwkt_malloc_type *type)
{
	struct slab *sl;
	struct kmem_slot *ks;

	if (unlikely(p == NO_BYTES))
		return;
	sl = slab_enter(__func__);
	ks = kmem_find(p);
	if (unlikely(ks == NULL))
		not_ours(p, NULL, type);
	if (unlikely(type->mt_index == 0))
		type_unused(type, p);
	if (likely(ks->ks_kind == KS_ZONE))
		type_count_free(sl, type, slab_free(sl, p));
	else if (ks->ks_kind == KS_LARGE)
		large_free(sl, ks, p, type);
	else
		not_ours(p, ks, type);
	slab_exit(sl);
}

/* The room of p, and whether size would get the same. */
static size_t
room_of(void *p, size_t size, int *same)
{
	struct kmem_slot *ks = kmem_find(p);
	size_t room;

	if (ks != NULL && ks->ks_kind == KS_ZONE) {
		room = slab_size(p);
		*same = size > 0 && size <= ZONE_MAXCHUNK &&
		    slab_class_size(slab_class(size)) == room;
	} else if (ks != NULL && ks->ks_kind == KS_LARGE &&
	    p == kmem_addr(ks)) {
		room = ks->ks_size;
		*same = size > ZONE_MAXCHUNK &&
		    roundup2(size, machine_page_size()) == room;
	} else {
		not_ours(p, ks, NULL);
	}
	return room;
}

size_t
lwkt_kmalloc_usable(void *p)
{
	size_t room;
	int same;

	if (p == NO_BYTES)
		return 0;
	(void)slab_enter(__func__);
	room = room_of(p, 1, &same);
	memcheck_resize(p, room, room);
	crit_exit();
	return room;
}

void *
lwkt_krealloc(void *p, size_t size, struct lwkt_malloc_type *type, int flags)
{
	size_t room;
	void *q;
	int same;

	KASSERTF((flags & LWKT_M_ZERO) == 0, "malloc type \"%s\": krealloc "
	    "does not take M_ZERO", type->mt_name);
	if (p == NULL || p == NO_BYTES)
		return lwkt_kmalloc(size, type, flags);
	(void)slab_enter(__func__);
	room = room_of(p, size_rounded(size, flags), &same);
		memcheck_resize(p, same ? size : room, room);
	crit_exit();
	if (same)
		return p;
	if ((q = lwkt_kmalloc(size, type, flags)) == NULL)
		return NULL;
	if (q != NO_BYTES)
		memcpy(q, p, room < size ? room : size);
	lwkt_kfree(p, type);
	return q;
}

char *
lwkt_kstrndup(const char *s, size_t n, struct lwkt_malloc_type *type)
{
	size_t len = strnlen(s, n);
	char *copy = lwkt_kmalloc(len + 1, type, LWKT_M_WAITOK);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *
lwkt_kstrdup(const char *s, struct lwkt_malloc_type *type)
{
	return lwkt_kstrndup(s, SIZE_MAX, type);
}
