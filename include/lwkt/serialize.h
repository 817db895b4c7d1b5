/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializers: locks of a device, held across calls that block, with a switch
 * that disables the device's handler.
 *
 * One thread holds a serializer at a time; it is not recursive: to enter it
 * again panics.  Waiters are served by priority; those of equal priority in
 * order of arrival.  If the best waiter is better than the thread that leaves,
 * it gets the serializer directly.  Otherwise the serializer becomes free, and
 * a thread that asks for it may take it before the waiter that is just waking
 * up, but only a few times before the same waiter.
 *
 * Context: thread; lwkt_serialize_try, _handler_try, _handler_disable,
 * _handler_enable and _exit also in callbacks.  Not from plain pthreads.  The
 * program owns the memory of a serializer.
 */
#ifndef LWKT_SERIALIZE_H
#define LWKT_SERIALIZE_H

#include <lwkt/panic.h>
#include <lwkt/types.h>

LWKT_BEGIN_DECLS

struct lwkt_serialize {
	uint32_t	 sz_lock;	/* atomic: held, disabled, waiters */
	uintptr_t	 sz_last;	/* atomic: holder, or why none */
};
typedef struct lwkt_serialize *lwkt_serialize_t;

#define LWKT_SERIALIZE_NEVER	((uintptr_t)-4)	/* sz_last: not used yet */
#define LWKT_SERIALIZE_RELEASED	((uintptr_t)-2)
#define LWKT_SERIALIZE_INITIALIZER	{ 0, LWKT_SERIALIZE_NEVER }

/* Initialise a serializer in memory of the program; its handler is enabled. */
LWKT_API void lwkt_serialize_init(lwkt_serialize_t sz);
/* Take it.  Blocks: while it is held. */
LWKT_API void lwkt_serialize_enter(lwkt_serialize_t sz);
/* The same, but poll it for some time before sleeping. */
LWKT_API void lwkt_serialize_adaptive_enter(lwkt_serialize_t sz);
/* Take it without waiting.  Returns 1, or 0 if it is held. */
LWKT_API int lwkt_serialize_try(lwkt_serialize_t sz);
/* Release it.  Blocks: no. */
LWKT_API void lwkt_serialize_exit(lwkt_serialize_t sz);
/* Return 1 if the calling thread holds it, else 0. */
LWKT_API int lwkt_serialize_held(lwkt_serialize_t sz);

/* Disable, enable the handler.  Blocks: no. */
LWKT_API void lwkt_serialize_handler_disable(lwkt_serialize_t sz);
LWKT_API void lwkt_serialize_handler_enable(lwkt_serialize_t sz);
/*
 * Call func(arg, frame) with the serializer held, unless the handler is
 * disabled.  If a thread disables the handler while it holds the serializer,
 * the handler is not called after that.
 * Blocks: while it is held.
 */
LWKT_API void lwkt_serialize_handler_call(lwkt_serialize_t sz,
    void (*func)(void *arg, void *frame), void *arg, void *frame);
/*
 * Take it without waiting if the handler is enabled.  Returns 0, or 1 if not
 * taken.
 */
LWKT_API int lwkt_serialize_handler_try(lwkt_serialize_t sz);

/*
 * _enter takes arr[first] to arr[n - 1] in this order.  _try takes all of them
 * without waiting and returns 1, or takes none and returns 0.  _exit releases
 * them in reverse order.
 */
LWKT_API void lwkt_serialize_array_enter(lwkt_serialize_t *arr, int n,
    int first);
LWKT_API int lwkt_serialize_array_try(lwkt_serialize_t *arr, int n,
    int first);
LWKT_API void lwkt_serialize_array_exit(lwkt_serialize_t *arr, int n,
    int first);

#define LWKT_ASSERT_SERIALIZED(sz) do {					\
	if (!lwkt_serialize_held(sz))					\
		lwkt_panic("%s: serializer %p is not held", __func__,	\
		    (void *)(sz));					\
} while (0)
#define LWKT_ASSERT_NOT_SERIALIZED(sz) do {				\
	if (lwkt_serialize_held(sz))					\
		lwkt_panic("%s: serializer %p is held", __func__,	\
		    (void *)(sz));					\
} while (0)

LWKT_END_DECLS

#endif
