/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects of one size, in type-stable memory.
 *
 * THEORY
 * A slab of objects is one slot that serves one type.  The numbers of its free
 * objects stand in a ring in the header, not in the objects.  So a free object
 * keeps its contents; an object that was never used is zero.  Any CPU may free:
 * it takes a place of the ring by adding to os_findex, and then writes the
 * object's number there.  Only the CPU that has the slab as its active or
 * alternate one allocates: it takes the number at os_aindex and leaves 0.  If
 * that place is still 0 because a free is under way, the slab seems to have no
 * free object, and the CPU tries another slab.  There are never more free
 * objects than places, so no place is overwritten.
 *
 * When both slabs of a CPU are used up, the one that was active goes to the end
 * of the type's queue.  Among the first SEARCH_MOST slabs of the queue, the
 * first with a free object becomes active; if there is none, a new slab does.
 * A free does not move the slab of its object.
 *
 * A CPU that frees the last object in use of a slab searches the first
 * SEARCH_MOST slabs of the queue for those whose objects are all free (idle).
 * It gives these slabs back, except IDLE_KEEP.  The ring of an idle slab has
 * the numbers of all its objects, so no free is under way.  Only readers that
 * take no lock may still hold a pointer to one of its objects; so the memory
 * waits until lwkt_retire reports that those readers have ended.
 *
 * The memory checkers are not told which objects are free, because reading a
 * free object is allowed.
 *
 * INVARIANTS
 * OB1 os_findex - os_aindex is the number of free objects, including those
 *    whose free is under way; it is at most os_max.
 * OB2 os_used[i] is 1 from an object's allocation to its free.
 * OB3 A slab is the active or alternate one of one CPU, or in oq_slabs, until
 *    it is retired.
 *
 * ORDER
 * Free: clear os_used, add to os_findex (a full fence), store the number
 * (release).  Allocation: load the number (acquire), store 0, set os_used.
 * A later free stores to the same place only after that 0.  By OB1 it gets the
 * place only if it, or a free before it, is of an object of this or a later
 * allocation.  That free comes after the 0, and the full fences order the
 * frees.
 *
 * Source: kmalloc_obj of DragonFly's kern_kmalloc.c (2021), with one queue in
 * place of three, and lwkt_retire in place of its epochs and poller.
 */
#include "vm/slab_var.h"

#include <lwkt/cpusync.h>
#include <lwkt/spinlock.h>
#include <string.h>

COUNTER(made, "vm.obj_slabs", "slabs of objects made");
COUNTER(gone, "vm.obj_slabs_gone", "of these, given back");
COUNTER(rotate, "vm.obj_rotations", "changes of a CPU's slab of objects");

TRACEPOINT(slab, KTR_MEM, "obj.slab", "id=%llu size=%llu");
TRACEPOINT(retire, KTR_MEM, "obj.retire", "id=%llu size=%llu");

#define OBJ_MAGIC	0x6f626a736c61625fu
#define SEARCH_MOST	16	/* slabs that one search examines at most */
#define IDLE_KEEP	2	/* idle slabs that one search keeps */
#define HARD_OBJECTS	8	/* most in a slab, hard builds */

/*
 * (i) fixed  (a) atomic, all CPUs  (o) written by the CPU that has the slab as
 * its active or alternate one, or under the lock of its queue
 */
struct objslab {
	struct lwkt_retire os_retire;	/* (o) */
	uint64_t	 os_magic;	/* (i) */
	struct lwkt_malloc_type *os_type; /* (i) */
	uint32_t	 os_size;	/* (i) bytes of an object */
	uint32_t	 os_max;	/* (i) number of objects */
	uint32_t	 os_mask;	/* (i) places of the ring, less one */
	uint32_t	 os_base;	/* (i) bytes from *os to object 0 */
	uint32_t	 os_id;		/* (i) kmem_id of the slot */
	uint32_t	*os_ring;	/* (a) object number + 1; 0: none */
	uint8_t		*os_used;	/* (a) OB2 */
	TAILQ_ENTRY(objslab) os_link;	/* (l:oq_lock) oq_slabs */
	uint32_t	 os_aindex;	/* (o) allocations; read by all CPUs */
	LWKT_CACHEALIGN
	uint32_t	 os_findex;	/* (a) os_max plus frees begun */
};

/*
 * The queue of a type: its slabs that are no CPU's active or alternate slab.
 * Allocated as a block of type M_OBJQ.
 */
struct objqueue {
	struct lwkt_spin oq_lock;
	struct objslab_list oq_slabs;	/* (l:oq_lock) */
};

static LWKT_MALLOC_DEFINE(M_OBJQ, "objqueue", "queues of slabs of objects");

/*
 * Return whether the slab has an object that can be allocated now: not if the
 * free of the next one is still under way.  Under the lock of its queue.
 */
static inline int
obj_ready(const struct objslab *os)
{
	return atomic_peek_32(&os->os_ring[os->os_aindex & os->os_mask]) != 0;
}

/*
 * Return whether every object is free and no free is under way.  Only for the
 * CPU that may allocate from the slab, or under the lock of its queue.
 */
static int
obj_idle(const struct objslab *os)
{
	uint32_t i;

	if (atomic_peek_32(&os->os_findex) - os->os_aindex != os->os_max)
		return 0;
	for (i = 0; i < os->os_max; i++)
		if (atomic_load_acq_32(&os->os_ring[(os->os_aindex + i) &
		    os->os_mask]) == 0)
			return 0;
	return 1;
}

/* Return the smallest power of two that is at least n. */
static uint32_t
ring_size(size_t n)
{
	return n <= 1 ? 1 : 1u << (32 - __builtin_clz((uint32_t)n - 1));
}

/*
 * Return how many objects of `size` bytes a slab has: as many as fit beside the
 * header, the ring and os_used; in hard builds at most HARD_OBJECTS.
 */
static uint32_t
obj_fit(size_t size)
{
	size_t n = ZONE_SIZE / size;

	if (config_hard && n > HARD_OBJECTS)
		return HARD_OBJECTS;
	while (roundup2(sizeof(struct objslab) + ring_size(n) *
	    sizeof(uint32_t) + n, (size_t)CACHE_LINE) + n * size >
	    ZONE_SIZE - SLAB_COLOURS * SLAB_COLOUR)
		n--;
	return (uint32_t)n;
}

/* Make a slab of objects, all free; return NULL if there is no memory. */
static struct objslab *
obj_make(struct slab *sl, struct lwkt_malloc_type *type)
{
	size_t size = roundup2(type->mt_objsize, (size_t)8), ring;
	struct kmem_slot *ks;
	struct objslab *os;
	uint32_t i;
	char *slot;
	int zeroed;

	if ((ks = slab_slot(sl, &zeroed)) == NULL)
		return NULL;
	slot = kmem_addr(ks);
	memcheck_show(slot, ZONE_SIZE);
	if (!zeroed)
		memset(slot, 0, ZONE_SIZE);
	os = slab_header(slot);
	os->os_magic = OBJ_MAGIC;
	os->os_type = type;
	os->os_size = (uint32_t)size;
	os->os_max = os->os_findex = obj_fit(size);
	ring = ring_size(os->os_max);
	os->os_mask = (uint32_t)ring - 1;
	os->os_ring = (uint32_t *)(os + 1);
	os->os_used = (uint8_t *)(os->os_ring + ring);
	os->os_base = (uint32_t)roundup2((size_t)(os->os_used + os->os_max -
	    (uint8_t *)os), (size_t)CACHE_LINE);
	os->os_id = kmem_id(ks);
	for (i = 0; i < os->os_max; i++)
		os->os_ring[i] = i + 1;
	ks->ks_kind = KS_OBJ;
	counter_inc(sl->sl_gd->gd_cntbias, made);
	ktr(sl->sl_gd, slab, os->os_id, size);
	return os;
}

/*
 * Free a slab: no critical section is left that could read one of its objects.
 * Callback of lwkt_retire.
 */
static void
obj_gone(struct lwkt_retire *rt)
{
	struct objslab *os = container_of(rt, struct objslab, os_retire);
	struct slab *sl = mygd()->gd_slab;

	os->os_magic = 0;
	counter_inc(sl->sl_gd->gd_cntbias, gone);
	slab_put(sl, kmem_find(os));
}

/*
 * Take the first slab off the queue.  If `want` is set and the slab has a free
 * object, return the slab.  Otherwise return NULL: an idle slab is retired if
 * `want` is 0 and IDLE_KEEP idle slabs were kept (*idle counts them), and any
 * other slab goes to the end of the queue.  Under the lock.
 */
static struct objslab *
obj_examine(struct slab *sl, struct objqueue *oq, unsigned *idle, int want)
{
	struct objslab *os = TAILQ_FIRST(&oq->oq_slabs);

	TAILQ_REMOVE(&oq->oq_slabs, os, os_link);
	if (obj_ready(os)) {
		if (want)
			return os;
		if (obj_idle(os) && (*idle)++ >= IDLE_KEEP) {
			ktr(sl->sl_gd, retire, os->os_id, os->os_size);
			lwkt_retire(&os->os_retire, obj_gone);
			return NULL;
		}
	}
	TAILQ_INSERT_TAIL(&oq->oq_slabs, os, os_link);
	return NULL;
}

/*
 * Examine each slab of the queue once, but at most SEARCH_MOST.  If `want` is
 * set, return the first slab with a free object, taken off the queue, or NULL.
 * Otherwise retire the idle slabs except IDLE_KEEP, and return NULL.  Under the
 * lock.
 */
static struct objslab *
obj_search(struct slab *sl, struct objqueue *oq, int want)
{
	struct objslab *os = NULL, *last;
	unsigned idle = 0, n;

	last = TAILQ_LAST(&oq->oq_slabs, objslab_list);
	for (n = 0; n < SEARCH_MOST && os == NULL &&
	    !TAILQ_EMPTY(&oq->oq_slabs); n++) {
		int at_last = TAILQ_FIRST(&oq->oq_slabs) == last;

		os = obj_examine(sl, oq, &idle, want);
		if (at_last)
			break;
	}
	return os;
}

/* Return the type's queue, or NULL. */
static inline struct objqueue *
obj_queue_of(struct lwkt_malloc_type *type)
{
	return (void *)atomic_load_acq_ptr((uintptr_t *)&type->mt_obj);
}

/* Return the type's queue, made at first use; NULL if there is no memory. */
static struct objqueue *
obj_queue(struct lwkt_malloc_type *type)
{
	struct objqueue *oq = obj_queue_of(type);

	if (likely(oq != NULL))
		return oq;
	KASSERTF(type->mt_objsize > 0 && type->mt_objsize <= ZONE_MAXCHUNK,
	    "malloc type \"%s\" is for objects of %zu bytes, too large or 0",
	    type->mt_name, type->mt_objsize);
	oq = lwkt_kmalloc(sizeof(*oq), M_OBJQ, LWKT_M_NOWAIT | LWKT_M_ZERO);
	if (oq == NULL)
		return NULL;
	lwkt_spin_init(&oq->oq_lock, type->mt_name);
	TAILQ_INIT(&oq->oq_slabs);
	if (!atomic_cmpset_ptr((uintptr_t *)&type->mt_obj, 0, (uintptr_t)oq))
		lwkt_kfree(oq, M_OBJQ);		/* another CPU was faster */
	return obj_queue_of(type);
}

/* Put a slab at the end of the queue. */
static void
obj_queue_up(struct objqueue *oq, struct objslab *os)
{
	lwkt_spin_lock(&oq->oq_lock);
	TAILQ_INSERT_TAIL(&oq->oq_slabs, os, os_link);
	lwkt_spin_unlock(&oq->oq_lock);
}

/*
 * Make another slab active: one of the queue with a free object, else a new
 * one.  The old active slab becomes the alternate one, and the old alternate
 * slab goes to the queue.  Returns the new active slab, or NULL if there is no
 * memory.  Called when both slabs of this CPU have no free object.
 */
static __lwkt_noinline struct objslab *
obj_rotate(struct slab *sl, struct lwkt_malloc_type *type)
{
	struct type_use *tu = &sl->sl_use[type->mt_index];
	struct objqueue *oq = obj_queue(type);
	struct objslab *os;

	if (oq == NULL)
		return NULL;
	counter_inc(sl->sl_gd->gd_cntbias, rotate);
	lwkt_spin_lock(&oq->oq_lock);
	os = obj_search(sl, oq, 1);
	lwkt_spin_unlock(&oq->oq_lock);
	if (os == NULL && (os = obj_make(sl, type)) == NULL)
		return NULL;
	if (tu->tu_active != NULL) {
		if (tu->tu_alternate != NULL)
			obj_queue_up(oq, tu->tu_alternate);	/* OB3 */
		tu->tu_alternate = tu->tu_active;
	}
	tu->tu_active = os;
	return os;
}

/*
 * Take a free object of a slab of this CPU.  Returns NULL if there is none, or
 * if os is NULL.
 */
static inline void *
obj_take(struct objslab *os)
{
	uint32_t *place, n;

	if (os == NULL)
		return NULL;
	/* Acquire: accesses to the object before its free come before this. */
	place = &os->os_ring[os->os_aindex & os->os_mask];
	if ((n = atomic_load_acq_32(place)) == 0)
		return NULL;
	atomic_store_32(place, 0);
	atomic_poke_32(&os->os_aindex, os->os_aindex + 1);
	KASSERTF(n <= os->os_max && !os->os_used[n - 1], "object %u of slab "
	    "%#x, malloc type \"%s\", is in use", n - 1, os->os_id,
	    os->os_type->mt_name);				/* OB2 */
	os->os_used[n - 1] = 1;
	return (char *)os + os->os_base + (size_t)(n - 1) * os->os_size;
}

/*
 * Take an object: from the active slab, else from the alternate one, which
 * becomes active, else from another slab.  Returns NULL if there is no memory.
 */
static inline void *
obj_alloc(struct slab *sl, struct lwkt_malloc_type *type)
{
	struct type_use *tu = &sl->sl_use[type->mt_index];
	struct objslab *os;
	void *p;

	if (likely((p = obj_take(tu->tu_active)) != NULL))
		return p;
	os = tu->tu_alternate;
	tu->tu_alternate = tu->tu_active;
	tu->tu_active = os;
	while ((p = obj_take(tu->tu_active)) == NULL)
		if (obj_rotate(sl, type) == NULL)
			return NULL;
	return p;
}

/* Allocate an object.  Any lwkt context, also with spinlocks; never blocks. */
void *
lwkt_kmalloc_obj(size_t size, struct lwkt_malloc_type *type, int flags)
{
	struct slab *sl = slab_enter(__func__);
	void *p = NULL;

	KASSERTF(size == type->mt_objsize, "malloc type \"%s\": %zu bytes are "
	    "requested, its objects have %zu", type->mt_name, size,
	    type->mt_objsize);
	if (likely(type_ask(sl, type, size, flags)))
		p = obj_alloc(sl, type);
	if (likely(p != NULL))
		type_count_alloc(sl, type, roundup2(size, (size_t)8));
	else
		p = type_refuse(type, size, flags);
	slab_exit(sl);
	if ((flags & LWKT_M_ZERO) && p != NULL)
		memset(p, 0, size);
	return p;
}

/*
 * Return the slab of object p, and the object's number in *i; panic if p is no
 * object of the type.
 */
static struct objslab *
objslab_of(void *p, struct lwkt_malloc_type *type, uint32_t *i)
{
	struct objslab *os = slab_header(p);
	struct kmem_slot *ks = kmem_find(p);
	uint32_t off = (uint32_t)((uintptr_t)p - (uintptr_t)os);

	KASSERTF(ks != NULL && ks->ks_kind == KS_OBJ, "%p, of malloc type "
	    "\"%s\", did not come from kmalloc_obj", p, type->mt_name);
	KASSERTF(os->os_magic == OBJ_MAGIC && os->os_type == type, "%p of "
	    "malloc type \"%s\" is freed as \"%s\"", p, os->os_magic ==
	    OBJ_MAGIC ? os->os_type->mt_name : "?", type->mt_name);
	*i = (off - os->os_base) / os->os_size;
	KASSERTF(off >= os->os_base && *i < os->os_max &&
	    *i * os->os_size == off - os->os_base, "%p is not the start of an "
	    "object of malloc type \"%s\"", p, type->mt_name);
	return os;
}

/*
 * Retire the idle slabs among the first SEARCH_MOST of the queue, except
 * IDLE_KEEP.  Called after the last object in use of a slab was freed.
 */
static __lwkt_noinline void
obj_trim(struct slab *sl, struct lwkt_malloc_type *type)
{
	struct objqueue *oq = obj_queue_of(type);

	lwkt_spin_lock(&oq->oq_lock);
	(void)obj_search(sl, oq, 0);
	lwkt_spin_unlock(&oq->oq_lock);
}

/* Free an object, on any CPU.  Any lwkt context; never blocks. */
void
lwkt_kfree_obj(void *p, struct lwkt_malloc_type *type)
{
	struct slab *sl = slab_enter(__func__);
	struct objslab *os;
	uint32_t i, at, idle;

	os = objslab_of(p, type, &i);
	if (unlikely(atomic_swap_8(&os->os_used[i], 0) == 0))
		lwkt_panic("object %p of malloc type \"%s\" is freed twice by "
		    "thread \"%s\" on cpu %d", p, type->mt_name,
		    curthread->td_name, mycpuid);		/* OB2 */
	type_count_free(sl, type, os->os_size);
	at = atomic_fetchadd_32(&os->os_findex, 1);		/* OB1 */
	idle = at + 1 - atomic_peek_32(&os->os_aindex) == os->os_max;
	atomic_store_rel_32(&os->os_ring[at & os->os_mask], i + 1);
	if (unlikely(idle))	/* another CPU may have retired os by now */
		obj_trim(sl, type);
	slab_exit(sl);
}
