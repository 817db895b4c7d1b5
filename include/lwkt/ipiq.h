/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run a function on another CPU: messages between CPUs (IPIs), in order for
 * each pair of CPUs.
 *
 * The function runs as a callback: on the target CPU, in a critical section, on
 * whatever thread runs there.  It must not block, switch or sleep.  It may
 * schedule threads, wake them and send messages.  A message to the calling CPU
 * runs at once, inside the call.  A CPU that does not exist panics.
 */
#ifndef LWKT_IPIQ_H
#define LWKT_IPIQ_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

typedef void (*lwkt_ipifunc1_t)(void *arg);
typedef void (*lwkt_ipifunc2_t)(void *arg1, int arg2);
/* frame is for the registers of the interrupted code.  Today always NULL. */
typedef void (*lwkt_ipifunc3_t)(void *arg1, int arg2, void *frame);

/*
 * Queue a message, and wake the target if it is halted.  When the queue to that
 * CPU is half full, the sender waits for room.  Outside critical sections,
 * callbacks and spinlocks it executes messages to itself meanwhile.  Inside
 * them it only takes messages out of its queues; their callbacks run at the end
 * of the outermost section.
 * Context: any lwkt context.  Blocks: no; spins when the queue is half full.
 * Returns: a number for lwkt_wait_ipiq; 0 for a message to the calling CPU.
 */
LWKT_API unsigned lwkt_send_ipiq(int cpu, lwkt_ipifunc1_t fn, void *arg);
LWKT_API unsigned lwkt_send_ipiq2(int cpu, lwkt_ipifunc2_t fn, void *arg1,
    int arg2);
LWKT_API unsigned lwkt_send_ipiq3(int cpu, lwkt_ipifunc3_t fn, void *arg1,
    int arg2);

/*
 * Queue a passive message, which does not interrupt a thread that runs on the
 * target.  The target serves it when it is idle, at its next message or tick,
 * or soon after the sender's next tick.  The calling CPU as the target panics.
 * Context, blocking and result: as lwkt_send_ipiq.
 */
LWKT_API unsigned lwkt_send_ipiq_passive(int cpu, lwkt_ipifunc2_t fn,
    void *arg1, int arg2);

LWKT_API unsigned lwkt_send_ipiq3_passive(int cpu, lwkt_ipifunc3_t fn,
    void *arg1, int arg2);

/*
 * Queue a message without waiting for room.
 * Context: any lwkt context.  Blocks: no; does not spin.
 * Returns: 0; EAGAIN: the queue is half full, and nothing was sent.
 */
LWKT_API int lwkt_send_ipiq_nowait(int cpu, lwkt_ipifunc2_t fn, void *arg1,
    int arg2);

/*
 * Send a message to each CPU of the mask that exists; to all CPUs.  The calling
 * CPU is included.
 * Context: any lwkt context.  Blocks: no; spins when a queue is half full.
 * Returns: the number of CPUs.
 */
LWKT_API int lwkt_send_ipiq_mask(lwkt_cpumask_t mask, lwkt_ipifunc2_t fn,
    void *arg1, int arg2);
LWKT_API int lwkt_send_ipiq3_mask(lwkt_cpumask_t mask, lwkt_ipifunc3_t fn,
    void *arg1, int arg2);
LWKT_API int lwkt_send_ipiq_bcast(lwkt_ipifunc2_t fn, void *arg1, int arg2);

/*
 * Spin until CPU cpu has executed message seq, which the calling CPU sent.
 * Execute messages to the calling CPU meanwhile, also inside a critical
 * section.  A thread that may move in between makes both calls in one critical
 * section.
 * Context: thread; not in a callback or hard section, not with a spinlock.
 * Blocks: no; spins.
 */
LWKT_API void lwkt_wait_ipiq(int cpu, unsigned seq);

/*
 * Execute the messages to this CPU, inside the caller's critical section.  A
 * thread that spins in a critical section until another CPU has done something
 * calls this in its loop, because that CPU may wait for an answer.  The call
 * pauses, longer the more often it finds no message.
 * Context: thread, critical section; not in a callback or hard section, not
 * with a spinlock.
 * Blocks: no.
 */
LWKT_API void lwkt_process_ipiq(void);

/*
 * Sleep until all messages that the calling CPU has sent so far have been
 * executed.  wmesg tells tools why; the string must stay while the thread
 * sleeps.
 * Context: thread; not in a callback or hard section, not with a spinlock.
 * Blocks: yes.
 */
LWKT_API void lwkt_synchronize_ipiqs(const char *wmesg);

LWKT_END_DECLS

#endif
