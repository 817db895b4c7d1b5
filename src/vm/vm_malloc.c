/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc: blocks of any size, counted by type.
 *
 * THEORY
 * A block of up to 16 KiB is a chunk of a zone of the calling CPU.  A larger
 * block is a run of slots of its own, and its type is charged for whole pages.
 * For a run of a single slot the CPU uses one that it has set aside, if there
 * is one.  When a block is freed, the record of its slot tells whether it is a
 * chunk or a run, or that the pointer is neither.  A block of 0 bytes is no
 * memory: all have the address NO_BYTES.
 *
 * The usual request, for up to 1 KiB without special flags, is served the quick
 * way: from a magazine, in a leaf section.  The CPU must be in no callback or
 * hard section, gd_quick must not be slab_none (MG2 of vm_magazine.c), the
 * magazine must not be empty, and the allowance of the CPU must be large enough
 * (vm_malloc_type.c).  The free of such a block on the CPU of its zone is quick
 * too, unless mag_push() refuses it.  Every other call takes the long way,
 * which makes no assumptions and does all checks again.
 *
 * No function here blocks: either there is memory, or there is not.  With
 * WAITOK a failure is a panic, unless NULLOK is set too: then it is NULL.
 *
 * While a CPU is in a callback or a hard section, holds a spinlock, or is the
 * master of a rendezvous, other CPUs may wait for it.  So memory is allocated
 * there but not given back to the host.  Blocks of several slots, and slots
 * beyond lwkt.zone_most, are given back at the CPU's next call of the allocator
 * that is in none of these contexts.
 *
 * Source: kmalloc(9) of DragonFly, kern_slaballoc.c.  A block of several whole
 * pages below 16 KiB comes from a zone here, too.
 */
#include <string.h>

#include "vm/vm_magazine.h"

COUNTER(large, "vm.malloc_large", "blocks of more than 16 KiB");

#define NO_BYTES	((void *)(intptr_t)-8)	/* a block of size 0 */
#define SIZE_LARGEST	((size_t)1 << 39)	/* of a block, in bytes */

/* Panic: p is not an allocated block of kmalloc. */
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

/*
 * Round the size up as the flags say.  0 and sizes above SIZE_LARGEST are
 * returned as they are.
 */
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

/*
 * Allocate a run of slots as a block; or return NULL.  *zeroed is 1 at the
 * call; it becomes 0 if the block is not known to be all zero.
 */
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

/* Free a block that is a run of slots. */
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

/*
 * Allocate a chunk of a zone as a block; or return NULL.  *zeroed becomes 1 if
 * the chunk is known to be all zero, else 0.
 */
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

/* The long way of lwkt_kmalloc: for any request, in any context. */
static __lwkt_noinline void *
alloc_any(size_t size, struct lwkt_malloc_type *type, int flags)
{
	struct slab *sl = slab_enter("lwkt_kmalloc");
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

/*
 * Take a chunk from mg, a magazine of sl, to which gd_quick points, and count
 * it.  Returns NULL if the long way must be taken.  Leaf section.
 */
static inline void *
alloc_quick(struct globaldata *gd, struct slab *sl, struct mag *mg,
    struct lwkt_malloc_type *type)
{
	struct type_use *tu = type_use(sl, type);
	void *p;

	if (unlikely(gd->gd_intr_nesting != 0 ||
	    !type_allows(type, tu, mg->mg_size)) ||
	    unlikely((p = mag_pop(sl, mg)) == NULL))
		return NULL;
	type_gain(tu, mg->mg_size);
	return p;
}

/*
 * Allocate a block: the quick way if possible (THEORY), else by alloc_any().
 * Any lwkt context, also with spinlocks; never blocks.
 */
void *
lwkt_kmalloc(size_t size, struct lwkt_malloc_type *type, int flags)
{
	struct globaldata *gd = (struct globaldata *)(void *)machine_oncpu();
	size_t units = (size + 7) / 8;	/* 0 for a size near SIZE_MAX, too */
	void *p;

	if (unlikely(gd == NULL || units > MAG_MAXCHUNK / 8 ||
	    (flags != LWKT_M_WAITOK && flags != LWKT_M_NOWAIT)))
		return alloc_any(size, type, flags);
	leaf_enter_quick();
	p = alloc_quick(gd, gd->gd_quick, mag_for(gd->gd_quick, units), type);
	if (likely(p != NULL))
		return leaf_exit_quick(p);
	leaf_leave_quick();
	return alloc_any(size, type, flags);
}

/*
 * As lwkt_kmalloc, for a size of class cls, 1 byte or more, and flags that are
 * LWKT_M_WAITOK or LWKT_M_NOWAIT alone.  lwkt_kmalloc_quick() calls it.
 */
void *
lwkt_kmalloc_class(size_t size, struct lwkt_malloc_type *type, int flags,
    unsigned cls)
{
	struct globaldata *gd = (struct globaldata *)(void *)machine_oncpu();
	struct slab *sl;
	void *p;

	if (unlikely(gd == NULL || cls >= MAG_CLASSES))
		return alloc_any(size, type, flags);
	leaf_enter_quick();
	sl = gd->gd_quick;
	p = alloc_quick(gd, sl, &sl->sl_mag[cls], type);
	if (likely(p != NULL))
		return leaf_exit_quick(p);
	leaf_leave_quick();
	return alloc_any(size, type, flags);
}

/* The rest of lwkt_kfree if type_sync is due.  p is freed already. */
static __lwkt_noinline void
free_end(void *p, struct lwkt_malloc_type *type)
{
	if (type->mt_index == 0)				/* MT3 */
		type_unused(type, p);
	type_sync(type, type_use(mygd()->gd_slab, type));
	(void)leaf_exit_quick(NULL);
}

/* The long way of lwkt_kfree: for any p, in any context. */
static __lwkt_noinline void
free_any(void *p, struct lwkt_malloc_type *type)
{
	struct slab *sl;
	struct kmem_slot *ks;

	if (unlikely(p == NO_BYTES))
		return;
	sl = slab_enter("lwkt_kfree");
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

/*
 * Free p, which lies in memory of the allocator.  A chunk of another CPU's zone
 * is pushed to that zone at once, if this CPU has a slab and the type is
 * entered.  Anything else takes the long way.
 */
static __lwkt_noinline void
free_there(void *p, struct lwkt_malloc_type *type)
{
	struct globaldata *gd = mygd();
	struct zone *z = slab_header(p);
	struct slab *sl = gd->gd_slab;

	if (unlikely(!zone_is_remote(gd, z) || sl == NULL ||
	    type->mt_index == 0)) {
		free_any(p, type);
		return;
	}
	crit_enter_td(gd->gd_m.mc_curthread);
	type_count_free(sl, type, zone_free_remote(sl, z, p));
	slab_exit(sl);
}

/*
 * Free a block, on any CPU: the quick way if possible (THEORY), else by
 * free_there() or free_any().  Any lwkt context; never blocks.
 */
void
lwkt_kfree(void *p, struct lwkt_malloc_type *type)
{
	struct globaldata *gd = (struct globaldata *)(void *)machine_oncpu();
	struct slab *sl;
	struct zone *z;

	if (unlikely(gd == NULL || !kmem_holds(p))) {
		free_any(p, type);
		return;
	}
	leaf_enter_quick();
	sl = gd->gd_quick;
	if (unlikely((z = mag_push(sl, p)) == NULL))
		goto any;
	if (likely(!type_lose(type_use(sl, type), z->z_size))) {
		(void)leaf_exit_quick(NULL);
		return;
	}
	free_end(p, type);
	return;
any:
	leaf_leave_quick();
	free_there(p, type);
}

/*
 * Return the usable size of block p, or panic if p is no block.  Stores in
 * *same whether a new block of `size` bytes would have the same usable size.
 */
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

/* Return the usable size of block p.  Any lwkt context; never blocks. */
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

/*
 * Change the size of block p; if p is NULL, allocate.  Returns p if the usable
 * size stays the same; else copies the contents to a new block, frees p and
 * returns the new block.  Without memory it returns NULL, if the flags allow
 * that, and p is unchanged; else it panics.  Any lwkt context; never blocks.
 */
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

/*
 * Copy at most n characters of a string to a new block; panic if there is no
 * memory.  Any lwkt context; never blocks.
 */
char *
lwkt_kstrndup(const char *s, size_t n, struct lwkt_malloc_type *type)
{
	size_t len = strnlen(s, n);
	char *copy = lwkt_kmalloc(len + 1, type, LWKT_M_WAITOK);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

/* Copy a whole string like lwkt_kstrndup.  Any lwkt context; never blocks. */
char *
lwkt_kstrdup(const char *s, struct lwkt_malloc_type *type)
{
	return lwkt_kstrndup(s, SIZE_MAX, type);
}
