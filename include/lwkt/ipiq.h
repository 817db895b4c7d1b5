/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run a function on another CPU: messages between CPUs, in order per pair.
 *
 * A callback runs on the target CPU in a critical section, on whatever thread
 * is there: it may not block, switch or sleep; it may schedule threads, do
 * wakeups and send more messages.  A message to oneself runs at once.
 */
#ifndef LWKT_IPIQ_H
#define LWKT_IPIQ_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

typedef void (*lwkt_ipifunc1_t)(void *arg);
typedef void (*lwkt_ipifunc2_t)(void *arg1, int arg2);
/*
 * frame: the registers of what the message interrupted; NULL when the CPU came
 * by itself to look for messages, as it always does today.
 */
typedef void (*lwkt_ipifunc3_t)(void *arg1, int arg2, void *frame);

/*
 * Queue and, if the target sleeps, wake it.  When the queue to that CPU is half
 * full the sender waits for room.  It executes messages meanwhile, but never
 * inside a critical section, a callback or a spinlock: what comes there is
 * executed at the end of the outermost section.  Returns a number for
 * lwkt_wait_ipiq (0 for a message to oneself).
 * Context: any lwkt context.  Blocks: spins when the queue is half full.
 */
LWKT_API unsigned lwkt_send_ipiq(int cpu, lwkt_ipifunc1_t fn, void *arg);
LWKT_API unsigned lwkt_send_ipiq2(int cpu, lwkt_ipifunc2_t fn, void *arg1,
    int arg2);
LWKT_API unsigned lwkt_send_ipiq3(int cpu, lwkt_ipifunc3_t fn, void *arg1,
    int arg2);

/*
 * Queue without disturbing a thread that runs there: served at the target's
 * next message or tick, when it is idle, or soon after the sender's next tick.
 */
LWKT_API unsigned lwkt_send_ipiq_passive(int cpu, lwkt_ipifunc2_t fn,
    void *arg1, int arg2);

LWKT_API unsigned lwkt_send_ipiq3_passive(int cpu, lwkt_ipifunc3_t fn,
    void *arg1, int arg2);

/* Queue only if there is room: 0, or EAGAIN when full. */
LWKT_API int lwkt_send_ipiq_nowait(int cpu, lwkt_ipifunc2_t fn, void *arg1,
    int arg2);

/* One message to each CPU of the mask, the caller's own included; the count. */
LWKT_API int lwkt_send_ipiq_mask(lwkt_cpumask_t mask, lwkt_ipifunc2_t fn,
    void *arg1, int arg2);
LWKT_API int lwkt_send_ipiq3_mask(lwkt_cpumask_t mask, lwkt_ipifunc3_t fn,
    void *arg1, int arg2);
LWKT_API int lwkt_send_ipiq_bcast(lwkt_ipifunc2_t fn, void *arg1, int arg2);

/*
 * Spin, executing messages to this CPU, until message seq to cpu has been
 * executed.  seq was sent by this CPU: a thread that may move in between makes
 * both calls in one critical section.
 * Context: thread; not in a callback, not with a spinlock.
 */
LWKT_API void lwkt_wait_ipiq(int cpu, unsigned seq);

/*
 * Execute the messages that are there, inside the caller's critical section.  A
 * thread that spins in one until another CPU has done something calls this in
 * its loop, for that CPU may be waiting for an answer.
 * Context: thread, critical section; not in a callback, not with a spinlock.
 */
LWKT_API void lwkt_process_ipiq(void);

/*
 * Sleep until every CPU has executed all messages the caller's CPU sent
 * before.
 */
LWKT_API void lwkt_synchronize_ipiqs(const char *wmesg);

LWKT_END_DECLS

#endif
