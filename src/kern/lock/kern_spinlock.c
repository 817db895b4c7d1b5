/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks, exclusive and shared.
 *
 * THEORY
 * s_lock is 0 (free), 1 (held exclusively), or SHARED with a count of shared
 * holders.  The count may be 0: the bit stays set when the last shared holder
 * leaves, and so records how the lock was used last.  A shared locker first
 * guesses SHARED with no holder, an exclusive one guesses 0.  So a lock that is
 * always taken in the same way costs one locked instruction; the first taking
 * in the other way costs one more.
 *
 * Every step is a compare-and-set of the whole word, so the check includes the
 * old value.  (DragonFly tested first and set SHARED afterwards; three times
 * that made a lock shared and exclusive at once.)  It follows that no other CPU
 * changes the word while it is held exclusively, and so a plain store releases
 * such a lock.  Exclusive waiters are counted in another word, s_exclwait:
 * while it is not 0, new shared requests wait.
 *
 * Every CPU keeps a list of the locks that it holds.  The list names the lock
 * when a thread blocks with one, and reveals a release by a CPU that does not
 * hold the lock.
 *
 * A waiter pauses between its checks of the lock, longer each time.  If the
 * wait takes longer than any holder should need, the host has taken the core
 * away from the holder, and machine_pause gives it the core of the waiter.
 *
 * A holder may send messages, and may wait for room in the ring to a CPU that
 * spins for the same lock.  So a CPU that spins reads that ring and defers
 * what it reads (lwkt_ipiq_room.c).
 *
 * INVARIANTS
 * SP1 s_lock is 0, 1, or SHARED | n.
 * SP2 gd_spinlocks = entries in use of gd_spinheld, each held by this CPU and
 *    with one critical section of the thread that took it (_quick: the
 *    caller's).
 * SP3 While a CPU spins, gd_spinwant is the lock.  Other CPUs read it, and
 *    gd_spinheld of CPUs that wait: these words are stored atomically.
 *
 * ORDER
 * Taking is a locked instruction; releasing is a release store or a locked
 * subtraction.  Both pair with the compare-and-set of the next holder.
 *
 * Source: DragonFly kern_spinlock.c (the cached bit, counts of waiters, the
 * back-off); its fetch-adds are compare-and-sets here.
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
    "longest pause between two looks at a spinlock, in pause instructions");
TUNABLE_INT(window_shift, "lwkt.spin_window_shift", 6, 0, 20,
    "log2 of the looks for which a shared waiter lets exclusive ones pass");
TUNABLE_INT(panic_s, "lwkt.spin_panic_s", 60, 1, 86400,
    "seconds that a CPU waits for a spinlock before it panics");

#define EXCL		1u
#define SHARED		0x80000000u

#define CLOCK_LOOKS	4096	/* checks between two of the clock */

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

/* Tell whether this CPU holds s. */
static int
held_here(struct globaldata *gd, lwkt_spin_t s)
{
	int i;

	for (i = 0; i < gd->gd_spinlocks; i++)
		if (gd->gd_spinheld[i] == s)
			return 1;
	return 0;
}

/* Panic unless s has a higher rank than all ranked locks held here. */
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

/* Set an entry of the list of held locks.  Other CPUs may read it.  (SP3) */
static inline void
held_set(struct globaldata *gd, unsigned i, lwkt_spin_t s)
{
	atomic_poke_ptr((uintptr_t *)&gd->gd_spinheld[i], (uintptr_t)s);
}

/* Set the length of that list. */
static inline void
held_count(struct globaldata *gd, int n)
{
	atomic_poke_32((uint32_t *)&gd->gd_spinlocks, (uint32_t)n);
}

/* Append s to the list of locks that this CPU holds. */
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

/* Remove s from the list, where it is not the last one taken. */
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

/* Remove s from that list. */
static inline void
pop(struct globaldata *gd, lwkt_spin_t s)
{
	int n = gd->gd_spinlocks;

	if (likely(n > 0 && gd->gd_spinheld[n - 1] == s))
		held_count(gd, n - 1);
	else
		pop_slow(gd, s);
}

/* Check SP1 and SP2 for the locks that the CPU holds. */
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
 * Try once to take s exclusively; *was becomes the word that refused.  The
 * second compare-and-set takes a free lock that was shared last.
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
 * Try to take s shared; *was becomes the word that refused.  `rude`: also while
 * exclusive waiters are counted.
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

/* A wait for a lock. */
struct spin_wait {
	lwkt_spin_t	sw_spin;
	unsigned	sw_turn;	/* checks so far */
	int		sw_pauses;	/* between this check and the next */
	int64_t		sw_since_ns;	/* 0: not yet asked */
	int64_t		sw_told_s;	/* last complaint */
	const char	*sw_wmesg;	/* of a sleep that it interrupts */
};

/* Report a wait that takes seconds; panic after lwkt.spin_panic_s. */
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
	if (s > sw->sw_told_s)
		lwkt_printf("lwkt: cpu %d has waited for spinlock \"%s\" for "
		    "%d s\n", mycpuid, sw->sw_spin->s_name, (int)s);
	sw->sw_told_s = s;
}

/*
 * Begin a wait: publish the lock in gd_spinwant (SP3).  `mine`: this CPU holds
 * the lock in a way that excludes the wanted one.
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

/* End a wait. */
static void
wait_end(struct spin_wait *sw, struct globaldata *gd)
{
	curthread->td_wmesg = sw->sw_wmesg;
	atomic_store_rel_ptr(&gd->gd_spinwant, 0);
}

/*
 * Pause between two checks.  First read and defer the messages for this CPU:
 * the holder may wait for room in their ring.
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
 * A CPU that already holds s shared does not wait for exclusive waiters,
 * because these wait for it.  Other CPUs ignore s_exclwait during every second
 * window of 2^window_shift checks, so that a stream of exclusive waiters cannot
 * keep them out forever.
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

/* Check and note that this CPU is about to take s, perhaps after a wait. */
static inline void
want(struct globaldata *gd, lwkt_spin_t s)
{
	if (config_invariants)
		check_rank(gd, s);
	order_want(LK_SPIN, s, s->s_name);
}

/* Note that this CPU has taken s. */
static inline void
took(struct globaldata *gd, lwkt_spin_t s)
{
	push(gd, s);
	order_took(LK_SPIN, s, s->s_name);
}

/* Take s exclusively.  In a critical section. */
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
 * Release s, which is held exclusively.  No other CPU changes the word
 * meanwhile, so a release store is enough.
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

/* Take s shared.  In a critical section. */
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

/* Release s, which is held shared. */
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
