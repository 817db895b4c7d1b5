/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday rwlock: a mtx whose readers can count by CPU.
 *
 * THEORY
 * Writers, and readers in general, are holders of the mtx rw_mtx, exclusive and
 * shared ones.  Waiters are those of the mtx (mtx_wait.c): the best waiter
 * first; between readers and writers of equal priority, a group of readers and
 * one writer alternate, so neither kind can keep the other out.
 *
 * Each taking of a mtx is a locked instruction on a line that all readers
 * share.  So after many takings of the mtx by readers (read_mtx) the lock
 * becomes biased, if the host has a fence on all CPUs: its readers then count
 * in a slot of their CPU, by plain stores to a line of their own.  The slot is
 * found by a hash of the lock's address; a reader whose slot is in use for
 * another lock takes the mtx.  The bias is itself a shared holder of the mtx,
 * with a bit of the count of its own (RW_BIAS).  So no writer can take the mtx
 * of a biased lock.
 *
 * A writer that finds the mtx taken queues its request, and then revokes the
 * bias, if the lock is biased.  It replaces RW_BIAS by RW_REVOKE, so no more
 * readers count in slots.  It marks the slots of the lock, executes a fence on
 * all CPUs, and makes the readers that the slots count shared holders of the
 * mtx, as if they had taken it in the first place.  The mtx does the rest: the
 * last reader gives it to the best waiter, and the writer waits for its turn or
 * its timeout.  A revocation takes about 10 us.  The lock can become biased
 * again after lwkt.rwlock_bias more takings of the mtx by readers, so
 * revocations are rare.
 *
 * It does not matter which reader holds the lock in which way: a reader that
 * unlocks takes one reader off the slot of its CPU or, if the slot counts none,
 * off the mtx.  If the mtx counts none either, the slot of another CPU counts
 * one too many: this reader has moved here from that CPU, or another reader
 * has, and has taken this one off the slot here when it unlocked.  Then the
 * unlock revokes the bias, and after that the mtx counts a reader.
 *
 * A reader changes its slot in a leaf section: the count by a load and a store,
 * between which the revoker may have read the count.  The reader then sees
 * after its store that the slot was marked.  It waits until the revoker has
 * stored how many readers were moved (rs_moved).  The difference to its own
 * count shows the reader whether it was one of them (settle).
 *
 * INVARIANTS
 * RW1 RW_BIAS or RW_REVOKE is set in m_lock, or no reader is in a slot (except
 *    for a reader that is about to set RW_BIAS, or to find that it is clear).
 *    At most one of the two is set, and never together with MTX_EXCLUSIVE.
 * RW2 The readers in the slots of a lock and in RW_READERS of its mtx are
 *    together as many as the readers that hold the lock (except for readers
 *    that are about to change a count, and a revoker that moves readers).
 * RW3 Only the slot's CPU changes rs_count.  A reader that was changing
 *    rs_count when the slot was marked then calls settle().  The slot's CPU
 *    changes rs_lock and rs_moved only while the slot is not marked.  The CPU
 *    that has set RW_REVOKE marks rs_lock, writes rs_moved, and last writes 0
 *    to rs_lock.
 * RW4 A slot whose rs_lock is 0 counts no reader: rs_count is rs_moved (from
 *    the end of settle() on, if a reader was changing rs_count).  In an
 *    unmarked slot of a lock rs_moved is 0.
 * RW5 After the store of rs_count in an unlock, the lock is touched only if the
 *    reader was moved: the lock may have been freed by then.
 *
 * ORDER
 * RWO1 Reader: store of rs_count, then load of rs_lock.  Revoker: the mark by
 *    a locked instruction, a fence on all CPUs, then load of rs_count.  Either
 *    the reader sees the mark, or the revoker sees the reader.  The reader
 *    reads m_lock too: the slot may name an earlier lock at this address.  To
 *    read m_lock alone would not be enough: between the reader's first load of
 *    rs_lock and its store, this bias may be revoked and another one begin.
 * RWO2 Unlocking reader: store of rs_count (release), then load of rs_lock.
 *    Revoker: as above.  Either the reader sees the mark, or the revoker sees
 *    the new count (acquire).
 * RWO3 First reader of a slot: rs_lock by a locked instruction, then load of
 *    m_lock.  Revoker: RW_REVOKE by a locked instruction, then load of rs_lock.
 *    Either the reader sees that RW_BIAS is clear, or the revoker marks the
 *    slot.
 * RWO4 Writer: MTX_EXWANTED, then load of m_lock.  RW_BIAS is set in the same
 *    word by a compare and set that fails if MTX_EXWANTED is set.
 *
 * Source: D. Dice, A. Kogan, "BRAVO - Biased Locking for Reader-Writer Locks"
 * (2019), for the bias and its cost; FreeBSD's rmlock and Linux's percpu-rwsem
 * for counts by CPU.  The move of counted readers to the mtx is ours.
 */
#include "kern/cpu/crit.h"
#include "kern/lock/lockorder.h"
#include "kern/lock/mtx_var.h"

#include <errno.h>
#include <limits.h>
#include <lwkt/sync.h>

TUNABLE_INT(bias_reads, "lwkt.rwlock_bias", config_hard ? 2 :
    config_host_sim ? 4 : 4096, 0, INT_MAX, "times that readers take the mtx "
    "of a rwlock before they count by CPU; 0: they never do");

COUNTER(biases, "lwkt.rwlock_biases", "rwlocks whose readers began to count by "
    "CPU");
COUNTER(revokes, "lwkt.rwlock_revokes", "rwlocks whose readers had to take the "
    "mtx again");

/* The fields of MTX_COUNT in m_lock of a rwlock (RW1, RW2). */
#define RW_REVOKE	0x08000000u	/* a CPU revokes the bias */
#define RW_BIAS		0x04000000u	/* readers may count by CPU */
#define RW_READERS	0x03ffffffu	/* number of readers in the mtx */

CTASSERT((RW_REVOKE | RW_BIAS | RW_READERS) == MTX_COUNT, "all of the count");

#define RS_MOVING	((uintptr_t)1)	/* rs_lock: the revoker's mark */

CTASSERT(_Alignof(struct lwkt_rwlock) > RS_MOVING, "a bit of the address");

/* Thread context; never blocks. */
void
lwkt_rwlock_init(struct lwkt_rwlock *rw, const char *name)
{
	*rw = (struct lwkt_rwlock)LWKT_RWLOCK_INITIALIZER(name);
}

/* Return the slot of a CPU in which readers of the lock count. */
static struct rw_slot *
slot_of(struct globaldata *gd, const struct lwkt_rwlock *rw)
{
	uint32_t hash = (uint32_t)machine_key(rw) * 0x9e3779b1u;

	return &gd->gd_rwslot[hash >> (32 - RW_SLOTS_LOG2)];
}

/*
 * Return slot_of() this CPU, if bias() was called for the lock before.  Else
 * rw_slot is 0: return the CPU itself, whose first word is the address of no
 * lock.
 */
static inline struct rw_slot *
slot_here(const struct lwkt_rwlock *rw)
{
	return (struct rw_slot *)(void *)((char *)mygd() +
	    atomic_load_32(&rw->rw_slot));
}

/*
 * Counting in the slot of this CPU, in a leaf section.
 */

/* Return whether the slot names the lock, and is not marked. */
static inline int
names(const struct rw_slot *rs, const struct lwkt_rwlock *rw)
{
	return atomic_load_ptr(&rs->rs_lock) == (uintptr_t)rw;
}

/*
 * Return whether the lock is biased.  Acquire: pairs with the locked
 * instructions of the last writer.
 */
static inline int
is_biased(const struct lwkt_rwlock *rw)
{
	return (atomic_load_acq_32(&rw->rw_mtx.m_lock) & RW_BIAS) != 0;
}

/*
 * Set the number of readers to n.  The caller then tests whether the new number
 * is valid: names() and, after an addition, is_biased().  Release: pairs with
 * the acquire in move(), for the readers that have left.
 */
static inline void
set_count(struct rw_slot *rs, uint32_t n)
{
	atomic_store_rel_32(&rs->rs_count, n);
	cc_fence();						/* RWO1, RWO2 */
}

/*
 * The caller has subtracted 1 from the count.  If the slot was marked, wait
 * until the revoker has moved the readers.  Return 1 if the slot was not
 * marked, or the revoker has read the count after the subtraction.  Return 0 if
 * the revoker has moved the reader that the caller subtracted: that reader is
 * in the mtx now.
 */
static int
settle(struct rw_slot *rs, const struct lwkt_rwlock *rw)
{
	uint32_t n = atomic_load_32(&rs->rs_count), moved;
	unsigned turn = 0;

	if (names(rs, rw))
		return 1;
	/* Acquire: pairs with the release in move(). */
	while (atomic_load_acq_ptr(&rs->rs_lock) != 0)		/* RW3 */
		machine_pause(turn++);
	moved = atomic_load_32(&rs->rs_moved);
	INVARIANT(n == moved || n + 1 == moved);
	atomic_store_32(&rs->rs_count, moved);			/* RW4 */
	return n == moved;
}

/*
 * The caller has added 1 to the count.  Return 1 if it holds the lock: the lock
 * is biased, or the caller was moved to the mtx.  Else undo the addition and
 * return 0.
 */
static int
confirm(struct rw_slot *rs, const struct lwkt_rwlock *rw)
{
	if (names(rs, rw) && is_biased(rw))			/* RWO1 */
		return 1;
	set_count(rs, atomic_load_32(&rs->rs_count) - 1);
	return !settle(rs, rw);
}

/*
 * Let the slot name the lock, with one reader, and return 1.  Return 0 if the
 * slot already counts readers, of any lock, or is marked.
 */
static int
claim(struct rw_slot *rs, const struct lwkt_rwlock *rw)
{
	uintptr_t old = atomic_load_ptr(&rs->rs_lock);

	if (old != 0 && ((old & RS_MOVING) != 0 ||
	    atomic_load_32(&rs->rs_count) != 0 ||
	    !atomic_cmpset_ptr(&rs->rs_lock, old, 0)))		/* RW3 */
		return 0;
	atomic_store_32(&rs->rs_moved, 0);			/* RW4 */
	atomic_store_32(&rs->rs_count, 1);
	(void)atomic_swap_ptr(&rs->rs_lock, (uintptr_t)rw);	/* RWO3 */
	return 1;
}

/*
 * Revoking the bias.
 */

/* If the slot names the lock, mark it and return 1, else return 0. */
static int
mark(struct rw_slot *rs, const struct lwkt_rwlock *rw)
{
	return names(rs, rw) && atomic_cmpset_ptr(&rs->rs_lock, (uintptr_t)rw,
	    (uintptr_t)rw | RS_MOVING);
}

/*
 * If the slot is marked for the lock, empty it and return the number of its
 * readers, else return 0.
 */
static uint32_t
move(struct rw_slot *rs, const struct lwkt_rwlock *rw)
{
	uint32_t n;

	if (atomic_load_ptr(&rs->rs_lock) != ((uintptr_t)rw | RS_MOVING))
		return 0;
	/* Acquire: pairs with the release in set_count(). */
	n = atomic_load_acq_32(&rs->rs_count);			/* RWO1 */
	atomic_store_32(&rs->rs_moved, n);			/* RW4 */
	/* Release: pairs with the acquire in settle(). */
	atomic_store_rel_ptr(&rs->rs_lock, 0);			/* RW3 */
	return n;
}

/*
 * Empty the slots of the lock and return the number of their readers.  The
 * caller has set RW_REVOKE.
 */
static uint32_t
move_all(const struct lwkt_rwlock *rw)
{
	int cpu, marked = 0;
	uint32_t n = 0;

	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		marked += mark(slot_of(gd_find(cpu), rw), rw);
	if (marked == 0)
		return 0;
	if (!machine_fence_all())				/* RWO1, RWO2 */
		lwkt_panic("rwlock \"%s\": the host fences no longer",
		    rw->rw_mtx.m_name);
	for (cpu = 0; cpu < lwkt__ncpus; cpu++)
		n += move(slot_of(gd_find(cpu), rw), rw);
	return n;
}

/*
 * Replace RW_REVOKE, which the caller has set, by n readers.  If there is no
 * reader then, but a request waits, give the mtx to the next owner.
 */
static void
replace_by(lwkt_mtx_t m, uint32_t n)
{
	uint32_t c = atomic_load_32(&m->m_lock);

	for (;;) {
		if ((c & MTX_COUNT) == RW_REVOKE && n == 0 &&
		    (c & MTX_WANTED) != 0) {
			if (mtx_hand_off(m, RW_REVOKE))
				return;
			c = atomic_load_32(&m->m_lock);
		} else if (atomic_fcmpset_32(&m->m_lock, &c,
		    c - RW_REVOKE + n)) {
			return;
		}
	}
}

/*
 * If the lock is biased, move the readers in its slots to the mtx.  This is one
 * critical section.  Otherwise another thread of this CPU could run before
 * RW_REVOKE is clear, and spin for it in release() for ever.
 */
static void
revoke(struct lwkt_rwlock *rw)
{
	lwkt_mtx_t m = &rw->rw_mtx;
	lwkt_thread_t td = curthread;
	uint32_t c = atomic_load_32(&m->m_lock);

	crit_enter_td(td);
	while ((c & RW_BIAS) != 0) {
		if (!atomic_fcmpset_32(&m->m_lock, &c,
		    c - RW_BIAS + RW_REVOKE))			/* RWO3 */
			continue;
		counter_inc(mygd()->gd_cntbias, revokes);
		atomic_store_32(&rw->rw_reads, 0);
		replace_by(m, move_all(rw));
		break;
	}
	crit_exit_td(td);
}

/*
 * Holding the mtx.
 */

/*
 * Take one reader off the mtx (RW2); if it was the last holder, give the mtx to
 * the next owner.  If the mtx counts no reader, first revoke the bias, or spin
 * until another CPU has revoked it.  Panic if the lock is free.
 */
static void
release(struct lwkt_rwlock *rw)
{
	lwkt_mtx_t m = &rw->rw_mtx;
	unsigned turn = 0;
	uint32_t c = atomic_load_32(&m->m_lock);

	for (;;) {
		if ((c & MTX_COUNT) == 1 && (c & MTX_WANTED) != 0) {
			if (mtx_hand_off(m, 1))
				return;
		} else if ((c & RW_READERS) != 0) {
			if (atomic_fcmpset_32(&m->m_lock, &c, c - 1))
				return;
			continue;
		} else if ((c & RW_BIAS) != 0) {
			revoke(rw);
		} else if ((c & RW_REVOKE) != 0) {
			machine_pause(turn++);
		} else {
			lwkt_panic("rwlock \"%s\" is unlocked by thread "
			    "\"%s\", which does not hold it, word %#x",
			    m->m_name, curthread->td_name, c);
		}
		c = atomic_load_32(&m->m_lock);
	}
}

/*
 * Replace a reader in the word of the mtx by RW_BIAS.  Return 1, or 0 if the
 * lock may not become biased now.
 */
static int
set_bias(lwkt_mtx_t m)
{
	uint32_t c = atomic_load_32(&m->m_lock);

	do {
		if ((c & (MTX_EXCLUSIVE | MTX_EXWANTED | RW_BIAS |
		    RW_REVOKE)) != 0)				/* RW1, RWO4 */
			return 0;
	} while (!atomic_fcmpset_32(&m->m_lock, &c, c - 1 + RW_BIAS));
	return 1;
}

/*
 * The caller, a reader, has taken the mtx: make the lock biased, if the caller
 * can count in its slot and no writer waits (set_bias).  The caller counts in
 * the slot first, so that it holds the lock all the time.  rw_slot is only for
 * the fast paths: if it is not set yet, or is that of an earlier boot, they
 * find no slot that names the lock.
 */
static void
bias(struct lwkt_rwlock *rw)
{
	lwkt_thread_t td = curthread;
	struct rw_slot *rs;

	crit_enter_td(td);
	rs = slot_of(mygd(), rw);
	atomic_store_32(&rw->rw_slot, (uint32_t)((char *)rs - (char *)mygd()));
	if (claim(rs, rw)) {
		if (set_bias(&rw->rw_mtx)) {
			counter_inc(mygd()->gd_cntbias, biases);
		} else {
			set_count(rs, 0);
			if (!settle(rs, rw))
				release(rw);
		}
	}
	crit_exit_td(td);
}

/*
 * Take the lock for reading by the mtx; after many such takings make the lock
 * biased.  rw_reads, the number of these takings since the last revocation,
 * need not be exact.  Returns 0 or EWOULDBLOCK.
 */
static int
read_mtx(struct lwkt_rwlock *rw, int64_t timeout_ns)
{
	int error = lwkt_mtx_lock_sh(&rw->rw_mtx, 0, timeout_ns);
	uint32_t n;

	if (error != 0 || bias_reads == 0 || is_biased(rw))
		return error;
	n = atomic_load_32(&rw->rw_reads) + 1;
	if (n < (uint32_t)bias_reads)
		atomic_store_32(&rw->rw_reads, n);
	else if (machine_can_fence_all())
		bias(rw);
	return 0;
}

/*
 * The public functions.
 */

/*
 * The rest of lwkt_rwlock_read(), which has entered the leaf section.  added:
 * it has added 1 to the count of the slot.
 */
static __lwkt_noinline int
read_slow(struct lwkt_rwlock *rw, int64_t timeout_ns, int added)
{
	struct rw_slot *rs = slot_of(mygd(), rw);
	int holds = (added && confirm(rs, rw)) ||
	    (is_biased(rw) && claim(rs, rw) && confirm(rs, rw)); /* RWO3 */

	leaf_exit(curthread);
	if (!holds)
		return read_mtx(rw, timeout_ns);
	order_took(LK_MTX, &rw->rw_mtx, rw->rw_mtx.m_name);
	return 0;
}

/* Thread context; blocks for at most timeout_ns.  Returns 0 or EWOULDBLOCK. */
int
lwkt_rwlock_read(struct lwkt_rwlock *rw, int64_t timeout_ns)
{
	lwkt_thread_t td = caller_thread();
	struct rw_slot *rs;
	int added;

	if (limit_ns(timeout_ns) != 0)
		order_want(LK_MTX, &rw->rw_mtx, rw->rw_mtx.m_name);
	leaf_enter(td);
	rs = slot_here(rw);
	added = names(rs, rw);
	if (likely(added)) {
		set_count(rs, atomic_load_32(&rs->rs_count) + 1);
		if (likely(names(rs, rw) && is_biased(rw))) {	/* RWO1 */
			leaf_exit(td);
			order_took(LK_MTX, &rw->rw_mtx, rw->rw_mtx.m_name);
			return 0;
		}
	}
	return read_slow(rw, timeout_ns, added);
}

/*
 * Take for writing a lock that another thread holds, or that is biased: queue
 * the request, then revoke the bias, then wait.
 */
static __lwkt_noinline int
write_slow(struct lwkt_rwlock *rw, int64_t timeout_ns)
{
	lwkt_mtx_t m = &rw->rw_mtx;
	lwkt_thread_t td = curthread;
	struct lwkt_mtx_link link;
	int error;

	lwkt_mtx_link_init_async(&link, NULL, NULL);
	crit_enter_td(td);
	error = lwkt_mtx_lock_ex_link(m, &link, 0, timeout_ns);
	if (error == EINPROGRESS && is_biased(rw))		/* RWO4 */
		revoke(rw);
	crit_exit_td(td);
	return error != EINPROGRESS ? error :
	    lwkt_mtx_wait_link(m, &link, 0, timeout_ns);
}

/* Thread context; blocks for at most timeout_ns.  Returns 0 or EWOULDBLOCK. */
int
lwkt_rwlock_write(struct lwkt_rwlock *rw, int64_t timeout_ns)
{
	lwkt_mtx_t m = &rw->rw_mtx;

	if (lwkt_mtx_owned(m))
		lwkt_panic("rwlock \"%s\" is locked again by thread \"%s\", "
		    "which holds it for writing", m->m_name,
		    curthread->td_name);
	if (limit_ns(timeout_ns) != 0)
		order_want(LK_MTX, m, m->m_name);
	return likely(lwkt_mtx_lock_ex_try(m) == 0) ? 0 :
	    write_slow(rw, timeout_ns);
}

/*
 * The rest of lwkt_rwlock_unlock(), which has entered the leaf section.  n: the
 * count from which it has subtracted 1; 0: it has not.
 */
static __lwkt_noinline void
unlock_slow(struct lwkt_rwlock *rw, uint32_t n)
{
	int done = n != 0 && settle(slot_of(mygd(), rw), rw);

	leaf_exit(curthread);
	if (!done && (atomic_load_32(&rw->rw_mtx.m_lock) & MTX_EXCLUSIVE)) {
		lwkt_mtx_unlock(&rw->rw_mtx);
		return;
	}
	order_drop(&rw->rw_mtx);
	if (!done)						/* RW5 */
		release(rw);
}

/* Thread or callback; never blocks, but the CPU may spin (release, settle). */
void
lwkt_rwlock_unlock(struct lwkt_rwlock *rw)
{
	lwkt_thread_t td = caller_thread();
	struct rw_slot *rs;
	uint32_t n;

	leaf_enter(td);
	rs = slot_here(rw);
	n = likely(names(rs, rw)) ? atomic_load_32(&rs->rs_count) : 0;
	if (likely(n != 0)) {
		set_count(rs, n - 1);
		if (likely(names(rs, rw))) {			/* RWO2 */
			leaf_exit(td);
			order_drop(&rw->rw_mtx);		/* RW5 */
			return;
		}
	}
	unlock_slow(rw, n);
}
