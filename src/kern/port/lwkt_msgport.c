/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages: send, wait, reply, abort; and the ports that have no queue.
 *
 * THEORY
 * A message belongs to its sender until it is sent and again once it is done,
 * to the receiver in between; the flags say where it is:
 *
 *	DONE --send--> (INTRANSIT) --> QUEUED --getport--> no flag
 *	no flag --replymsg--> REPLY (INTRANSIT) --> DONE|REPLY, QUEUED if !SYNC
 *
 * putport either takes the message and answers LWKT_EASYNC, or has finished
 * already and answers the result.  lwkt_sendmsg() turns the second into a
 * queued reply, lwkt_domsg() returns it at once, so neither caller sees which
 * way a port works.
 *
 * INVARIANTS
 * PM1 A message is sent only when DONE and not QUEUED, replied or forwarded
 *    only when neither DONE nor QUEUED.
 * PM2 LWKT_MSGF_FOREIGN is right whenever a port's put or reply function is
 *    called: it says that the caller is not a CPU.  Set when sent, and when a
 *    pthread receives (the spin port), cleared where a CPU takes over.
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

void
lwkt_initmsg_abortable(lwkt_msg_t msg, lwkt_port_t reply, int flags,
    void (*abortfn)(lwkt_msg_t))
{
	lwkt_initmsg(msg, reply, flags);
	msg->ms_abortfn = abortfn;
	msg->ms_flags |= LWKT_MSGF_ABORTABLE;
}

void
lwkt_setmsg_receipt(lwkt_msg_t msg, void (*receiptfn)(lwkt_msg_t, lwkt_port_t))
{
	msg->ms_receiptfn = receiptfn;
	msg->ms_flags |= LWKT_MSGF_RECEIPT;
}

lwkt_port_t
lwkt_curport(void)
{
	return &caller_thread()->td_cold->tc_port;
}

lwkt_port_t
lwkt_threadport(lwkt_thread_t td)
{
	return &td->td_cold->tc_port;
}

/* The flags of a message on its way: the sender may be no CPU (PM2). */
static inline uint32_t
msg_foreign(uint32_t flags)
{
	return likely(machine_oncpu() != NULL) ? flags :
	    flags | LWKT_MSGF_FOREIGN;
}

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

void
lwkt_sendmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	msg_start(port, msg, 0);
	error = port->mp_ops->putport(port, msg);
	if (error != LWKT_EASYNC)
		lwkt_replymsg(msg, error);
}

void
lwkt_sendmsg_prepare(lwkt_port_t port, lwkt_msg_t msg)
{
	msg_start(port, msg, 0);
}

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

void
lwkt_sendmsg_oncpu(lwkt_port_t port, lwkt_msg_t msg)
{
	lwkt_thread_t owner = port_owner(port);

	if (owner != NULL && (machine_oncpu() == NULL ||
	    owner->td_gd != mygd()))
		lwkt_panic("message %p to thread \"%s\" of cpu %d is sent from "
		    "cpu %d; the CPUs must be the same", (void *)msg,
		    owner->td_name, owner->td_gd->gd_m.mc_cpuid, lwkt_cpuid());
	lwkt_sendmsg(port, msg);
}

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

static inline void
msg_assert_received(lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags;

	KASSERTF((flags & (LWKT_MSGF_DONE | LWKT_MSGF_QUEUED |
	    LWKT_MSGF_REPLY)) == 0, "message %p is not the receiver's%s, "
	    "flags %#x", (void *)msg, flags & LWKT_MSGF_REPLY ?
	    ": it was replied before" : "", flags);		/* PM1 */
}

int
lwkt_forwardmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	msg_assert_received(msg);
	/* Another receiver of the old port may be about to drop it. */
	atomic_store_ptr((uintptr_t *)&msg->ms_target, (uintptr_t)port);
	error = port->mp_ops->putport(port, msg);
	if (error != LWKT_EASYNC)
		lwkt_replymsg(msg, error);
	return error;
}

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

void *
lwkt_getport(lwkt_port_t port)
{
	return port->mp_ops->getport(port);
}

void *
lwkt_waitport(lwkt_port_t port, int flags)
{
	return port->mp_ops->waitport(port, flags);
}

int
lwkt_waitmsg(lwkt_msg_t msg, int flags)
{
	KASSERTF((msg_lookflags(msg) & LWKT_MSGF_DROPABLE) == 0,
	    "message %p has LWKT_MSGF_DROPABLE: no thread can wait for it",
	    (void *)msg);
	return msg->ms_reply->mp_ops->waitmsg(msg, flags);
}

void *
lwkt_waitport_timed(lwkt_port_t port, int flags, int64_t timeout_ns)
{
	timeout_ns = limit_ns(timeout_ns);
	if (timeout_ns < 0)
		return port->mp_ops->waitport(port, flags);
	port_assert_timeout(port, timeout_ns);
	return port->mp_ops->waitport_timed(port, flags, timeout_ns);
}

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

int
lwkt_checkmsg(lwkt_msg_t msg)
{
	/* Pairs with the release stores of DONE in the reply functions. */
	return (atomic_load_acq_32(&msg->ms_flags) & LWKT_MSGF_DONE) != 0;
}

void
lwkt_abortmsg(lwkt_msg_t msg)
{
	lwkt_thread_t self = machine_oncpu() != NULL ? curthread : NULL;
	uint32_t flags;

	if (self != NULL)
		crit_enter_td(self);
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
 * Replies that nobody took are the ending thread's own, and complete.  Requests
 * get an answer.
 */
void
port_flush(lwkt_port_t port)
{
	lwkt_msg_t msg;

	while ((msg = lwkt_getport(port)) != NULL)
		if ((msg->ms_flags & LWKT_MSGF_REPLY) == 0)
			lwkt_replymsg(msg, ESRCH);
}

/*
 * Ports without a queue.  What such a port cannot do panics, and says what.
 */
static void *
panic_getport(lwkt_port_t port)
{
	lwkt_panic("lwkt_getport: port %p has no queue", (void *)port);
}

static int
panic_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	lwkt_panic("message %p is sent to port %p, which takes no messages",
	    (void *)msg, (void *)port);
}

static int
panic_waitmsg(lwkt_msg_t msg, int flags)
{
	lwkt_panic("lwkt_waitmsg: no thread can wait at reply port %p of "
	    "message %p (flags %#x)", (void *)msg->ms_reply, (void *)msg,
	    (unsigned)flags);
}

static void *
panic_waitport(lwkt_port_t port, int flags)
{
	lwkt_panic("lwkt_waitport: port %p has no queue (flags %#x)",
	    (void *)port, (unsigned)flags);
}

static void
panic_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	lwkt_panic("message %p is replied to port %p, which takes no replies",
	    (void *)msg, (void *)port);
}

static int
panic_dropmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	lwkt_panic("lwkt_dropmsg: message %p is at port %p, which has no queue",
	    (void *)msg, (void *)port);
}

static void *
panic_waitport_timed(lwkt_port_t port, int flags, int64_t timeout_ns)
{
	(void)timeout_ns;
	return panic_waitport(port, flags);
}

static int
panic_waitmsg_timed(lwkt_msg_t msg, int flags, int64_t timeout_ns)
{
	(void)timeout_ns;
	return panic_waitmsg(msg, flags);
}

/* A function takes the reply; it is the message's destructor, for example. */
static void
replyonly_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	msg_setflags(msg, msg->ms_flags | LWKT_MSGF_DONE | LWKT_MSGF_REPLY);
	port->mp_replyfn(port, msg);
}

static void
null_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port;
	/* Release: pairs with lwkt_checkmsg(); it is the sender's now. */
	atomic_store_rel_32(&msg->ms_flags, msg->ms_flags | LWKT_MSGF_DONE |
	    LWKT_MSGF_REPLY);
}

static int
putonly_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	return port->mp_putfn(port, msg);
}

/* A vector of which a kind replaces what it can do. */
#define PANIC_OPS							\
	.getport = panic_getport, .waitmsg = panic_waitmsg,		\
	.waitport = panic_waitport, .dropmsg = panic_dropmsg,		\
	.waitport_timed = panic_waitport_timed,				\
	.waitmsg_timed = panic_waitmsg_timed

void
lwkt_initport_replyonly(lwkt_port_t port,
    void (*replyfn)(lwkt_port_t, lwkt_msg_t))
{
	static const struct lwkt_port_ops ops = { PANIC_OPS,
		.putport = panic_putport, .replyport = replyonly_replyport };

	port_init(port, &ops);
	port->mp_replyfn = replyfn;
}

void
lwkt_initport_replyonly_null(lwkt_port_t port)
{
	static const struct lwkt_port_ops ops = { PANIC_OPS,
		.putport = panic_putport, .replyport = null_replyport };

	port_init(port, &ops);
}

void
lwkt_initport_putonly(lwkt_port_t port,
    int (*putfn)(lwkt_port_t, lwkt_msg_t))
{
	static const struct lwkt_port_ops ops = { PANIC_OPS,
		.putport = putonly_putport, .replyport = panic_replyport };

	port_init(port, &ops);
	port->mp_putfn = putfn;
}

void
lwkt_initport_panic(lwkt_port_t port)
{
	static const struct lwkt_port_ops ops = { PANIC_OPS,
		.putport = panic_putport, .replyport = panic_replyport };

	port_init(port, &ops);
}
