/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Types of memory: how much each type uses, and how much it may use.
 *
 * THEORY
 * Each CPU counts what it allocated and what it freed.  A block may be freed on
 * another CPU than the one that allocated it, so only the sums over all CPUs
 * mean something.  mt_loose is the approximate sum of bytes: now and then each
 * CPU adds to it by how much its own part has changed since the last time
 * (type_sync).
 *
 * A request usually does not add up the parts of all CPUs.  Each CPU has an
 * allowance: the bytes that it may allocate without comparing the use of all
 * CPUs with the limit.  What it frees is added to its allowance.  When the
 * allowance is too small, or has grown by a step, the CPU updates mt_loose and
 * gets a new one.  A step is a fraction of the limit, at most 128 KiB, and
 * mt_soft is the limit minus a step for each CPU.  While mt_loose is below
 * mt_soft (the type is open) a new allowance is a step, so all of them together
 * fit below the limit.  Otherwise (the type is closed) there are no allowances,
 * and the parts of the CPUs are added up for each request.  So the limit holds,
 * except that requests at the same moment do not see each other.
 *
 * tu_room is the allowance plus mt_floor.  A new limit raises mt_floor by more
 * than any allowance; so does a CPU that finds the type open or closed when it
 * was the opposite.  Then all allowances that were given before are void, and
 * the next request of each CPU calls type_room().
 *
 * A type is entered in the table of types when it is first used in a boot.
 * Until then it has index 0, whose records allow nothing, so the first request
 * calls type_room(), which enters the type.
 *
 * INVARIANTS
 * MT2 While a type is open and no CPU is in type_sync(), tu_memuse - tu_synced
 *    of a CPU whose allowance is not void is at most a step; so the use of all
 *    CPUs is at most the limit.
 * MT3 sl_use[0] of each CPU is 0: no block is allocated with a type that is not
 *    entered, and a free with one panics.
 *
 * ORDER
 * MT1 type_enter and limit_set store mt_index, mt_limit and mt_soft, then raise
 *    mt_floor (a full fence).  type_sync, and each call that needs the type
 *    entered, loads mt_floor (acquire), then the others.
 *
 * Source: malloc_type of DragonFly's kern_slaballoc.c, its loose sum too.
 */
#include "vm/slab_var.h"

#include <lwkt/spinlock.h>
#include <stdlib.h>
#include <string.h>

#include "kern/cpu/ktr_rec.h"
#include "kern/boot/sysinit.h"

COUNTER(refused, "vm.malloc_refused", "requests refused: a limit, or no "
    "memory");
COUNTER(warned, "vm.malloc_waitok_intr", "requests of callbacks with M_WAITOK");

TRACEPOINT(refuse, KTR_MEM, "malloc.refuse", "type=%llu size=%llu");

TUNABLE_INT(malloc_percent, "lwkt.malloc_percent", 10, 1, 100,
    "percent of memory that a type may use without a limit of its own");

#define STEP_MAX	((int64_t)ZONE_SIZE)
#define FLOOR_RAISE	((uint64_t)STEP_MAX * 4) /* more than an allowance */
#define UNLIMITED	INT64_MAX

static struct lwkt_spin type_lock = LWKT_SPIN_INITIALIZER("malloc types");
static struct lwkt_malloc_type *types[MAXTYPES];	/* (l:type_lock) */
static uint32_t ntypes = 1;		/* (l:type_lock) types[0] is unused */

/* Return the step of a limit: 1 byte to STEP_MAX. */
static int64_t
limit_step(int64_t bytes)
{
	int64_t step = bytes / (4 * lwkt__ncpus);

	return step < 1 ? 1 : step > STEP_MAX ? STEP_MAX : step;
}

/* Set the limit, and make all allowances void.  Under the lock. */
static void
limit_set(struct lwkt_malloc_type *type, int64_t bytes)
{
	atomic_poke_i64(&type->mt_limit, bytes);
	atomic_poke_i64(&type->mt_soft, bytes == UNLIMITED ? bytes :
	    bytes - limit_step(bytes) * lwkt__ncpus);
	(void)atomic_fetchadd_64(&type->mt_floor, 2 * FLOOR_RAISE); /* MT1 */
}

/*
 * Return whether the type was open when mt_floor became `floor`.  Each change
 * between open and closed adds FLOOR_RAISE once, a new limit adds it twice.  So
 * the type is open if it was added an odd number of times.
 */
static inline int
floor_open(uint64_t floor)
{
	return floor / FLOOR_RAISE % 2;
}

/* Return the limit of a type without one of its own, in bytes. */
static int64_t
limit_default(void)
{
	return (int64_t)(machine_mem_size() / 100) * malloc_percent;
}

/*
 * Enter a type in the table and set its default limit, at its first use in this
 * boot.  Does nothing if another CPU has entered it.  Panics if the table is
 * full.
 */
static void
type_enter(struct lwkt_malloc_type *type)
{
	lwkt_spin_lock(&type_lock);
	if (type->mt_index == 0) {
		KASSERTF(ntypes < MAXTYPES, "malloc type \"%s\" is too many: "
		    "there are %u already", type->mt_name, ntypes - 1);
		types[ntypes] = type;
		atomic_poke_32(&type->mt_index, ntypes++);
		limit_set(type, limit_default());
	}
	lwkt_spin_unlock(&type_lock);
}

/* Return whether the type is in the table of this boot. */
static inline int
type_entered(struct lwkt_malloc_type *type)
{
	return __atomic_load_n(&type->mt_floor, __ATOMIC_ACQUIRE) != 0;
								/* MT1 */
}

/* Fill *ms: the type's limit, and the sums of the parts of all CPUs. */
static void
type_sum(struct lwkt_malloc_type *type, struct lwkt_malloc_stats *ms)
{
	struct type_use *tu;
	int64_t frees = 0;
	struct slab *sl;
	int cpu;

	*ms = (struct lwkt_malloc_stats){
		.ms_limit = atomic_peek_i64(&type->mt_limit),
		.ms_failed = atomic_peek_32(&type->mt_failed) };
	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if ((sl = slab_of(cpu)) == NULL)
			break;
		tu = &sl->sl_use[type->mt_index];
		ms->ms_calls += (uint64_t)atomic_peek_i64(&tu->tu_calls);
		frees += atomic_peek_i64(&tu->tu_frees);
		ms->ms_memuse += atomic_peek_i64(&tu->tu_memuse);
	}
	ms->ms_inuse = (int64_t)ms->ms_calls - frees;
}

void
type_sync(struct lwkt_malloc_type *type, struct type_use *tu)
{
	int64_t delta = tu->tu_memuse - tu->tu_synced, step;
	uint64_t floor;
	int open;

	if (delta != 0)
		atomic_bump_i64(&type->mt_loose, delta);
	tu->tu_synced = tu->tu_memuse;
	floor = __atomic_load_n(&type->mt_floor, __ATOMIC_ACQUIRE); /* MT1 */
	open = atomic_peek_i64(&type->mt_loose) <
	    atomic_peek_i64(&type->mt_soft);
	if (open != floor_open(floor) &&
	    atomic_cmpset_64(&type->mt_floor, floor, floor + FLOOR_RAISE))
		floor += FLOOR_RAISE;
	step = limit_step(atomic_peek_i64(&type->mt_limit));
	/* If another CPU has raised mt_floor meanwhile, this is void (MT2). */
	tu->tu_room = (int64_t)floor + (open ? step : -2 * step);
	tu->tu_most = tu->tu_room + step;
}

/*
 * Return whether the limit allows size bytes more: by a new allowance, or by
 * the sum of the parts of all CPUs.  Enters the type in the table at its first
 * use.
 */
__lwkt_noinline int
type_room(struct slab *sl, struct lwkt_malloc_type *type, size_t size)
{
	struct lwkt_malloc_stats ms;

	if (!type_entered(type))
		type_enter(type);
	if (size > INT64_MAX / 2)
		return 0;
	type_sync(type, type_use(sl, type));
	if (type_allows(type, type_use(sl, type), size))
		return 1;
	type_sum(type, &ms);
	return ms.ms_memuse <= ms.ms_limit - (int64_t)size;
}

/* Fail a request: return NULL if the flags allow that, else panic. */
void *
type_refuse(struct lwkt_malloc_type *type, size_t size, int flags)
{
	struct lwkt_malloc_stats ms;
	struct globaldata *gd = mygd();

	counter_inc(gd->gd_cntbias, refused);
	(void)atomic_fetchadd_32(&type->mt_failed, 1);
	ktr(gd, refuse, type->mt_index, size);
	if (flags & (LWKT_M_NOWAIT | LWKT_M_NULLOK))
		return NULL;
	type_sum(type, &ms);
	lwkt_panic("malloc type \"%s\": no %zu bytes for thread \"%s\" on cpu "
	    "%d: %lld in use, limit %lld", type->mt_name, size,
	    curthread->td_name, gd->gd_m.mc_cpuid, (long long)ms.ms_memuse,
	    (long long)ms.ms_limit);
}

/*
 * Print a line on stderr: M_WAITOK is used in a callback or a hard section.
 * Only once for each type in a boot.
 */
void
type_warn(struct lwkt_malloc_type *type, size_t size)
{
	counter_inc(mygd()->gd_cntbias, warned);
	if (atomic_swap_32(&type->mt_warned, 1) == 0)
		lwkt_printf("lwkt: malloc type \"%s\": %zu bytes are requested "
		    "with M_WAITOK in a callback or a hard section on cpu %d; "
		    "use M_NOWAIT", type->mt_name, size, mycpuid);
}

/* Panic: a request has neither or both of M_WAITOK and M_NOWAIT. */
void
type_flags_bad(struct lwkt_malloc_type *type, int flags)
{
	lwkt_panic("malloc type \"%s\": flags %#x must have one of M_WAITOK "
	    "and M_NOWAIT", type->mt_name, (unsigned)flags);
}

/* Panic: a block is freed with a type that was never used. */
void
type_unused(struct lwkt_malloc_type *type, const void *p)
{
	lwkt_panic("%p is freed with malloc type \"%s\", which nothing was "
	    "allocated with", p, type->mt_name);
}

/* Fill *ms for a type, approximately.  Any lwkt context; never blocks. */
void
lwkt_kmalloc_stats(struct lwkt_malloc_type *type,
    struct lwkt_malloc_stats *ms)
{
	if (!type_entered(type))
		type_enter(type);
	type_sum(type, ms);
}

/* Return the limit in bytes.  Any lwkt context; never blocks. */
int64_t
lwkt_kmalloc_limit(struct lwkt_malloc_type *type)
{
	if (!type_entered(type))
		type_enter(type);
	return atomic_peek_i64(&type->mt_limit);
}

/* Set the limit; the shutdown resets it.  Any lwkt context; never blocks. */
void
lwkt_kmalloc_raise_limit(struct lwkt_malloc_type *type, int64_t bytes)
{
	KASSERTF(bytes >= 0, "malloc type \"%s\": its limit cannot be %lld "
	    "bytes", type->mt_name, (long long)bytes);
	if (!type_entered(type))
		type_enter(type);
	lwkt_spin_lock(&type_lock);
	limit_set(type, bytes);
	lwkt_spin_unlock(&type_lock);
}

/* Remove the limit.  Any lwkt context; never blocks. */
void
lwkt_kmalloc_set_unlimited(struct lwkt_malloc_type *type)
{
	lwkt_kmalloc_raise_limit(type, UNLIMITED);
}

/* Print a line for each type (LWKT_DEBUG=stats). */
static void
types_print(void)
{
	struct lwkt_malloc_stats ms;
	uint32_t i;

	for (i = 1; i < ntypes; i++) {
		type_sum(types[i], &ms);
		lwkt_printf("malloc %-21s %14lld  bytes in %lld blocks, %llu "
		    "requests, %llu refused: %s", types[i]->mt_name,
		    (long long)ms.ms_memuse, (long long)ms.ms_inuse,
		    (unsigned long long)ms.ms_calls,
		    (unsigned long long)ms.ms_failed, types[i]->mt_desc);
	}
}

/* Forget all types, before the slabs are released: the next boot has none. */
static void
types_fini(void)
{
	const char *debug = getenv("LWKT_DEBUG");
	struct lwkt_malloc_type *type;

	if (debug != NULL && strstr(debug, "stats") != NULL)
		types_print();
	while (ntypes > 1) {
		type = types[--ntypes];
		objslabs_forget(type);
		type->mt_index = type->mt_failed = type->mt_warned = 0;
		type->mt_limit = type->mt_soft = type->mt_loose = 0;
		type->mt_floor = 0;
	}
	lwkt_spin_init(&type_lock, "malloc types");
}

SYSINIT(SI_VM + 1, malloc_types, NULL, NULL, NULL, types_fini);
