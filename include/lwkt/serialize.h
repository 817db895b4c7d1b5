/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializers: one at a time, also across calls that block; and a switch that
 * keeps a device's handler from being called.
 *
 * Not recursive.  Waiters are served by priority, equal ones in order of
 * arrival.  A thread that asks when a serializer is free has it, before an
 * equal waiter that is still waking up, but not often past the same one.
 *
 * Context: thread; lwkt_serialize_try, _handler_try, _exit and the switch of
 * the handler also in callbacks.  Not from foreign pthreads.
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

LWKT_API void lwkt_serialize_init(lwkt_serialize_t sz);
LWKT_API void lwkt_serialize_enter(lwkt_serialize_t sz);
/* Look for the holder to leave, for some time, before sleeping. */
LWKT_API void lwkt_serialize_adaptive_enter(lwkt_serialize_t sz);
/* Enter if that needs no waiting: 1, else 0. */
LWKT_API int lwkt_serialize_try(lwkt_serialize_t sz);
LWKT_API void lwkt_serialize_exit(lwkt_serialize_t sz);
/* Does the calling thread hold it? */
LWKT_API int lwkt_serialize_held(lwkt_serialize_t sz);

/* The handler: enabled to begin with. */
LWKT_API void lwkt_serialize_handler_disable(lwkt_serialize_t sz);
LWKT_API void lwkt_serialize_handler_enable(lwkt_serialize_t sz);
/* func(arg, frame) under the serializer, unless the handler is disabled. */
LWKT_API void lwkt_serialize_handler_call(lwkt_serialize_t sz,
    void (*func)(void *arg, void *frame), void *arg, void *frame);
/* Enter, if the handler is enabled and that needs no waiting: 0, else 1. */
LWKT_API int lwkt_serialize_handler_try(lwkt_serialize_t sz);

/* Those of arr[first] to arr[n - 1]: in this order, and back. */
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
