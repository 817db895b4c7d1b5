/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations that the files of the slab allocator share.
 *
 * Context, unless stated otherwise: a CPU in a critical section, also in a
 * callback.  No function here blocks.  The files, bottom up; each uses only
 * files before it:
 *
 *	vm_kmem.c	  runs of 128 KiB slots, for all CPUs
 *	vm_slab.c	  the slab of a CPU, and the slots it sets aside
 *	vm_zone.c	  zones: equal chunks of one CPU
 *	vm_magazine.c	  chunks at hand, in front of the zones
 *	vm_malloc_type.c  how much memory each type uses, and its limit
 *	vm_malloc.c	  blocks of any size
 *	vm_malloc_obj.c	  objects in type-stable memory
 */
#ifndef LWKT_VM_SLAB_VAR_H
#define LWKT_VM_SLAB_VAR_H

#include <lwkt/malloc2.h>
#include <lwkt/systimer.h>

#include "base/kassert.h"
#include "kern/cpu/crit.h"
#include "kern/cpu/ktr_rec.h"
#include "machine/memcheck.h"

#define ZONE_SIZE	((size_t)128 << 10)	/* bytes of a zone or slot */
#define ZONE_MAXCHUNK	((size_t)16 << 10)	/* larger: whole slots */
#define NCLASSES	72			/* sizes of chunks */
#define MAXTYPES	1024			/* sl_use: 64 KiB a CPU */
#define MAG_MAXCHUNK	((size_t)LWKT_KMALLOC_QUICK) /* larger: no magazine */
#define MAG_CLASSES	40			/* classes up to MAG_MAXCHUNK */
enum { MAG_MOST = config_hard ? 2 : 30 }; /* chunks in a magazine */

/*
 * vm_kmem.c.  The record of one slot.  The record of a run's first slot
 * describes the run; the other records of the run are KS_NONE.
 * (u) written by the user of the run; (l) by vm_kmem.c under kmem_lock, while
 * the run is free
 */
enum kmem_kind { KS_NONE, KS_ZONE, KS_OBJ, KS_LARGE };
struct kmem_slot {
	struct kmem_slot *ks_next;	/* (u) (l) */
	struct lwkt_malloc_type *ks_type; /* (u) KS_LARGE: type of the block */
	uint64_t	 ks_size;	/* (u) bytes used, from the start */
	uint32_t	 ks_kind;	/* (u) enum kmem_kind */
	uint32_t	 ks_run;	/* (l) class of the run's length */
};

/* Allocate a run of at least nslots slots, all zero; or return NULL. */
struct kmem_slot *kmem_alloc(size_t nslots);
/*
 * Free a run, whose ks_kind is KS_NONE again.  Gives the memory of its first
 * ks_size bytes back to the host; so call it only if slab_may_host.
 */
void	kmem_free(struct kmem_slot *ks);
/* Return the slot in which p lies, or NULL if p is not of this allocator. */
struct kmem_slot *kmem_find(const void *p);

#define KMEM_GRAIN_SHIFT 26
#define KMEM_GRAINS	(1u << (47 - KMEM_GRAIN_SHIFT)) /* of user addresses */
extern uint32_t kmem_bank_at[] __lwkt_hidden; /* (a) a bank's number, or 0 */
extern uint32_t kmem_grains __lwkt_hidden; /* (i) KMEM_GRAINS; 0: a checker */

/*
 * Return whether p lies in memory of this allocator, so that slab_header(p) may
 * be read.  Always 0 while a memory checker watches: it would object to that.
 */
static inline int
kmem_holds(const void *p)
{
	uintptr_t grain = (uintptr_t)p >> KMEM_GRAIN_SHIFT;

	return likely(grain < kmem_grains) &&
	    likely(atomic_peek_32(&kmem_bank_at[grain]) != 0);
}

void   *kmem_addr(struct kmem_slot *ks);	/* where the slot begins */
/* Return a number of the slot, the same whenever a schedule is repeated. */
uint32_t kmem_id(struct kmem_slot *ks);
void	kmem_fini(void);

/*
 * vm_magazine.c: chunks of one class that a CPU has at hand.
 * (i) fixed  (c) accessed only by that CPU, in a critical section
 */
struct mag {
	LWKT_CACHEALIGN
	uint64_t	 mg_used;	/* (c) bytes of mg_round in use */
	uint64_t	 mg_size;	/* (i) bytes of a chunk */
	struct mag_round {
		uint64_t *mr_chunk;	/* (c) */
		uint8_t	 *mr_state;	/* (c) its state, in the header */
	} mg_round[MAG_MOST];
};

/*
 * vm_slab.c: the state of the allocator on one CPU.
 * (i) fixed  (c) accessed only by that CPU, in a critical section
 * (p) written like (c), and read by other CPUs too
 */
TAILQ_HEAD(zone_list, zone);
TAILQ_HEAD(objslab_list, objslab);

struct type_use {
	LWKT_CACHEALIGN
	int64_t		 tu_calls;	/* (p) blocks allocated on this CPU */
	int64_t		 tu_frees;	/* (p) blocks freed on this CPU */
	int64_t		 tu_memuse;	/* (p) bytes allocated less freed */
	int64_t		 tu_room;	/* (c) the allowance, plus mt_floor */
	int64_t		 tu_most;	/* (c) type_sync is due above this */
	int64_t		 tu_synced;	/* (c) part of tu_memuse in mt_loose */
	struct objslab	*tu_active;	/* (c) slab to allocate objects from */
	struct objslab	*tu_alternate;	/* (c) tried if tu_active is used up */
};

/*
 * sl_mark is random.  It is in the header of each zone whose chunks may lie in
 * the magazines, and in the first word of each chunk that lies in one.
 */
struct slab {
	struct type_use	 sl_use[MAXTYPES]; /* by mt_index */
	uint64_t	 sl_mark;	/* (i) not 0 */
	struct globaldata *sl_gd;	/* (i) */
	struct mag	 sl_mag[MAG_CLASSES + 1]; /* the last stays empty */
	uint32_t	 sl_work;	/* (c) 1: slab_work has to run */
	uint32_t	 sl_nfree;	/* (c) number of slots in sl_free */
	uint32_t	 sl_least;	/* (c) least sl_nfree of this period */
	uint32_t	 sl_spare;	/* (c) slots to give back when idle */
	uint32_t	 sl_watched;	/* (c) 1: sl_timer runs */
	struct lwkt_systimer sl_timer;	/* (c) the end of this period */
	uint32_t	 sl_nzones;	/* (c) number of zones */
	uint32_t	 sl_made;	/* (c) zones made since slab_clean */
	uint32_t	 sl_slide;	/* (c) % z_max: a new zone's z_next */
	struct kmem_slot *sl_free;	/* (c) slots set aside */
	struct kmem_slot *sl_put;	/* (c) longer runs to be given back */
	struct zone_list sl_zone[NCLASSES]; /* (c) zones with free chunks */
};

/*
 * Return a CPU's slab, or NULL if no CPU has used the allocator in this boot.
 * The slab is all zero until that CPU itself uses the allocator.
 */
struct slab *slab_of(int cpu);
struct slab *slab_start(struct globaldata *gd);	/* NULL: no memory */
extern uint64_t slab_secret __lwkt_hidden; /* (i) random, of this process */
extern struct slab slab_none __lwkt_hidden; /* MG2 of vm_magazine.c */

/*
 * slab_class returns the class of a size from 1 to ZONE_MAXCHUNK, and
 * slab_class_size the size of a class.
 */
static inline unsigned
slab_class(size_t size)
{
	return lwkt_kmalloc_class_of(size);
}

static inline size_t
slab_class_size(unsigned cls)
{
	return lwkt_kmalloc_class_size(cls);
}

/*
 * Return the header of the zone or slab of objects in which p lies.  If each
 * header lay at the start of its slot, all headers would fall into one set of
 * the processor's caches, because slots begin a power of two apart.  So the
 * headers are staggered.
 */
#define SLAB_COLOURS	32
#define SLAB_COLOUR	((size_t)2 * CACHE_LINE)

static inline void *
slab_header(const void *p)
{
	uintptr_t slot = (uintptr_t)p & ~(ZONE_SIZE - 1);

	return (void *)(slot + slot / ZONE_SIZE % SLAB_COLOURS * SLAB_COLOUR);
}

/*
 * Take a slot that this CPU has set aside, or a new one; or return NULL.
 * *zeroed becomes 1 if the slot is known to be all zero, else 0.
 */
struct kmem_slot *slab_slot(struct slab *sl, int *zeroed);
/*
 * Dispose of a run.  A run of one slot is set aside.  A longer one is given
 * back to the host: now if slab_may_host, else later by slab_work.
 */
void	slab_put(struct slab *sl, struct kmem_slot *ks);
void	slab_work(struct slab *sl);
/*
 * Give one slot that is not needed back to the host; if there is none, clear
 * SPARE_SLOTS in gd_spare.  Idle thread.
 */
void	slots_spare(struct slab *sl);
void	slots_check(struct slab *sl);

/*
 * vm_magazine.c.  slab_alloc allocates a chunk, or returns NULL.  It stores the
 * size in *room.  *zeroed becomes 1 if the chunk is known to be all zero.
 */
void   *slab_alloc(struct slab *sl, unsigned cls, size_t *room, int *zeroed);
/* Free p, which lies in a zone; return the size of its chunk. */
size_t	slab_free(struct slab *sl, void *p);
size_t	slab_size(void *p);			/* of the chunk p */
/*
 * Empty the magazines, and fetch what other CPUs freed in listed zones.  Give
 * up the zones that are then all free, unless a message in flight names them.
 */
void	slab_clean(struct slab *sl);
void	slab_check(struct slab *sl);

/*
 * Return whether this context may give memory back to the host, which takes
 * long: the CPU is in no callback or hard section, holds no spinlock and is not
 * the master of a rendezvous.  Then no other CPU spins until this one goes on.
 */
static inline int
slab_may_host(const struct globaldata *gd)
{
	return gd->gd_intr_nesting == 0 && gd->gd_spinlocks == 0 &&
	    gd->gd_cscount == 0;
}

/* Panic: a pthread that is no CPU has called func. */
void	slab_no_cpu(const char *func) __lwkt_noreturn;

/*
 * Enter a critical section, so that the thread stays on this CPU; return the
 * CPU's slab, or NULL if there is no memory for one.  The section is entered in
 * this case too.  On a pthread that is no CPU, panics in the name of func.
 */
static inline struct slab *
slab_enter(const char *func)
{
	struct globaldata *gd;

	if (unlikely(machine_oncpu() == NULL))
		slab_no_cpu(func);
	crit_enter_td(curthread);
	gd = mygd();
	return likely(gd->gd_slab != NULL) ? gd->gd_slab : slab_start(gd);
}

/*
 * Leave the critical section.  Does deferred work (sl_work) before, if the
 * context allows.  sl may be NULL.
 */
static inline void
slab_exit(struct slab *sl)
{
	if (sl != NULL && unlikely(sl->sl_work) && slab_may_host(sl->sl_gd))
		slab_work(sl);
	crit_exit_td(curthread);
}

/*
 * vm_malloc_type.c.  type_room returns 1 if the limit allows size bytes more,
 * and 0 if not.  It may add up the use of all CPUs.
 */
int	type_room(struct slab *sl, struct lwkt_malloc_type *type, size_t size);
/*
 * Add to mt_loose what this CPU has not added yet, and give the CPU a new
 * allowance, or none if the type is closed.
 */
void	type_sync(struct lwkt_malloc_type *type, struct type_use *tu);
/* Fail a request: return NULL or panic, as flags say. */
void   *type_refuse(struct lwkt_malloc_type *type, size_t size, int flags);
void	type_warn(struct lwkt_malloc_type *type, size_t size);
void	type_flags_bad(struct lwkt_malloc_type *type, int flags)
	    __lwkt_noreturn;
void	type_unused(struct lwkt_malloc_type *type, const void *p)
	    __lwkt_noreturn;

/*
 * Return the record of a type in the slab of a CPU.  Until the type is entered,
 * that is record 0, which allows nothing (MT3).
 */
static inline struct type_use *
type_use(struct slab *sl, const struct lwkt_malloc_type *type)
{
	return &sl->sl_use[atomic_peek_32(&type->mt_index)];
}

/* Return whether this CPU's allowance covers size bytes. */
static inline int
type_allows(const struct lwkt_malloc_type *type, const struct type_use *tu,
    size_t size)
{
	/* Unsigned: a size over 2^63 wraps; the allocation refuses it. */
	return (int64_t)((uint64_t)tu->tu_room - size) >=
	    (int64_t)__atomic_load_n(&type->mt_floor, __ATOMIC_RELAXED);
}

/*
 * Check a request.  Returns 1 to grant it; 0 to refuse it, because of the
 * type's limit or because sl is NULL.  Panics if the flags have neither or both
 * of M_WAITOK and M_NOWAIT; warns of M_WAITOK in a callback or hard section.
 */
static inline int
type_ask(struct slab *sl, struct lwkt_malloc_type *type, size_t size,
    int flags)
{
	int how = flags & (LWKT_M_WAITOK | LWKT_M_NOWAIT);

	if (unlikely(how != LWKT_M_WAITOK && how != LWKT_M_NOWAIT))
		type_flags_bad(type, flags);
	if (unlikely(sl == NULL))
		return 0;
	if (unlikely(sl->sl_gd->gd_intr_nesting != 0) &&
	    (flags & LWKT_M_WAITOK))
		type_warn(type, size);
	return likely(type_allows(type, type_use(sl, type), size)) ||
	    type_room(sl, type, size);
}

/*
 * Count a block on this CPU, which allocates it (gain) or frees it (lose).
 * Another CPU may have allocated a block that this CPU frees.  type_lose
 * returns 1 if type_sync is due.
 */
static inline void
type_gain(struct type_use *tu, size_t size)
{
	tu->tu_room -= (int64_t)size;
	atomic_poke_add_i64(&tu->tu_calls, 1);
	atomic_poke_add_i64(&tu->tu_memuse, (int64_t)size);
}

static inline int
type_lose(struct type_use *tu, size_t size)
{
	tu->tu_room += (int64_t)size;
	atomic_poke_add_i64(&tu->tu_frees, 1);
	atomic_poke_add_i64(&tu->tu_memuse, -(int64_t)size);
	return tu->tu_room > tu->tu_most;
}

static inline void
type_count_alloc(struct slab *sl, struct lwkt_malloc_type *type, size_t size)
{
	struct type_use *tu = &sl->sl_use[type->mt_index];

	type_gain(tu, size);
	if (unlikely(!type_allows(type, tu, 0)))
		type_sync(type, tu);
}

static inline void
type_count_free(struct slab *sl, struct lwkt_malloc_type *type, size_t size)
{
	struct type_use *tu = &sl->sl_use[type->mt_index];

	if (unlikely(type_lose(tu, size)))
		type_sync(type, tu);
}

/*
 * Forget the queue of the slabs of a type (mt_obj of vm_malloc_obj.c): the
 * shutdown is about to release the memory of both.  The function is inline
 * because vm_malloc_type.c, which calls it, may not use vm_malloc_obj.c.
 */
static inline void
objslabs_forget(struct lwkt_malloc_type *type)
{
	type->mt_obj = NULL;
}

#endif
