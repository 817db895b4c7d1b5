/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Message ports: hand a structure to another thread and get it back.
 *
 * A message is embedded in the caller's own structure and never copied; the
 * same message is the reply.  Before it is sent and after it was replied it
 * belongs to the sender, in between to the receiver.
 *
 * A port is a vector of functions over two queues.  Thread port: one owner
 * thread receives, anybody sends, no lock (other CPUs by IPI).  Spin port: any
 * number of threads send, receive and wait, plain pthreads included.  Serialize
 * port: who uses it holds its serializer.  A program may bring kinds of its
 * own.  Messages of one sender to one port arrive in order, those with
 * LWKT_MSGF_PRIORITY before the others (a thread port keeps the order while
 * neither its owner nor the sender changes its CPU).
 *
 * A plain pthread may send, forward and reply to ports of every kind, but it
 * receives from spin ports only, and its messages name a spin port (or a
 * replyonly port) as reply port.  It must have stopped before lwkt_boot ends.
 */
#ifndef LWKT_MSGPORT_H
#define LWKT_MSGPORT_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* ms_flags: written by whom the message belongs to. */
#define LWKT_MSGF_DONE		0x0001	/* complete, or never sent */
#define LWKT_MSGF_REPLY		0x0002	/* has been replied; stays set */
#define LWKT_MSGF_QUEUED	0x0004	/* on a port's queue */
#define LWKT_MSGF_SYNC		0x0008	/* the originator waits for this one */
#define LWKT_MSGF_INTRANSIT	0x0010	/* on its way to another CPU */
#define LWKT_MSGF_DROPABLE	0x0040	/* lwkt_dropmsg allowed */
#define LWKT_MSGF_ABORTABLE	0x0080	/* ms_abortfn valid */
#define LWKT_MSGF_PRIORITY	0x0100	/* the port's first queue */
#define LWKT_MSGF_RECEIPT	0x0200	/* call ms_receiptfn when queued */
#define LWKT_MSGF_FOREIGN	0x0400	/* a pthread that is no CPU has it */
#define LWKT_MSGF_NORESCHED	0x0800	/* its receiver is not in a hurry */
#define LWKT_MSGF_USER0		0x00010000	/* 16 bits for the receiver */

/* ms_mpflags: written by anybody, atomically. */
#define LWKT_MSGF_MP_ABORTED	0x0001	/* lwkt_abortmsg was called */
#define LWKT_MSGF_MP_WAITTD	0x0002	/* a thread sleeps on it (spin) */
#define LWKT_MSGF_MP_WAITPTH	0x0004	/* a pthread waits on it (spin) */

#define LWKT_EASYNC		99	/* putport: a reply will come */

struct lwkt_msg {
	struct lwkt_msg	*ms_next;	/* queue of the port it is on */
	struct lwkt_msg	**ms_prevp;
	lwkt_port_t	 ms_target;	/* where it is, or was sent */
	lwkt_port_t	 ms_reply;	/* where the reply goes */
	void		(*ms_abortfn)(lwkt_msg_t);
	void		(*ms_receiptfn)(lwkt_msg_t, lwkt_port_t);
	uint32_t	 ms_flags;	/* LWKT_MSGF_* */
	uint32_t	 ms_mpflags;	/* LWKT_MSGF_MP_* */
	int		 ms_error;	/* result: 0 or a positive errno */
	union {
		int64_t	 i64;
		void	*ptr;
	}		 ms_u;		/* 8 bytes for the result */
};

struct lwkt_msgq {
	struct lwkt_msg	*mq_first;
	struct lwkt_msg	**mq_lastp;
};

/*
 * The functions of a port: a contract, for programs that bring their own or
 * replace one of an existing port's (lwkt_initport(3) says all of it).
 *
 * getport	the next message, off the queue, or NULL.
 * putport	a message comes, in the sender's context.  LWKT_EASYNC: it was
 *		taken, a reply will come; any other value is the result.
 * waitport	getport, waiting; NULL only if LWKT_PCATCH and interrupted.
 * replyport	a reply comes, in the receiver's context.  The message is its
 *		sender's as soon as it has LWKT_MSGF_DONE; it is queued unless
 *		LWKT_MSGF_SYNC.
 * waitmsg	the sender waits until it is done; off the queue; ms_error.
 * dropmsg	take a queued message that is no reply off, done: 0 or ENOENT.
 * waitport_timed, waitmsg_timed	with a limit: NULL, EWOULDBLOCK.
 *
 * putport and replyport find LWKT_MSGF_FOREIGN set if a plain pthread calls.
 * With LWKT_MSGF_INTRANSIT it is a CPU that carries on what the same function
 * began in a pthread.
 */
struct lwkt_port_ops {
	void	*(*getport)(lwkt_port_t);
	int	 (*putport)(lwkt_port_t, lwkt_msg_t);
	int	 (*waitmsg)(lwkt_msg_t, int flags);
	void	*(*waitport)(lwkt_port_t, int flags);
	void	 (*replyport)(lwkt_port_t, lwkt_msg_t);
	int	 (*dropmsg)(lwkt_port_t, lwkt_msg_t);
	void	*(*waitport_timed)(lwkt_port_t, int flags, int64_t timeout_ns);
	int	 (*waitmsg_timed)(lwkt_msg_t, int flags, int64_t timeout_ns);
};

struct lwkt_port {
	const struct lwkt_port_ops *mp_ops;
	__extension__ union {	/* which C99 does not have */
		lwkt_thread_t mp_td;	/* thread port: its owner */
		void	(*mp_replyfn)(lwkt_port_t, lwkt_msg_t);
		int	(*mp_putfn)(lwkt_port_t, lwkt_msg_t);
		struct lwkt_serialize *mp_serialize;
		struct port_watch *mp_watch; /* spin port: who selects */
	};
	int		(*mp_directfn)(lwkt_port_t, lwkt_msg_t);
	void		 *mp_data;	/* for the owner of a special port */
	uint64_t	  mp_reserved[4]; /* senders read what is above */
	struct lwkt_msgq  mp_msgq;	/* normal messages */
	struct lwkt_msgq  mp_prioq;	/* LWKT_MSGF_PRIORITY */
	uint32_t	  mp_flags;	/* who waits */
	uint32_t	  mp_lock;	/* spin port; so what follows: */
	uint32_t	  mp_waiters;	/* threads in lwkt_waitport */
	uint32_t	  mp_inflight;	/* pthreads' messages, left to mp_cpu */
	int		  mp_cpu;	/* where pthreads' messages go */
};

/* Ports.  A port must be empty and unwaited when its memory goes away. */
LWKT_API void lwkt_initport_thread(lwkt_port_t port, lwkt_thread_t td);
LWKT_API void lwkt_initport_spin(lwkt_port_t port);
LWKT_API void lwkt_initport_replyonly(lwkt_port_t port,
    void (*replyfn)(lwkt_port_t, lwkt_msg_t));
/* Replies are marked done and otherwise ignored: look by lwkt_checkmsg. */
LWKT_API void lwkt_initport_replyonly_null(lwkt_port_t port);
LWKT_API void lwkt_initport_putonly(lwkt_port_t port,
    int (*putfn)(lwkt_port_t, lwkt_msg_t));
LWKT_API void lwkt_initport_panic(lwkt_port_t port);
/*
 * Whoever sends, replies, receives or waits there holds the serializer; waiting
 * lets go of it meanwhile.  Threads only.
 */
LWKT_API void lwkt_initport_serialize(lwkt_port_t port,
    struct lwkt_serialize *sz);
/* Every thread has one of its own, a thread port: its default reply port. */
LWKT_API lwkt_port_t lwkt_curport(void);
/* The same of another thread, which must be held or known to be alive. */
LWKT_API lwkt_port_t lwkt_threadport(lwkt_thread_t td);

/*
 * Before anybody sends to a thread or spin port: fn may carry out a message in
 * the sender's context.  It returns the result, or LWKT_EASYNC to have it
 * queued, untouched.  Thread port: called while the owner waits for messages on
 * the sender's CPU, in a critical section, and must not block; or by the owner
 * for a lwkt_domsg to itself.  Spin port: for lwkt_domsg by a thread; may
 * block.  Only when nothing is queued.
 */
LWKT_API void lwkt_port_setdirect(lwkt_port_t port,
    int (*fn)(lwkt_port_t, lwkt_msg_t));

/*
 * A port with functions of the program; none is NULL (those of a port of
 * lwkt_initport_panic panic).  What they are made of, for a caller who keeps
 * all others from the port: queue a request, with its receipt; take the first
 * message, or this one, off the queue; what dropmsg does; what replyport does,
 * after which the message is not the caller's any more.
 */
LWKT_API void lwkt_initport(lwkt_port_t port,
    const struct lwkt_port_ops *ops);
LWKT_API void lwkt_port_enqueue(lwkt_port_t port, lwkt_msg_t msg);
LWKT_API lwkt_msg_t lwkt_port_dequeue(lwkt_port_t port);
LWKT_API void lwkt_port_unqueue(lwkt_port_t port, lwkt_msg_t msg);
LWKT_API int lwkt_port_drop(lwkt_port_t port, lwkt_msg_t msg);
LWKT_API void lwkt_port_done(lwkt_port_t port, lwkt_msg_t msg);

LWKT_API void lwkt_initmsg(lwkt_msg_t msg, lwkt_port_t reply, int flags);
LWKT_API void lwkt_initmsg_abortable(lwkt_msg_t msg, lwkt_port_t reply,
    int flags, void (*abortfn)(lwkt_msg_t));
LWKT_API void lwkt_setmsg_receipt(lwkt_msg_t msg,
    void (*receiptfn)(lwkt_msg_t, lwkt_port_t));

/*
 * ms_receiptfn is called once, just before the receiver can see the message:
 * by the CPU of the port's owner, or by the sender to a spin port.  The rules
 * of an IPI callback hold.
 *
 * Send; the reply is queued on the message's reply port.
 * Context: any lwkt context, or a pthread.  Blocks: no.
 */
LWKT_API void lwkt_sendmsg(lwkt_port_t port, lwkt_msg_t msg);
/*
 * In two steps: with the first the message is on its way for whoever looks,
 * and that may be under a spinlock; with the second, outside, the port gets it.
 */
LWKT_API void lwkt_sendmsg_prepare(lwkt_port_t port, lwkt_msg_t msg);
LWKT_API void lwkt_sendmsg_start(lwkt_port_t port, lwkt_msg_t msg);
/* The owner of the thread port is on this CPU: never an IPI. */
LWKT_API void lwkt_sendmsg_oncpu(lwkt_port_t port, lwkt_msg_t msg);
/*
 * Send, wait for the reply, return ms_error (see lwkt_waitmsg).  flags: 0 or
 * LWKT_PCATCH.
 */
LWKT_API int lwkt_domsg(lwkt_port_t port, lwkt_msg_t msg, int flags);
/* Pass a received message on to another port. */
LWKT_API int lwkt_forwardmsg(lwkt_port_t port, lwkt_msg_t msg);
/* Give a received message back with a result. */
LWKT_API void lwkt_replymsg(lwkt_msg_t msg, int error);

/*
 * The next message or reply of the port, or NULL; wait for it.  With
 * LWKT_PCATCH lwkt_waitport returns NULL when interrupted, never otherwise.
 */
LWKT_API void *lwkt_getport(lwkt_port_t port);
LWKT_API void *lwkt_waitport(lwkt_port_t port, int flags);
/* The same for timeout_ns at most (0 polls): NULL also when it is over. */
LWKT_API void *lwkt_waitport_timed(lwkt_port_t port, int flags,
    int64_t timeout_ns);
/*
 * The next message of the first of n ports that has one; wait for it.  Ports of
 * the calling thread and spin ports; a pthread: spin ports, timeout_ns 0 or
 * LWKT_FOREVER.  *whichp, if whichp is not NULL: its index, or without a
 * message -EWOULDBLOCK or -EINTR.
 */
#define LWKT_SELECT_MAX		16
LWKT_API void *lwkt_port_select(const lwkt_port_t *ports, int n, int *whichp,
    int flags, int64_t timeout_ns);
/*
 * Wait for the reply of one message, take it, return its ms_error.  The reply
 * port is the caller's own, or a spin port.  With LWKT_PCATCH an interrupt
 * aborts an abortable message, whose reply is still waited for; an interrupt
 * that did not end it with EINTR stays pending.
 */
LWKT_API int lwkt_waitmsg(lwkt_msg_t msg, int flags);
/*
 * The same for timeout_ns at most.  0: the reply was taken, its ms_error is the
 * result.  EWOULDBLOCK: it has not come, and the message is still out.
 */
LWKT_API int lwkt_waitmsg_timed(lwkt_msg_t msg, int flags,
    int64_t timeout_ns);
LWKT_API int lwkt_checkmsg(lwkt_msg_t msg);	/* 1: done */
/*
 * The sender: ask the receiver to end an abortable message early, by its
 * ms_abortfn, once.  Its reply still comes.
 */
LWKT_API void lwkt_abortmsg(lwkt_msg_t msg);
/*
 * The receiver: take a queued, dropable message off its target port.  It is
 * done then and no reply comes.  Returns: 0, or ENOENT if it is not queued.
 */
LWKT_API int lwkt_dropmsg(lwkt_msg_t msg);

LWKT_END_DECLS

#endif
