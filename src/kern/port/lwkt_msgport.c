/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages: send, wait, reply, abort.  USES no other file of the room.
 *
 * THEORY
 * A message belongs to its sender until it is sent, and again once it is done.
 * In between it belongs to the receiver.  The flags say where it is:
 *
 *	DONE --send--> (INTRANSIT) --> QUEUED --getport--> no flag
 *	no flag --replymsg--> REPLY (INTRANSIT) --> DONE|REPLY, QUEUED if !SYNC
 *
 * putport either takes the message and returns LWKT_EASYNC, or does the work at
 * once and returns the result.  lwkt_sendmsg() turns a result into a reply, and
 * lwkt_domsg() returns it.  So the caller does not see which way a port works.
 *
 * This file calls a port by its vector (mp_ops) only and knows no kind of port.
 * So every kind may stand on it, and ends messages with its functions.
 *
 * INVARIANTS
 * PM1 A message is sent only when DONE and not QUEUED.  It is replied or
 *    forwarded only when neither DONE nor QUEUED.
 * PM2 Whenever a port's put or reply function is called, LWKT_MSGF_FOREIGN says
 *    whether the caller is a plain pthread.  The flag is set when a pthread
 *    sends, or receives from a spin port.  It is cleared when a CPU takes over.
 *
 * Source: DragonFly lwkt_msgport.c and msgport(9).
 */
#include "kern/sleep/synch_var.h"
#include "kern/port/port_var.h"

#include <errno.h>
#include <lwkt/synch.h>

TRACEPOINT(send, KTR_MSG, "msg.send", "sync=%llu flags=%#llx");
TRACEPOINT(reply, KTR_MSG, "msg.reply", "error=%llu flags=%#llx");
TRACEPOINT(abort, KTR_MSG, "msg.abort", "td=%llu flags=%#llx");

COUNTER(aborts, "lwkt.msg_aborts", "abort functions of messages called");

#define MSGF_INIT	(LWKT_MSGF_DROPABLE | LWKT_MSGF_PRIORITY |	\
			 LWKT_MSGF_NORESCHED | 0xffffu * LWKT_MSGF_USER0)
#define MSGF_RUN	(uint32_t)(LWKT_MSGF_DONE | LWKT_MSGF_REPLY |	\
			 LWKT_MSGF_SYNC | LWKT_MSGF_FOREIGN)

/* Any context; never blocks. */
void
lwkt_initmsg(lwkt_msg_t msg, lwkt_port_t reply, int flags)
{
	KASSERTF(((uint32_t)flags & ~MSGF_INIT) == 0, "message %p: flags %#x "
	    "are not for lwkt_initmsg", (void *)msg, (unsigned)flags);
	msg->ms_next = NULL;
	msg->ms_prevp = NULL;
	msg->ms_target = NULL;
	msg->ms_reply = reply;
	msg->ms_abortfn = NULL;
	msg->ms_receiptfn = NULL;
	msg->ms_flags = (uint32_t)flags | LWKT_MSGF_DONE;
	msg->ms_mpflags = 0;
	msg->ms_error = 0;
	msg->ms_u.i64 = 0;
}

/* Any context; never blocks. */
void
lwkt_initmsg_abortable(lwkt_msg_t msg, lwkt_port_t reply, int flags,
    void (*abortfn)(lwkt_msg_t))
{
	lwkt_initmsg(msg, reply, flags);
	msg->ms_abortfn = abortfn;
	msg->ms_flags |= LWKT_MSGF_ABORTABLE;
}

/* Have receiptfn called once, before the receiver sees msg; never blocks. */
void
lwkt_setmsg_receipt(lwkt_msg_t msg, void (*receiptfn)(lwkt_msg_t, lwkt_port_t))
{
	msg->ms_receiptfn = receiptfn;
	msg->ms_flags |= LWKT_MSGF_RECEIPT;
}

/* Return the caller's thread port.  Thread context; never blocks. */
lwkt_port_t
lwkt_curport(void)
{
	return &caller_thread()->td_cold->tc_port;
}

/* Any lwkt context; never blocks. */
lwkt_port_t
lwkt_threadport(lwkt_thread_t td)
{
	return &td->td_cold->tc_port;
}

/* Return flags, with FOREIGN if the caller is a plain pthread (PM2). */
static inline uint32_t
msg_foreign(uint32_t flags)
{
	return likely(machine_oncpu() != NULL) ? flags :
	    flags | LWKT_MSGF_FOREIGN;
}

/* Give msg to the receiver: set its flags and its target. */
static inline void
msg_start(lwkt_port_t port, lwkt_msg_t msg, uint32_t sync)
{
	uint32_t flags = msg->ms_flags;

	KASSERTF((flags & (LWKT_MSGF_DONE | LWKT_MSGF_QUEUED)) ==
	    LWKT_MSGF_DONE, "message %p is not the sender's: not initialized, "
	    "or its reply not taken, flags %#x", (void *)msg, flags); /* PM1 */
	flags = msg_foreign((flags & ~MSGF_RUN) | sync);
	msg_setflags(msg, flags);
	msg->ms_mpflags = 0;
	msg->ms_target = port;
	if ((flags & LWKT_MSGF_FOREIGN) == 0)
		ktr(mygd(), send, sync != 0, flags);
}

/* Any lwkt context, or a plain pthread; never blocks. */
void
lwkt_sendmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	msg_start(port, msg, 0);
	error = port->mp_ops->putport(port, msg);
	if (error != LWKT_EASYNC)
		lwkt_replymsg(msg, error);
}

/* As lwkt_sendmsg(); the caller may hold a spinlock. */
void
lwkt_sendmsg_prepare(lwkt_port_t port, lwkt_msg_t msg)
{
	msg_start(port, msg, 0);
}

/* As lwkt_sendmsg(); the caller must not hold a spinlock. */
void
lwkt_sendmsg_start(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	KASSERTF((msg->ms_flags & (LWKT_MSGF_DONE | LWKT_MSGF_QUEUED)) == 0 &&
	    msg->ms_target == port, "message %p is not prepared for port %p, "
	    "flags %#x", (void *)msg, (void *)port, msg->ms_flags);
	error = port->mp_ops->putport(port, msg);
	if (error != LWKT_EASYNC)
		lwkt_replymsg(msg, error);
}

/* Thread, or a plain pthread with spin ports; blocks until the reply. */
int
lwkt_domsg(lwkt_port_t port, lwkt_msg_t msg, int flags)
{
	int error;

	KASSERTF((msg->ms_flags & LWKT_MSGF_DROPABLE) == 0,
	    "message %p has LWKT_MSGF_DROPABLE: no thread can wait for it",
	    (void *)msg);
	msg_start(port, msg, LWKT_MSGF_SYNC);
	error = port->mp_ops->putport(port, msg);
	if (likely(error == LWKT_EASYNC))
		return msg->ms_reply->mp_ops->waitmsg(msg, flags);
	msg->ms_error = error;
	msg_setflags(msg, msg->ms_flags | LWKT_MSGF_DONE | LWKT_MSGF_REPLY);
	return error;
}

/* Check that msg belongs to its receiver (PM1). */
static inline void
msg_assert_received(lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags;

	KASSERTF((flags & (LWKT_MSGF_DONE | LWKT_MSGF_QUEUED |
	    LWKT_MSGF_REPLY)) == 0, "message %p is not the receiver's%s, "
	    "flags %#x", (void *)msg, flags & LWKT_MSGF_REPLY ?
	    ": it was replied before" : "", flags);		/* PM1 */
}

/* Any lwkt context, or a plain pthread; never blocks. */
int
lwkt_forwardmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	msg_assert_received(msg);
	/*
	 * Atomic: another receiver of the old port may read ms_target in
	 * lwkt_dropmsg() at this moment.
	 */
	atomic_store_ptr((uintptr_t *)&msg->ms_target, (uintptr_t)port);
	error = port->mp_ops->putport(port, msg);
	if (error != LWKT_EASYNC)
		lwkt_replymsg(msg, error);
	return error;
}

/* Any lwkt context, or a plain pthread; never blocks. */
void
lwkt_replymsg(lwkt_msg_t msg, int error)
{
	lwkt_port_t port = msg->ms_reply;

	msg_assert_received(msg);
	msg->ms_error = error;
	if ((msg->ms_flags & LWKT_MSGF_FOREIGN) == 0)
		ktr(mygd(), reply, error, msg->ms_flags);
	port->mp_ops->replyport(port, msg);
}

/* Thread, callback; a plain pthread for a spin port; never blocks. */
void *
lwkt_getport(lwkt_port_t port)
{
	return port->mp_ops->getport(port);
}

/* Thread, or a plain pthread for a spin port; blocks. */
void *
lwkt_waitport(lwkt_port_t port, int flags)
{
	return port->mp_ops->waitport(port, flags);
}

/* Thread, or a plain pthread for a spin port; blocks. */
int
lwkt_waitmsg(lwkt_msg_t msg, int flags)
{
	KASSERTF((msg_lookflags(msg) & LWKT_MSGF_DROPABLE) == 0,
	    "message %p has LWKT_MSGF_DROPABLE: no thread can wait for it",
	    (void *)msg);
	return msg->ms_reply->mp_ops->waitmsg(msg, flags);
}

/* As lwkt_waitport(), but blocks for at most timeout_ns. */
void *
lwkt_waitport_timed(lwkt_port_t port, int flags, int64_t timeout_ns)
{
	timeout_ns = limit_ns(timeout_ns);
	if (timeout_ns < 0)
		return port->mp_ops->waitport(port, flags);
	port_assert_timeout(port, timeout_ns);
	return port->mp_ops->waitport_timed(port, flags, timeout_ns);
}

/* As lwkt_waitmsg(), but blocks for at most timeout_ns. */
int
lwkt_waitmsg_timed(lwkt_msg_t msg, int flags, int64_t timeout_ns)
{
	timeout_ns = limit_ns(timeout_ns);
	if (timeout_ns < 0) {
		(void)lwkt_waitmsg(msg, flags);
		return 0;
	}
	KASSERTF((msg_lookflags(msg) & LWKT_MSGF_DROPABLE) == 0,
	    "message %p has LWKT_MSGF_DROPABLE: no thread can wait for it",
	    (void *)msg);
	port_assert_timeout(msg->ms_reply, timeout_ns);
	return msg->ms_reply->mp_ops->waitmsg_timed(msg, flags, timeout_ns);
}

/* Any context; never blocks. */
int
lwkt_checkmsg(lwkt_msg_t msg)
{
	/*
	 * Acquire: pairs with the release stores of DONE in the reply
	 * functions.  What the receiver wrote before its reply is visible.
	 */
	return (atomic_load_acq_32(&msg->ms_flags) & LWKT_MSGF_DONE) != 0;
}

/* Call ms_abortfn, once.  The sender calls this; never blocks. */
void
lwkt_abortmsg(lwkt_msg_t msg)
{
	lwkt_thread_t self = machine_oncpu() != NULL ? curthread : NULL;
	uint32_t flags;

	if (self != NULL)
		crit_enter_td(self);
	/* The message is the receiver's: its flags may change meanwhile. */
	flags = atomic_load_acq_32(&msg->ms_flags);
	if ((flags & LWKT_MSGF_ABORTABLE) != 0 &&
	    (flags & (LWKT_MSGF_DONE | LWKT_MSGF_REPLY)) == 0 &&
	    (atomic_fetchor_32(&msg->ms_mpflags, LWKT_MSGF_MP_ABORTED) &
	    LWKT_MSGF_MP_ABORTED) == 0) {
		if (self != NULL) {
			counter_inc(mygd()->gd_cntbias, aborts);
			ktr(mygd(), abort, self->td_id, flags);
		}
		msg->ms_abortfn(msg);
	}
	if (self != NULL)
		crit_exit_td(self);
}

/* The receiver, in a thread; never blocks. */
int
lwkt_dropmsg(lwkt_msg_t msg)
{
	uint32_t flags = msg_lookflags(msg);
	lwkt_port_t port = msg_looktarget(msg);

	KASSERTF((flags & LWKT_MSGF_DROPABLE) != 0,
	    "message %p is dropped without LWKT_MSGF_DROPABLE, flags %#x",
	    (void *)msg, flags);
	return port->mp_ops->dropmsg(port, msg);
}

/*
 * Empty the port of a thread that ends.  Requests get the reply ESRCH.  Replies
 * belong to this thread and need no answer, so they are only taken off.
 */
void
port_flush(lwkt_port_t port)
{
	lwkt_msg_t msg;

	while ((msg = lwkt_getport(port)) != NULL)
		if ((msg->ms_flags & LWKT_MSGF_REPLY) == 0)
			lwkt_replymsg(msg, ESRCH);
}
