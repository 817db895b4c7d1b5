/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kinds of message port share: the queues, flags, foreign threads.
 *
 * THEORY
 * ms_flags has one writer at a time, the side that has the message, so it needs
 * no locked instruction; it is stored atomically because the other side may
 * look at LWKT_MSGF_DONE whenever it likes.  What the other side must be able
 * to say is in ms_mpflags.
 */
#ifndef LWKT_KERN_PORT_PORT_VAR_H
#define LWKT_KERN_PORT_PORT_VAR_H

#include "kern/cpu/crit.h"

/* mp_flags */
#define MPF_WAITPORT	0x0001u	/* thread port: wake for anything queued */
#define MPF_WAITSYNC	0x0002u	/* thread port: wake for a SYNC reply */
#define MPF_WAITPTH	0x0004u	/* spin port: pthreads wait on mp_flags */
#define MPF_SELECT	0x0008u	/* spin port: pthreads select */
#define MPF_DIRECT	0x0010u	/* thread port: mp_directfn is running */

/* The sleepers of ports are nobody else's. */
#define PDOMAIN_PORT	0x00030000

/*
 * lwkt_port_foreign.c: leave a message to a CPU, which puts or replies it.
 * The message is not the caller's any more.  Any context.
 */
void	msg_push(int cpu, lwkt_msg_t msg);

/*
 * A thread that selects, and sleeps on pw_ident, on the list of a spin port.
 * All of it: mp_lock.
 */
struct port_watch {
	struct port_watch *pw_next;
	struct port_watch **pw_prevp;	/* NULL: not on the list */
	const void	*pw_ident;
	int		 pw_woken;	/* a message took it off the list */
};

/* The host has no wait with a limit for a pthread that is no CPU. */
static inline void
port_assert_timeout(lwkt_port_t port, int64_t timeout_ns)
{
	if (unlikely(timeout_ns > 0 && machine_oncpu() == NULL))
		lwkt_panic("a pthread waits on port %p with a timeout; it may "
		    "only wait for ever, or try", (void *)port);
}

/* For the side that may not have the message. */
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
 * Under the protection of port, for who may not have the message: is it queued
 * there, and no reply?  One that was passed on may be queued elsewhere.
 * Acquire: pairs with the release in port_enqueue(), after the new target.
 */
static inline int
msg_is_at(lwkt_msg_t msg, lwkt_port_t port)
{
	return (atomic_load_acq_32(&msg->ms_flags) & (LWKT_MSGF_QUEUED |
	    LWKT_MSGF_REPLY)) == LWKT_MSGF_QUEUED &&
	    msg_looktarget(msg) == port;
}

/* lwkt_port_thread.c: who receives from a thread port; NULL: another kind. */
lwkt_thread_t port_owner(const struct lwkt_port *port);
int	thread_putport(lwkt_port_t port, lwkt_msg_t msg);

/* lwkt_port_wait.c: thread ports; pthreads that select. */
void   *thread_waitport_timed(lwkt_port_t port, int flags,
	    int64_t timeout_ns);
int	thread_waitmsg_timed(lwkt_msg_t msg, int flags, int64_t timeout_ns);
void	select_wake_foreign(void);

/*
 * lwkt_port_spin.c.  spin_watch: the next message, or NULL; then pw is on the
 * port's list, or, pw being NULL, MPF_SELECT is set.  spin_unwatch: off it; if
 * a message woke the caller, who leaves without it, another receiver is woken.
 */
int	port_is_spin(const struct lwkt_port *port);
int	spin_putport(lwkt_port_t port, lwkt_msg_t msg);
int	spin_idle(lwkt_port_t port);	/* nothing queued or coming */
lwkt_msg_t spin_watch(lwkt_port_t port, struct port_watch *pw);
void	spin_unwatch(lwkt_port_t port, struct port_watch *pw);

/* lwkt_port_direct.c: the put functions of ports with mp_directfn. */
int	thread_putport_direct(lwkt_port_t port, lwkt_msg_t msg);
int	spin_putport_direct(lwkt_port_t port, lwkt_msg_t msg);
extern const struct lwkt_port_ops lwkt__thread_ops, lwkt__thread_direct_ops;
extern const struct lwkt_port_ops lwkt__spin_ops, lwkt__spin_direct_ops;

/* lwkt_msgport.c: its owner ends; what is queued on the port is answered. */
void	port_flush(lwkt_port_t port);

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

static inline void
port_init(lwkt_port_t port, const struct lwkt_port_ops *ops)
{
	*port = (struct lwkt_port){ .mp_ops = ops };
	port->mp_msgq.mq_lastp = &port->mp_msgq.mq_first;
	port->mp_prioq.mq_lastp = &port->mp_prioq.mq_first;
}

static inline struct lwkt_msgq *
port_queue(lwkt_port_t port, uint32_t flags)
{
	return unlikely(flags & LWKT_MSGF_PRIORITY) ?
	    &port->mp_prioq : &port->mp_msgq;
}

/* Queue msg, whose new flags are given. */
static inline void
port_enqueue(lwkt_port_t port, lwkt_msg_t msg, uint32_t flags)
{
	struct lwkt_msgq *mq = port_queue(port, flags);

	msg->ms_next = NULL;
	msg->ms_prevp = mq->mq_lastp;
	*mq->mq_lastp = msg;
	mq->mq_lastp = &msg->ms_next;
	/* Release: a reply is seen by lwkt_checkmsg(). */
	atomic_store_rel_32(&msg->ms_flags, flags | LWKT_MSGF_QUEUED);
}

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

/* The first message, off the queue; NULL if there is none. */
static inline lwkt_msg_t
port_dequeue(lwkt_port_t port)
{
	lwkt_msg_t msg = port->mp_prioq.mq_first;

	if (likely(msg == NULL))
		msg = port->mp_msgq.mq_first;
	if (msg != NULL)
		port_remove(port, msg);
	return msg;
}

/* It arrives: the receipt, once.  Returns the flags without it. */
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
