/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs of slots: where zones and large blocks come from.
 *
 * THEORY
 * Address space is reserved in banks of 1 GiB, or more for a run that needs
 * more, and divided into slots of 128 KiB, aligned to their size.  A zone or a
 * slab of objects is one slot.  A large block is a run of slots, of which only
 * the pages in use cost memory.  When a run is freed, its memory goes back to
 * the host, so that it costs address space only.  The run waits in a list for
 * the next request of its length.  Lengths are rounded up to four steps for
 * each doubling.  Runs are neither merged nor divided.  When there is no
 * further bank, because the host refuses it or the table of banks is full, a
 * longer run is used instead.  If none is free, the request is refused.
 *
 * Each slot has a record; the records of a bank stand at its start.  Banks
 * begin and end at multiples of 64 MiB.  So a table that is indexed by the
 * address bits from 26 on tells in which bank an address lies.  In this way
 * every pointer can be classified without touching what it points to.
 *
 * INVARIANTS
 * KM1 A run in a list is zero (the host has its memory), and the record of its
 *    first slot is KS_NONE.  The records of the other slots of a run are always
 *    KS_NONE.
 * KM2 The lock is held only for changes of the lists and tables, never during a
 *    call of the host.
 *
 * Source: the page words of DragonFly's kern_slaballoc.c, by which kfree tells
 * its two kinds of memory apart; the table by address is snmalloc's.
 */
#include "vm/slab_var.h"

#include <lwkt/spinlock.h>
#include <string.h>

COUNTER(banks, "vm.kmem_banks", "banks of memory reserved");
COUNTER(got, "vm.kmem_get", "runs of memory taken by zones and blocks");
COUNTER(put, "vm.kmem_put", "runs of memory given back to the host");
COUNTER(nobank, "vm.kmem_refused", "banks that the host refused");
COUNTER(full, "vm.kmem_full", "banks for which the table had no room");

TRACEPOINT(run, KTR_MEM, "kmem.run", "id=%llu class=%llu");

#define GRAIN_SHIFT	KMEM_GRAIN_SHIFT
#define GRAIN		((size_t)1 << GRAIN_SHIFT)
#define GRAIN_SLOTS	(GRAIN / ZONE_SIZE)
#define BANK_GRAINS	15		/* whole grains in any 1 GiB */
#define NBANKS		(RESV_BANKS + 1) /* about 1 TiB; banks[0] is none */
#define NRUNS		84		/* classes: to 2^22 slots, 512 GiB */
#define META_SLOTS	(ZONE_SIZE / sizeof(struct kmem_slot))

/* (i) fixed once the bank is in banks[] */
struct kmem_bank {
	char		*bk_base;	/* (i) start of slot 0 */
	struct kmem_slot *bk_slot;	/* (i) slot records, at bk_base */
	char		*bk_map;	/* (i) start of the reservation */
	size_t		 bk_mapsize;	/* (i) bytes reserved */
	uint32_t	 bk_nslots;	/* (i) number of slots */
	uint32_t	 bk_next;	/* (l:kmem_lock) first unused slot */
};

static struct lwkt_spin kmem_lock = LWKT_SPIN_INITIALIZER("kmem");
static struct kmem_bank banks[NBANKS];	/* banks[0] stays empty */
static uint32_t nbanks = 1;		/* (l:kmem_lock) */
static struct kmem_slot *runs[NRUNS];	/* (l:kmem_lock) KM1 */
uint32_t kmem_bank_at[KMEM_GRAINS];	/* (a) index of banks; 0: none */
uint32_t kmem_grains;			/* (i) set by slab_boot() */

/* Return the lowest class whose runs have at least n slots, n > 0. */
static unsigned
run_class(size_t n)
{
	unsigned k;

	if (n <= 4)
		return (unsigned)n - 1;
	k = 63 - (unsigned)__builtin_clzl(n - 1);	/* 2^k < n */
	return 4 * (k - 1) + (unsigned)((n - 1) >> (k - 2)) % 4;
}

/* Return the number of slots of the runs of a class. */
static size_t
run_length(unsigned c)
{
	unsigned k = c / 4 + 1;

	return c < 4 ? c + 1 : ((size_t)4 + c % 4 + 1) << (k - 2);
}

/* Return the bank in which p lies, or NULL if p is not of this allocator. */
static struct kmem_bank *
bank_of(const void *p)
{
	uintptr_t grain = (uintptr_t)p >> GRAIN_SHIFT;
	uint32_t b;

	if (unlikely(grain >= KMEM_GRAINS))
		return NULL;
	b = atomic_peek_32(&kmem_bank_at[grain]);
	return likely(b != 0) ? &banks[b] : NULL;
}

/* Return the slot in which p lies, or NULL if p is not of this allocator. */
struct kmem_slot *
kmem_find(const void *p)
{
	struct kmem_bank *bk = bank_of(p);

	if (unlikely(bk == NULL))
		return NULL;
	return &bk->bk_slot[(size_t)((const char *)p - bk->bk_base) /
	    ZONE_SIZE];
}

/* Return the address of a slot. */
void *
kmem_addr(struct kmem_slot *ks)
{
	struct kmem_bank *bk = bank_of(ks);

	return bk->bk_base + (size_t)(ks - bk->bk_slot) * ZONE_SIZE;
}

/* Return a number of the slot, the same whenever a schedule is repeated. */
uint32_t
kmem_id(struct kmem_slot *ks)
{
	struct kmem_bank *bk = bank_of(ks);

	return (uint32_t)((size_t)(bk - banks) << 20) +
	    (uint32_t)(ks - bk->bk_slot);
}

/*
 * Take a run of class c from the slots of bk that were never used.  Returns
 * NULL if too few are left, or if bk is banks[0].  Under the lock.
 */
static struct kmem_slot *
bank_carve(struct kmem_bank *bk, unsigned c)
{
	struct kmem_slot *ks = &bk->bk_slot[bk->bk_next];
	size_t n = run_length(c);

	if (bk->bk_base == NULL || bk->bk_nslots - bk->bk_next < n)
		return NULL;
	bk->bk_next += (uint32_t)n;
	ks->ks_run = c;
	return ks;
}

/* List the slots of bk that were never used, as free runs.  Under the lock. */
static void
bank_list_unused(struct kmem_bank *bk)
{
	struct kmem_slot *ks;
	unsigned c = NRUNS;

	while (c-- > 0)
		while ((ks = bank_carve(bk, c)) != NULL) {
			ks->ks_next = runs[c];
			runs[c] = ks;
		}
}

/*
 * Reserve a bank with room for n slots beside the records, and fill *bk.
 * Returns 1, or 0 if the host refuses.
 */
static int
bank_map(struct kmem_bank *bk, size_t n)
{
	size_t grains = howmany(n + n / (META_SLOTS / 2) + 2, GRAIN_SLOTS);

	if (grains < BANK_GRAINS)
		grains = BANK_GRAINS;
	bk->bk_mapsize = (grains + 1) * GRAIN;
	bk->bk_map = machine_mem_reserve(bk->bk_mapsize);
	if (bk->bk_map == NULL)
		return 0;
	bk->bk_base = (char *)roundup2((uintptr_t)bk->bk_map, GRAIN);
	bk->bk_slot = (struct kmem_slot *)(void *)bk->bk_base;
	bk->bk_nslots = (uint32_t)(grains * GRAIN_SLOTS);
	bk->bk_next = (uint32_t)howmany(bk->bk_nslots, META_SLOTS);
	return 1;
}

/*
 * List the unused slots of the newest bank, then enter bk in the tables as the
 * newest one.  Returns 1.  If the table of banks is full, does nothing and
 * returns 0.  Under the lock.
 */
static int
bank_enter(const struct kmem_bank *bk)
{
	uintptr_t grain = (uintptr_t)bk->bk_base >> GRAIN_SHIFT;
	uint32_t i;

	if (nbanks == NBANKS)
		return 0;
	bank_list_unused(&banks[nbanks - 1]);
	banks[nbanks] = *bk;
	for (i = 0; i < bk->bk_nslots / GRAIN_SLOTS; i++)
		atomic_poke_rel_32(&kmem_bank_at[grain + i], nbanks);
	nbanks++;
	return 1;
}

/*
 * Take a run of the class: from its list, else of slots of the newest bank that
 * were never used.  Returns NULL if there is none.  Under the lock.
 */
static struct kmem_slot *
run_take(unsigned c)
{
	struct kmem_slot *ks = runs[c];

	if (ks == NULL)
		return bank_carve(&banks[nbanks - 1], c);
	runs[c] = ks->ks_next;
	return ks;
}

/*
 * Take a run of the class, or else of the next class that has one.  Returns
 * NULL if there is none.  Called when there is no further bank.
 */
static struct kmem_slot *
run_take_longer(unsigned c)
{
	struct kmem_slot *ks = NULL;

	lwkt_spin_lock_quick(&kmem_lock);
	for (; c < NRUNS && ks == NULL; c++)
		ks = run_take(c);
	lwkt_spin_unlock_quick(&kmem_lock);
	return ks;
}

/*
 * Reserve another bank and take a run of class c from it.  If another CPU has
 * made a run of the class free meanwhile, take that run.  If the host refuses
 * the bank, or the table of banks is full, take a run of this or a longer
 * class.  Returns NULL if there is none.
 */
static __lwkt_noinline struct kmem_slot *
run_take_new(struct globaldata *gd, unsigned c)
{
	struct kmem_slot *ks;
	struct kmem_bank bk;
	int used;

	if (!bank_map(&bk, run_length(c))) {
		counter_inc(gd->gd_cntbias, nobank);
		return run_take_longer(c);
	}
	lwkt_spin_lock_quick(&kmem_lock);
	ks = run_take(c);		/* not NULL: another CPU was faster */
	used = ks == NULL && bank_enter(&bk);
	if (used)
		ks = run_take(c);
	lwkt_spin_unlock_quick(&kmem_lock);
	if (!used)
		machine_mem_release(bk.bk_map, bk.bk_mapsize);
	counter_add(gd->gd_cntbias, banks, used);
	if (ks != NULL)
		return ks;
	counter_inc(gd->gd_cntbias, full);
	return run_take_longer(c);
}

/* Allocate a run of at least nslots slots, all zero; or return NULL. */
struct kmem_slot *
kmem_alloc(size_t nslots)
{
	struct globaldata *gd = mygd();
	unsigned c = run_class(nslots);
	struct kmem_slot *ks;

	if (nslots == 0 || c >= NRUNS)
		return NULL;
	lwkt_spin_lock_quick(&kmem_lock);
	ks = run_take(c);
	lwkt_spin_unlock_quick(&kmem_lock);
	if (ks == NULL && (ks = run_take_new(gd, c)) == NULL)
		return NULL;
	KASSERTF(ks->ks_kind == KS_NONE, "free slot %#x is in use, kind %u",
	    kmem_id(ks), ks->ks_kind);				/* KM1 */
	counter_inc(gd->gd_cntbias, got);
	ktr(gd, run, kmem_id(ks), c);
	return ks;
}

/* Free a run: give its memory to the host, then put the run on its list. */
void
kmem_free(struct kmem_slot *ks)
{
	size_t size = roundup2(ks->ks_size, machine_page_size());

	KASSERTF(ks->ks_kind == KS_NONE && size > 0 &&
	    size <= run_length(ks->ks_run) * ZONE_SIZE,
	    "slot %#x cannot be freed: kind %u, %zu bytes", kmem_id(ks),
	    ks->ks_kind, size);
	/* Before the run is listed: after that, another CPU may take it. */
	machine_mem_decommit(kmem_addr(ks), size);		/* KM1 KM2 */
	counter_inc(mygd()->gd_cntbias, put);
	lwkt_spin_lock_quick(&kmem_lock);
	ks->ks_next = runs[ks->ks_run];
	runs[ks->ks_run] = ks;
	lwkt_spin_unlock_quick(&kmem_lock);
}

/* Release all banks at shutdown. */
void
kmem_fini(void)
{
	struct kmem_bank *bk;
	uintptr_t grain;

	while (nbanks > 1) {
		bk = &banks[--nbanks];
		grain = (uintptr_t)bk->bk_base >> GRAIN_SHIFT;
		memset(&kmem_bank_at[grain], 0, bk->bk_nslots / GRAIN_SLOTS *
		    sizeof(kmem_bank_at[0]));
		memcheck_show(bk->bk_base, bk->bk_next * ZONE_SIZE);
		machine_mem_release(bk->bk_map, bk->bk_mapsize);
		memset(bk, 0, sizeof(*bk));
	}
	memset(runs, 0, sizeof(runs));
	lwkt_spin_init(&kmem_lock, "kmem");
}
