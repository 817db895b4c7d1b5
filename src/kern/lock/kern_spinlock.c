/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks, exclusive and shared.
 *
 * THEORY
 * s_lock is 0 (free), 1 (held exclusively), or SHARED plus the number of shared
 * holders.  The number may be 0: SHARED stays set when the last shared holder
 * leaves, and so records how the lock was used last.  A shared request first
 * tries a compare-and-set that expects SHARED without a holder, an exclusive
 * request one that expects 0.  So a lock that is always taken in the same way
 * costs one locked instruction; the first taking in the other way costs one
 * more.
 *
 * Every taking is a compare-and-set of the whole word, so the test and the
 * change are one step.  (DragonFly tested first and set SHARED afterwards; this
 * caused three bugs in which a lock was held shared and exclusively at once.)
 * While the lock is held exclusively, no other CPU changes the word.  So a
 * release store, without a locked instruction, releases such a lock.
 *
 * CPUs that wait for the lock exclusively are counted in another word,
 * s_exclwait.  While it is not 0, new shared requests wait (lock_shared_slow
 * has two exceptions).
 *
 * Every CPU keeps a list of the locks that it holds.  If a thread blocks with a
 * spinlock, the panic names the last lock of the list.  The release of a lock
 * that is not in the list is a panic.
 *
 * A CPU that waits pauses between its tests of the lock, longer each time, up
 * to a limit.  If the wait takes longer than any holder should need, the host
 * has probably taken the core away from the holder: machine_pause() then yields
 * the core of the CPU that waits.
 *
 * A holder may send messages.  It may then wait for room in its ring to a CPU
 * that spins for the same lock.  So a CPU that spins reads that ring and defers
 * the messages (lwkt_ipiq_room.c).
 *
 * INVARIANTS
 * SP1 s_lock is 0, 1, or SHARED | n.
 * SP2 gd_spinlocks is the number of entries in use of gd_spinheld.  This CPU
 *    holds the lock of each entry.  For each entry the thread that took the
 *    lock is in one critical section, which it entered with the lock (the
 *    _quick functions: before).
 * SP3 While a CPU spins, its gd_spinwant is the lock; else gd_spinwant is 0.
 *    Other CPUs read gd_spinwant and, while this CPU spins or waits for room in
 *    a ring, gd_spinlocks and gd_spinheld.  So all of these are stored
 *    atomically.
 *
 * ORDER
 * A taking is a locked instruction.  A release is a release store or a locked
 * subtraction.  Either pairs with the compare-and-set of the next holder.
 *
 * Source: DragonFly kern_spinlock.c (SHARED as a cached bit, the count of
 * waiters, the growing pauses); its fetch-adds are compare-and-sets here.
 */
#include "kern/cpu/ktr_rec.h"
#include "kern/ipi/ipi_var.h"
#include "kern/lock/lock_var.h"
#include "kern/lock/lockorder.h"

#include <lwkt/spinlock.h>
#include <string.h>

TRACEPOINT(wait, KTR_SCHED, "spin.wait", "td=%llu word=%#llx");

COUNTER(contended, "lwkt.spin_contended", "spinlocks waited for");
COUNTER(pauses, "lwkt.spin_pauses", "pause instructions while waiting");

TUNABLE_INT(backoff_max, "lwkt.spin_backoff_max", 64, 1, 4096,
    "about the longest pause between two looks at a spinlock, in "
    "pause instructions");
TUNABLE_INT(window_shift, "lwkt.spin_window_shift", 6, 0, 20,
    "log2 of the looks for which a shared waiter lets exclusive ones pass");
TUNABLE_INT(panic_s, "lwkt.spin_panic_s", 60, 1, 86400,
    "seconds that a CPU waits for a spinlock before it panics");

#define EXCL		1u		/* s_lock: held exclusively */
#define SHARED		0x80000000u	/* s_lock: shared, or was last */

/* A CPU that waits reads the clock once in so many tests of the lock. */
#define CLOCK_LOOKS	4096

/* Thread, IPI or timer callback; never blocks. */
void
lwkt_spin_init(lwkt_spin_t s, const char *name)
{
	memset(s, 0, sizeof(*s));
	s->s_name = name;
}

/* Thread, IPI or timer callback; never blocks. */
void
lwkt_spin_uninit(lwkt_spin_t s)
{
	KASSERTF((atomic_load_32(&s->s_lock) & ~SHARED) == 0,
	    "spinlock \"%s\" is still held, word %#x", s->s_name, s->s_lock);
}

/* Thread, IPI or timer callback; never blocks. */
void
lwkt_spin_setrank(lwkt_spin_t s, unsigned rank)
{
	s->s_rank = rank;
}

/* Return whether this CPU holds s in any way.  gd is this CPU's. */
static int
held_here(struct globaldata *gd, lwkt_spin_t s)
{
	int i;

	for (i = 0; i < gd->gd_spinlocks; i++)
		if (gd->gd_spinheld[i] == s)
			return 1;
	return 0;
}

/*
 * Panic unless s has a higher rank than all locks that this CPU holds.  A lock
 * of rank 0 has no rank: it may always be taken, and does not forbid others.
 */
static void
check_rank(struct globaldata *gd, lwkt_spin_t s)
{
	lwkt_spin_t t;
	int i;

	for (i = 0; i < gd->gd_spinlocks; i++) {
		t = gd->gd_spinheld[i];
		KASSERTF(s->s_rank == 0 || t->s_rank < s->s_rank,
		    "spinlock \"%s\" of rank %u is taken while \"%s\" of rank "
		    "%u is held", s->s_name, s->s_rank, t->s_name, t->s_rank);
	}
}

/* Set entry i of the list of held locks; other CPUs may read it (SP3). */
static inline void
held_set(struct globaldata *gd, unsigned i, lwkt_spin_t s)
{
	atomic_poke_ptr((uintptr_t *)&gd->gd_spinheld[i], (uintptr_t)s);
}

/* Set the length of the list of held locks. */
static inline void
held_count(struct globaldata *gd, int n)
{
	atomic_poke_32((uint32_t *)&gd->gd_spinlocks, (uint32_t)n);
}

/* Append s to the list of held locks of this CPU; panic if it is full. */
static inline void
push(struct globaldata *gd, lwkt_spin_t s)
{
	unsigned n = (unsigned)gd->gd_spinlocks;

	if (unlikely(n >= LWKT_MAXSPINS))
		lwkt_panic("spinlock \"%s\" is number %u that cpu %d takes; "
		    "LWKT_MAXSPINS is the limit", s->s_name, n + 1,
		    gd->gd_m.mc_cpuid);
	held_set(gd, n, s);
	held_count(gd, (int)n + 1);
}

/*
 * The rest of pop(), when s is not the last entry of the list: remove s.  Panic
 * if the list does not contain s.
 */
static __lwkt_noinline void
pop_slow(struct globaldata *gd, lwkt_spin_t s)
{
	int i;

	for (i = gd->gd_spinlocks - 1; i >= 0; i--)
		if (gd->gd_spinheld[i] == s)
			break;
	if (i < 0)
		lwkt_panic("spinlock \"%s\" is released by thread \"%s\" on "
		    "cpu %d, which does not hold it", s->s_name,
		    curthread->td_name, gd->gd_m.mc_cpuid);
	held_count(gd, gd->gd_spinlocks - 1);
	for (; i < gd->gd_spinlocks; i++)
		held_set(gd, (unsigned)i, gd->gd_spinheld[i + 1]);
}

/* Remove s from the list of held locks; panic if it is not there. */
static inline void
pop(struct globaldata *gd, lwkt_spin_t s)
{
	int n = gd->gd_spinlocks;

	if (likely(n > 0 && gd->gd_spinheld[n - 1] == s))
		held_count(gd, n - 1);
	else
		pop_slow(gd, s);
}

/*
 * Panic unless the list of held locks of this CPU has a valid length (SP2) and
 * the word of each lock in it says that the lock is held (SP1).
 */
void
spin_check(struct globaldata *gd)
{
	uint32_t word;
	int i;

	KASSERTF(gd->gd_spinlocks >= 0 && gd->gd_spinlocks <= LWKT_MAXSPINS,
	    "cpu %d holds %d spinlocks", gd->gd_m.mc_cpuid, gd->gd_spinlocks);
	for (i = 0; i < gd->gd_spinlocks; i++) {
		word = atomic_peek_32(&gd->gd_spinheld[i]->s_lock);
		KASSERTF(word == EXCL || word > SHARED, "spinlock \"%s\" is "
		    "held by cpu %d, but has word %#x",
		    gd->gd_spinheld[i]->s_name, gd->gd_m.mc_cpuid, word);
	}
}

/*
 * Try to take s exclusively.  Return 1 if s was taken, else 0; *was is then the
 * value of the word that made the attempt fail.  The second compare-and-set
 * takes a free lock whose last holder was shared.
 */
static inline int
try_exclusive(lwkt_spin_t s, uint32_t *was)
{
	*was = 0;
	if (likely(atomic_fcmpset_32(&s->s_lock, was, EXCL)))
		return 1;
	return *was == SHARED && atomic_fcmpset_32(&s->s_lock, was, EXCL);
}

/*
 * Try to take s shared.  Return 1 if s was taken.  Return 0 if s is held
 * exclusively or, unless `rude`, a CPU waits for s exclusively; *was is then a
 * recent value of the word.
 */
static inline int
try_shared(lwkt_spin_t s, uint32_t *was, int rude)
{
	uint32_t to;

	*was = SHARED;
	if (unlikely(atomic_load_32(&s->s_exclwait) != 0) && !rude) {
		*was = atomic_load_32(&s->s_lock);
		return 0;
	}
	do {
		if (unlikely(*was == EXCL))
			return 0;
		to = (*was | SHARED) + 1;			/* SP1 */
	} while (unlikely(!atomic_fcmpset_32(&s->s_lock, was, to)));
	return 1;
}

/* The wait of this CPU for a lock. */
struct spin_wait {
	lwkt_spin_t	sw_spin;
	unsigned	sw_turn;	/* tests of the lock so far */
	int		sw_pauses;	/* pauses before the next test */
	int64_t		sw_since_ns;	/* first read of clock; 0: none yet */
	int64_t		sw_reported_s;	/* length of wait in last report, s */
	const char	*sw_wmesg;	/* td_wmesg before the wait */
};

/*
 * Print a line if the wait has lasted another second; panic after
 * lwkt.spin_panic_s.  The time counts from the first call.
 */
static void
complain(struct spin_wait *sw)
{
	int64_t now = machine_time_ns(), s;

	if (sw->sw_since_ns == 0)
		sw->sw_since_ns = now;
	s = (now - sw->sw_since_ns) / 1000000000;
	if (s >= panic_s)
		lwkt_panic("spinlock \"%s\" has been waited for %d s by cpu %d "
		    "(lwkt.spin_panic_s), word %#x", sw->sw_spin->s_name,
		    panic_s, mycpuid, sw->sw_spin->s_lock);
	if (s > sw->sw_reported_s)
		lwkt_printf("lwkt: cpu %d has waited for spinlock \"%s\" for "
		    "%d s\n", mycpuid, sw->sw_spin->s_name, (int)s);
	sw->sw_reported_s = s;
}

/*
 * Begin the wait *sw for s: initialise it and publish s in gd_spinwant (SP3).
 * was: a recent value of the word.  mine: 1 if this CPU itself holds s in a way
 * that makes it wait for ever; then panic.
 */
static void
wait_begin(struct spin_wait *sw, struct globaldata *gd, lwkt_spin_t s,
    uint32_t was, int mine)
{
	if (mine)
		lwkt_panic("spinlock \"%s\" is taken again by cpu %d, which "
		    "holds it", s->s_name, gd->gd_m.mc_cpuid);
	*sw = (struct spin_wait){ .sw_spin = s, .sw_pauses = 1,
	    .sw_wmesg = curthread->td_wmesg };
	counter_inc(gd->gd_cntbias, contended);
	ktr(gd, wait, curthread->td_id, was);
	atomic_store_rel_ptr(&gd->gd_spinwant, (uintptr_t)s);	/* SP3 */
	curthread->td_wmesg = s->s_name;
}

/* End the wait: this CPU has taken the lock. */
static void
wait_end(struct spin_wait *sw, struct globaldata *gd)
{
	curthread->td_wmesg = sw->sw_wmesg;
	atomic_store_rel_ptr(&gd->gd_spinwant, 0);
}

/*
 * Pause between two tests of the lock.  First defer messages of the CPUs that
 * wait for room in a ring to this CPU (ipiq_defer_waiting): the holder of the
 * lock may be one of them.  The pause grows by half with each call, until it
 * has lwkt.spin_backoff_max pause instructions or more.  Now and then, report
 * the length of the wait (complain).
 */
static void
wait_turn(struct spin_wait *sw, struct globaldata *gd)
{
	int i;

	ipiq_defer_waiting(gd);		/* the holder may wait for us: SP3 */
	counter_add(gd->gd_cntbias, pauses, (uint64_t)sw->sw_pauses);
	for (i = 1; i < sw->sw_pauses; i++)
		machine_pause(0);
	machine_pause(sw->sw_turn++);
	if (sw->sw_pauses < backoff_max)
		sw->sw_pauses += (sw->sw_pauses >> 1) + 1;
	if (unlikely(sw->sw_turn % CLOCK_LOOKS == 0))
		complain(sw);
}

/*
 * Spin until s is taken exclusively.  While this CPU is counted in s_exclwait,
 * new shared requests wait.
 */
static __lwkt_noinline void
lock_slow(struct globaldata *gd, lwkt_spin_t s, uint32_t was)
{
	struct spin_wait sw;

	wait_begin(&sw, gd, s, was, held_here(gd, s));
	(void)atomic_fetchadd_32(&s->s_exclwait, 1);
	do
		wait_turn(&sw, gd);
	while ((atomic_load_32(&s->s_lock) & ~SHARED) != 0 ||
	    !try_exclusive(s, &was));
	(void)atomic_fetchadd_32(&s->s_exclwait, (uint32_t)-1);
	wait_end(&sw, gd);
}

/*
 * Spin until s is taken shared.
 *
 * A CPU that already holds s shared ignores s_exclwait, because the exclusive
 * waiters wait for this CPU.  Other CPUs ignore s_exclwait during every second
 * window of 2^window_shift tests, so that a stream of exclusive waiters cannot
 * keep them out for ever.
 */
static __lwkt_noinline void
lock_shared_slow(struct globaldata *gd, lwkt_spin_t s, uint32_t was)
{
	int again = held_here(gd, s);
	struct spin_wait sw;

	wait_begin(&sw, gd, s, was, again && was == EXCL);
	while (!try_shared(s, &was, again ||
	    (sw.sw_turn >> window_shift) % 2 != 0))
		wait_turn(&sw, gd);
	wait_end(&sw, gd);
}

/*
 * Before this CPU takes s, perhaps after a wait: in invariants builds check the
 * rank and report to lockorder.c.
 */
static inline void
want(struct globaldata *gd, lwkt_spin_t s)
{
	if (config_invariants)
		check_rank(gd, s);
	order_want(LK_SPIN, s, s->s_name);
}

/* After this CPU has taken s: add s to its list, and report to lockorder.c. */
static inline void
took(struct globaldata *gd, lwkt_spin_t s)
{
	push(gd, s);
	order_took(LK_SPIN, s, s->s_name);
}

/* Take s exclusively; the CPU spins.  In a critical section. */
static inline void
lock(lwkt_spin_t s)
{
	struct globaldata *gd = mygd();
	uint32_t was;

	want(gd, s);
	if (unlikely(!try_exclusive(s, &was)))
		lock_slow(gd, s, was);
	took(gd, s);
}

/*
 * Release s; panic unless this CPU holds s exclusively.  No other CPU changes
 * the word of such a lock, so a release store is enough.
 */
static inline void
unlock(lwkt_spin_t s)
{
	pop(mygd(), s);
	order_drop(s);
	if (unlikely(atomic_peek_32(&s->s_lock) != EXCL))
		lwkt_panic("spinlock \"%s\" is not held exclusively, word %#x",
		    s->s_name, s->s_lock);
	atomic_store_rel_32(&s->s_lock, 0);			/* SP1 */
}

/* Take s shared; the CPU spins.  In a critical section. */
static inline void
lock_shared(lwkt_spin_t s)
{
	struct globaldata *gd = mygd();
	uint32_t was;

	want(gd, s);
	if (unlikely(!try_shared(s, &was, 0)))
		lock_shared_slow(gd, s, was);
	took(gd, s);
}

/* Release s; panic unless this CPU holds s shared. */
static inline void
unlock_shared(lwkt_spin_t s)
{
	pop(mygd(), s);
	order_drop(s);
	if (unlikely(atomic_peek_32(&s->s_lock) == EXCL))
		lwkt_panic("spinlock \"%s\" is not held shared", s->s_name);
	(void)atomic_fetchadd_32(&s->s_lock, (uint32_t)-1);	/* SP1 */
}

/* Thread, IPI or timer callback; never blocks, the CPU spins. */
void
lwkt_spin_lock(lwkt_spin_t s)
{
	crit_enter_td(caller_thread());
	lock(s);
}

/* Thread, IPI or timer callback; never blocks. */
void
lwkt_spin_unlock(lwkt_spin_t s)
{
	unlock(s);
	crit_exit();
}

/* Thread, IPI or timer callback; never blocks, the CPU spins. */
void
lwkt_spin_lock_shared(lwkt_spin_t s)
{
	crit_enter_td(caller_thread());
	lock_shared(s);
}

/* Thread, IPI or timer callback; never blocks. */
void
lwkt_spin_unlock_shared(lwkt_spin_t s)
{
	unlock_shared(s);
	crit_exit();
}

/* Thread, IPI or timer callback; never blocks. */
void
lwkt_spin_unlock_any(lwkt_spin_t s)
{
	if (atomic_load_32(&s->s_lock) == EXCL)
		unlock(s);
	else
		unlock_shared(s);
	crit_exit();
}

/* In a critical section; never blocks, the CPU spins. */
void
lwkt_spin_lock_quick(lwkt_spin_t s)
{
	INVARIANT(crit_test(curthread));
	lock(s);
}

/* In a critical section; never blocks. */
void
lwkt_spin_unlock_quick(lwkt_spin_t s)
{
	unlock(s);
}

/* In a critical section; never blocks, the CPU spins. */
void
lwkt_spin_lock_shared_quick(lwkt_spin_t s)
{
	INVARIANT(crit_test(curthread));
	lock_shared(s);
}

/* In a critical section; never blocks. */
void
lwkt_spin_unlock_shared_quick(lwkt_spin_t s)
{
	unlock_shared(s);
}

/* Thread, IPI or timer callback; never blocks. */
int
lwkt_spin_trylock(lwkt_spin_t s)
{
	lwkt_thread_t td = caller_thread();
	uint32_t was;

	crit_enter_td(td);
	if (!try_exclusive(s, &was)) {
		crit_exit_td(td);
		return 0;
	}
	took(mygd(), s);
	return 1;
}

/* Thread, IPI or timer callback; never blocks. */
int
lwkt_spin_lock_upgrade_try(lwkt_spin_t s)
{
	if (!lwkt_spin_held(s) || atomic_peek_32(&s->s_lock) == EXCL)
		lwkt_panic("spinlock \"%s\" is not held shared", s->s_name);
	return atomic_cmpset_32(&s->s_lock, SHARED | 1, EXCL);
}

/* Thread, IPI or timer callback; never blocks. */
int
lwkt_spin_held(lwkt_spin_t s)
{
	lwkt_thread_t td = caller_thread();
	int held;

	crit_enter_td(td);
	held = held_here(mygd(), s);
	crit_exit_td(td);
	return held;
}
