/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializers: sleeping locks, each with a switch that disables a handler.
 *
 * THEORY
 * The word sz_lock has HELD, DISABLED (the handler is disabled) and the number
 * of threads that wait.  A thread enters by setting HELD, if HELD is clear.  If
 * HELD is set, the thread adds itself to the number and locks the bucket of
 * the serializer (park.c).  If HELD is then still set, it queues itself.
 *
 * A thread that exits while the number is not 0 locks the bucket and takes the
 * best waiter off the queue.  If this waiter is better than the thread that
 * exits, or was passed too often (park_deserves), it is given the serializer:
 * HELD stays set.  Otherwise HELD is cleared and the waiter is notified, and
 * tries again.  Another thread may set HELD before the waiter does.  The waiter
 * stays counted until it has entered.  So each exit in the meantime also locks
 * the bucket, and deals in the same way with the best waiter in the queue.
 *
 * Waiters do not lend their priority to the holder (lend.c).
 *
 * INVARIANTS
 * SZ1 While HELD is set, sz_last is the holder, except just after HELD was set
 *    and just before HELD is cleared or passed on.  Only the holder stores
 *    sz_last.  So a thread that finds itself in sz_last is the holder.
 * SZ2 The low bits of sz_lock count the threads that have failed to set HELD
 *    and have not entered yet (not those that poll or try).
 *
 * ORDER
 * A waiter counts itself by a locked instruction, then locks the bucket and
 * reads HELD a second time.  An exit clears HELD and reads the number by one
 * locked instruction.  If the exit sees no waiter, the waiter counts itself
 * later, and then reads HELD as clear, unless another thread has entered by
 * then.  If the exit sees a waiter, it locks the bucket.  Either the waiter is
 * queued by then, or the waiter locks the bucket later.  The waiter then reads
 * HELD as clear, unless another thread has entered or was given the serializer
 * by then; the exit of that thread sees the number.
 *
 * Source: DragonFly lwkt_serialize.c; the second read was forgotten there
 * three times (d02b46cd80, f0ca723e13, 9e493fb523).
 */
#include "kern/cpu/crit.h"
#include "kern/cpu/ktr_rec.h"
#include "kern/lock/lock_var.h"
#include "kern/lock/lockorder.h"
#include "kern/lock/park_var.h"

#include <lwkt/serialize.h>

TRACEPOINT(wait, KTR_SLEEP, "serialize.wait", "td=%llu word=%#llx");

COUNTER(contended, "lwkt.serialize_contended", "sleeps for serializers");

TUNABLE_INT(spin, "lwkt.serialize_spin", 4096, 0, 1000000,
    "looks of lwkt_serialize_adaptive_enter before it sleeps");

/* sz_lock; the lower bits are the number of waiters (SZ2). */
#define HELD		0x80000000u
#define DISABLED	0x40000000u	/* the handler is disabled */

/* Thread context; never blocks. */
void
lwkt_serialize_init(lwkt_serialize_t sz)
{
	sz->sz_lock = 0;
	sz->sz_last = LWKT_SERIALIZE_NEVER;
}

/*
 * If HELD is clear, set it, subtract `waited` (0 or 1) from the number of
 * waiters, and return 1.  Else return 0.
 */
static inline int
try(lwkt_serialize_t sz, uint32_t waited)
{
	uint32_t c = atomic_load_32(&sz->sz_lock);

	while ((c & HELD) == 0)
		if (atomic_fcmpset_32(&sz->sz_lock, &c, (c | HELD) - waited))
			return 1;
	return 0;
}

/*
 * td, the caller, has entered: store it as the holder, and report to
 * lockorder.c.
 */
static inline void
own(lwkt_serialize_t sz, lwkt_thread_t td)
{
	atomic_store_ptr(&sz->sz_last, (uintptr_t)td);		/* SZ1 */
	order_took(LK_SERIALIZER, sz, NULL);
}

/* Return whether td, the caller, holds the serializer. */
static inline int
owned(lwkt_serialize_t sz, lwkt_thread_t td)
{
	return atomic_load_ptr(&sz->sz_last) == (uintptr_t)td;
}

/*
 * Lock the bucket, then enter and return 1, or queue the caller's record pk and
 * return 0.  The caller is counted as a waiter (not any more after the return
 * of 1) and is in a critical section.
 */
static int
enter_or_queue(lwkt_serialize_t sz, struct park *pk)
{
	struct park_bucket *b = park_lock(sz);
	int got = try(sz, 1);

	if (!got)
		park_insert(b, pk);
	park_unlock(b);
	return got;
}

/*
 * Enter sz, after try() has failed; blocks.  Panics if td, the caller, already
 * holds sz.  The caller must then call own().
 */
static __lwkt_noinline void
enter_slow(lwkt_serialize_t sz, lwkt_thread_t td)
{
	struct park pk;

	if (owned(sz, td))
		lwkt_panic("serializer %p is entered again by thread \"%s\", "
		    "which holds it", (void *)sz, td->td_name);
	(void)atomic_fetchadd_32(&sz->sz_lock, 1);		/* SZ2 */
	crit_enter_td(td);
	counter_inc(mygd()->gd_cntbias, contended);
	ktr(mygd(), wait, td->td_id, atomic_load_32(&sz->sz_lock));
	park_init(&pk, sz);
	while (!enter_or_queue(sz, &pk)) {
		(void)park_wait(&pk, 0, "serialize", LWKT_FOREVER);
		if (park_state(&pk) == PARK_OWNER)
			break;
		pk.pk_passed++;
	}
	crit_exit_td(td);
}

/* Thread context; blocks while another thread holds sz. */
void
lwkt_serialize_enter(lwkt_serialize_t sz)
{
	lwkt_thread_t td = caller_thread();

	order_want(LK_SERIALIZER, sz, NULL);
	if (unlikely(!try(sz, 0)))
		enter_slow(sz, td);
	own(sz, td);
}

/*
 * Thread context; first polls sz (not with one CPU), then blocks while another
 * thread holds sz.
 */
void
lwkt_serialize_adaptive_enter(lwkt_serialize_t sz)
{
	lwkt_thread_t td = caller_thread();
	int looks = lwkt__ncpus > 1 ? spin : 0;
	int i;

	order_want(LK_SERIALIZER, sz, NULL);
	for (i = 0; !try(sz, 0); i++) {
		if (i == looks) {
			enter_slow(sz, td);
			break;
		}
		machine_pause(0);
	}
	own(sz, td);
}

/* Thread or callback; never blocks. */
int
lwkt_serialize_try(lwkt_serialize_t sz)
{
	if (!try(sz, 0))
		return 0;
	own(sz, curthread);
	return 1;
}

/*
 * Exit sz, whose word counts waiters: give the serializer to the best waiter in
 * the queue, or clear HELD and notify this waiter, which tries again.  If the
 * queue is empty (a counted waiter is not queued yet, or has just been
 * notified), only clear HELD.
 */
static __lwkt_noinline void
exit_slow(lwkt_serialize_t sz, lwkt_thread_t td)
{
	enum park_state how = PARK_NOTIFIED;
	struct park_bucket *b;
	struct park *first;

	crit_enter_td(td);
	b = park_lock(sz);
	if ((first = park_first(b, sz)) != NULL)
		park_take(b, first);
	if (first != NULL && park_deserves(first, td)) {
		how = PARK_OWNER;
		atomic_store_ptr(&sz->sz_last, (uintptr_t)first->pk_td);
		(void)atomic_fetchadd_32(&sz->sz_lock, (uint32_t)-1);
	} else {
		(void)atomic_fetchand_32(&sz->sz_lock, ~HELD);
	}
	park_unlock(b);
	if (first != NULL)
		park_notify(first, how);
	crit_exit_td(td);
}

/* Thread or callback; never blocks. */
void
lwkt_serialize_exit(lwkt_serialize_t sz)
{
	uint32_t c;

	if (unlikely(!owned(sz, curthread)))
		lwkt_panic("serializer %p is left by thread \"%s\", which does "
		    "not hold it", (void *)sz, curthread->td_name);
	order_drop(sz);
	atomic_store_ptr(&sz->sz_last, LWKT_SERIALIZE_RELEASED); /* SZ1 */
	c = atomic_load_32(&sz->sz_lock);
	do {
		if (unlikely((c & ~(HELD | DISABLED)) != 0)) {
			exit_slow(sz, curthread);
			return;
		}
	} while (unlikely(!atomic_fcmpset_32(&sz->sz_lock, &c, c & ~HELD)));
}

/* Thread context; never blocks. */
int
lwkt_serialize_held(lwkt_serialize_t sz)
{
	return owned(sz, curthread);
}

/* Return whether the handler is enabled. */
static inline int
enabled(lwkt_serialize_t sz)
{
	return (atomic_load_32(&sz->sz_lock) & DISABLED) == 0;
}

/* Thread or callback; never blocks. */
void
lwkt_serialize_handler_disable(lwkt_serialize_t sz)
{
	atomic_set_32(&sz->sz_lock, DISABLED);
}

/* Thread or callback; never blocks. */
void
lwkt_serialize_handler_enable(lwkt_serialize_t sz)
{
	atomic_clear_32(&sz->sz_lock, DISABLED);
}

/*
 * Thread context; blocks while another thread holds sz, unless the handler is
 * disabled.
 *
 * The second test is made with sz held.  So after a thread that holds sz has
 * disabled the handler, the handler does not run until it is enabled again.
 */
void
lwkt_serialize_handler_call(lwkt_serialize_t sz,
    void (*func)(void *arg, void *frame), void *arg, void *frame)
{
	if (!enabled(sz))
		return;
	lwkt_serialize_enter(sz);
	if (enabled(sz))
		func(arg, frame);
	lwkt_serialize_exit(sz);
}

/* Thread or callback; never blocks. */
int
lwkt_serialize_handler_try(lwkt_serialize_t sz)
{
	if (!enabled(sz) || !lwkt_serialize_try(sz))
		return 1;
	if (enabled(sz))
		return 0;
	lwkt_serialize_exit(sz);
	return 1;
}

/* Thread context; blocks while other threads hold serializers of the array. */
void
lwkt_serialize_array_enter(lwkt_serialize_t *arr, int n, int first)
{
	int i;

	for (i = first; i < n; i++)
		lwkt_serialize_enter(arr[i]);
}

/* Thread context; never blocks. */
int
lwkt_serialize_array_try(lwkt_serialize_t *arr, int n, int first)
{
	int i;

	for (i = first; i < n; i++) {
		if (lwkt_serialize_try(arr[i]))
			continue;
		lwkt_serialize_array_exit(arr, i, first);
		return 0;
	}
	return 1;
}

/* Thread context; never blocks. */
void
lwkt_serialize_array_exit(lwkt_serialize_t *arr, int n, int first)
{
	int i;

	for (i = n; i-- > first; )
		lwkt_serialize_exit(arr[i]);
}
