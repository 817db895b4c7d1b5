/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Send and wait, reply and wait: two halves that are done in one section.
 * USES lwkt_msgport.c, lwkt_port_thread.c, lwkt_port_kinds.c.
 *
 * THEORY
 * A client that calls lwkt_domsg() sends and then waits for the reply.  A
 * server that calls lwkt_replywait() replies and then waits for the next
 * message.  Each wakes the other thread and blocks at once.
 *
 *	client			server
 *	domsg: put, block  -->	replywait returns, work
 *	domsg returns	  <--	replywait: reply, block
 *
 * Any kind of port can do this by two calls of its functions.  In the usual
 * case both ports are thread ports, both threads belong to this CPU, and the
 * other one waits already.  Then both halves are done here, in one leaf
 * section.  The section ends in port_block(), as the usual wait at a thread
 * port does, unless there is no need to wait (PC2).
 *
 * The threads run in the same order as after the two calls.  The other thread
 * enters the run queue behind all threads of its priority, and then the caller
 * leaves the run queue.  So threads of equal priority that are runnable already
 * run before the other thread.  If there are none, the other thread takes the
 * place of the caller (pick_in_place).
 *
 * INVARIANTS
 * PC1 Both halves are done here only if a call of the first half by itself
 *    would do the same and nothing else: the other thread waits for the
 *    message on this CPU, and the message has no flag that asks for more.
 * PC2 lwkt_replywait() does not block here if a message is queued already.
 *
 * Source: seL4_Call and seL4_ReplyRecv.  DragonFly has no such reply.
 */
#include "kern/sleep/synch_var.h"
#include "kern/port/port_var.h"

/* A message with one of these flags is sent by domsg_any() (PC1). */
#define MSGF_NOTHERE	(uint32_t)(LWKT_MSGF_QUEUED | LWKT_MSGF_DROPABLE | \
			 LWKT_MSGF_ABORTABLE | LWKT_MSGF_PRIORITY |	\
			 LWKT_MSGF_RECEIPT | LWKT_MSGF_NORESCHED)
/* Of these flags a message that is replied here has only SYNC (PC1). */
#define MSGF_WHOSE	(LWKT_MSGF_DONE | LWKT_MSGF_QUEUED |		\
			 LWKT_MSGF_REPLY | LWKT_MSGF_SYNC |		\
			 LWKT_MSGF_FOREIGN)

/*
 * Return 1 if the owner of the thread port belongs to this CPU and waits at the
 * port for what the bit `why` of mp_flags says, or was woken from that wait and
 * has not run yet.  Else return 0.  Such an owner has not ended (PT3 of
 * lwkt_port_thread.c).  Leaf section.
 */
static inline int
owner_waits(struct globaldata *gd, lwkt_port_t port, uint32_t why)
{
	return owner_gd(port->mp_td) == gd && (port->mp_flags & why) != 0;
}

/*
 * Send msg to port, wait for its reply and return the result, ms_error.  The
 * reply is marked done and not queued.  If port does the work at once, return
 * its result; the reply port is not used.  With LWKT_PCATCH in flags, an
 * interrupt aborts an abortable msg; the call still waits for the reply.
 * Thread, or a plain pthread whose reply port is a spin port; may block.
 */
int
lwkt_domsg(lwkt_port_t port, lwkt_msg_t msg, int flags)
{
	uint32_t msgf = msg->ms_flags;
	lwkt_port_t back = msg->ms_reply;
	struct globaldata *gd;
	lwkt_thread_t self;

	if (unlikely((msgf & (LWKT_MSGF_DONE | MSGF_NOTHERE)) !=
	    LWKT_MSGF_DONE || port->mp_ops != &lwkt__port_thread_ops ||
	    back->mp_ops != &lwkt__port_thread_ops))
		return domsg_any(port, msg, flags);
	self = caller_thread();
	gd = mygd();
	leaf_enter(self);
	if (likely(owner_waits(gd, port, MPF_WAITPORT) &&
	    back->mp_td == self && may_block(self))) {		/* PC1 */
		msg->ms_mpflags = 0;
		msg->ms_target = port;
		counter_inc(gd->gd_cntbias, put_local);
		port_enqueue(port, msg,
		    (msgf & ~(MSGF_RUN | MSGF_NOTHERE)) | LWKT_MSGF_SYNC);
		return port_block_int(back, msg, port->mp_td, MPF_WAITSYNC);
	}
	leaf_leave(self);
	return domsg_any(port, msg, flags);
}

/* lwkt_replywait(), for ports of any kind. */
static __lwkt_noinline void *
replywait_any(lwkt_msg_t msg, int error, lwkt_port_t port, int flags)
{
	if (msg != NULL)
		lwkt_replymsg(msg, error);
	return lwkt_waitport(port, flags);
}

/*
 * The rest of lwkt_replywait() if a message is queued.  msg is marked done
 * already: wake its sender, take the next message of port and return it.  Ends
 * the leaf section of the caller.
 */
static __lwkt_noinline void *
replywait_next(lwkt_msg_t msg, lwkt_port_t port)
{
	struct globaldata *gd = mygd();

	ktr(gd, reply, msg->ms_error, msg->ms_flags & ~MSGF_STATE);
	wake_local(gd, msg->ms_reply->mp_td);
	return leaf_exit_quick(port_dequeue(port));
}

/*
 * Return msg, which belongs to the caller, to its sender, with the result
 * error; then wait for a message or reply of port, take it and return it.  If
 * msg is NULL, only wait.  Return NULL only if the thread is interrupted and
 * flags has LWKT_PCATCH; msg has been replied then.  Thread; for spin ports
 * also a plain pthread.  May block.
 */
void *
lwkt_replywait(lwkt_msg_t msg, int error, lwkt_port_t port, int flags)
{
	lwkt_port_t back;
	struct globaldata *gd;
	lwkt_thread_t self;

	if (unlikely(msg == NULL || flags != 0 ||
	    (msg->ms_flags & MSGF_WHOSE) != LWKT_MSGF_SYNC ||
	    msg->ms_reply->mp_ops != &lwkt__port_thread_ops ||
	    port->mp_ops != &lwkt__port_thread_ops))
		return replywait_any(msg, error, port, flags);
	back = msg->ms_reply;
	self = caller_thread();
	gd = mygd();
	leaf_enter(self);
	if (likely(owner_waits(gd, back, MPF_WAITSYNC) &&
	    port->mp_td == self && may_block(self))) {		/* PC1 */
		msg->ms_error = error;
		msg_setflags(msg, msg->ms_flags | LWKT_MSGF_DONE |
		    LWKT_MSGF_REPLY);
		if (unlikely(!port_is_empty(port)))		/* PC2 */
			return replywait_next(msg, port);
		return (void *)port_block(port, NULL, back->mp_td,
		    MPF_WAITPORT);
	}
	leaf_leave(self);
	return replywait_any(msg, error, port, flags);
}
