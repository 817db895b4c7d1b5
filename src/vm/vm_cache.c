/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The caches of dead threads, and how much memory they may keep.
 *
 * THEORY
 * A dead thread goes to the cache of the CPU that drops its last reference.
 * The cache is LIFO, so the next thread gets a warm stack.  It consists of
 * lists: tc_warm, from which threads are taken and to which they are added;
 * tc_next, one full list or none; and tc_cold, any number of full lists.  With
 * tc_next at hand, no cold list is moved while threads are created and end in
 * turn.
 *
 * A dead thread keeps its stack, and so the memory that it has touched.  The
 * rule for how much a CPU keeps:
 *
 * - lwkt.cache_threads dead threads of each class for ever, in full lists.
 * - More, on two conditions.  The size of all stacks in its cold lists is at
 *   most the CPU's share of lwkt.cache_percent of the memory
 *   (machine_mem_size).  And the CPU has created as many threads in this period
 *   or in the last one.  So a CPU on which threads only die keeps no more.
 * - While a CPU has more than lwkt.cache_threads, a timer begins a new period
 *   every lwkt.cache_ms; while the timer is off, the period goes on.  In a
 *   period the CPU takes no more threads from the cache than it creates.  So it
 *   did not need those beyond that number, and gives their memory back as soon
 *   as it is idle.
 *
 * The memory of a stack that is given back goes to the host (the guard stays),
 * and the thread goes to the depot, which all CPUs share.  A list is given back
 * as a whole, so that one system call serves many stacks.  Between two lists an
 * idle CPU looks for other work.
 *
 * Allocation takes from tc_warm, then from the other lists, then from the
 * depot, and else makes new threads (vm_stack.c).
 *
 * INVARIANTS
 * DC1 A thread in a cache or the depot has TDF_FREE, and its td_refs is 0: no
 *    reference to it exists.  In the depot its td_cold is NULL, and its stack
 *    is zero, but for a canary.
 * DC2 vp_bytes is the size of all stacks in the cold lists of the CPU.
 * DC3 The depot's lock is held for list operations only, never during a call
 *    of the host, and always in a critical section.
 * DC4 While a CPU has more than lwkt.cache_threads of a class, not counting
 *    tc_warm, its timer runs.
 *
 * Source: J. Bonwick and J. Adams, "Magazines and Vmem" (USENIX 2001), for the
 * lists; DragonFly's thread objcache.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "kern/cpu/arena.h"
#include "kern/cpu/kern_ops.h"
#include "kern/boot/sysinit.h"
#include "vm/slab_var.h"
#include "vm/vm_cache.h"

COUNTER(depot_in, "vm.depot_put", "threads given to the depot");
COUNTER(depot_out, "vm.depot_get", "threads taken from the depot");
COUNTER(spared, "vm.cache_spared", "of vm.depot_put, given by idle CPUs");

/*
 * The default is enough for the benchmark skynet, a tree of threads with 10
 * children each: about 500 of its threads are dead at the same time.
 */
TUNABLE_INT(cache_threads, "lwkt.cache_threads", config_hard ? 2 : 1024, 1,
    1 << 24,
    "dead threads with their stacks that each CPU keeps of each size");
TUNABLE_INT(cache_percent, "lwkt.cache_percent", 10, 0, 90,
    "percent of memory that the stacks of more dead threads may take");
TUNABLE_INT(cache_ms, "lwkt.cache_ms", config_hard ? 5 : 1000, 1, 3600000,
    "how long idle CPUs keep these, ms");

static lwkt_thread_t depots[NSTACKS];	/* dead threads; depot_lock */
static uint32_t depot_lock;
static struct vm_pcpu *pcpus;
static size_t share;			/* (i) limit of vp_bytes in cold_put */
uint32_t cache_list;

/* Return lwkt.cache_ms in ns: the length of a period while the timer runs. */
int64_t
cache_time(void)
{
	return (int64_t)cache_ms * 1000000;
}

/* Take the depot's lock.  The caller is in a critical section (DC3). */
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

/* Return where the first thread of a full list names the next full list. */
static inline lwkt_thread_t *
list_link(lwkt_thread_t first)
{
	return &first->td_sleepq.tqe_next;
}

/* Return the size of all stacks of a full list. */
static inline size_t
list_bytes(unsigned cls)
{
	return cache_list * class_size(cls);
}

/* Return whether `cold` lists and tc_next, a full one, exceed n threads. */
static inline int
more_than(uint32_t cold, uint64_t n)
{
	return (uint64_t)(cold + 1) * cache_list > n;
}

/*
 * Give the memory of the stacks in a full list back to the host, and move the
 * threads to the depot.
 */
static void
list_drain(struct globaldata *gd, lwkt_thread_t first, unsigned cls)
{
	struct iovec stack[STACK_BATCH];
	lwkt_thread_t td, last;
	unsigned n = 0;

	td = first;
	do {
		stack[n++] = (struct iovec){ td->td_stack,
		    roundup2(td->td_stksize, machine_page_size()) };
		td->td_cold = NULL;				/* DC1 */
		last = td;
		td = td->td_freenext;
	} while (td != NULL);
	machine_mem_decommit_many(stack, n);
	for (td = first; td != NULL; td = td->td_freenext)
		if (td->td_flags & TDF_CANARY)
			*(uint64_t *)td->td_stack = STACK_CANARY;
	counter_add(gd->gd_cntbias, depot_in, n);
	depot_enter();						/* DC3 */
	last->td_freenext = depots[cls];
	depots[cls] = first;
	depot_exit();
}

/* Take the cold list that was added last.  tc_cold must not be NULL. */
static lwkt_thread_t
cold_take(struct vm_pcpu *vp, unsigned cls)
{
	struct thread_cache *tc = &vp->vp_cache[cls];
	lwkt_thread_t first = tc->tc_cold;

	tc->tc_cold = *list_link(first);
	tc->tc_ncold--;
	vp->vp_bytes -= list_bytes(cls);			/* DC2 */
	return first;
}

/*
 * Return a class of which the CPU has more than n threads and a cold list, or
 * -1 if there is none.
 */
static int
class_above(const struct vm_pcpu *vp, uint64_t n)
{
	unsigned cls;

	for (cls = 0; cls < NSTACKS; cls++)
		if (vp->vp_cache[cls].tc_cold != NULL &&
		    more_than(vp->vp_cache[cls].tc_ncold, n))
			return (int)cls;
	return -1;
}

/*
 * Return how many threads of a class the CPU may need: the most of
 * lwkt.cache_threads, the number of threads of all classes that it has created
 * in this period, and the number of those that it created in the last one.
 */
static inline uint64_t
needed(const struct globaldata *gd, const struct vm_pcpu *vp)
{
	uint64_t n = gd->gd_nextid - vp->vp_begin;

	n = n > vp->vp_last ? n : vp->vp_last;
	return n > (uint64_t)cache_threads ? n : (uint64_t)cache_threads;
}

static void	watch_timer(struct lwkt_systimer *st, void *arg);

/* Unless the timer runs, start it, and begin a new period (DC4). */
static void
watch(struct globaldata *gd, struct vm_pcpu *vp)
{
	if (vp->vp_watched)
		return;
	vp->vp_watched = 1;
	vp->vp_last = gd->gd_nextid - vp->vp_begin;
	vp->vp_begin = gd->gd_nextid;
	lwkt_systimer_init_oneshot(&vp->vp_timer, watch_timer, gd,
	    cache_time());
}

/*
 * End a period.  If the CPU has more than lwkt.cache_threads, begin the next
 * one, and request in gd_spare that the idle thread gives back what the CPU
 * does not need.  Otherwise the timer stays off.  Timer callback.
 */
static void
watch_timer(struct lwkt_systimer *st, void *arg)
{
	struct globaldata *gd = arg;
	struct vm_pcpu *vp = gd->gd_vmglue;

	(void)st;
	vp->vp_watched = 0;
	if (class_above(vp, (uint64_t)cache_threads) < 0)
		return;
	watch(gd, vp);						/* DC4 */
	if (class_above(vp, needed(gd, vp)) >= 0)
		gd->gd_spare |= SPARE_THREADS;
}

/*
 * Give one cold list that the CPU does not need back to the host.  If there is
 * none, clear the request in gd_spare.
 */
static void
threads_spare(struct globaldata *gd)
{
	struct vm_pcpu *vp = gd->gd_vmglue;
	int cls = class_above(vp, needed(gd, vp));

	if (cls < 0) {
		gd->gd_spare &= ~SPARE_THREADS;
		return;
	}
	counter_add(gd->gd_cntbias, spared, cache_list);
	list_drain(gd, cold_take(vp, (unsigned)cls), (unsigned)cls);
}

/*
 * Give a part of what the CPU does not need back to the host (ko_spare).
 * Called by the idle thread while gd_spare is not 0.
 */
static void
cache_spare(struct globaldata *gd)
{
	if (gd->gd_spare & SPARE_THREADS)
		threads_spare(gd);
	if (gd->gd_spare & SPARE_SLOTS)
		slots_spare(gd->gd_slab);
}

/*
 * Add a full list to the cold ones.  If the CPU may not keep one more (THEORY),
 * first give the cold list that was added last back to the host; if there is no
 * cold list, give the full list itself back instead of adding it.
 */
static void
cold_put(struct globaldata *gd, unsigned cls, lwkt_thread_t first)
{
	struct vm_pcpu *vp = gd->gd_vmglue;
	struct thread_cache *tc = &vp->vp_cache[cls];
	int above = more_than(tc->tc_ncold + 1, (uint64_t)cache_threads);

	if (above && (vp->vp_bytes + list_bytes(cls) > share ||
	    more_than(tc->tc_ncold + 1, needed(gd, vp)))) {
		if (tc->tc_cold == NULL) {
			list_drain(gd, first, cls);
			return;
		}
		list_drain(gd, cold_take(vp, cls), cls);
	}
	*list_link(first) = tc->tc_cold;
	tc->tc_cold = first;
	tc->tc_ncold++;
	vp->vp_bytes += list_bytes(cls);			/* DC2 */
	if (above)
		watch(gd, vp);					/* DC4 */
}

/* Make tc_warm, a full list, the new tc_next.  The old one becomes cold. */
__lwkt_noinline void
cache_full(struct globaldata *gd, unsigned cls)
{
	struct thread_cache *tc = cache_of(gd, cls);

	if (tc->tc_next != NULL)
		cold_put(gd, cls, tc->tc_next);
	tc->tc_next = tc->tc_warm;
	tc->tc_warm = NULL;
	tc->tc_nwarm = 0;
}

/* Take up to a full list of threads from the depot; return their number. */
static unsigned
depot_take(struct thread_cache *tc, unsigned cls)
{
	lwkt_thread_t td;
	unsigned n;

	depot_enter();
	for (n = 0; n < cache_list && (td = depots[cls]) != NULL; n++) {
		depots[cls] = td->td_freenext;
		cache_push(tc, td);
	}
	depot_exit();
	return n;
}

/*
 * Get threads for a cache whose tc_warm is empty: tc_next, a cold list, some of
 * the depot, or new threads.  Returns 0 or ENOMEM.
 */
__lwkt_noinline int
cache_fill(struct globaldata *gd, unsigned cls)
{
	struct thread_cache *tc = cache_of(gd, cls);
	lwkt_thread_t td;
	unsigned n;

	if (tc->tc_next != NULL || tc->tc_cold != NULL) {
		tc->tc_warm = tc->tc_next != NULL ? tc->tc_next :
		    cold_take(gd->gd_vmglue, cls);
		tc->tc_next = NULL;
		tc->tc_nwarm = cache_list;
		return 0;
	}
	if ((n = depot_take(tc, cls)) > 0) {
		counter_add(gd->gd_cntbias, depot_out, n);
		return 0;
	}
	n = stacks_make(gd, cls, cache_list, &td);
	if (n == 0)
		return ENOMEM;
	while (n-- > 0)			/* so td + 0 comes out first */
		cache_push(tc, td + n);
	return 0;
}

static int
vm_cache_boot(void)
{
	cache_list = (uint32_t)cache_threads / 2;
	if (cache_list > STACK_BATCH)
		cache_list = STACK_BATCH;
	if (cache_list == 0)
		cache_list = 1;
	share = machine_mem_size() / 100 * (unsigned)cache_percent /
	    (unsigned)lwkt__ncpus;
	pcpus = arena_alloc(sizeof(*pcpus) * (size_t)lwkt__ncpus);
	lwkt__kern_ops.ko_spare = cache_spare;
	return 0;
}

static void
vm_cache_cpu(struct globaldata *gd)
{
	gd->gd_vmglue = &pcpus[gd->gd_m.mc_cpuid];
}

/* Forget the depot at shutdown. */
static void
vm_cache_fini(void)
{
	lwkt__kern_ops.ko_spare = NULL;
	memset(depots, 0, sizeof(depots));
}

SYSINIT(SI_VM, vm_cache, vm_cache_boot, vm_cache_cpu, NULL, vm_cache_fini);
