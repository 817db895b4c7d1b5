/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializers.
 *
 * THEORY
 * One word: HELD, DISABLED (the handler's switch) and a count of threads that
 * want it.  Whoever finds HELD clear sets it; who does not counts himself in,
 * queues himself for a wakeup, looks again, and only then sleeps.  The exit
 * clears HELD, and if the same instruction saw anybody counted, wakes one.
 * That one competes again with all others, and stays counted until it wins, so
 * the exit of whoever came first wakes again.
 *
 * INVARIANTS
 * Z2 sz_last is the holder while HELD is set, stored just after and replaced
 *    just before: only the holder can find itself there.
 * Z3 The low bits count the threads between their first failure and their
 *    entry.
 *
 * ORDER
 * Z1 of kern_synch.c: waiter queued, then looks at HELD; exit: clears HELD (a
 *    locked instruction), then looks at the sleep queues.
 *
 * Source: DragonFly lwkt_serialize.c; the second look was forgotten there
 * three times (d02b46cd80, f0ca723e13, 9e493fb523).
 */
#include <lwkt/serialize.h>

#include <lwkt/synch.h>

#include "kern/lock_var.h"
#include "kern/lockorder.h"

TRACEPOINT(wait, KTR_SLEEP, "serialize.wait", "td=%llu word=%#llx");

COUNTER(contended, "lwkt.serialize_contended", "serializers slept for");

TUNABLE_INT(spin, "lwkt.serialize_spin", 4096, 0, 1000000,
    "looks of an adaptive enter at a serializer before it sleeps");

#define HELD		0x80000000u
#define DISABLED	0x40000000u

void
lwkt_serialize_init(lwkt_serialize_t sz)
{
	sz->sz_lock = 0;
	sz->sz_last = LWKT_SERIALIZE_NEVER;
}

/* HELD, if it is clear; `waited` of those counted wait no more. */
static inline int
try(lwkt_serialize_t sz, uint32_t waited)
{
	uint32_t c = atomic_load_32(&sz->sz_lock);

	while ((c & HELD) == 0)
		if (atomic_fcmpset_32(&sz->sz_lock, &c, (c | HELD) - waited))
			return 1;
	return 0;
}

static inline void
own(lwkt_serialize_t sz, lwkt_thread_t td)
{
	atomic_store_ptr(&sz->sz_last, (uintptr_t)td);		/* Z2 */
	order_took(LK_SERIALIZER, sz, NULL);
}

static inline int
owned(lwkt_serialize_t sz, lwkt_thread_t td)
{
	return atomic_load_ptr(&sz->sz_last) == (uintptr_t)td;
}

static __lwkt_noinline void
enter_slow(lwkt_serialize_t sz, lwkt_thread_t td)
{
	if (owned(sz, td))
		lwkt_panic("serializer %p is entered again by thread \"%s\"",
		    (void *)sz, td->td_name);
	(void)atomic_fetchadd_32(&sz->sz_lock, 1);		/* Z3 */
	crit_enter_td(td);
	counter_inc(mygd()->gd_cntbias, contended);
	ktr(mygd(), wait, td->td_id, atomic_load_32(&sz->sz_lock));
	for (;;) {
		lwkt_tsleep_interlock(sz, PDOMAIN_SERIALIZE);
		if (try(sz, 1))					/* Z1 */
			break;
		(void)lwkt_tsleep(sz, PDOMAIN_SERIALIZE |
		    LWKT_PINTERLOCKED, "serialize", LWKT_FOREVER);
	}
	lwkt_tsleep_remove();
	crit_exit_td(td);
}

void
lwkt_serialize_enter(lwkt_serialize_t sz)
{
	lwkt_thread_t td = caller_thread();

	order_want(LK_SERIALIZER, sz, NULL);
	if (unlikely(!try(sz, 0)))
		enter_slow(sz, td);
	own(sz, td);
}

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

int
lwkt_serialize_try(lwkt_serialize_t sz)
{
	if (!try(sz, 0))
		return 0;
	own(sz, curthread);
	return 1;
}

void
lwkt_serialize_exit(lwkt_serialize_t sz)
{
	uint32_t old;

	if (unlikely(!owned(sz, curthread)))
		lwkt_panic("serializer %p is left by thread \"%s\", which does "
		    "not hold it", (void *)sz, curthread->td_name);
	order_drop(sz);
	atomic_store_ptr(&sz->sz_last, LWKT_SERIALIZE_RELEASED); /* Z2 */
	old = atomic_fetchand_32(&sz->sz_lock, ~HELD);
	if (unlikely((old & ~(HELD | DISABLED)) != 0))
		lwkt_wakeup_domain_one(sz, PDOMAIN_SERIALIZE);	/* Z1 */
}

int
lwkt_serialize_held(lwkt_serialize_t sz)
{
	return owned(sz, curthread);
}

static inline int
enabled(lwkt_serialize_t sz)
{
	return (atomic_load_32(&sz->sz_lock) & DISABLED) == 0;
}

void
lwkt_serialize_handler_disable(lwkt_serialize_t sz)
{
	atomic_set_32(&sz->sz_lock, DISABLED);
}

void
lwkt_serialize_handler_enable(lwkt_serialize_t sz)
{
	atomic_clear_32(&sz->sz_lock, DISABLED);
}

/* Asked again inside: who disables it while inside may rely on that. */
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

void
lwkt_serialize_array_enter(lwkt_serialize_t *arr, int n, int first)
{
	int i;

	for (i = first; i < n; i++)
		lwkt_serialize_enter(arr[i]);
}

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

void
lwkt_serialize_array_exit(lwkt_serialize_t *arr, int n, int first)
{
	int i;

	for (i = n; i-- > first; )
		lwkt_serialize_exit(arr[i]);
}
