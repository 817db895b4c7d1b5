/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday bounded queue: a ring of slots under a mutex, with two condition
 * variables.
 */
#include "kern/lock/lock_var.h"

#include <errno.h>
#include <lwkt/sync.h>

/* Thread or plain pthread; never blocks. */
void
lwkt_queue_init(struct lwkt_queue *q, void **slots, unsigned n,
    const char *name)
{
	KASSERTF(n > 0, "queue \"%s\" has no slots", name);
	*q = (struct lwkt_queue){ .q_slot = slots, .q_size = n };
	lwkt_mutex_init(&q->q_mutex, name);
	lwkt_cond_init(&q->q_notempty, name);
	lwkt_cond_init(&q->q_notfull, name);
}

/*
 * Thread; plain pthread with timeout 0 or LWKT_FOREVER.  Blocks while the queue
 * is full, for at most timeout_ns, and for the mutex of the queue.  A plain
 * pthread that wakes a thread waits in the host for the CPU of that thread
 * (park_notify).  Returns 0; EWOULDBLOCK: still full; EPIPE: closed.
 */
int
lwkt_queue_put(struct lwkt_queue *q, void *item, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	int error = 0;

	lwkt_mutex_lock(&q->q_mutex);
	while (error == 0 && !q->q_closed && q->q_count == q->q_size)
		error = lwkt_cond_wait(&q->q_notfull, &q->q_mutex,
		    wait_left(deadline));
	if (q->q_closed) {
		error = EPIPE;
	} else if (q->q_count < q->q_size) {
		q->q_slot[(q->q_head + q->q_count++) % q->q_size] = item;
		lwkt_cond_signal(&q->q_notempty);
		error = 0;
	}
	lwkt_mutex_unlock(&q->q_mutex);
	return error;
}

/*
 * Thread; plain pthread with timeout 0 or LWKT_FOREVER.  Blocks while the queue
 * is empty, for at most timeout_ns, and for the mutex of the queue.  A plain
 * pthread that wakes a thread waits in the host for the CPU of that thread
 * (park_notify).  Returns 0; EWOULDBLOCK: still empty; EPIPE: closed and empty.
 */
int
lwkt_queue_get(struct lwkt_queue *q, void **itemp, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	int error = 0;

	lwkt_mutex_lock(&q->q_mutex);
	while (error == 0 && !q->q_closed && q->q_count == 0)
		error = lwkt_cond_wait(&q->q_notempty, &q->q_mutex,
		    wait_left(deadline));
	if (q->q_count > 0) {
		*itemp = q->q_slot[q->q_head];
		q->q_head = (q->q_head + 1) % q->q_size;
		q->q_count--;
		lwkt_cond_signal(&q->q_notfull);
		error = 0;
	} else if (q->q_closed) {
		error = EPIPE;
	}
	lwkt_mutex_unlock(&q->q_mutex);
	return error;
}

/*
 * Thread or plain pthread; blocks only for the mutex of the queue.  A plain
 * pthread that wakes a thread waits in the host for the CPU of that thread
 * (park_notify).
 */
void
lwkt_queue_close(struct lwkt_queue *q)
{
	lwkt_mutex_lock(&q->q_mutex);
	q->q_closed = 1;
	lwkt_cond_broadcast(&q->q_notempty);
	lwkt_cond_broadcast(&q->q_notfull);
	lwkt_mutex_unlock(&q->q_mutex);
}

/*
 * Thread or plain pthread; blocks only for the mutex of the queue.  A plain
 * pthread that wakes a thread waits in the host for the CPU of that thread
 * (park_notify).
 */
unsigned
lwkt_queue_count(struct lwkt_queue *q)
{
	unsigned n;

	lwkt_mutex_lock(&q->q_mutex);
	n = q->q_count;
	lwkt_mutex_unlock(&q->q_mutex);
	return n;
}
