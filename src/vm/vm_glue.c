/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads with their stacks: made in slots, kept in caches.
 *
 * THEORY
 * A stack is a slot in a large reserved mapping (a chunk), which is one row of
 * equal slots.  So a million stacks are a few mappings, on a host whose guards
 * need no mapping of their own (machine/linux/mem.c).  A slot has a guard at
 * its low end, usable memory above it, and struct thread_cold at the top.
 * Sizes are powers of two from 16 KiB.  Up to 32 KiB, the guard is 4 KiB, taken
 * from the size.  Above, the guard is 16 KiB taken from the size and 64 KiB
 * beside it.  So a local variable of 64 KiB that is written from its far end
 * does not step over the guard into the next stack, even in a program compiled
 * without -fstack-clash-protection.  The price of the 64 KiB is address space,
 * and 128 bytes of page tables a stack.
 *
 * A structure and its stack are made together once and are never separated.  A
 * dead thread goes to the cache for its size on the CPU that drops its last
 * reference.  The cache has a warm list, which is LIFO, so the next thread gets
 * a stack that was used recently.  When the warm list exceeds half of
 * lwkt.cache_threads, it becomes the cold list.  If there is a cold list
 * already, and both lists together exceed lwkt.cache_threads, a batch of the
 * cold list goes to the depot that all CPUs share.  The memory of these stacks
 * goes back to the host (the guards stay).  Allocation takes a thread of the
 * warm list, else of the cold list, else of a batch from the depot, else of a
 * batch of new threads.
 *
 * INVARIANTS
 * GL1 A thread in a cache or the depot has TDF_FREE, and its td_refs is 0: no
 *    reference to it exists.
 * GL2 Structures are type-stable: the arena is not reused before shutdown.
 * GL3 The depot's lock is held for list operations only, never during a call
 *    of the host, and always in a critical section.
 *
 * Source: NetBSD's uvm_glue.c (uarea cache), DragonFly's thread objcache.
 */
#include <errno.h>
#include <lwkt/thread.h>
#include <string.h>

#include "kern/cpu/arena.h"
#include "kern/cpu/crit.h"
#include "kern/cpu/kern_ops.h"
#include "kern/thread/thread_make.h"
#include "kern/boot/boot_var.h"
#include "kern/boot/sysinit.h"

COUNTER(made, "vm.threads_made", "thread structures with stacks made");
COUNTER(hit, "vm.cache_hits", "threads taken from the CPU's cache");
COUNTER(depot_in, "vm.depot_put", "threads given to the depot");
COUNTER(depot_out, "vm.depot_get", "threads taken from the depot");
COUNTER(nomem, "vm.threads_refused", "threads not created: no memory");

/*
 * The default is enough for the benchmark skynet, a tree of threads with 10
 * children each: about 500 of its threads are dead at the same time.
 */
TUNABLE_INT(cache_threads, "lwkt.cache_threads", config_hard ? 2 : 1024, 1,
    1 << 24,
    "dead threads with their stacks that each CPU keeps");

#define SLOT_MIN_SHIFT	14		/* smallest size: 2^14 = 16 KiB */
#define NCLASSES	11		/* sizes: 16 KiB to 16 MiB */
#define CHUNK_SIZE	((size_t)256 << 20)
#define CHUNK_LEAST	((size_t)16 << 20)
#define NCHUNKS		RESV_CHUNKS	/* 1 TiB of stacks */
#define BATCH		(config_hard ? 2u : 16u) /* threads moved at once */
#define DEFAULT_STACK	((size_t)64 << 10)
#define COLOURS		16		/* see slot_colour */
/* Bytes of guard that a large slot has in addition to its size. */
#define GUARD_GAP	((size_t)64 << 10)

struct stack_chunk {
	char		*sc_base;
	size_t		 sc_size;	/* bytes reserved */
	size_t		 sc_slot;	/* bytes from one slot to the next */
	unsigned	 sc_class;
	uint32_t	 sc_nslots;
	uint32_t	 sc_next;	/* first slot never used; depot lock */
};

struct stack_class {
	lwkt_thread_t	 cl_depot;	/* dead threads; depot lock */
	struct stack_chunk *cl_chunk;	/* the newest; depot lock */
};

/*
 * Dead threads of one class on one CPU, in lists by td_freenext.
 * (c) accessed only by that CPU, in a critical section
 */
struct thread_cache {
	lwkt_thread_t	 tc_warm;	/* (c) LIFO */
	lwkt_thread_t	 tc_cold;	/* (c) older than those of tc_warm */
	uint32_t	 tc_nwarm;	/* (c) threads in tc_warm */
	uint32_t	 tc_ncold;	/* (c) threads in tc_cold */
};

struct vm_pcpu {
	struct thread_cache vp_cache[NCLASSES];
};

static struct stack_class classes[NCLASSES];
static struct stack_chunk chunks[NCHUNKS];
static uint32_t nchunks;		/* grows, under depot lock */
static uint32_t depot_lock;
static size_t default_stack;
static struct vm_pcpu *pcpus;

static inline size_t
class_size(unsigned cls)
{
	return (size_t)1 << (SLOT_MIN_SHIFT + cls);
}

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

/* Return the smallest class of at least `size` bytes; -1 if there is none. */
static int
class_find(size_t size)
{
	unsigned cls;

	for (cls = 0; cls < NCLASSES; cls++)
		if (size <= class_size(cls))
			return (int)cls;
	return -1;
}

/* Take the depot's lock.  The caller is in a critical section (GL3). */
static void
depot_enter(void)
{
	unsigned turn = 0;

	while (atomic_swap_32(&depot_lock, 1) != 0)
		machine_pause(turn++);
}

static void
depot_exit(void)
{
	atomic_store_rel_32(&depot_lock, 0);
}

/*
 * Return the newest chunk of the class if it has a slot that was never used,
 * else NULL.  Under the depot's lock.
 */
static struct stack_chunk *
chunk_open(unsigned cls)
{
	struct stack_chunk *sc = classes[cls].cl_chunk;

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
 * Add a chunk to the class, unless another CPU was faster or there are NCHUNKS
 * already.  Returns 1 if the class now has a slot that was never used, else 0.
 * The host is called before the lock is taken and after it is released (GL3).
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
	depot_enter();
	if (chunk_open(cls) == NULL && nchunks < NCHUNKS) {
		sc = &chunks[nchunks];
		*sc = (struct stack_chunk){ .sc_base = base,
		    .sc_size = size, .sc_slot = class_slot(cls),
		    .sc_class = cls,
		    .sc_nslots = (uint32_t)(size / class_slot(cls)) };
		classes[cls].cl_chunk = sc;
		atomic_store_rel_32(&nchunks, nchunks + 1);
		used = 1;
	}
	more = chunk_open(cls) != NULL;
	depot_exit();
	if (!used)
		machine_mem_release(base, size);		/* GL3 */
	return more;
}

/*
 * Take up to BATCH new slots that follow each other, and as many structures.
 * Returns their number, and the first slot and structure in *slotp and *tdp.
 * Returns 0 if no structure is left or no chunk can be added.
 */
static unsigned
slots_take(unsigned cls, char **slotp, lwkt_thread_t *tdp)
{
	struct arena_head *ah = lwkt__arena;
	struct stack_chunk *sc;
	uint64_t left;
	unsigned n = 0;

	do {
		depot_enter();
		sc = chunk_open(cls);
		left = ah->ah_tdmax - ah->ah_tdcount;
		if (sc != NULL && left > 0) {
			n = sc->sc_nslots - sc->sc_next;
			n = n < BATCH ? n : BATCH;
			n = n < left ? n : (unsigned)left;
			*slotp = sc->sc_base + (size_t)sc->sc_next *
			    sc->sc_slot;
			*tdp = (lwkt_thread_t)(void *)((char *)ah +
			    ah->ah_tdoff) + ah->ah_tdcount;
			sc->sc_next += n;
			atomic_store_rel_64(&ah->ah_tdcount,	/* GL2 */
			    ah->ah_tdcount + n);
		}
		depot_exit();
	} while (n == 0 && left > 0 && chunk_add(cls));
	return n;
}

/*
 * Join a structure with its slot for good, and make the guard.  If the host
 * cannot protect pages, the lowest word of the stack becomes a canary instead.
 */
static void
thread_make(lwkt_thread_t td, unsigned cls, char *slot)
{
	size_t guard = class_guard(cls);

	td->td_flags = TDF_ARENA | TDF_FREE;
	td->td_slot = (uint16_t)cls;
	td->td_stack = slot + guard;
	td->td_stksize = class_slot(cls) - guard -
	    slot_colour((uintptr_t)slot, cls);
	if (machine_mem_guard(slot, guard) == GUARD_CANARY) {
		td->td_flags |= TDF_CANARY;
		*(uint64_t *)td->td_stack = STACK_CANARY;
	}
}

static inline void
cache_push(struct thread_cache *tc, lwkt_thread_t td)
{
	td->td_freenext = tc->tc_warm;
	tc->tc_warm = td;
	tc->tc_nwarm++;
}

static inline lwkt_thread_t
cache_pop(struct thread_cache *tc)
{
	lwkt_thread_t td = tc->tc_warm;

	tc->tc_warm = td->td_freenext;
	tc->tc_nwarm--;
	return td;
}

/* Print why a thread cannot be made, once in a process. */
static void
report_refused(void)
{
	static uint32_t reported;
	struct arena_head *ah = lwkt__arena;

	if (atomic_swap_32(&reported, 1) != 0)
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
 * Get threads for a cache whose warm list is empty: its cold list, a batch of
 * the depot, or new threads.  Returns 0 or ENOMEM.
 */
static __lwkt_noinline int
cache_fill(struct globaldata *gd, struct thread_cache *tc, unsigned cls)
{
	lwkt_thread_t td;
	char *slot = NULL;
	unsigned i, n;

	if (tc->tc_cold != NULL) {
		*tc = (struct thread_cache){ .tc_warm = tc->tc_cold,
		    .tc_nwarm = tc->tc_ncold };
		return 0;
	}
	depot_enter();
	for (n = 0; n < BATCH && (td = classes[cls].cl_depot) != NULL; n++) {
		classes[cls].cl_depot = td->td_freenext;
		cache_push(tc, td);
	}
	depot_exit();
	if (n > 0) {
		counter_add(gd->gd_cntbias, depot_out, n);
		return 0;
	}
	n = slots_take(cls, &slot, &td);
	for (i = n; i-- > 0; ) {	/* so td + 0 comes out first */
		thread_make(td + i, cls, slot + i * class_slot(cls));
		cache_push(tc, td + i);
	}
	counter_add(gd->gd_cntbias, made, n);
	if (n == 0)
		report_refused();
	return n > 0 ? 0 : ENOMEM;
}

/*
 * Move a batch of cold threads to the depot, and give the memory of their
 * stacks back to the host.  The cold list is not empty.
 */
static void
cache_drain(struct globaldata *gd, struct thread_cache *tc, unsigned cls)
{
	lwkt_thread_t td, first = tc->tc_cold, last = NULL;
	unsigned n;

	for (n = 0, td = first; n < BATCH && td != NULL; n++) {
		machine_mem_decommit(td->td_stack,
		    roundup2(td->td_stksize, machine_page_size()));
		if (td->td_flags & TDF_CANARY)
			*(uint64_t *)td->td_stack = STACK_CANARY;
		last = td;
		td = td->td_freenext;
	}
	tc->tc_cold = td;
	tc->tc_ncold -= n;
	counter_add(gd->gd_cntbias, depot_in, n);
	depot_enter();						/* GL3 */
	last->td_freenext = classes[cls].cl_depot;
	classes[cls].cl_depot = first;
	depot_exit();
}

/*
 * Make the warm list of a cache its cold list, if the cold list is empty.
 * Otherwise drain a batch of the cold list, if both lists together have more
 * than lwkt.cache_threads threads.
 */
static __lwkt_noinline void
cache_trim(struct globaldata *gd, struct thread_cache *tc, unsigned cls)
{
	if (tc->tc_cold == NULL)
		*tc = (struct thread_cache){ .tc_cold = tc->tc_warm,
		    .tc_ncold = tc->tc_nwarm };
	else if (tc->tc_nwarm + tc->tc_ncold > (uint32_t)cache_threads)
		cache_drain(gd, tc, cls);
}

static inline struct thread_cache *
cache_of(struct globaldata *gd, unsigned cls)
{
	return &((struct vm_pcpu *)gd->gd_vmglue)->vp_cache[cls];
}

/*
 * Put a thread whose last reference was dropped on this CPU into the CPU's
 * cache (ko_thread_free).
 */
static void
thread_free(lwkt_thread_t td)
{
	lwkt_thread_t self = curthread;
	unsigned cls = td->td_slot;
	struct thread_cache *tc;

	crit_enter_td(self);
	tc = cache_of(mygd(), cls);
	td->td_flags = (td->td_flags & (TDF_ARENA | TDF_CANARY)) | TDF_FREE;
	atomic_store_32(&td->td_refs, 0);	/* GL1 */
	cache_push(tc, td);
	if (unlikely(tc->tc_nwarm > (uint32_t)cache_threads / 2))
		cache_trim(mygd(), tc, cls);
	crit_exit_td(self);
}

/*
 * Return the CPU of a new thread: cpu, or for LWKT_CPU_ROTATE the next in turn.
 * The first thread that a CPU creates in this way belongs to that CPU, the
 * second to the CPU after it, and so on.
 */
static inline int
pick_cpu(struct globaldata *gd, int cpu)
{
	if (cpu == LWKT_CPU_ROTATE)
		cpu = (int)((gd->gd_nextcpu++ + (uint32_t)gd->gd_m.mc_cpuid) %
		    (uint32_t)lwkt__ncpus);
	return cpu;
}

/*
 * Take a dead or new thread with a stack of the class, and initialize it.
 * Returns NULL if there is no memory or no structure.
 */
static inline lwkt_thread_t
thread_alloc(unsigned cls, int cpu, int flags)
{
	lwkt_thread_t self = curthread;
	struct thread_cache *tc;
	struct globaldata *gd;
	lwkt_thread_t td;

	crit_enter_td(self);
	gd = mygd();
	tc = cache_of(gd, cls);
	if (likely(tc->tc_warm != NULL)) {
		counter_inc(gd->gd_cntbias, hit);
	} else if (cache_fill(gd, tc, cls) != 0) {
		counter_inc(gd->gd_cntbias, nomem);
		crit_exit_td(self);
		return NULL;
	}
	td = cache_pop(tc);
	thread_init(td, td->td_stack, td->td_stksize, flags,
	    pick_cpu(gd, cpu));
	crit_exit_td(self);
	return td;
}

/* Return whether the flags or the CPU of a new thread are invalid. */
static inline int
create_args_bad(int flags, int cpu)
{
	return (flags & ~(LWKT_NOSTART | LWKT_JOINABLE | LWKT_GIANT |
	    LWKT_INTERRUPT | LWKT_PREEMPTIBLE)) != 0 ||
	    cpu < LWKT_CPU_ROTATE || cpu >= lwkt__ncpus;
}

/*
 * Allocate a thread that is not started; stksize 0: the default size.  Returns
 * NULL if an argument is invalid or there is no memory.  Thread context; never
 * blocks.
 */
lwkt_thread_t
lwkt_alloc_thread(size_t stksize, int cpu, int flags)
{
	int cls = class_find(stksize != 0 ? stksize : default_stack);

	machine_check_cpu();
	if (create_args_bad(flags, cpu) || cls < 0)
		return NULL;
	return thread_alloc((unsigned)cls, cpu, flags);
}

/*
 * Free a thread that was never started; panic if it was.  Thread context; never
 * blocks.
 */
void
lwkt_free_thread(lwkt_thread_t td)
{
	KASSERTF((td->td_flags & TDF_FREE) == 0,
	    "thread \"%s\" was freed before", td->td_name);
	KASSERTF((td->td_flags & TDF_STARTED) == 0,
	    "thread \"%s\" has started: lwkt_join or lwkt_rele it",
	    td->td_name);
	lwkt_rele(td);
}

/*
 * Create a thread and start it, unless LWKT_NOSTART is set.  tmpl, if not NULL,
 * is a thread of lwkt_alloc_thread() or lwkt_init_thread(), which is started on
 * its own CPU; cpu is then only checked.  Returns 0, EINVAL or ENOMEM.  On
 * success *tdp is the thread (tdp may be NULL); it is stored before the thread
 * runs.  Thread context; never blocks.
 */
int
lwkt_create(void (*fn)(void *), void *arg, lwkt_thread_t *tdp,
    lwkt_thread_t tmpl, int flags, int cpu, const char *fmt, ...)
{
	lwkt_thread_t td = tmpl;
	va_list ap;

	machine_check_cpu();
	if (create_args_bad(flags, cpu))
		return EINVAL;
	if (td == NULL) {
		td = thread_alloc((unsigned)class_find(default_stack), cpu,
		    flags);
		if (td == NULL)
			return ENOMEM;
	} else if (flags & LWKT_JOINABLE) {
		td->td_join = 0;
	}
	if (tdp != NULL)
		*tdp = td;
	va_start(ap, fmt);
	thread_start(td, fn, arg, flags, fmt, ap);
	va_end(ap);
	return 0;
}

/*
 * Return the thread whose guard contains addr (ko_fault_thread).  Returns NULL
 * if no guard does, or if the slot was never used.  The thread is found by
 * tc_port, which lies at the top of the slot.  May be called in a signal
 * handler.
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
vm_glue_boot(void)
{
	struct arena_head *ah = lwkt__arena;

	default_stack = lwkt__boot_config.lc_stksize != 0 ?
	    lwkt__boot_config.lc_stksize : DEFAULT_STACK;
	if (class_find(default_stack) < 0)
		return EINVAL;
	pcpus = arena_alloc(sizeof(*pcpus) * (size_t)lwkt__ncpus);
	ah->ah_tdoff = (uint64_t)((char *)arena_alloc((size_t)ah->ah_tdmax *
	    sizeof(struct lwkt_thread)) - (char *)ah);
	lwkt__kern_ops.ko_thread_free = thread_free;
	lwkt__kern_ops.ko_fault_thread = fault_thread;
	return 0;
}

static void
vm_glue_cpu(struct globaldata *gd)
{
	gd->gd_vmglue = &pcpus[gd->gd_m.mc_cpuid];
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
vm_glue_fini(void)
{
	uint32_t i;

	lwkt__kern_ops.ko_fault_thread = NULL;
	if (fiber_wanted())
		abandon_fibers();
	for (i = 0; i < nchunks; i++)
		machine_mem_release(chunks[i].sc_base, chunks[i].sc_size);
	nchunks = 0;
	memset(classes, 0, sizeof(classes));
}

SYSINIT(SI_VM, vm_glue, vm_glue_boot, vm_glue_cpu, NULL, vm_glue_fini);
