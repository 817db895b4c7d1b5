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
 * a chunk of the zone itself.  If in the second case the mark is gone, another
 * CPU has taken it and that CPU's message is in flight: the owner counts it.  A
 * message that arrives while the count is not 0 is one of those counted: it
 * belongs to a sleep that has ended, so it does not wake the zone.  If the mark
 * of the present sleep is gone too, one more message is to come, and the
 * message that finds the count at 0 wakes the zone.
 *
 * A zone whose chunks are all free is given up, if another zone of its class is
 * listed and no message in flight names the zone: its slot is set aside
 * (vm_slab.c).  zones_clean fetches the chunks that other CPUs freed in listed
 * zones, and gives up each zone that is then all free, even the only one of its
 * class, unless a message in flight names it.
 *
 * Hardening, in all builds: the owner keeps the state of each chunk, and a CPU
 * that frees a chunk of another CPU marks it in a bitmap.  So a second free of
 * a chunk that was not given out again panics, with one exception: the owner
 * frees the chunk first and another CPU frees it again.  This is found later,
 * when the owner fetches the chunk or is about to give it out.  It is not found
 * at all if the owner gives the chunk out again before it can see the second
 * free.  Links are stored xored with a secret of the zone, and must lead to a
 * chunk of that zone.  In invariants builds, unless a memory checker watches, a
 * chunk that is freed is filled with a pattern, except its first word.  The
 * pattern must still be there when the chunk is given out.
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
 *    the state of the chunk is then CHUNK_USED.
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
#include <lwkt/ipiq.h>
#include <string.h>

#include "base/rng.h"
#include "vm/vm_zone.h"

COUNTER(made, "vm.slab_zones", "zones made");
COUNTER(remote, "vm.slab_remote", "chunks freed by another CPU");
COUNTER(signals, "vm.slab_signals", "messages that a zone has free chunks "
    "again");
COUNTER(fetches, "vm.slab_fetches", "lists of such chunks fetched");

TRACEPOINT(zone, KTR_MEM, "slab.zone", "id=%llu size=%llu");
TRACEPOINT(asleep, KTR_MEM, "slab.asleep", "id=%llu size=%llu");
TRACEPOINT(signal, KTR_MEM, "slab.signal", "id=%llu cpu=%llu");
TRACEPOINT(wake, KTR_MEM, "slab.wake", "id=%llu nfree=%llu");
TRACEPOINT(gone, KTR_MEM, "slab.gone", "id=%llu size=%llu");

#define SLIDE		20		/* added to sl_slide for each zone */
#define HARD_CHUNKS	8		/* most in a zone, hard builds */

__lwkt_noinline void
free_twice(const struct zone *z, uintptr_t chunk)
{
	lwkt_panic("block %p of %u bytes, zone %#x of cpu %d, is freed twice; "
	    "seen by thread \"%s\" on cpu %d", (void *)chunk, z->z_size,
	    z->z_id, z->z_cpu, curthread->td_name, mycpuid);
}

/* Fill a free chunk with the pattern, except its first word. */
void
pattern_fill(const struct zone *z, uintptr_t chunk)
{
	uint64_t *w = (uint64_t *)chunk;
	uint32_t i;

	for (i = 1; i < z->z_size / sizeof(*w); i++)
		w[i] = PATTERN;
}

/* Panic if a free chunk was written to. */
void
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
		chunk_put(z, chunk, i, CHUNK_USED);
	}
	z->z_nfree += n;
	return n;
}

/*
 * After the last chunk of a zone was given out, fetch chunks.  If there are
 * none, mark the zone ASLEEP and take it off its list.
 */
__lwkt_noinline void
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
__lwkt_noinline void
zone_wake(struct slab *sl, struct zone *z)
{
	z->z_asleep = 0;
	/*
	 * Chunks in z_remote: a CPU took the mark.  Its message is in flight,
	 * or zone_remote serves it now, and takes it off the count afterwards.
	 */
	if (zone_fetch(sl, z) != 0)
		z->z_inflight++;	/* SL3 */
	TAILQ_INSERT_TAIL(&sl->sl_zone[z->z_class], z, z_link);
	ktr(sl->sl_gd, wake, z->z_id, z->z_nfree);
}

/* Set the slot of a listed zone aside.  The zone must be all free (SL5). */
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
	z->z_magic = z->z_mark = 0;
	sl->sl_nzones--;
	slab_put(sl, ks);
}

/*
 * Give a listed zone up, if all its chunks are free, no message in flight names
 * it (SL5) and it is not the only listed zone of its class.
 */
void
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
	size_t size = slab_class_size(cls), states, gone, base;

	states = roundup2(ZONE_SIZE / size, (size_t)CACHE_LINE);
	gone = roundup2(states / 8, (size_t)CACHE_LINE);
	base = (size_t)((char *)z->z_state + states + gone - slot);
	if ((size & (size - 1)) == 0)
		base = roundup2(base, size);
	memcheck_show(slot, base);
	memset(z, 0, sizeof(*z) + states + gone);
	z->z_gone = (uint64_t *)(void *)(z->z_state + states);
	z->z_magic = ZONE_MAGIC ^ slab_secret;
	if (cls < MAG_CLASSES && !fiber_wanted()) {
		z->z_mark = sl->sl_mark;
		z->z_mag = &sl->sl_mag[cls];
	}
	z->z_id = kmem_id(ks);
	z->z_key = mix64(slab_secret + (uintptr_t)z) & ~(uintptr_t)7;
	z->z_cpu = sl->sl_gd->gd_m.mc_cpuid;
	z->z_class = cls;
	z->z_size = (uint32_t)size;
	z->z_inverse = (uint32_t)(UINT32_MAX / size) + 1;
	z->z_first = (uintptr_t)slot + base;
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

/* Make a zone of the class and list it; return NULL if there is no memory. */
struct zone *
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
zones_clean(struct slab *sl)
{
	struct zone *z, *next;
	unsigned cls;

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
 * Free chunk p of another CPU's zone; return its size.  Everything is read
 * before the push: after it the owner may fetch the chunk and give the zone up.
 * But if this CPU took the mark ASLEEP, the zone exists until the message that
 * this CPU sends has arrived (SL5).
 */
size_t
zone_free_remote(struct slab *sl, struct zone *z, void *p)
{
	struct globaldata *gd = sl->sl_gd;
	uintptr_t old = atomic_peek_ptr(&z->z_remote), chunk = (uintptr_t)p;
	uint32_t id = z->z_id, size = z->z_size, i = chunk_index(z, p);
	int cpu = z->z_cpu;

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
	return size;
}

/* Check the free list and the counts of a listed zone (SL1, SL2), or panic. */
static void
zone_check(struct zone *z, unsigned cls, int cpu)
{
	uint32_t nfree = 0, listed = z->z_fresh, i;
	uintptr_t chunk;

	KASSERTF(zone_of(z) == z && z->z_class == cls && z->z_cpu == cpu,
	    "zone %#x is in a list of another class or cpu", z->z_id);
	for (chunk = z->z_free; chunk != 0; chunk = chunk_link(z, chunk)) {
		i = chunk_index(z, (void *)chunk);
		KASSERTF(z->z_state[i] == CHUNK_FREE && listed++ <= z->z_max,
		    "zone %#x: chunk %u is in use and listed, or listed twice",
		    z->z_id, i);
	}
	for (i = 0; i < z->z_max; i++)
		nfree += z->z_state[i] == CHUNK_FREE;
	KASSERTF(!z->z_asleep && z->z_nfree > 0 && z->z_nfree == listed &&
	    z->z_nfree == nfree,				/* SL1 */
	    "zone %#x: %u counted, %u listed, %u of %u free", z->z_id,
	    z->z_nfree, listed, nfree, z->z_max);
	KASSERT(atomic_peek_ptr(&z->z_remote) != ASLEEP);	/* SL2 */
}

/* Check all listed zones of a CPU; panic on a fault. */
void
zones_check(struct slab *sl)
{
	struct zone *z;
	unsigned cls;

	for (cls = 0; cls < NCLASSES; cls++)
		TAILQ_FOREACH(z, &sl->sl_zone[cls], z_link)
			zone_check(z, cls, sl->sl_gd->gd_m.mc_cpuid);
}
