/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks: slots of address space, each joined with the structure of a thread.
 *
 * THEORY
 * A stack is a slot in a large reserved mapping (a chunk), which is one row of
 * equal slots; so a million stacks are a few mappings.  A slot has a guard at
 * its low end, usable memory above it, and struct thread_cold at the top.
 * Sizes are powers of two from 16 KiB.  Up to 32 KiB, the guard is 4 KiB, taken
 * from the size.  Above, the guard is 16 KiB taken from the size and 64 KiB
 * beside it.  So a local variable of 64 KiB that is written from its far end
 * does not step over the guard into the next stack, even in a program compiled
 * without -fstack-clash-protection.  The price is address space, and 128 bytes
 * of page tables a stack.
 *
 * A structure and its stack are made together once and are never separated.
 * They are made many at a time: then one system call makes the guards of all.
 *
 * INVARIANTS
 * SK1 The lock is held for list operations only, never during a call of the
 *    host, and always in a critical section.
 * SK2 Structures are type-stable: the arena is not reused before shutdown.
 *
 * Source: NetBSD's uvm_glue.c.
 */
#include <string.h>
#include <sys/uio.h>

#include "kern/cpu/arena.h"
#include "kern/cpu/kern_ops.h"
#include "kern/boot/sysinit.h"
#include "vm/vm_cache.h"

COUNTER(made, "vm.threads_made", "thread structures with stacks made");

#define CHUNK_SIZE	((size_t)256 << 20)
#define CHUNK_LEAST	((size_t)16 << 20)
#define NCHUNKS		RESV_CHUNKS	/* 1 TiB of stacks */
#define COLOURS		16		/* see slot_colour */
/* Bytes of guard that a large slot has in addition to its size. */
#define GUARD_GAP	((size_t)64 << 10)

struct stack_chunk {
	char		*sc_base;
	size_t		 sc_size;	/* bytes reserved */
	size_t		 sc_slot;	/* bytes from one slot to the next */
	unsigned	 sc_class;
	uint32_t	 sc_nslots;
	uint32_t	 sc_next;	/* first slot never used; stack_lock */
};

static struct stack_chunk chunks[NCHUNKS];
static struct stack_chunk *newest[NSTACKS]; /* of each class; stack_lock */
static uint32_t nchunks;		/* (a) grows, under stack_lock */
static uint32_t stack_lock;

/* Return the bytes of guard that a slot has in addition to its size. */
static inline size_t
class_gap(unsigned cls)
{
	return cls < 2 ? 0 : GUARD_GAP;
}

static inline size_t
class_slot(unsigned cls)
{
	return class_size(cls) + class_gap(cls);
}

/* Return the bytes of the whole guard of a slot. */
static inline size_t
class_guard(unsigned cls)
{
	size_t guard = cls < 2 ? 4096 : 16384;
	size_t page = machine_page_size();

	return (guard > page ? guard : page) + class_gap(cls);
}

/*
 * Return the bytes by which the top of a stack lies below the end of its slot.
 * They differ from slot to slot.  Otherwise the same frame of every thread
 * would fall into few sets of the cache, since slots lie whole pages apart.
 */
static inline size_t
slot_colour(uintptr_t slot, unsigned cls)
{
	return (slot / class_slot(cls) % COLOURS) * CACHE_LINE;
}

/* Return the smallest class for a stack of that size; -1: none is so large. */
int
stack_class(size_t size)
{
	unsigned cls;

	for (cls = 0; cls < NSTACKS; cls++)
		if (size <= class_size(cls))
			return (int)cls;
	return -1;
}

/* Take the lock.  The caller is in a critical section (SK1). */
static void
stack_enter(void)
{
	unsigned turn = 0;

	while (atomic_swap_32(&stack_lock, 1) != 0)
		machine_pause(turn++);
}

static void
stack_exit(void)
{
	atomic_store_rel_32(&stack_lock, 0);
}

/*
 * Return the newest chunk of the class if it has a slot that was never used,
 * else NULL.  Under the lock.
 */
static struct stack_chunk *
chunk_open(unsigned cls)
{
	struct stack_chunk *sc = newest[cls];

	return sc != NULL && sc->sc_next < sc->sc_nslots ? sc : NULL;
}

/*
 * Reserve address space for a chunk: 256, 64 or 16 MiB, the most that the host
 * gives, but room for one slot at least.  Returns its start, and its size in
 * *sizep; or NULL.
 */
static char *
chunk_reserve(unsigned cls, size_t *sizep)
{
	char *base = NULL;

	for (*sizep = CHUNK_SIZE; *sizep >= CHUNK_LEAST &&
	    *sizep >= class_slot(cls); *sizep /= 4)
		if ((base = machine_mem_reserve(*sizep)) != NULL)
			break;
	return base;
}

/*
 * Add a chunk to the class, unless another CPU was faster, or chunks[] is full,
 * or the host refuses.  Returns 1 if the class now has a slot that was never
 * used, else 0.  The host is called before the lock is taken and after it is
 * released (SK1).
 */
static int
chunk_add(unsigned cls)
{
	size_t size;
	char *base = chunk_reserve(cls, &size);
	struct stack_chunk *sc;
	int used = 0, more;

	if (base == NULL)
		return 0;
	stack_enter();
	if (chunk_open(cls) == NULL && nchunks < NCHUNKS) {
		sc = &chunks[nchunks];
		*sc = (struct stack_chunk){ .sc_base = base,
		    .sc_size = size, .sc_slot = class_slot(cls),
		    .sc_class = cls,
		    .sc_nslots = (uint32_t)(size / class_slot(cls)) };
		newest[cls] = sc;
		atomic_store_rel_32(&nchunks, nchunks + 1);
		used = 1;
	}
	more = chunk_open(cls) != NULL;
	stack_exit();
	if (!used)
		machine_mem_release(base, size);		/* SK1 */
	return more;
}

/*
 * Return how many of the `left` structures a CPU may take at once: when few are
 * left, no CPU takes those that the others may need.
 */
static inline unsigned
fair(uint64_t left)
{
	uint64_t n = left / (4 * (unsigned)lwkt__ncpus);

	return n == 0 ? 1 : n < STACK_BATCH ? (unsigned)n : STACK_BATCH;
}

/*
 * Take up to `most` new slots that follow each other, and as many structures.
 * Returns their number, and the first slot and structure in *slotp and *tdp.
 * Returns 0 if no structure is left or the host gives no slot.
 */
static unsigned
slots_take(unsigned cls, unsigned most, char **slotp, lwkt_thread_t *tdp)
{
	struct arena_head *ah = lwkt__arena;
	struct stack_chunk *sc;
	uint64_t left;
	unsigned n = 0;

	do {
		stack_enter();
		sc = chunk_open(cls);
		left = ah->ah_tdmax - ah->ah_tdcount;
		if (sc != NULL && left > 0) {
			n = sc->sc_nslots - sc->sc_next;
			n = n < most ? n : most;
			n = n < fair(left) ? n : fair(left);
			*slotp = sc->sc_base + (size_t)sc->sc_next *
			    sc->sc_slot;
			*tdp = (lwkt_thread_t)(void *)((char *)ah +
			    ah->ah_tdoff) + ah->ah_tdcount;
			sc->sc_next += n;
			atomic_store_rel_64(&ah->ah_tdcount,	/* SK2 */
			    ah->ah_tdcount + n);
		}
		stack_exit();
	} while (n == 0 && left > 0 && chunk_add(cls));
	return n;
}

/*
 * Join a structure with its slot for good.  If the host cannot protect pages,
 * the lowest word of the stack becomes a canary instead of the guard.
 * `guarded`: the guard is there already.
 */
static void
stack_join(lwkt_thread_t td, unsigned cls, char *slot, int guarded)
{
	size_t guard = class_guard(cls);

	td->td_flags = TDF_ARENA | TDF_FREE;
	td->td_slot = (uint16_t)cls;
	td->td_stack = slot + guard;
	td->td_stksize = class_slot(cls) - guard -
	    slot_colour((uintptr_t)slot, cls);
	if (!guarded && machine_mem_guard(slot, guard) == GUARD_CANARY) {
		td->td_flags |= TDF_CANARY;
		*(uint64_t *)td->td_stack = STACK_CANARY;
	}
}

/* Print why a thread cannot be made, once in a process. */
static void
tell_refused(void)
{
	static uint32_t told;
	struct arena_head *ah = lwkt__arena;

	if (atomic_swap_32(&told, 1) != 0)
		return;
	if (atomic_load_acq_64(&ah->ah_tdcount) >= ah->ah_tdmax)
		lwkt_printf("lwkt: all %u thread structures are in use "
		    "(lwkt.maxthreads)", ah->ah_tdmax);
	else if (atomic_load_acq_32(&nchunks) == NCHUNKS)
		lwkt_printf("lwkt: the stacks of %llu threads take all the "
		    "address space that the library has for stacks",
		    (unsigned long long)ah->ah_tdcount);
	else
		lwkt_printf("lwkt: the host refuses memory for the stacks of "
		    "more than %llu threads (ulimit -v, "
		    "vm.overcommit_memory)",
		    (unsigned long long)ah->ah_tdcount);
}

/*
 * Make up to `most` threads with stacks of the class, at most STACK_BATCH.
 * Returns their number; *tdp becomes the first, and the others follow it in
 * memory.  Returns 0 if no structure is left or the host gives no memory.
 */
unsigned
stacks_make(struct globaldata *gd, unsigned cls, unsigned most,
    lwkt_thread_t *tdp)
{
	struct iovec guard[STACK_BATCH];
	char *slot = NULL;
	unsigned n, i;
	int guarded;

	n = slots_take(cls, most, &slot, tdp);
	for (i = 0; i < n; i++)
		guard[i] = (struct iovec){ slot + i * class_slot(cls),
		    class_guard(cls) };
	guarded = n > 1 && machine_mem_guard_many(guard, n);
	for (i = 0; i < n; i++)
		stack_join(*tdp + i, cls, guard[i].iov_base, guarded);
	counter_add(gd->gd_cntbias, made, n);
	if (n == 0)
		tell_refused();
	return n;
}

/*
 * Return the thread whose guard contains addr (ko_fault_thread).  Returns NULL
 * if no guard does, or if the slot was never used or its memory was given back.
 * The thread is found by tc_port, which lies at the top of the slot.  May be
 * called in a signal handler.
 */
static lwkt_thread_t
fault_thread(uintptr_t addr)
{
	uint32_t i, n = __atomic_load_n(&nchunks, __ATOMIC_ACQUIRE);
	struct stack_chunk *sc;
	struct thread_cold *cold;
	uintptr_t off, slot;
	unsigned cls;

	for (i = 0; i < n; i++) {
		sc = &chunks[i];
		off = addr - (uintptr_t)sc->sc_base;
		if (off >= (uintptr_t)sc->sc_nslots * sc->sc_slot)
			continue;
		cls = sc->sc_class;
		if (off % sc->sc_slot >= class_guard(cls))
			return NULL;
		slot = addr - off % sc->sc_slot;
		cold = (struct thread_cold *)(slot + sc->sc_slot -
		    slot_colour(slot, cls) - roundup2(sizeof(*cold), 64));
		return cold->tc_port.mp_td;
	}
	return NULL;
}

static int
stack_boot(void)
{
	struct arena_head *ah = lwkt__arena;

	ah->ah_tdoff = (uint64_t)((char *)arena_alloc((size_t)ah->ah_tdmax *
	    sizeof(struct lwkt_thread)) - (char *)ah);
	lwkt__kern_ops.ko_fault_thread = fault_thread;
	return 0;
}

/* Tell the checkers (sanitizers) of the end of threads alive at shutdown. */
static void
abandon_fibers(void)
{
	struct arena_head *ah = lwkt__arena;
	lwkt_thread_t td = (lwkt_thread_t)(void *)((char *)ah + ah->ah_tdoff);
	uint64_t i;

	for (i = 0; i < ah->ah_tdcount; i++, td++)
		if ((td->td_flags & TDF_FREE) == 0)
			fiber_fini(&td->td_cold->tc_fiber);
}

/* Release all stacks at shutdown. */
static void
stack_fini(void)
{
	uint32_t i;

	lwkt__kern_ops.ko_fault_thread = NULL;
	if (fiber_wanted())
		abandon_fibers();
	for (i = 0; i < nchunks; i++)
		machine_mem_release(chunks[i].sc_base, chunks[i].sc_size);
	nchunks = 0;
	memset(newest, 0, sizeof(newest));
}

SYSINIT(SI_VM, vm_stack, stack_boot, NULL, NULL, stack_fini);
