/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializers.
 *
 * THEORY
 * One word has HELD, DISABLED (the switch of the handler) and a count of
 * threads that wait.  A thread that finds HELD clear sets it.  A thread that
 * finds it set counts itself and parks (park.c), if it still finds HELD with
 * the bucket locked.  An exit that sees a count locks the bucket and looks at
 * the best waiter.  If the waiter is better than the thread that leaves, or was
 * passed too often, it is given the serializer: HELD stays set.  Else HELD is
 * cleared and the waiter is told.  It competes with later threads, and stays
 * counted until it wins; so each exit until then wakes the best waiter.
 *
 * Nothing is lent to the holder.
 *
 * INVARIANTS
 * SZ1 sz_last is the holder while HELD is set.  It is stored just after HELD is
 *    set and replaced just before HELD is cleared.  So only the holder can find
 *    itself there.
 * SZ2 The low bits count the threads between their first failure and their
 *    entry.
 *
 * ORDER
 * A waiter counts itself by a locked instruction, then locks the bucket and
 * reads HELD a second time.  An exit clears HELD and reads the count by one
 * locked instruction.  If it sees no waiter, the waiter counts itself later and
 * reads HELD cleared.  If it sees one, it locks the bucket.
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

#define HELD		0x80000000u
#define DISABLED	0x40000000u

/* Thread context; never blocks. */
void
lwkt_serialize_init(lwkt_serialize_t sz)
{
	sz->sz_lock = 0;
	sz->sz_last = LWKT_SERIALIZE_NEVER;
}

/* Set HELD if it is clear, and subtract `waited` from the count. */
static inline int
try(lwkt_serialize_t sz, uint32_t waited)
{
	uint32_t c = atomic_load_32(&sz->sz_lock);

	while ((c & HELD) == 0)
		if (atomic_fcmpset_32(&sz->sz_lock, &c, (c | HELD) - waited))
			return 1;
	return 0;
}

/* Note that td has entered. */
static inline void
own(lwkt_serialize_t sz, lwkt_thread_t td)
{
	atomic_store_ptr(&sz->sz_last, (uintptr_t)td);		/* SZ1 */
	order_took(LK_SERIALIZER, sz, NULL);
}

/* Tell whether td holds the serializer. */
static inline int
owned(lwkt_serialize_t sz, lwkt_thread_t td)
{
	return atomic_load_ptr(&sz->sz_last) == (uintptr_t)td;
}

/*
 * Enter and return 1, or queue the waiter and return 0.  The caller is counted
 * and in a critical section.
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

/* Wait until the serializer is entered. */
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

/* Thread context; blocks while it is held. */
void
lwkt_serialize_enter(lwkt_serialize_t sz)
{
	lwkt_thread_t td = caller_thread();

	order_want(LK_SERIALIZER, sz, NULL);
	if (unlikely(!try(sz, 0)))
		enter_slow(sz, td);
	own(sz, td);
}

/* Thread context; polls, then blocks while it is held. */
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
 * Leave while threads are counted: give the serializer to the best waiter, or
 * release it and tell that waiter.
 */
static __lwkt_noinline void
exit_slow(lwkt_serialize_t sz, lwkt_thread_t td)
{
	enum park_state how = PARK_TOLD;
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
		park_tell(first, how);
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

/* Tell whether the handler is enabled. */
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
 * Thread context; blocks while it is held.
 *
 * The second test is made with the serializer held: a thread that disables the
 * handler while it holds the serializer can rely on the effect.
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

/* Thread context; blocks while it is held. */
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
