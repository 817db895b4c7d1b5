/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads with their stacks: taken from the caches for each new thread, and put
 * back when they are dead.
 *
 * THEORY
 * A thread and its stack are made once (vm_stack.c) and used for one thread
 * after the other (vm_cache.c).  The first life of a structure begins with
 * thread_init(), as does a life after the memory of the stack was given back
 * (td_cold is NULL then), and every life while a checker must be told of new
 * stacks (fiber_wanted).  Any other life begins with thread_renew(), which
 * writes only what a life changes.
 *
 * Source: DragonFly's lwkt_alloc_thread and lwkt_create.
 */
#include <errno.h>
#include <lwkt/thread.h>

#include "kern/cpu/kern_ops.h"
#include "kern/thread/thread_make.h"
#include "kern/boot/boot_var.h"
#include "kern/boot/sysinit.h"
#include "vm/vm_cache.h"

COUNTER(hit, "vm.cache_hits", "threads taken from the CPU's cache");
COUNTER(nomem, "vm.threads_refused", "threads not created: no memory");

#define DEFAULT_STACK	((size_t)64 << 10)

static unsigned default_class;		/* (i) of stacks of no given size */

/* The rest of thread_free() if tc_warm of the cache is a full list. */
static __lwkt_noinline void
thread_free_full(struct globaldata *gd, lwkt_thread_t td)
{
	cache_full(gd, td->td_slot);
	cache_push(cache_of(gd, td->td_slot), td);
	crit_exit_td(curthread);
}

/*
 * Put a thread whose last reference was dropped on this CPU into the CPU's
 * cache (ko_thread_free).
 */
static void
thread_free(lwkt_thread_t td)
{
	lwkt_thread_t self = curthread;
	struct thread_cache *tc;
	struct globaldata *gd;

	crit_enter_td(self);
	gd = mygd();
	tc = cache_of(gd, td->td_slot);
	td->td_flags = (td->td_flags & (TDF_ARENA | TDF_CANARY)) | TDF_FREE;
	atomic_store_32(&td->td_refs, 0);			/* DC1 */
	if (unlikely(tc->tc_nwarm == cache_list)) {
		thread_free_full(gd, td);
		return;
	}
	cache_push(tc, td);
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
__lwkt_inline lwkt_thread_t
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
	} else if (cache_fill(gd, cls) != 0) {
		counter_inc(gd->gd_cntbias, nomem);
		crit_exit_td(self);
		return NULL;
	}
	td = cache_pop(tc);
	cpu = pick_cpu(gd, cpu);
	if (likely(td->td_cold != NULL) && !fiber_wanted())
		thread_renew(td, flags, cpu);
	else
		thread_init(td, td->td_stack, td->td_stksize, flags, cpu);
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
	int cls = stksize != 0 ? stack_class(stksize) : (int)default_class;

	machine_check_cpu();
	if (create_args_bad(flags, cpu) || cls < 0)
		return NULL;
	return thread_alloc((unsigned)cls, cpu, flags);
}

/*
 * Free a thread that was never started; panic if it was started, or freed
 * before.  Thread context; never blocks.
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
	if (unlikely(create_args_bad(flags, cpu)))
		return EINVAL;
	if (td == NULL) {
		if ((td = thread_alloc(default_class, cpu, flags)) == NULL)
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

static int
vm_glue_boot(void)
{
	size_t size = lwkt__boot_config.lc_stksize;
	int cls = stack_class(size != 0 ? size : DEFAULT_STACK);

	if (cls < 0)
		return EINVAL;
	default_class = (unsigned)cls;
	lwkt__kern_ops.ko_thread_free = thread_free;
	return 0;
}

SYSINIT(SI_VM, vm_glue, vm_glue_boot, NULL, NULL, NULL);
