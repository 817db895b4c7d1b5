/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all kinds of message port share: queues, flags, messages of pthreads.
 *
 * THEORY
 * ms_flags has one writer at a time: the side that the message belongs to.  So
 * it needs no locked instruction.  It is stored atomically, because other
 * threads may read it at any time.  What the other side must be able to write
 * is in ms_mpflags.
 *
 * FILES of the room, bottom up.  Each file uses only files before it:
 *
 *	lwkt_msgport.c		messages; it calls ports by their vectors only
 *	lwkt_port_noqueue.c	ports that call a function
 *	lwkt_port_user.c	parts for a program's own kind of port
 *	lwkt_port_foreign.c	what pthreads leave to a CPU
 *	lwkt_port_selword.c	where pthreads wait on several ports
 *	lwkt_port_thread.c	thread ports
 *	lwkt_port_spin.c	spin ports
 *	lwkt_port_serialize.c	serialize ports
 *	lwkt_port_wait.c	waits on several ports, waits with a time limit
 *	lwkt_port_direct.c	put functions that answer at once
 *	lwkt_port_kinds.c	the vectors of thread ports and spin ports
 *	lwkt_port_call.c	send and wait, reply and wait
 *	lwkt_pipe.c		pipes, whose notices are messages
 */
#ifndef LWKT_KERN_PORT_PORT_VAR_H
#define LWKT_KERN_PORT_PORT_VAR_H

#include "kern/cpu/crit.h"
#include "kern/cpu/ktr_rec.h"

/* mp_flags */
#define MPF_WAITPORT	0x0001u	/* thread port: wake for anything queued */
#define MPF_WAITSYNC	0x0002u	/* thread port: wake for a SYNC reply */
#define MPF_WAITPTH	0x0004u	/* spin port: pthreads wait on mp_flags */
#define MPF_SELECT	0x0008u	/* spin port: pthreads select this port */
#define MPF_DIRECT	0x0010u	/* thread port: a sender runs mp_directfn */

/*
 * The sleep domain of the threads that wait at ports by lwkt_tsleep().  A
 * wakeup without this domain does not wake them, even if the ident is the same.
 */
#define PDOMAIN_PORT	0x00030000

/*
 * The entry of a selecting thread on the list mp_watch of a spin port.  While
 * the entry is on the list, mp_lock protects all fields.
 */
struct port_watch {
	struct port_watch *pw_next;
	struct port_watch **pw_prevp;	/* NULL: not on the list */
	const void	*pw_ident;	/* the thread sleeps on this ident */
	int		 pw_woken;	/* 1: taken off by a message */
};

/* lwkt_port_kinds.c: the vector of thread ports without a direct function. */
extern const struct lwkt_port_ops lwkt__port_thread_ops __lwkt_hidden;

/*
 * lwkt_port_noqueue.c: a port that only marks replies done, for messages of the
 * library whose sender waits for no reply.
 */
extern struct lwkt_port lwkt__port_null __lwkt_hidden;

/* Flags of the last use of a message, which a send clears. */
#define MSGF_RUN	(uint32_t)(LWKT_MSGF_DONE | LWKT_MSGF_REPLY |	\
			 LWKT_MSGF_SYNC | LWKT_MSGF_FOREIGN)

/* Flags that say where a message is. */
#define MSGF_STATE	(uint32_t)(LWKT_MSGF_QUEUED | LWKT_MSGF_DONE |	\
			 LWKT_MSGF_REPLY)

TRACEPOINT_EXTERN(send, KTR_MSG);
TRACEPOINT_EXTERN(reply, KTR_MSG);
COUNTER_EXTERN(put_local);

/*
 * lwkt_msgport.c.  port_flush: answer what is queued on the port of a thread
 * that ends.  domsg_any: lwkt_domsg() for ports of any kind.
 */
void	port_flush(lwkt_port_t port);
int	domsg_any(lwkt_port_t port, lwkt_msg_t msg, int flags);

/*
 * lwkt_port_foreign.c: leave a message to a CPU, which puts or replies the
 * message.  The caller must not touch it afterwards.  Any context.
 */
void	msg_push(int cpu, lwkt_msg_t msg);

/* lwkt_port_selword.c: the word of all plain pthreads that select. */
uint32_t select_count_read(void);
void	select_count_wait(uint32_t count);
void	select_wake_foreign(void);

/*
 * lwkt_port_thread.c: the owner of a thread port, NULL for another kind; and
 * the functions of the kind.
 */
lwkt_thread_t port_owner(const struct lwkt_port *port);
void   *thread_getport(lwkt_port_t port);
int	thread_putport(lwkt_port_t port, lwkt_msg_t msg);
int	thread_waitmsg(lwkt_msg_t msg, int flags);
void   *thread_waitport(lwkt_port_t port, int flags);
void	thread_replyport(lwkt_port_t port, lwkt_msg_t msg);
int	thread_dropmsg(lwkt_port_t port, lwkt_msg_t msg);

/*
 * lwkt_port_thread.c: make the thread next runnable, unless next is NULL.  Then
 * wait at port, a thread port of the caller, until msg is done, and return its
 * ms_error.  If msg is NULL, wait for any message instead, and return it.  why:
 * the bit of mp_flags for this wait.  Ends the leaf section of the caller.
 */
uintptr_t port_block(lwkt_port_t port, lwkt_msg_t msg, lwkt_thread_t next,
	    uint32_t why) __lwkt_hidden;

/*
 * The same function, for a caller that returns an int: so that its last act can
 * be a jump.
 */
int	port_block_int(lwkt_port_t port, lwkt_msg_t msg, lwkt_thread_t next,
	    uint32_t why) __asm__("port_block") __lwkt_hidden;

/*
 * lwkt_port_spin.c.  spin_watch takes the next message.  If there is none, it
 * returns NULL and puts pw on the list mp_watch; if pw is NULL, it sets
 * MPF_SELECT instead.  spin_unwatch takes pw off the list.  If a message of
 * this port had woken the caller, and one is still queued at the port,
 * spin_unwatch wakes another receiver.
 */
int	port_is_spin(const struct lwkt_port *port);
int	spin_idle(lwkt_port_t port);	/* 1: no message queued or left */
lwkt_msg_t spin_watch(lwkt_port_t port, struct port_watch *pw);
void	spin_unwatch(lwkt_port_t port, struct port_watch *pw);
void   *spin_getport(lwkt_port_t port);
int	spin_putport(lwkt_port_t port, lwkt_msg_t msg);
int	spin_waitmsg(lwkt_msg_t msg, int flags);
int	spin_waitmsg_timed(lwkt_msg_t msg, int flags, int64_t timeout_ns);
void   *spin_waitport(lwkt_port_t port, int flags);
void   *spin_waitport_timed(lwkt_port_t port, int flags, int64_t timeout_ns);
void	spin_replyport(lwkt_port_t port, lwkt_msg_t msg);
int	spin_dropmsg(lwkt_port_t port, lwkt_msg_t msg);

/* lwkt_port_wait.c: waits with a time limit at thread ports. */
void   *thread_waitport_timed(lwkt_port_t port, int flags,
	    int64_t timeout_ns);
int	thread_waitmsg_timed(lwkt_msg_t msg, int flags, int64_t timeout_ns);

/* lwkt_port_direct.c: the put functions of ports with mp_directfn. */
int	thread_putport_direct(lwkt_port_t port, lwkt_msg_t msg);
int	spin_putport_direct(lwkt_port_t port, lwkt_msg_t msg);

/*
 * Panic if a plain pthread waits with a timeout other than 0 and LWKT_FOREVER:
 * the host has no such wait.
 */
static inline void
port_assert_timeout(lwkt_port_t port, int64_t timeout_ns)
{
	if (unlikely(timeout_ns > 0 && machine_oncpu() == NULL))
		lwkt_panic("a pthread waits on port %p with a timeout; it may "
		    "only wait for ever, or try", (void *)port);
}

/*
 * Read ms_flags or ms_target.  Atomic, because the message may belong to
 * another thread, which may write the field.
 */
static inline uint32_t
msg_lookflags(lwkt_msg_t msg)
{
	return atomic_load_32(&msg->ms_flags);
}

static inline lwkt_port_t
msg_looktarget(lwkt_msg_t msg)
{
	return (lwkt_port_t)atomic_load_ptr((const uintptr_t *)
	    &msg->ms_target);
}

/*
 * Return 1 if msg is a request that is queued on port, else 0.  The caller
 * holds the lock that protects port.  msg itself may belong to a receiver, or,
 * after it was forwarded, be queued on another port.  Acquire: pairs with the
 * release in port_enqueue(), which comes after the store of the new target.
 */
static inline int
msg_is_at(lwkt_msg_t msg, lwkt_port_t port)
{
	return (atomic_load_acq_32(&msg->ms_flags) & (LWKT_MSGF_QUEUED |
	    LWKT_MSGF_REPLY)) == LWKT_MSGF_QUEUED &&
	    msg_looktarget(msg) == port;
}

/* Return the CPU that td belongs to at this moment; it may move later. */
static inline struct globaldata *
owner_gd(lwkt_thread_t td)
{
	/* Acquire: pairs with the release in thread_finish_migrate(). */
	return (struct globaldata *)atomic_load_acq_ptr(
	    (const uintptr_t *)&td->td_gd);
}

/*
 * Return 1 if self, the caller, may block by port_block(), which does no
 * deferred wakeups.  Return 0 if self defers its wakeups (kern_delayed.c), or
 * is not on the run queue.
 */
static inline int
may_block(lwkt_thread_t self)
{
	return (self->td_flags & (TDF_RUNQ | TDF_DELAYED_WAKEUP)) == TDF_RUNQ;
}

static inline int
port_is_empty(const struct lwkt_port *port)
{
	return port->mp_msgq.mq_first == NULL &&
	    port->mp_prioq.mq_first == NULL;
}

static inline void
msg_setflags(lwkt_msg_t msg, uint32_t flags)
{
	atomic_store_32(&msg->ms_flags, flags);
}

/*
 * Store flags with DONE: msg is the sender's then.  Release: pairs with
 * lwkt_checkmsg(), so the sender sees what the receiver wrote before.
 */
static inline void
msg_setdone(lwkt_msg_t msg, uint32_t flags)
{
	atomic_store_rel_32(&msg->ms_flags, flags | LWKT_MSGF_DONE);
}

static inline void
port_init(lwkt_port_t port, const struct lwkt_port_ops *ops)
{
	*port = (struct lwkt_port){ .mp_ops = ops };
	port->mp_msgq.mq_lastp = &port->mp_msgq.mq_first;
	port->mp_prioq.mq_lastp = &port->mp_prioq.mq_first;
}

/*
 * Make port, which the structure of td had for an earlier thread, the thread
 * port of td.  Its queues are empty.  The program may have given it other
 * functions, which are replaced.
 */
static inline void
port_renew(lwkt_port_t port, lwkt_thread_t td)
{
	if (unlikely(port->mp_ops != &lwkt__port_thread_ops))
		lwkt_initport_thread(port, td);
	INVARIANT(port->mp_td == td && port_is_empty(port));
	port->mp_data = NULL;
	port->mp_flags = 0;
}

static inline struct lwkt_msgq *
port_queue(lwkt_port_t port, uint32_t flags)
{
	return unlikely(flags & LWKT_MSGF_PRIORITY) ?
	    &port->mp_prioq : &port->mp_msgq;
}

/*
 * Append msg to a queue of port; ms_flags becomes flags with QUEUED.  The
 * caller holds what protects the queues.
 */
static inline void
port_enqueue(lwkt_port_t port, lwkt_msg_t msg, uint32_t flags)
{
	struct lwkt_msgq *mq = port_queue(port, flags);

	msg->ms_next = NULL;
	msg->ms_prevp = mq->mq_lastp;
	*mq->mq_lastp = msg;
	mq->mq_lastp = &msg->ms_next;
	/* Release: pairs with msg_is_at(); for a reply, lwkt_checkmsg(). */
	atomic_store_rel_32(&msg->ms_flags, flags | LWKT_MSGF_QUEUED);
}

/* Take msg, which must be queued on port, off the queue; clear QUEUED. */
static inline void
port_remove(lwkt_port_t port, lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags;

	if (msg->ms_next != NULL)
		msg->ms_next->ms_prevp = msg->ms_prevp;
	else
		port_queue(port, flags)->mq_lastp = msg->ms_prevp;
	*msg->ms_prevp = msg->ms_next;
	msg_setflags(msg, flags & ~(uint32_t)LWKT_MSGF_QUEUED);
}

/*
 * Take the next message off the queues and return it: the first one with
 * PRIORITY, else the first of the others; NULL if there is none.
 */
static inline lwkt_msg_t
port_dequeue(lwkt_port_t port)
{
	struct lwkt_msgq *mq = &port->mp_prioq;
	lwkt_msg_t msg = mq->mq_first;

	if (likely(msg == NULL)) {
		mq = &port->mp_msgq;
		msg = mq->mq_first;
	}
	if (msg != NULL) {
		mq->mq_first = msg->ms_next;
		if (msg->ms_next != NULL)
			msg->ms_next->ms_prevp = &mq->mq_first;
		else
			mq->mq_lastp = &mq->mq_first;
		msg_setflags(msg,
		    msg->ms_flags & ~(uint32_t)LWKT_MSGF_QUEUED);
	}
	return msg;
}

/*
 * msg is about to be queued.  If flags has RECEIPT, call ms_receiptfn.  Return
 * flags without RECEIPT.
 */
static inline uint32_t
msg_receipt(lwkt_port_t port, lwkt_msg_t msg, uint32_t flags)
{
	if (unlikely(flags & LWKT_MSGF_RECEIPT)) {
		flags &= ~(uint32_t)LWKT_MSGF_RECEIPT;
		msg->ms_receiptfn(msg, port);
	}
	return flags;
}

#endif
