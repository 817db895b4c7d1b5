/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slab of a CPU: its part of the allocator, and the slots it sets aside.
 *
 * THEORY
 * A CPU that uses the allocator for the first time sets up its slab.  The first
 * such CPU of a boot reserves the slabs of all CPUs; memory is used only for
 * those that are set up.
 *
 * A slot that is no longer needed is set aside, for a zone of any class, a slab
 * of objects or a large block of one slot.  A CPU keeps up to lwkt.zone_cache
 * slots for ever.  It keeps up to lwkt.zone_most (see slots_most) while it
 * takes and frees them in turn.  While it has more than lwkt.zone_cache, its
 * timer ends a period every lwkt.cache_ms.  The slots that were set aside
 * during the whole period (sl_least) were not needed.  The CPU gives them back
 * to the host when it is idle, but keeps lwkt.zone_cache slots.
 *
 * If a CPU has set aside more than lwkt.zone_most, or frees a longer run, it
 * gives memory back without waiting until it is idle.  That takes long.  So it
 * is deferred until a call of the allocator in a context that may call the host
 * (slab_may_host): sl_work says that there is something to do.  Until it is
 * done, each call takes the long way (MG2), which looks at sl_work.
 *
 * Source: DragonFly kern_slaballoc.c (ZoneLimit, and the zones of FreeZones).
 */
#include <string.h>
#include <sys/auxv.h>

#include "base/rng.h"
#include "kern/boot/sysinit.h"
#include "vm/slab_var.h"
#include "vm/vm_cache.h"

COUNTER(given, "vm.slab_released", "zones given back to the host");
COUNTER(later, "vm.slab_deferred", "runs given back later, as a callback freed "
    "them");

COUNTER(spared, "vm.slab_spared", "of vm.slab_released, given by idle CPUs");

TUNABLE_INT(zone_cache, "lwkt.zone_cache", config_hard ? 1 : 32, 0, 1 << 20,
    "slots of 128 KiB set aside that each CPU keeps");
TUNABLE_INT(zone_most, "lwkt.zone_most", config_hard ? 2 : 256, 0, 1 << 20,
    "slots of 128 KiB set aside that a busy CPU keeps");

static uint32_t slots_most;		/* (i) lwkt.zone_most, or fewer */
static uintptr_t slabs;			/* (a) struct slab of each CPU; or 0 */
uint64_t slab_secret;
struct slab slab_none;

#define SLAB_STRIDE	roundup2(sizeof(struct slab), (size_t)4096)

/*
 * Return a CPU's slab, or NULL if no CPU has used the allocator in this boot.
 * The slab is all zero until that CPU itself uses the allocator.
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

/* Return mark number n, which is not 0: sl_mark of CPU n or of slab_none. */
static uint64_t
mark_of(uint64_t n)
{
	return mix64(slab_secret + n) | 1;
}

/*
 * Set gd_quick: to the CPU's slab if yes is 1, else to slab_none; always to
 * slab_none if a memory checker watches (MG2).
 */
static void
mags_use(struct slab *sl, int yes)
{
	sl->sl_gd->gd_quick = yes && !fiber_wanted() ? sl : &slab_none;
}

/* Request slab_work.  Until it runs, no call takes the quick way. */
static void
work_request(struct slab *sl)
{
	sl->sl_work = 1;
	mags_use(sl, 0);
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
	for (i = 0; i < MAG_CLASSES; i++)
		sl->sl_mag[i].mg_size = slab_class_size(i);
	sl->sl_mark = mark_of((uint64_t)gd->gd_m.mc_cpuid);
	gd->gd_slab = sl;
	mags_use(sl, 1);
	return sl;
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
	if (--sl->sl_nfree < sl->sl_least)
		sl->sl_least = sl->sl_nfree;
	return ks;
}

static void	watch_timer(struct lwkt_systimer *st, void *arg);

/* Unless the timer runs, start it, and begin a new period (sl_least). */
static void
watch(struct slab *sl)
{
	if (sl->sl_watched)
		return;
	sl->sl_watched = 1;
	sl->sl_least = sl->sl_nfree;
	lwkt_systimer_init_oneshot(&sl->sl_timer, watch_timer, sl,
	    cache_time());
}

/*
 * End a period.  If the CPU has more than lwkt.zone_cache slots, request that
 * the idle thread gives back those that were not needed, and begin the next
 * period.  Otherwise the timer stays off.  Timer callback.
 */
static void
watch_timer(struct lwkt_systimer *st, void *arg)
{
	struct slab *sl = arg;

	(void)st;
	sl->sl_watched = 0;
	if (sl->sl_nfree <= (uint32_t)zone_cache)
		return;
	sl->sl_spare = sl->sl_nfree - (uint32_t)zone_cache;
	if (sl->sl_spare > sl->sl_least)
		sl->sl_spare = sl->sl_least;
	if (sl->sl_spare > 0)
		sl->sl_gd->gd_spare |= SPARE_SLOTS;
	watch(sl);
}

/* Give the slot set aside last back to the host.  sl_free is not empty. */
static void
slot_give(struct slab *sl)
{
	struct kmem_slot *ks = sl->sl_free;

	sl->sl_free = ks->ks_next;
	sl->sl_nfree--;
	kmem_free(ks);
	counter_inc(sl->sl_gd->gd_cntbias, given);
}

void
slots_spare(struct slab *sl)
{
	if (sl->sl_spare == 0 || sl->sl_nfree <= (uint32_t)zone_cache) {
		sl->sl_gd->gd_spare &= ~SPARE_SLOTS;
		return;
	}
	sl->sl_spare--;
	counter_inc(sl->sl_gd->gd_cntbias, spared);
	slot_give(sl);
}

/*
 * Set a slot aside.  If the CPU then has more than slots_most, request
 * slab_work; else, if it has more than lwkt.zone_cache, start the timer.
 */
static void
slot_put(struct slab *sl, struct kmem_slot *ks)
{
	ks->ks_size = ZONE_SIZE;
	ks->ks_next = sl->sl_free;
	sl->sl_free = ks;
	if (++sl->sl_nfree > slots_most)
		work_request(sl);
	else if (sl->sl_nfree > (uint32_t)zone_cache)
		watch(sl);
}

/* Set a slot aside; free a longer run, or leave that to slab_work. */
void
slab_put(struct slab *sl, struct kmem_slot *ks)
{
	ks->ks_kind = KS_NONE;
	if (ks->ks_run == 0) {
		slot_put(sl, ks);
		return;
	}
	if (slab_may_host(sl->sl_gd)) {
		kmem_free(ks);
		return;
	}
	counter_inc(sl->sl_gd->gd_cntbias, later);
	ks->ks_next = sl->sl_put;
	sl->sl_put = ks;
	work_request(sl);
}

/*
 * Give the deferred runs back to the host.  If more than lwkt.zone_most slots
 * are set aside, keep three quarters of lwkt.zone_most, and give the others
 * back too.  Called only if slab_may_host.
 */
void
slab_work(struct slab *sl)
{
	uint32_t keep = slots_most - slots_most / 4;
	struct kmem_slot *ks;

	sl->sl_work = 0;
	mags_use(sl, 1);
	while ((ks = sl->sl_put) != NULL) {
		sl->sl_put = ks->ks_next;
		kmem_free(ks);
	}
	if (sl->sl_nfree > slots_most)
		while (sl->sl_nfree > keep)
			slot_give(sl);
}

/* Check the slots that a CPU has set aside; panic on a fault. */
void
slots_check(struct slab *sl)
{
	struct kmem_slot *ks;
	uint32_t n = 0;

	for (ks = sl->sl_free; ks != NULL; ks = ks->ks_next, n++)
		KASSERTF(ks->ks_kind == KS_NONE, "free slot %#x is in use",
		    kmem_id(ks));
	KASSERTF(n == sl->sl_nfree, "%u free zones, %u counted", n,
	    sl->sl_nfree);
}

/*
 * Get the secret from the host, and give each CPU slab_none.  If a memory
 * checker watches, tell it to begin.
 */
static int
slab_boot(void)
{
	const uint64_t *given_by_host =
	    (const uint64_t *)getauxval(AT_RANDOM);
	int cpu;

	if (given_by_host != NULL)
		memcpy(&slab_secret, given_by_host, sizeof(slab_secret));
	slab_none.sl_mark = mark_of(LWKT_MAXCPU);
	slots_most = (uint32_t)zone_most;
	if (slots_most > machine_mem_size() / 64 / ZONE_SIZE /
	    (unsigned)lwkt__ncpus)
		slots_most = (uint32_t)(machine_mem_size() / 64 / ZONE_SIZE /
		    (unsigned)lwkt__ncpus);
	if (slots_most < (uint32_t)zone_cache)
		slots_most = (uint32_t)zone_cache;
	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		gd_find(cpu)->gd_quick = &slab_none;
	kmem_grains = fiber_wanted() ? 0 : KMEM_GRAINS;
	if (fiber_wanted())
		memcheck_begin();
	return 0;
}

/* Release all memory of the allocator at shutdown. */
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
