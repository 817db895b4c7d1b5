/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building blocks for kinds of ports that a program writes.  USES no other file
 * of the room.
 *
 * THEORY
 * A program that writes a kind of port decides which thread may touch the
 * queues, which one waits and which one is woken.  This file has what all kinds
 * share: the order in the two queues, the flags of a message and when each
 * becomes visible, the receipt.  No function here takes a lock or checks its
 * caller: the caller ensures that no other code uses the port meanwhile.
 */
#include "kern/port/port_var.h"

#include <errno.h>

/*
 * Initialize port with the functions ops of the program.  Panics if one of them
 * is NULL.  Any context; never blocks.
 */
void
lwkt_initport(lwkt_port_t port, const struct lwkt_port_ops *ops)
{
	if (ops->getport == NULL || ops->putport == NULL ||
	    ops->waitmsg == NULL || ops->waitport == NULL ||
	    ops->replyport == NULL || ops->dropmsg == NULL ||
	    ops->waitport_timed == NULL || ops->waitmsg_timed == NULL)
		lwkt_panic("lwkt_initport: port %p: a function of its vector "
		    "%p is missing", (void *)port, (const void *)ops);
	port_init(port, ops);
}

/*
 * Queue the request msg, after its receipt function, if it wants a receipt, has
 * been called.  Any context; never blocks.
 */
void
lwkt_port_enqueue(lwkt_port_t port, lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags & ~(uint32_t)LWKT_MSGF_INTRANSIT;

	KASSERTF((flags & LWKT_MSGF_QUEUED) == 0,
	    "message %p is queued already, flags %#x", (void *)msg, flags);
	port_enqueue(port, msg, msg_receipt(port, msg, flags));
}

/*
 * Take msg, which must be queued, off the queue: it belongs to the caller then.
 * Any context; never blocks.
 */
void
lwkt_port_unqueue(lwkt_port_t port, lwkt_msg_t msg)
{
	KASSERTF((msg->ms_flags & LWKT_MSGF_QUEUED) != 0,
	    "message %p is not queued, flags %#x", (void *)msg, msg->ms_flags);
	port_remove(port, msg);
}

/*
 * Take the first message off the queue and return it, one with PRIORITY before
 * all others; NULL if there is none.  Any context; never blocks.
 */
lwkt_msg_t
lwkt_port_dequeue(lwkt_port_t port)
{
	lwkt_msg_t msg = port->mp_prioq.mq_first;

	if (msg == NULL)
		msg = port->mp_msgq.mq_first;
	if (msg != NULL)
		lwkt_port_unqueue(port, msg);
	return msg;
}

/*
 * Take the request msg off the queue and mark it done.  Returns 0, or ENOENT if
 * msg is not queued on port as a request.  Any context; never blocks.
 */
int
lwkt_port_drop(lwkt_port_t port, lwkt_msg_t msg)
{
	if (!msg_is_at(msg, port))
		return ENOENT;
	lwkt_port_unqueue(port, msg);
	/* Release, here and below: pairs with lwkt_checkmsg(). */
	atomic_store_rel_32(&msg->ms_flags, msg->ms_flags | LWKT_MSGF_DONE);
	return 0;
}

/*
 * Mark msg done, as its reply.  Unless msg is SYNC, also queue it on port.  Any
 * context; never blocks.
 */
void
lwkt_port_done(lwkt_port_t port, lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags & ~(uint32_t)LWKT_MSGF_INTRANSIT;

	flags |= LWKT_MSGF_DONE | LWKT_MSGF_REPLY;
	if (flags & LWKT_MSGF_SYNC)
		atomic_store_rel_32(&msg->ms_flags, flags);
	else
		port_enqueue(port, msg, flags);
}
