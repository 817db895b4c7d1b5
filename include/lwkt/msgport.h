/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Message ports: hand a structure to another thread and get it back.
 *
 * A message is embedded in the caller's own structure and never copied; the
 * same message is the reply.  Before it is sent and after it was replied it
 * belongs to the sender, in between to the receiver.
 *
 * A port is a vector of functions over two queues.  Thread port: one owner
 * thread receives, any lwkt thread sends, no lock (other CPUs by IPI).  Spin
 * port: any thread sends, receives and waits, plain pthreads included.
 */
#ifndef LWKT_MSGPORT_H
#define LWKT_MSGPORT_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* ms_flags */
#define LWKT_MSGF_DONE		0x0001	/* complete, or never sent */
#define LWKT_MSGF_REPLY		0x0002	/* has been replied; stays set */
#define LWKT_MSGF_QUEUED	0x0004	/* on a port's queue */
#define LWKT_MSGF_SYNC		0x0008	/* the originator waits for this one */
#define LWKT_MSGF_INTRANSIT	0x0010	/* inside an IPI */
#define LWKT_MSGF_WAITING	0x0020	/* a SYNC waiter sleeps on it (spin) */
#define LWKT_MSGF_DROPABLE	0x0040	/* lwkt_dropmsg allowed */
#define LWKT_MSGF_ABORTABLE	0x0080	/* ms_abortfn valid */
#define LWKT_MSGF_PRIORITY	0x0100	/* the port's first queue */
#define LWKT_MSGF_RECEIPT	0x0200	/* call ms_receiptfn when queued */
#define LWKT_MSGF_ABORTED	0x0400	/* lwkt_abortmsg was called */
#define LWKT_MSGF_USER0		0x00010000	/* 16 bits for the receiver */

#define LWKT_EASYNC		99	/* putport: a reply will come */

struct lwkt_msg {
	struct lwkt_msg	*ms_next;	/* queue of the port it is on */
	struct lwkt_msg	**ms_prevp;
	lwkt_port_t	 ms_target;	/* where it is, or was sent */
	lwkt_port_t	 ms_reply;	/* where the reply goes */
	void		(*ms_abortfn)(lwkt_msg_t);
	void		(*ms_receiptfn)(lwkt_msg_t, lwkt_port_t);
	uint32_t	 ms_flags;	/* LWKT_MSGF_*; atomic */
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

/* The functions of a port; a program may bring its own. */
struct lwkt_port_ops {
	void	*(*getport)(lwkt_port_t);
	int	 (*putport)(lwkt_port_t, lwkt_msg_t);
	int	 (*waitmsg)(lwkt_msg_t, int flags);
	void	*(*waitport)(lwkt_port_t, int flags);
	void	 (*replyport)(lwkt_port_t, lwkt_msg_t);
	int	 (*dropmsg)(lwkt_port_t, lwkt_msg_t);
};

struct lwkt_port {
	const struct lwkt_port_ops *mp_ops;
	struct lwkt_msgq  mp_msgq;	/* normal messages */
	struct lwkt_msgq  mp_prioq;	/* LWKT_MSGF_PRIORITY */
	lwkt_thread_t	  mp_td;	/* owner (thread ports) */
	uint32_t	  mp_flags;
	uint32_t	  mp_lock;	/* spin ports */
	void		 *mp_data;	/* for the owner of a special port */
};

/* Ports.  A port must be empty and unwaited when its memory goes away. */
LWKT_API void lwkt_initport_thread(lwkt_port_t port, lwkt_thread_t td);
LWKT_API void lwkt_initport_spin(lwkt_port_t port);
LWKT_API void lwkt_initport_replyonly(lwkt_port_t port,
    void (*replyfn)(lwkt_port_t, lwkt_msg_t));
LWKT_API void lwkt_initport_putonly(lwkt_port_t port,
    int (*putfn)(lwkt_port_t, lwkt_msg_t));
LWKT_API void lwkt_initport_panic(lwkt_port_t port);
/* Every thread has one of its own, a thread port: its default reply port. */
LWKT_API lwkt_port_t lwkt_curport(void);

LWKT_API void lwkt_initmsg(lwkt_msg_t msg, lwkt_port_t reply, int flags);
LWKT_API void lwkt_initmsg_abortable(lwkt_msg_t msg, lwkt_port_t reply,
    int flags, void (*abortfn)(lwkt_msg_t));
LWKT_API void lwkt_setmsg_receipt(lwkt_msg_t msg,
    void (*receiptfn)(lwkt_msg_t, lwkt_port_t));

/* Send; the reply is queued on the message's reply port. Blocks: no. */
LWKT_API void lwkt_sendmsg(lwkt_port_t port, lwkt_msg_t msg);
/* Send, wait for the reply, return ms_error. flags: LWKT_PCATCH. */
LWKT_API int lwkt_domsg(lwkt_port_t port, lwkt_msg_t msg, int flags);
/* Pass a received message on to another port. */
LWKT_API int lwkt_forwardmsg(lwkt_port_t port, lwkt_msg_t msg);
/* Give a received message back with a result. */
LWKT_API void lwkt_replymsg(lwkt_msg_t msg, int error);

/* The next message or reply of the port, or NULL; wait for it. */
LWKT_API void *lwkt_getport(lwkt_port_t port);
LWKT_API void *lwkt_waitport(lwkt_port_t port, int flags);
/* Wait for the reply of one message (sent to reply to the caller's port). */
LWKT_API int lwkt_waitmsg(lwkt_msg_t msg, int flags);
LWKT_API int lwkt_checkmsg(lwkt_msg_t msg);	/* 1: done */
/* Ask the receiver to end an abortable message early; its reply still comes. */
LWKT_API void lwkt_abortmsg(lwkt_msg_t msg);
/*
 * Owner of the target port: take a queued, dropable message off.
 * 0 or ENOENT.
 */
LWKT_API int lwkt_dropmsg(lwkt_msg_t msg);

LWKT_END_DECLS

#endif
