/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Magazines: chunks that a CPU has at hand, in front of its zones.
 *
 * THEORY
 * A CPU has a magazine for each class of chunks of up to 1 KiB: a stack of at
 * most 30 free chunks of its zones (2 in hard builds).  An allocation takes the
 * chunk on top, and a free puts one there.  The zone does not take part: for it
 * a chunk in a magazine is not free (CHUNK_READY), so it is not counted in
 * z_nfree, and the zone cannot be given up.  Chunks move between a magazine and
 * the zones half a magazine at a time.  An empty magazine is filled at most by
 * half, from the first listed zone of its class; no zone is made for that.
 * When a chunk is freed and the magazine is full, the older half of its chunks
 * goes back to the zones.
 *
 * A chunk is in a magazine only on the CPU that owns its zone.  A chunk that is
 * freed on another CPU goes to its zone (vm_zone.c).
 *
 * Hardening is that of zones.  The state of a chunk tells at a second free that
 * it is free already.  The first word of a chunk in a magazine is a random
 * mark, which must still be there when the chunk leaves the magazine.  So a
 * chunk is not given out if its first word was written to while it was free, or
 * if another CPU has freed it again.
 *
 * The magazines of a CPU have at most 30 chunks of each class, 360 KiB in all,
 * which are in use by nobody and counted for no type.  But each of these chunks
 * keeps its zone from being given up.  Therefore slab_clean empties the
 * magazines.  It runs when the CPU needs another zone and there is no memory
 * for one, before the request is refused.  It also runs when the CPU needs
 * another zone, has no slot set aside, and has made many zones since the last
 * time: CLEAN_LEAST or more, and a quarter or more of the zones that it has.
 *
 * lwkt_kmalloc and lwkt_kfree use the magazines of the slab that gd_quick
 * points to, without another test.  If every call of a CPU must take the long
 * way (MG2), gd_quick points to slab_none.  The magazines of slab_none are
 * empty, so each allocation takes the long way.  Its mark is in no zone, so
 * each free does, too.
 *
 * INVARIANTS
 * MG1 A chunk in a magazine is of the magazine's class, in a zone of this CPU,
 *    and CHUNK_READY.  Its first word is sl_mark.
 * MG2 gd_quick points to slab_none until the CPU has a slab, while the slab
 *    has deferred work (sl_work), and when the CPU ends.  It always does if a
 *    memory checker watches, which must be told of each free.
 * MG3 The magazines of slab_none, and the last one of each CPU, stay empty.
 * MG4 No block in use has a mark in it, unless the program has copied one out
 *    of a free block.  So what looks like the header of a zone of this CPU is
 *    one, also where a large block or objects lie.
 *
 * Source: J. Bonwick and J. Adams, "Magazines and Vmem" (USENIX 2001).  There
 * whole magazines go to a depot for all CPUs; here chunks go to their zones.
 */
#include <string.h>

#include "kern/boot/sysinit.h"
#include "vm/vm_magazine.h"

COUNTER(filled, "vm.mag_filled", "magazines filled from a zone");
COUNTER(emptied, "vm.mag_emptied", "magazines emptied by half, being full");
COUNTER(cleans, "vm.slab_cleans", "searches of all zones before a new one is "
    "made");

#define MAG_HALF	(MAG_MOST / 2 * sizeof(struct mag_round))
#define CLEAN_LEAST	16		/* zones to make before slab_clean */

uint16_t mag_at[MAG_MAXCHUNK / 8 + 1];

__lwkt_noinline void
mag_corrupted(const struct mag_round *mr)
{
	const struct zone *z = zone_of(mr->mr_chunk);

	if (chunk_gone(z, chunk_index(z, mr->mr_chunk)))
		free_twice(z, (uintptr_t)mr->mr_chunk);
	lwkt_panic("free chunk %p of %u bytes, zone %#x of cpu %d, was written "
	    "after the free", (void *)mr->mr_chunk, z->z_size, z->z_id,
	    z->z_cpu);
}

/*
 * Fill the empty magazine of a class at most by half, from the first listed
 * zone of the class.  Does nothing if no zone is listed, or if a memory checker
 * watches: then z_mark is 0.
 */
static void
mag_fill(struct slab *sl, unsigned cls)
{
	struct mag *mg = &sl->sl_mag[cls];
	struct zone *z = TAILQ_FIRST(&sl->sl_zone[cls]);
	struct mag_round *mr = mg->mg_round;
	uint32_t i, n;
	int zeroed;

	if (z == NULL || z->z_mark != sl->sl_mark)	/* MG2 */
		return;
	counter_inc(sl->sl_gd->gd_cntbias, filled);
	n = z->z_nfree < MAG_MOST / 2 ? z->z_nfree : MAG_MOST / 2;
	mg->mg_used = n * sizeof(*mr);
	/* Downwards: the zone's next chunk comes to the top. */
	for (mr += n; mr-- > mg->mg_round; ) {
		mr->mr_chunk = (uint64_t *)zone_take(sl, z, CHUNK_READY, &i,
		    &zeroed);
		mr->mr_state = &z->z_state[i];
		if (patterns())
			pattern_fill(z, (uintptr_t)mr->mr_chunk);
		*mr->mr_chunk = sl->sl_mark;		/* MG1 */
	}
}

/* Give the chunks in the first `bytes` of a magazine back to their zones. */
static void
mag_empty(struct slab *sl, struct mag *mg, uint64_t bytes)
{
	struct mag_round *mr, *end = mag_place(mg, bytes);
	struct zone *z;

	for (mr = mg->mg_round; mr < end; mr++) {
		if (unlikely(*mr->mr_chunk != sl->sl_mark)) /* MG1 */
			mag_corrupted(mr);
		z = zone_of(mr->mr_chunk);
		zone_put(sl, z, (uintptr_t)mr->mr_chunk,
		    (uint32_t)(mr->mr_state - z->z_state), CHUNK_READY);
	}
	mg->mg_used -= bytes;
	memmove(mg->mg_round, end, mg->mg_used);
}

/* Give the chunks in all magazines of the CPU back to their zones. */
static void
mags_empty(struct slab *sl)
{
	struct mag *mg = sl->sl_mag;

	for (; mg < &sl->sl_mag[MAG_CLASSES]; mg++)
		mag_empty(sl, mg, mg->mg_used);
}

void
slab_clean(struct slab *sl)
{
	counter_inc(sl->sl_gd->gd_cntbias, cleans);
	mags_empty(sl);
	zones_clean(sl);
}

/*
 * Make a zone for a class without a listed zone.  May run slab_clean.  Returns
 * NULL if there is no memory.
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
 * Allocate a chunk of the class: from the magazine of the class.  If that is
 * empty, or the class has none, take the chunk from a zone, then fill the
 * magazine, if any (mag_fill).  *room becomes the size of the chunk; *zeroed
 * becomes 1 if the chunk is known to be all zero, else 0.
 * Returns NULL if there is no memory.
 */
void *
slab_alloc(struct slab *sl, unsigned cls, size_t *room, int *zeroed)
{
	struct zone *z;
	uintptr_t chunk;
	uint32_t i;
	void *p;

	if (cls < MAG_CLASSES &&
	    (p = mag_pop(sl, &sl->sl_mag[cls])) != NULL) {
		*room = sl->sl_mag[cls].mg_size;
		*zeroed = 0;
		return p;
	}
	z = TAILQ_FIRST(&sl->sl_zone[cls]);
	if (unlikely(z == NULL) && (z = zone_get(sl, cls)) == NULL)
		return NULL;
	*room = z->z_size;
	chunk = zone_take(sl, z, CHUNK_USED, &i, zeroed);
	if (cls < MAG_CLASSES)
		mag_fill(sl, cls);
	return (void *)chunk;
}

/*
 * Free the chunk p; return its size.  A chunk of this CPU goes to its magazine,
 * which is first emptied by half if it is full; without a magazine, to its
 * zone.  A chunk of another CPU is pushed to its zone's z_remote.
 */
size_t
slab_free(struct slab *sl, void *p)
{
	struct zone *z = zone_of(p);
	uint32_t size = z->z_size, i;

	memcheck_free(p, size);
	if (unlikely(z->z_cpu != sl->sl_gd->gd_m.mc_cpuid))
		return zone_free_remote(sl, z, p);
	i = chunk_index(z, p);
	if (z->z_mark == sl->sl_mark) {
		if (z->z_mag->mg_used == MAG_BYTES) {
			counter_inc(sl->sl_gd->gd_cntbias, emptied);
			mag_empty(sl, z->z_mag, MAG_HALF);
		}
		chunk_set_state(z, (uintptr_t)p, i, CHUNK_USED, CHUNK_READY);
		mag_put(z->z_mag, z->z_mag->mg_used, p, &z->z_state[i],
		    sl->sl_mark);
	} else {
		zone_put(sl, z, (uintptr_t)p, i, CHUNK_USED);
	}
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

/* Check the magazine of a class (MG1); panic on a fault. */
static void
mag_check(struct slab *sl, unsigned cls)
{
	struct mag *mg = &sl->sl_mag[cls];
	struct mag_round *mr;
	struct zone *z;
	uint32_t i;

	for (mr = mg->mg_round; mr < mag_place(mg, mg->mg_used); mr++) {
		z = zone_of(mr->mr_chunk);
		i = chunk_index(z, mr->mr_chunk);
		KASSERTF(z->z_class == cls &&
		    z->z_cpu == sl->sl_gd->gd_m.mc_cpuid &&
		    mr->mr_state == &z->z_state[i] &&
		    z->z_state[i] == CHUNK_READY &&
		    *mr->mr_chunk == sl->sl_mark, "zone %#x: chunk %u "
		    "does not belong into magazine %u of cpu %d", z->z_id, i,
		    cls, sl->sl_gd->gd_m.mc_cpuid);
	}
}

/* Check a CPU's magazines, listed zones and slots; panic on a fault. */
void
slab_check(struct slab *sl)
{
	unsigned cls;

	for (cls = 0; cls < MAG_CLASSES; cls++)
		mag_check(sl, cls);
	KASSERT(slab_none.sl_mag[0].mg_used == 0 &&
	    sl->sl_mag[MAG_CLASSES].mg_used == 0);	/* MG3 */
	zones_check(sl);
	slots_check(sl);
}

/* Enter each size in mag_at[]. */
static int
mags_boot(void)
{
	size_t units, cls;

	for (units = 0; units < nitems(mag_at); units++) {
		cls = units == 0 ? MAG_CLASSES : slab_class(units * 8);
		mag_at[units] = (uint16_t)(cls * sizeof(struct mag));
	}
	return 0;
}

/* Empty the magazines of a CPU at its end, so that each chunk is checked. */
static void
mags_cpu_fini(struct globaldata *gd)
{
	if (gd->gd_slab == NULL)
		return;
	gd->gd_quick = &slab_none;
	mags_empty(gd->gd_slab);
}

SYSINIT(SI_VM + 1, magazines, mags_boot, NULL, mags_cpu_fini, NULL);
CTASSERT(MAG_CLASSES * sizeof(struct mag) <= UINT16_MAX, "mag_at[] is short");
