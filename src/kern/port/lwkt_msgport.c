/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages: send, wait, reply, abort.  USES no other file of the room.
 *
 * THEORY
 * A message belongs to its sender until it is sent, and again once it is done.
 * In between it belongs to the receiver.  ms_flags says where it is:
 *
 *	DONE --send--> (INTRANSIT) --> QUEUED --getport--> none of these
 *	--replymsg--> REPLY (INTRANSIT) --> DONE|REPLY, QUEUED if !SYNC
 *
 * INTRANSIT is set only while the message goes to another CPU, or from a plain
 * pthread to a CPU.  A port that does the work at once, or has no queue, skips
 * QUEUED.
 *
 * putport either takes the message and returns LWKT_EASYNC, or does the work at
 * once and returns the result.  In the second case lwkt_sendmsg() and
 * lwkt_forwardmsg() reply the message with that result, and lwkt_domsg()
 * returns it.  So the sender does not see which way a port works.
 *
 * This file calls a port by its vector (mp_ops) only and knows no kind of port.
 * So the file of every kind may use this file, for example to reply a message.
 * The two calls that send or reply and then wait know thread ports; they are in
 * lwkt_port_call.c.
 *
 * INVARIANTS
 * PM1 A message is sent only when DONE and not QUEUED.  It is forwarded or
 *    replied only when none of DONE, QUEUED and REPLY is set.
 * PM2 Whenever a port's putport or replyport function is called,
 *    LWKT_MSGF_FOREIGN says whether the caller is a plain pthread.  Each call
 *    of this file that sends, forwards or replies sets or clears the flag for
 *    its caller, because a putonly port may hand a message from a pthread to a
 *    thread or the other way round.  A CPU that continues what a pthread began
 *    clears the flag (lwkt_port_foreign.c).
 *
 * Source: DragonFly lwkt_msgport.c and msgport(9).
 */
#include "kern/sleep/synch_var.h"
#include "kern/port/port_var.h"

#include <errno.h>
#include <lwkt/synch.h>

TRACEPOINT_SHARED(send, KTR_MSG, "msg.send", "sync=%llu flags=%#llx");
TRACEPOINT_SHARED(reply, KTR_MSG, "msg.reply", "error=%llu flags=%#llx");
TRACEPOINT(abort, KTR_MSG, "msg.abort", "td=%llu flags=%#llx");

COUNTER(aborts, "lwkt.msg_aborts", "abort functions of messages called");

/* Flags that a program may pass to lwkt_initmsg(). */
#define MSGF_INIT	(LWKT_MSGF_DROPABLE | LWKT_MSGF_PRIORITY |	\
			 LWKT_MSGF_NORESCHED | 0xffffu * LWKT_MSGF_USER0)

/*
 * Initialize msg, whose reply goes to the port `reply`.  Afterwards msg belongs
 * to the caller.  Panics if flags has a flag outside MSGF_INIT.  Any context;
 * never blocks.
 */
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

/*
 * As lwkt_initmsg(), and make msg abortable: lwkt_abortmsg() calls abortfn.
 * Any context; never blocks.
 */
void
lwkt_initmsg_abortable(lwkt_msg_t msg, lwkt_port_t reply, int flags,
    void (*abortfn)(lwkt_msg_t))
{
	lwkt_initmsg(msg, reply, flags);
	msg->ms_abortfn = abortfn;
	msg->ms_flags |= LWKT_MSGF_ABORTABLE;
}

/*
 * Have receiptfn called once, just before the receiver can see msg on the queue
 * of its port.  A port without a queue does not call receiptfn.  Called by the
 * sender before it sends msg; never blocks.
 */
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

/*
 * Return the thread port of td, which is alive or which the caller holds
 * (lwkt_hold).  Any context; never blocks.
 */
lwkt_port_t
lwkt_threadport(lwkt_thread_t td)
{
	return &td->td_cold->tc_port;
}

/* Return flags, with FOREIGN if the caller is a plain pthread (PM2). */
static inline uint32_t
msg_foreign(uint32_t flags)
{
	return likely(machine_oncpu() != NULL) ?
	    flags & ~(uint32_t)LWKT_MSGF_FOREIGN : flags | LWKT_MSGF_FOREIGN;
}

/* The caller forwards or replies msg: return its flags, with PM2 made true. */
static inline uint32_t
msg_caller(lwkt_msg_t msg)
{
	uint32_t flags = msg_foreign(msg->ms_flags);

	if (unlikely(flags != msg->ms_flags))
		msg_setflags(msg, flags);
	return flags;
}

/*
 * Make msg, which belongs to the caller, the receiver's: set its flags and its
 * target.  `sync` is LWKT_MSGF_SYNC or 0.  Panics if PM1 does not hold.
 */
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

/*
 * Send msg to port.  If port does the work at once, reply msg with the result.
 * Any lwkt context, or a plain pthread; for a serialize port a thread that
 * holds the serializer.  Never blocks by itself; a function of the program that
 * port or the reply port calls may block.
 */
void
lwkt_sendmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	msg_start(port, msg, 0);
	error = port->mp_ops->putport(port, msg);
	if (error != LWKT_EASYNC)
		lwkt_replymsg(msg, error);
}

/*
 * First half of lwkt_sendmsg().  Afterwards msg counts as sent, but port has
 * not got msg yet.  The caller may hold a spinlock.
 */
void
lwkt_sendmsg_prepare(lwkt_port_t port, lwkt_msg_t msg)
{
	msg_start(port, msg, 0);
}

/*
 * Second half of lwkt_sendmsg(): give msg to port, for which it was prepared.
 * The caller must not hold a spinlock.
 */
void
lwkt_sendmsg_start(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	KASSERTF((msg->ms_flags & (LWKT_MSGF_DONE | LWKT_MSGF_QUEUED)) == 0 &&
	    msg->ms_target == port, "message %p is not prepared for port %p, "
	    "flags %#x", (void *)msg, (void *)port, msg->ms_flags);
	msg_caller(msg);
	error = port->mp_ops->putport(port, msg);
	if (error != LWKT_EASYNC)
		lwkt_replymsg(msg, error);
}

/* lwkt_domsg() (lwkt_port_call.c), for ports of any kind. */
int
domsg_any(lwkt_port_t port, lwkt_msg_t msg, int flags)
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

/* Panic if msg does not belong to its receiver (PM1). */
static inline void
msg_assert_received(lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags;

	KASSERTF((flags & (LWKT_MSGF_DONE | LWKT_MSGF_QUEUED |
	    LWKT_MSGF_REPLY)) == 0, "message %p is not the receiver's%s, "
	    "flags %#x", (void *)msg, flags & LWKT_MSGF_REPLY ?
	    ": it was replied before" : "", flags);		/* PM1 */
}

/*
 * Pass msg, which belongs to the caller, on to port.  Return LWKT_EASYNC if
 * port has taken it; else msg has been replied, and its result is returned.
 * Context and blocking: lwkt_sendmsg().
 */
int
lwkt_forwardmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	msg_assert_received(msg);
	msg_caller(msg);
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

/*
 * Return msg, which belongs to the caller, to its sender, with the result
 * error.  Context and blocking: lwkt_sendmsg().
 */
void
lwkt_replymsg(lwkt_msg_t msg, int error)
{
	lwkt_port_t port = msg->ms_reply;
	uint32_t flags;

	msg_assert_received(msg);
	msg->ms_error = error;
	flags = msg_caller(msg);
	if ((flags & LWKT_MSGF_FOREIGN) == 0)
		ktr(mygd(), reply, error, flags);
	port->mp_ops->replyport(port, msg);
}

/*
 * Take the next message or reply of port and return it; NULL if there is none.
 * The owner of a thread port, or the holder of the serializer of a serialize
 * port; for a spin port any thread, callback or plain pthread.  Never blocks.
 */
void *
lwkt_getport(lwkt_port_t port)
{
	return port->mp_ops->getport(port);
}

/*
 * Wait for a message or reply of port, take it and return it.  Return NULL only
 * if the thread is interrupted and flags has LWKT_PCATCH.  Thread, as for
 * lwkt_getport(); for a spin port also a plain pthread.  May block.
 */
void *
lwkt_waitport(lwkt_port_t port, int flags)
{
	return port->mp_ops->waitport(port, flags);
}

/*
 * Wait for the reply of msg, take it off its reply port, and return its result,
 * ms_error.  With LWKT_PCATCH in flags, an interrupt aborts an abortable msg;
 * the call still waits for the reply.  Thread, as for lwkt_getport() on the
 * reply port; for a spin port also a plain pthread.  May block.
 */
int
lwkt_waitmsg(lwkt_msg_t msg, int flags)
{
	KASSERTF((msg_lookflags(msg) & LWKT_MSGF_DROPABLE) == 0,
	    "message %p has LWKT_MSGF_DROPABLE: no thread can wait for it",
	    (void *)msg);
	return msg->ms_reply->mp_ops->waitmsg(msg, flags);
}

/*
 * As lwkt_waitport(), but return NULL also after timeout_ns.  On a serialize
 * port, a call that finds no message releases the serializer, even if
 * timeout_ns is 0, and may block longer, until it has the serializer again.  A
 * plain pthread may pass 0 or LWKT_FOREVER only.
 */
void *
lwkt_waitport_timed(lwkt_port_t port, int flags, int64_t timeout_ns)
{
	timeout_ns = limit_ns(timeout_ns);
	if (timeout_ns < 0)
		return port->mp_ops->waitport(port, flags);
	port_assert_timeout(port, timeout_ns);
	return port->mp_ops->waitport_timed(port, flags, timeout_ns);
}

/*
 * Wait for the reply of msg for at most timeout_ns.  If it has come, take it
 * off its reply port and return 0; its result is ms_error.  Return EWOULDBLOCK
 * if it has not.  On a serialize port, see lwkt_waitport_timed().  Context as
 * for lwkt_waitmsg(); a plain pthread may pass 0 or LWKT_FOREVER only.
 */
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

/* Return 1 if msg is done, else 0.  Any context; never blocks. */
int
lwkt_checkmsg(lwkt_msg_t msg)
{
	/*
	 * Acquire: pairs with the release stores of DONE in most reply
	 * functions: what the receiver wrote before its reply is visible.  For
	 * a thread port the IPI ensures that on the sender's CPU.
	 */
	return (atomic_load_acq_32(&msg->ms_flags) & LWKT_MSGF_DONE) != 0;
}

/*
 * Call ms_abortfn; in a critical section, unless the caller is a plain pthread.
 * Do nothing if msg is not abortable, is done, has been replied, or has been
 * aborted before.  The sender; for a system call a thread.  Never blocks; for a
 * system call of another CPU ms_abortfn spins and executes messages.
 */
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

/*
 * Take msg off its target port; msg is then done and gets no reply.  Return 0,
 * or ENOENT if msg is not queued there.  msg must have LWKT_MSGF_DROPABLE.  The
 * receiver, in a thread; never blocks.
 */
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
