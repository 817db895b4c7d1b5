/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Zones: 128 KiB of equal chunks that belong to one CPU.
 *
 * THEORY
 * The zone of a chunk is found from the chunk's address.  The zone's header
 * has the owner CPU and the chunk size, which any CPU may read.  It also has a
 * list of free chunks and the number of chunks that were never used; only the
 * owner touches these two, in a critical section.  A CPU keeps its zones in
 * lists by size class.  A zone without a free chunk is in no list.
 *
 * Another CPU frees a chunk by pushing it to z_remote with a compare-and-set.
 * The owner fetches the whole list when it has run out of chunks in that zone,
 * so the CPU that frees need not notify it.  A zone that is in no list is the
 * exception, because its owner does not look at it.  Therefore, when the owner
 * finds nothing to fetch, it replaces the empty list in z_remote by the mark
 * ASLEEP, with a compare-and-set, and takes the zone off its list.  A CPU that
 * pushes to ASLEEP replaces the mark by its chunk.  Only that CPU sends a
 * passive message; upon the message the owner fetches the chunks and lists the
 * zone again.  A CPU that pushes later finds a chunk there and sends nothing.
 *
 *	z_remote:   0 ---push---> chunks ---push---> chunks	no message
 *		    |  <--fetch--	 <-----fetch-----
 *		  sleep
 *		    v
 *		  ASLEEP ---push---> chunks			one message
 *
 * A message in flight names the zone, so the zone must exist until the message
 * arrives.  The owner counts such messages without a shared word.  It wakes a
 * zone (lists it again) either because the message arrived, or because it freed
 * a chunk of the zone itself.  If the mark is gone by then, another CPU
 * has taken it and that CPU's message is in flight: the owner counts it.  A
 * message that arrives while the count is not 0 is one of those counted: it
 * belongs to a sleep that has ended, so it does not wake the zone.  If the mark
 * of the present sleep is gone too, one more message is to come, and the
 * message that finds the count at 0 wakes the zone.
 *
 * A zone whose chunks are all free is given up, if another zone of its class
 * is listed: its slot is set aside, for a zone of any class or a block of that
 * size.  If a CPU has set aside more than lwkt.zone_cache slots, it gives some
 * back to the host as soon as it is in a context that may call the host.
 * slab_clean fetches the chunks that other CPUs freed in listed zones, and
 * gives up each zone that is then all free.  It runs when the CPU needs another
 * zone and the host has no memory for it.  It also runs when the CPU needs
 * another zone, has no slot set aside, and has made many zones since the last
 * time: CLEAN_LEAST or more, and a quarter or more of the zones that it has.
 *
 * Hardening, in all builds: the owner has a bitmap of the chunks that are in
 * use, and a CPU that frees a chunk of another CPU marks it in a second bitmap.
 * So a double free panics at the second free, with one exception: the owner
 * frees the chunk first and another CPU frees it again.  This is found later,
 * when the owner fetches the chunk or is about to give it out.  It is not found
 * at all if the owner gives the chunk out again before it can see the second
 * free.  Links are stored xored with a secret of the zone, and must lead to a
 * chunk of that zone.  In invariants builds a free chunk is filled with a
 * pattern, which must still be there when the chunk is given out.
 *
 * INVARIANTS
 * SL1 z_nfree counts z_free's chunks and z_fresh.  It is > 0 exactly if the
 *    zone is listed, and z_asleep is set exactly if the zone is not listed.
 * SL2 While z_asleep is set, z_remote is ASLEEP or holds chunks; else it is 0
 *    or holds chunks.
 * SL3 z_inflight is the number of messages in flight that name the zone,
 *    without the message of a CPU that took the mark ASLEEP while z_asleep is
 *    still set (the owner has not seen that yet).
 * SL4 A bit of z_gone is set while the chunk is on its way to, or in, z_remote;
 *    the bit of z_used is then set as well.
 * SL5 A zone is given up only if all its chunks are in z_nfree and z_inflight
 *    is 0; then z_remote is 0.
 *
 * ORDER
 * Push: the link, then the compare-and-set of z_remote (release).  Fetch:
 * the swap of z_remote (acquire), then the links.  After its push a CPU does
 * not look at the zone again; it only sends the message, if one is due.
 *
 * Source: DragonFly kern_slaballoc.c.  There the mark is a word of its own
 * (RSignal), and every free that sees it counts itself in and out (RCount).  A
 * free that reads RSignal just before it is set pushes to a zone in no list,
 * and the owner is not notified.
 */
#include "vm/slab_var.h"

#include <lwkt/ipiq.h>
#include <lwkt/spinlock.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/rng.h"
#include "kern/cpu/ktr_rec.h"
#include "kern/boot/sysinit.h"

COUNTER(made, "vm.slab_zones", "zones made");
COUNTER(given, "vm.slab_released", "zones given back to the host");
COUNTER(remote, "vm.slab_remote", "chunks freed by another CPU");
COUNTER(signals, "vm.slab_signals", "messages that a zone has free chunks "
    "again");
COUNTER(fetches, "vm.slab_fetches", "lists of such chunks fetched");
COUNTER(later, "vm.slab_deferred", "runs given back later, as a callback freed "
    "them");
COUNTER(cleans, "vm.slab_cleans", "searches of all zones before a new one is "
    "made");

TRACEPOINT(zone, KTR_MEM, "slab.zone", "id=%llu size=%llu");
TRACEPOINT(asleep, KTR_MEM, "slab.asleep", "id=%llu size=%llu");
TRACEPOINT(signal, KTR_MEM, "slab.signal", "id=%llu cpu=%llu");
TRACEPOINT(wake, KTR_MEM, "slab.wake", "id=%llu nfree=%llu");
TRACEPOINT(gone, KTR_MEM, "slab.gone", "id=%llu size=%llu");

TUNABLE_INT(zone_cache, "lwkt.zone_cache", config_hard ? 1 : 32, 0, 1 << 20,
    "slots of 128 KiB set aside that each CPU keeps");

#define ZONE_MAGIC	0x736c61627a6f6e65u	/* z_magic, xored with secret */
#define ASLEEP		((uintptr_t)1)	/* in z_remote: notify the owner */
#define SLIDE		20		/* added to sl_slide for each zone */
#define CLEAN_LEAST	16		/* zones to make before slab_clean */
#define HARD_CHUNKS	8		/* most in a zone, hard builds */
#define PATTERN		0xdeadc0dedeadc0deu

/*
 * (i) fixed while the slot is a zone  (a) atomic, all CPUs
 * (c) accessed only by the owner CPU, in a critical section
 */
struct zone {
	uint64_t	 z_magic;	/* (i) */
	uintptr_t	 z_key;		/* (i) what links are xored with */
	int		 z_cpu;		/* (i) the owner */
	uint32_t	 z_id;		/* (i) kmem_id of the slot */
	uint32_t	 z_class;	/* (i) */
	uint32_t	 z_size;	/* (i) bytes of a chunk */
	uint32_t	 z_max;		/* (i) number of chunks */
	uint32_t	 z_inverse;	/* (i) 2^32 / z_size, rounded up */
	uint32_t	 z_base;	/* (i) offset of chunk 0 in the slot */
	uint32_t	 z_zeroed;	/* (i) 1: never used chunks are zero */
	uint64_t	*z_gone;	/* (i) to a bitmap (a), SL4 */
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
	uint64_t	 z_used[];	/* (c) bitmap: chunks given out */
};

static uintptr_t slabs;			/* (a) struct slab of each CPU; or 0 */
static uint64_t secret;			/* (i) random, of this process */

#define SLAB_STRIDE	roundup2(sizeof(struct slab), (size_t)4096)

/*
 * Return a CPU's slab, or NULL if no CPU has used the allocator in this boot.
 */
struct slab *
slab_of(int cpu)
{
	uintptr_t all = atomic_load_acq_ptr(&slabs);

	return all == 0 ? NULL :
	    (struct slab *)(all + (size_t)cpu * SLAB_STRIDE);
}

void
slab_no_cpu(const char *func)
{
	lwkt_panic("%s is called by a pthread that is no cpu",
	    func);
}

/*
 * Set up the slab of this CPU at its first use, and return it.  The first CPU
 * that calls this in a boot reserves the slabs of all CPUs.  Returns NULL if
 * there is no memory.
 */
struct slab *
slab_start(struct globaldata *gd)
{
	struct slab *sl = slab_of(gd->gd_m.mc_cpuid);
	size_t size = SLAB_STRIDE * (size_t)lwkt__ncpus;
	unsigned i;
	void *all;

	if (sl == NULL) {
		if ((all = machine_mem_reserve(size)) == NULL)
			return NULL;
		if (!atomic_cmpset_ptr(&slabs, 0, (uintptr_t)all))
			machine_mem_release(all, size);
		sl = slab_of(gd->gd_m.mc_cpuid);
	}
	sl->sl_gd = gd;
	for (i = 0; i < NCLASSES; i++)
		TAILQ_INIT(&sl->sl_zone[i]);
	gd->gd_slab = sl;
	return sl;
}

/*
 * Read the link in a free chunk.  In a build with a memory checker, nothing
 * else of a free chunk is read.
 */
static __lwkt_no_asan uintptr_t
link_load(const struct zone *z, uintptr_t chunk)
{
	return *(const uintptr_t *)chunk ^ z->z_key;
}

/* Write the link in a free chunk. */
static __lwkt_no_asan void
link_store(const struct zone *z, uintptr_t chunk, uintptr_t next)
{
	*(uintptr_t *)chunk = next ^ z->z_key;
}

/*
 * Return whether free chunks are filled with the pattern: in invariants builds,
 * but not if a memory checker watches free chunks.
 */
static inline int
patterns(void)
{
	return config_invariants && !fiber_wanted();
}

/* Fill a free chunk, except the link in its first word. */
static void
pattern_fill(const struct zone *z, uintptr_t chunk)
{
	uint64_t *w = (uint64_t *)chunk;
	uint32_t i;

	for (i = 1; i < z->z_size / sizeof(*w); i++)
		w[i] = PATTERN;
}

/* Panic if a free chunk was written to. */
static void
pattern_check(const struct zone *z, uintptr_t chunk)
{
	const uint64_t *w = (const uint64_t *)chunk;
	uint32_t i;

	for (i = 1; i < z->z_size / sizeof(*w); i++)
		KASSERTF(w[i] == PATTERN, "free chunk %p of %u bytes, zone "
		    "%#x of cpu %d: byte %zu was written after the free",
		    (void *)chunk, z->z_size, z->z_id, z->z_cpu,
		    i * sizeof(*w));
}

/* Return the zone in which p lies; panic if its header is damaged. */
static inline struct zone *
zone_of(const void *p)
{
	struct zone *z = slab_header(p);

	KASSERTF(z->z_magic == (ZONE_MAGIC ^ secret), "the header of the zone "
	    "of %p is overwritten", p);
	return z;
}

/* Return the number of the chunk that begins at p; panic if none does. */
static inline uint32_t
chunk_index(const struct zone *z, const void *p)
{
	uint32_t off = (uint32_t)((uintptr_t)p & (ZONE_SIZE - 1)) - z->z_base;
	uint32_t i = (uint32_t)(((uint64_t)off * z->z_inverse) >> 32);

	KASSERTF(i < z->z_max && i * z->z_size == off, "%p is not the start "
	    "of a block of %u bytes", p, z->z_size);
	return i;
}

static inline uint64_t
chunk_bit(uint32_t i)
{
	return (uint64_t)1 << i % 64;
}

/* Return whether the owner has given out chunk i. */
static inline int
chunk_used(const struct zone *z, uint32_t i)
{
	return (z->z_used[i / 64] & chunk_bit(i)) != 0;
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

/* Panic: the chunk p was freed twice before it was given out again. */
static __lwkt_noinline __lwkt_noreturn void
free_twice(const struct zone *z, uintptr_t p)
{
	lwkt_panic("block %p of %u bytes, zone %#x of cpu %d, is freed twice; "
	    "seen by thread \"%s\" on cpu %d", (void *)p, z->z_size, z->z_id,
	    z->z_cpu, curthread->td_name, mycpuid);
}

/*
 * Put a chunk on z_free.  The caller counts it in z_nfree.  Panics if the chunk
 * is free already, or if another CPU has freed it as well.
 */
static inline void
chunk_put(struct zone *z, uintptr_t chunk, uint32_t i)
{
	if (unlikely(!chunk_used(z, i) || chunk_gone(z, i)))
		free_twice(z, chunk);
	z->z_used[i / 64] ^= chunk_bit(i);
	if (patterns())
		pattern_fill(z, chunk);
	link_store(z, chunk, z->z_free);
	z->z_free = chunk;
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
 * Move the chunks that other CPUs freed from z_remote to z_free; return how
 * many.  z_remote becomes 0, also if it was ASLEEP.
 */
static __lwkt_noinline uint32_t
zone_fetch(struct slab *sl, struct zone *z)
{
	uintptr_t chunk = atomic_swap_ptr(&z->z_remote, 0), next;
	uint32_t n = 0, i;

	if (chunk == 0 || chunk == ASLEEP)
		return 0;
	counter_inc(sl->sl_gd->gd_cntbias, fetches);
	for (; chunk != 0; chunk = next, n++) {
		next = chunk_link(z, chunk);
		i = chunk_index(z, (void *)chunk);
		atomic_clear_64(&z->z_gone[i / 64], chunk_bit(i)); /* SL4 */
		chunk_put(z, chunk, i);
	}
	z->z_nfree += n;
	return n;
}

/*
 * After the last chunk of a zone was given out, fetch chunks.  If there are
 * none, mark the zone ASLEEP and take it off its list.
 */
static __lwkt_noinline void
zone_exhausted(struct slab *sl, struct zone *z)
{
	/*
	 * One compare-and-set tests for "nothing to fetch" and sets the mark.
	 * So a push comes before it, and is fetched here, or after it, and its
	 * CPU sees the mark and sends the message.
	 */
	while (!atomic_cmpset_ptr(&z->z_remote, 0, ASLEEP))
		if (zone_fetch(sl, z) != 0)
			return;
	z->z_asleep = 1;					/* SL1 SL2 */
	TAILQ_REMOVE(&sl->sl_zone[z->z_class], z, z_link);
	ktr(sl->sl_gd, asleep, z->z_id, z->z_size);
}

/*
 * Wake a zone: fetch chunks, and list the zone again.  The owner has freed a
 * chunk of it, or a message says that there are chunks to fetch.
 */
static __lwkt_noinline void
zone_wake(struct slab *sl, struct zone *z)
{
	z->z_asleep = 0;
	/* Chunks in z_remote: a CPU took the mark; its message is in flight. */
	if (zone_fetch(sl, z) != 0)
		z->z_inflight++;	/* SL3 */
	TAILQ_INSERT_TAIL(&sl->sl_zone[z->z_class], z, z_link);
	ktr(sl->sl_gd, wake, z->z_id, z->z_nfree);
}

/*
 * Take a slot that this CPU has set aside (*zeroed becomes 0), else a new one
 * (*zeroed becomes 1).  Returns NULL if there is no memory.
 */
struct kmem_slot *
slab_slot(struct slab *sl, int *zeroed)
{
	struct kmem_slot *ks = sl->sl_free;

	*zeroed = ks == NULL;
	if (ks == NULL)
		return kmem_alloc(1);
	sl->sl_free = ks->ks_next;
	sl->sl_nfree--;
	return ks;
}

/* Set a slot aside; request slab_work if the CPU has too many of them. */
static void
slot_put(struct slab *sl, struct kmem_slot *ks)
{
	ks->ks_kind = KS_NONE;
	ks->ks_size = ZONE_SIZE;
	ks->ks_next = sl->sl_free;
	sl->sl_free = ks;
	if (++sl->sl_nfree > (uint32_t)zone_cache)
		sl->sl_work = 1;
}

/* Set the slot of a listed zone aside; all chunks of the zone are free. */
static void
zone_give_up(struct slab *sl, struct zone *z)
{
	struct kmem_slot *ks = kmem_find(z);

	KASSERTF(z->z_nfree == z->z_max && z->z_inflight == 0 &&
	    atomic_peek_ptr(&z->z_remote) == 0, "zone %#x is given back with "
	    "%u of %u chunks free, %u in flight", z->z_id, z->z_nfree, z->z_max,
	    z->z_inflight);					/* SL5 */
	TAILQ_REMOVE(&sl->sl_zone[z->z_class], z, z_link);
	ktr(sl->sl_gd, gone, z->z_id, z->z_size);
	z->z_magic = 0;
	sl->sl_nzones--;
	slot_put(sl, ks);
}

/*
 * Give a listed zone up, if all its chunks are free, no message is in flight
 * (SL5) and the zone is not the only listed one of its class.
 */
static inline void
zone_idle(struct slab *sl, struct zone *z)
{
	struct zone_list *zl = &sl->sl_zone[z->z_class];

	if (z->z_nfree == z->z_max && z->z_inflight == 0 &&
	    (TAILQ_FIRST(zl) != z || TAILQ_NEXT(z, z_link) != NULL))
		zone_give_up(sl, z);
}

/* Handle the message of a remote free.  Callback on the owner's CPU. */
static void
zone_remote(void *arg, int unused)
{
	struct slab *sl = mygd()->gd_slab;
	struct zone *z = zone_of(arg);

	(void)unused;
	KASSERTF(z->z_cpu == mycpuid, "a message for zone %#x of cpu %d came "
	    "to cpu %d", z->z_id, z->z_cpu, mycpuid);
	/* If messages are counted, this is one of them: it wakes nothing. */
	if (z->z_inflight == 0) {
		KASSERTF(z->z_asleep, "zone %#x: a message too many",
		    z->z_id);					/* SL3 */
		zone_wake(sl, z);
	}
	z->z_inflight--;
	if (!z->z_asleep)
		zone_idle(sl, z);
}

/* Make a zone in a slot; `zeroed` is 1 if the memory of the slot is zero. */
static struct zone *
zone_make(struct slab *sl, struct kmem_slot *ks, unsigned cls, int zeroed)
{
	char *slot = kmem_addr(ks);
	struct zone *z = slab_header(slot);
	size_t size = slab_class_size(cls), words, base;

	words = roundup2(howmany(ZONE_SIZE / size, 64),
	    CACHE_LINE / sizeof(uint64_t));
	base = (size_t)((char *)(z->z_used + 2 * words) - slot);
	if ((size & (size - 1)) == 0)
		base = roundup2(base, size);
	memcheck_show(slot, base);
	memset(z, 0, sizeof(*z) + 2 * words * sizeof(uint64_t));
	z->z_gone = z->z_used + words;
	z->z_magic = ZONE_MAGIC ^ secret;
	z->z_id = kmem_id(ks);
	z->z_key = mix64(secret + (uintptr_t)z) & ~(uintptr_t)7;
	z->z_cpu = sl->sl_gd->gd_m.mc_cpuid;
	z->z_class = cls;
	z->z_size = (uint32_t)size;
	z->z_inverse = (uint32_t)(UINT32_MAX / size) + 1;
	z->z_base = (uint32_t)base;
	z->z_max = (uint32_t)((ZONE_SIZE - base) / size);
	if (config_hard && z->z_max > HARD_CHUNKS)
		z->z_max = HARD_CHUNKS;
	z->z_zeroed = (uint32_t)zeroed;
	z->z_nfree = z->z_fresh = z->z_max;
	z->z_next = (sl->sl_slide += SLIDE) % z->z_max;
	memcheck_hide(slot + base, ZONE_SIZE - base);
	ks->ks_kind = KS_ZONE;
	return z;
}

/* Make a zone of the class and list it.  Returns NULL without memory. */
static struct zone *
zone_new(struct slab *sl, unsigned cls)
{
	struct kmem_slot *ks;
	struct zone *z;
	int zeroed;

	if ((ks = slab_slot(sl, &zeroed)) == NULL)
		return NULL;
	z = zone_make(sl, ks, cls, zeroed);
	TAILQ_INSERT_HEAD(&sl->sl_zone[cls], z, z_link);
	sl->sl_nzones++;
	sl->sl_made++;
	counter_inc(sl->sl_gd->gd_cntbias, made);
	ktr(sl->sl_gd, zone, z->z_id, z->z_size);
	return z;
}

/*
 * Fetch in every listed zone, and give up the zones whose chunks are all free
 * and that no message in flight names.
 */
void
slab_clean(struct slab *sl)
{
	struct zone *z, *next;
	unsigned cls;

	counter_inc(sl->sl_gd->gd_cntbias, cleans);
	sl->sl_made = 0;
	for (cls = 0; cls < NCLASSES; cls++)
		for (z = TAILQ_FIRST(&sl->sl_zone[cls]); z != NULL; z = next) {
			next = TAILQ_NEXT(z, z_link);
			if (atomic_peek_ptr(&z->z_remote) != 0)
				(void)zone_fetch(sl, z);
			if (z->z_nfree == z->z_max && z->z_inflight == 0)
				zone_give_up(sl, z);
		}
}

/*
 * Make a zone for a class that has none with a free chunk.  May run slab_clean
 * before.  Returns NULL if there is no memory.
 */
static __lwkt_noinline struct zone *
zone_get(struct slab *sl, unsigned cls)
{
	struct zone *z;

	if (sl->sl_free == NULL && sl->sl_made >= CLEAN_LEAST &&
	    sl->sl_made >= sl->sl_nzones / 4)
		slab_clean(sl);
	if ((z = zone_new(sl, cls)) == NULL) {
		slab_clean(sl);		/* may set slots aside for zone_new */
		z = zone_new(sl, cls);
	}
	return z;
}

/*
 * Take a chunk of z_free, else one that was never used; *zeroed says whether it
 * is zero.  z has a chunk; the caller updates z_nfree.
 */
static inline uintptr_t
zone_take(struct zone *z, int *zeroed)
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
		chunk = ((uintptr_t)z & ~(ZONE_SIZE - 1)) + z->z_base +
		    i * z->z_size;
		*zeroed = (int)z->z_zeroed;
	}
	if (unlikely(chunk_used(z, i) || chunk_gone(z, i)))
		free_twice(z, chunk);
	z->z_used[i / 64] ^= chunk_bit(i);
	return chunk;
}

/*
 * Allocate a chunk of the class.  *room is its size, and *zeroed says whether
 * it is all zero.  Returns NULL if there is no memory.
 */
void *
slab_alloc(struct slab *sl, unsigned cls, size_t *room, int *zeroed)
{
	struct zone *z = TAILQ_FIRST(&sl->sl_zone[cls]);
	uintptr_t chunk;

	if (unlikely(z == NULL) && (z = zone_get(sl, cls)) == NULL)
		return NULL;
	chunk = zone_take(z, zeroed);
	*room = z->z_size;
	if (unlikely(--z->z_nfree == 0))
		zone_exhausted(sl, z);
	return (void *)chunk;
}

/*
 * Free a chunk of a zone of this CPU.  Then wakes the zone if it is in no list,
 * and gives it up if zone_idle allows that.
 */
static void
free_here(struct slab *sl, struct zone *z, uintptr_t chunk, uint32_t i)
{
	chunk_put(z, chunk, i);
	z->z_nfree++;
	if (unlikely(z->z_asleep))
		zone_wake(sl, z);
	if (unlikely(z->z_nfree == z->z_max))
		zone_idle(sl, z);
}

/*
 * Free a chunk of another CPU's zone.  z_cpu and z_id are read before the
 * push: after it the owner may fetch the chunk and give the zone up, unless
 * this CPU took the mark ASLEEP.  Then the zone exists until the message that
 * this CPU sends has arrived (SL5).
 */
static void
free_remote(struct slab *sl, struct zone *z, uintptr_t chunk, uint32_t i)
{
	struct globaldata *gd = sl->sl_gd;
	uintptr_t old = atomic_peek_ptr(&z->z_remote);
	int cpu = z->z_cpu;
	uint32_t id = z->z_id;

	if (unlikely(atomic_fetchor_64(&z->z_gone[i / 64], chunk_bit(i)) &
	    chunk_bit(i)))					/* SL4 */
		free_twice(z, chunk);
	do
		link_store(z, chunk, old & ~ASLEEP);
	while (!atomic_fcmpset_ptr(&z->z_remote, &old, chunk));
	counter_inc(gd->gd_cntbias, remote);
	if (old == ASLEEP) {
		counter_inc(gd->gd_cntbias, signals);
		ktr(gd, signal, id, cpu);
		(void)lwkt_send_ipiq_passive(cpu, zone_remote, z, 0);
	}
}

/* Free the chunk p; return its size. */
size_t
slab_free(struct slab *sl, void *p)
{
	struct zone *z = zone_of(p);
	uint32_t i = chunk_index(z, p), size = z->z_size;

	memcheck_free(p, size);
	if (likely(z->z_cpu == sl->sl_gd->gd_m.mc_cpuid))
		free_here(sl, z, (uintptr_t)p, i);
	else
		free_remote(sl, z, (uintptr_t)p, i);
	return size;
}

/* Return the size of the chunk p. */
size_t
slab_size(void *p)
{
	struct zone *z = zone_of(p);

	(void)chunk_index(z, p);
	return z->z_size;
}

/* Set a slot aside; free a longer run, or leave that to slab_work. */
void
slab_put(struct slab *sl, struct kmem_slot *ks)
{
	if (ks->ks_run == 0) {
		slot_put(sl, ks);
		return;
	}
	ks->ks_kind = KS_NONE;
	if (slab_may_host(sl->sl_gd)) {
		kmem_free(ks);
		return;
	}
	counter_inc(sl->sl_gd->gd_cntbias, later);
	ks->ks_next = sl->sl_put;
	sl->sl_put = ks;
	sl->sl_work = 1;
}

/*
 * Give the deferred runs back to the host, and, if more than lwkt.zone_cache
 * slots are set aside, all but three quarters of that number.  Only if
 * slab_may_host.
 */
void
slab_work(struct slab *sl)
{
	uint32_t keep = (uint32_t)zone_cache - (uint32_t)zone_cache / 4;
	struct kmem_slot *ks;

	sl->sl_work = 0;
	while ((ks = sl->sl_put) != NULL) {
		sl->sl_put = ks->ks_next;
		kmem_free(ks);
	}
	if (sl->sl_nfree <= (uint32_t)zone_cache)
		return;
	while (sl->sl_nfree > keep) {
		ks = sl->sl_free;
		sl->sl_free = ks->ks_next;
		sl->sl_nfree--;
		kmem_free(ks);
		counter_inc(sl->sl_gd->gd_cntbias, given);
	}
}

/* Check the lists and counts of a listed zone (SL1, SL2); panic on a fault. */
static void
zone_check(struct zone *z, unsigned cls, int cpu)
{
	uint32_t used = 0, listed = z->z_fresh, i;
	uintptr_t chunk;

	KASSERTF(zone_of(z) == z && z->z_class == cls && z->z_cpu == cpu,
	    "zone %#x is in a list of another class or cpu", z->z_id);
	for (chunk = z->z_free; chunk != 0; chunk = chunk_link(z, chunk)) {
		i = chunk_index(z, (void *)chunk);
		KASSERTF(!chunk_used(z, i) && listed++ <= z->z_max,
		    "zone %#x: chunk %u is in use and listed, or listed twice",
		    z->z_id, i);
	}
	for (i = 0; i < z->z_max; i++)
		used += (uint32_t)chunk_used(z, i);
	KASSERTF(!z->z_asleep && z->z_nfree > 0 && z->z_nfree == listed &&
	    z->z_nfree == z->z_max - used,			/* SL1 */
	    "zone %#x: %u free, %u listed, %u of %u used", z->z_id,
	    z->z_nfree, listed, used, z->z_max);
	KASSERT(atomic_peek_ptr(&z->z_remote) != ASLEEP);	/* SL2 */
}

/* Check all listed zones and all slots set aside of a CPU; panic on a fault. */
void
slab_check(struct slab *sl)
{
	struct kmem_slot *ks;
	struct zone *z;
	uint32_t n = 0;
	unsigned cls;

	for (cls = 0; cls < NCLASSES; cls++)
		TAILQ_FOREACH(z, &sl->sl_zone[cls], z_link)
			zone_check(z, cls, sl->sl_gd->gd_m.mc_cpuid);
	for (ks = sl->sl_free; ks != NULL; ks = ks->ks_next, n++)
		KASSERTF(ks->ks_kind == KS_NONE, "free slot %#x is in use",
		    kmem_id(ks));
	KASSERTF(n == sl->sl_nfree, "%u free zones, %u counted", n,
	    sl->sl_nfree);
}

/* Get the secret from the host, and tell the memory checker to begin. */
static int
slab_boot(void)
{
	const uint64_t *given_by_host =
	    (const uint64_t *)getauxval(AT_RANDOM);

	if (given_by_host != NULL)
		memcpy(&secret, given_by_host, sizeof(secret));
	if (fiber_wanted())
		memcheck_begin();
	return 0;
}

/* Release all memory at shutdown. */
static void
slab_fini(void)
{
	if (fiber_wanted())
		memcheck_end();
	kmem_fini();
	if (slabs != 0)
		machine_mem_release((void *)slabs,
		    SLAB_STRIDE * (size_t)lwkt__ncpus);
	slabs = 0;
}

SYSINIT(SI_VM, slab, slab_boot, NULL, NULL, slab_fini);
