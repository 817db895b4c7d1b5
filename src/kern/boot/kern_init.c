/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot: lay out what the CPUs own, run them, and undo it all.
 *
 * THEORY
 * What kern/ needs for each CPU is laid out in the shared arena before any CPU
 * runs: globaldata, rings, sleep queues, timers, counters.  Then the host calls
 * cpu_main on each CPU.  cpu_main is the idle thread (idle.c), until the CPU
 * stops (shutdown.c).  It runs on the stack of the host thread, so boot and
 * shutdown depend on no thread's stack.
 *
 * INVARIANTS
 * BT1 No callback, and no thread except the idle thread, runs on a CPU before
 *    the si_cpu hooks have run there.
 *
 * Source: the order of DragonFly's mi_startup.
 */
#include "kern/cpu/arena.h"
#include "kern/cpu/stat_var.h"
#include "kern/time/systimer_var.h"
#include "kern/ipi/ipi_var.h"
#include "kern/sleep/synch_var.h"
#include "kern/lock/lend_var.h"
#include "kern/lock/lockorder.h"
#include "kern/lock/loud_var.h"
#include "kern/trouble/debug_var.h"
#include "kern/boot/boot_var.h"
#include "kern/boot/sysinit.h"

#include <errno.h>
#include <lwkt/boot.h>
#include <string.h>
#include <unistd.h>

TRACEPOINT(boot, KTR_HOST, "cpu.boot", "cpu=%llu of=%llu");
TRACEPOINT(stop, KTR_HOST, "cpu.stop", "cpu=%llu of=%llu");

TUNABLE_INT(maxthreads, "lwkt.maxthreads", 4 << 20, 16, 1 << 28,
    "threads that the arena has room for");

#define THREADS_LEAST	1024	/* fewer only by lwkt.maxthreads */
#define STACKS_ROOM	((size_t)64 << 20)	/* bytes left for stacks */

struct lwkt_config lwkt__boot_config;

extern const struct sysinit __start_lwkt_sysinit[] __attribute__((weak));
extern const struct sysinit __stop_lwkt_sysinit[] __attribute__((weak));

static uint32_t booted;		/* (a) 1: between prepare and release */
static int sysinits_done;		/* records whose si_boot succeeded */

/*
 * Return the record number k, from 0, in order of si_order.  Return NULL after
 * the last one.
 */
static const struct sysinit *
sysinit_nth(int k)
{
	const struct sysinit *si, *at;
	int before;

	for (si = __start_lwkt_sysinit; si < __stop_lwkt_sysinit; si++) {
		before = 0;
		for (at = __start_lwkt_sysinit; at < __stop_lwkt_sysinit; at++)
			before += at->si_order < si->si_order ||
			    (at->si_order == si->si_order && at < si);
		if (before == k)
			return si;
	}
	return NULL;
}

/* Return the size, in bytes, of an arena with room for `threads` threads. */
static size_t
arena_bytes(int ncpus, int threads)
{
	size_t size = 4096 + sizeof(struct arena_head);

	size += (size_t)ncpus * roundup2(sizeof(struct globaldata), 4096);
	size += (size_t)ncpus * (stat_bytes() + 4096);
	size += ipiq_bytes(ncpus) + synch_bytes(ncpus) +
	    systimer_bytes(ncpus) + 3 * 4096;
	size += (size_t)threads * sizeof(struct lwkt_thread);
	return roundup2(size, (size_t)1 << 20);
}

/*
 * Reserve an arena for lwkt.maxthreads.  If the host refuses, halve the number
 * of threads until the arena fits and STACKS_ROOM is left for stacks.  No
 * halved number is below THREADS_LEAST; lwkt.maxthreads itself may be.  Returns
 * 0, and stores the number of threads and the size in bytes; or ENOMEM if the
 * host refuses all of these numbers.  Prints a line if it refuses any.
 */
static int
arena_reserve(int *threadsp, size_t *sizep)
{
	void *room = NULL;
	int threads = maxthreads;

	*sizep = arena_bytes(lwkt__ncpus, threads);
	lwkt__arena = machine_arena_reserve(*sizep);
	while (lwkt__arena == NULL && threads / 2 >= THREADS_LEAST) {
		threads /= 2;
		*sizep = arena_bytes(lwkt__ncpus, threads);
		lwkt__arena = machine_arena_reserve(*sizep);
		if (lwkt__arena != NULL &&
		    (room = machine_mem_reserve(STACKS_ROOM)) == NULL) {
			machine_mem_release(lwkt__arena, *sizep);
			lwkt__arena = NULL;
		}
	}
	if (lwkt__arena == NULL) {
		lwkt_printf("lwkt: the host refuses %zu MiB of address space "
		    "for %d threads (ulimit -v; lwkt.maxthreads)",
		    *sizep >> 20, threads);
		return ENOMEM;
	}
	if (room != NULL) {
		machine_mem_release(room, STACKS_ROOM);
		lwkt_printf("lwkt: room for %d threads only, not for %d: the "
		    "host refuses the address space (ulimit -v; "
		    "lwkt.maxthreads)", threads, maxthreads);
	}
	*threadsp = threads;
	return 0;
}

/* Fill in the head of the arena. */
static void
arena_layout(const struct lwkt_config *cfg, int threads, size_t size)
{
	struct arena_head *ah = lwkt__arena;

	ah->ah_magic = ARENA_MAGIC;
	ah->ah_version = ARENA_VERSION;
	ah->ah_pid = (uint32_t)getpid();
	ah->ah_base = (uint64_t)(uintptr_t)ah;
	ah->ah_size = size;
	ah->ah_used = 4096;
	ah->ah_ncpus = (uint32_t)lwkt__ncpus;
	ah->ah_gdstride = roundup2(sizeof(struct globaldata), 4096);
	ah->ah_tdsize = sizeof(struct lwkt_thread);
	ah->ah_tdmax = (uint32_t)threads;
	if (cfg != NULL && cfg->lc_name != NULL)
		strncpy(ah->ah_name, cfg->lc_name, sizeof(ah->ah_name) - 1);
}

/* Initialize a CPU and its idle thread, and enter the CPU in lwkt__gd. */
static void
gd_init(struct globaldata *gd, int cpu)
{
	lwkt_thread_t td = &gd->gd_idlethread;

	gd->gd_m.mc_self = &gd->gd_m;
	gd->gd_m.mc_cpuid = cpu;
	gd->gd_m.mc_curthread = td;
	td->td_gd = gd;
	td->td_flags = TDF_IDLE | TDF_RUNNING;
	td->td_critcount = 1;
	td->td_refs = 1;
	td->td_cold = &gd->gd_idlecold;
	td->td_cold->tc_magic = THREAD_MAGIC;
	td->td_pri = LWKT_PRI_IDLE;
	td->td_id = gd->gd_nextid++ * LWKT_MAXCPU + (uint64_t)cpu;
	strncpy(td->td_name, "idle", LWKT_NAMELEN - 1);
	lwkt__gd[cpu] = gd;
	loud_place(gd);
	stat_place(gd, arena_alloc(stat_bytes()));
}

/* Give each CPU its parts of the arena. */
static void
place_all(void)
{
	struct arena_head *ah = lwkt__arena;
	char *gds;
	int cpu;

	gds = arena_alloc((size_t)ah->ah_gdstride * (size_t)lwkt__ncpus);
	ah->ah_gdoff = (uint64_t)(gds - (char *)ah);
	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		gd_init((struct globaldata *)(void *)(gds +
		    (size_t)cpu * ah->ah_gdstride), cpu);
	ipiq_place(arena_alloc(ipiq_bytes(lwkt__ncpus)), lwkt__ncpus);
	synch_place(arena_alloc(synch_bytes(lwkt__ncpus)), lwkt__ncpus);
	systimer_place(arena_alloc(systimer_bytes(lwkt__ncpus)), lwkt__ncpus);
	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		clock_place(gd_find(cpu), hardclock);
}

/* mu_cpu_main: run one CPU from its start to its end, as the idle thread. */
static void
cpu_main(struct mcpu *mc)
{
	struct globaldata *gd = (struct globaldata *)(void *)mc;
	const struct sysinit *si;
	int k;

	no_unwind();		/* into the caller of lwkt_boot() */
	fiber_init_host(&gd->gd_idlecold.tc_fiber);
	inline_allow(gd, 1);
	if (mc->mc_cxx != NULL)
		gd->gd_unusual |= UNUSUAL_CXX;
	ktr(gd, boot, mc->mc_cpuid, lwkt__ncpus);
	for (k = 0; (si = sysinit_nth(k)) != NULL; k++)		/* BT1 */
		if (si->si_cpu != NULL)
			si->si_cpu(gd);
	idle_loop(gd);
	machine_watch(0);
	ktr(gd, stop, mc->mc_cpuid, lwkt__ncpus);
	stop_this_cpu(gd);
	while (k-- > 0)
		if ((si = sysinit_nth(k))->si_cpu_fini != NULL)
			si->si_cpu_fini(gd);
	inline_allow(gd, 0);
}

static const struct machine_upcalls upcalls = {
	.mu_cpu_main = cpu_main,
	.mu_fault = panic_fault,
	.mu_escape = panic_escape,
	.mu_deadlock = panic_deadlock,
	.mu_nmi = halt_nmi,
	.mu_watch = watch_intr,
	.mu_signal = async_signal,
	.mu_interrupted = async_run,
	.mu_point = liveness_point,
};

/*
 * The calls from a room of kern/ to a later room (kern_ops.h), except splz().
 */
static const struct kern_hooks hooks = {
	.kh_delayed_flush = delayed_flush,
	.kh_lend_late = lend_apply_late,
	.kh_check = check_sometimes,
};

/* Call si_fini of all records whose si_boot succeeded, last first. */
static void
sysinits_undo(void)
{
	const struct sysinit *si;

	while (sysinits_done > 0) {
		si = sysinit_nth(--sysinits_done);
		if (si->si_fini != NULL)
			si->si_fini();
	}
}

/*
 * Call si_boot of all records in order.  Returns 0, or the errno of the first
 * one that fails, after sysinits_undo().
 */
static int
sysinits_boot(void)
{
	const struct sysinit *si;
	int error;

	while ((si = sysinit_nth(sysinits_done)) != NULL) {
		error = si->si_boot != NULL ? si->si_boot() : 0;
		if (error != 0) {
			sysinits_undo();
			return error;
		}
		sysinits_done++;
	}
	return 0;
}

/*
 * Lay out the arena, and call the boot hooks.  Returns 0; EBUSY if a kernel is
 * booted already; or an errno, with everything undone.  Plain pthread.
 */
int
kern_boot_prepare(const struct lwkt_config *cfg)
{
	struct machine_config mcf = {
		.mcf_ncpus = cfg != NULL ? cfg->lc_ncpus : 0,
		.mcf_seed = cfg != NULL ? cfg->lc_seed : 0,
	};
	int error, threads;
	size_t size;

	if (!atomic_cmpset_32(&booted, 0, 1))
		return EBUSY;
	lwkt__boot_config = cfg != NULL ? *cfg : (struct lwkt_config){ 0 };
	lwkt__kern_hooks = hooks;
	fiber_boot();
	panic_boot();
	deadlock_boot();
	cpusync_boot();
	tokens_boot();
	if (config_invariants)
		lockorder_boot();
	if ((error = stat_boot()) != 0 ||
	    (error = machine_boot(&mcf, &upcalls, &lwkt__ncpus)) != 0) {
		atomic_store_rel_32(&booted, 0);
		return error;
	}
	if ((error = arena_reserve(&threads, &size)) != 0) {
		kern_boot_release();
		return error;
	}
	if (config_host_sim)
		liveness_boot();
	shutdown_boot();
	arena_layout(cfg, threads, size);
	place_all();
	if ((error = sysinits_boot()) != 0)
		kern_boot_release();
	return error;
}

/*
 * Run all CPUs; the caller becomes CPU 0 (simulated host: every CPU) until the
 * shutdown.  Returns 0 when all CPUs have stopped, or an errno of
 * machine_run().  Plain pthread.
 */
int
kern_boot_run(void)
{
	struct mcpu *mc[LWKT_MAXCPU];
	int cpu;

	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		mc[cpu] = &gd_find(cpu)->gd_m;
	return machine_run(mc, lwkt__ncpus);
}

/* Undo kern_boot_prepare().  Plain pthread, when no CPU runs. */
void
kern_boot_release(void)
{
	if (lwkt__arena != NULL) {
		sysinits_undo();
		stat_shutdown();
		machine_mem_release(lwkt__arena, lwkt__arena->ah_size);
	}
	machine_shutdown();
	lwkt__arena = NULL;
	lwkt__ncpus = 0;
	memset(lwkt__gd, 0, sizeof(lwkt__gd));
	atomic_store_rel_32(&booted, 0);
}
