/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Message ports: hand a structure to another thread and get it back.
 *
 * A message is embedded in a structure of the sender, usually as its first
 * member: a receiver gets the address of the message.  It is never copied.  The
 * reply is the same message.  The message belongs to the sender until it is
 * sent and again after the reply, and to the receiver in between.
 *
 * A port is two queues and a vector of functions:
 * - thread port: one thread (its owner) receives; anybody sends.  No lock:
 *   a sender on another CPU sends an IPI.
 * - spin port: any number of threads and plain pthreads send, receive and wait.
 * - serialize port: every user holds the port's serializer.
 * A program may add kinds of ports (lwkt_initport).
 *
 * Messages of one sender to one port arrive in order; those with
 * LWKT_MSGF_PRIORITY come before the others.  A thread port keeps the order as
 * long as neither its owner nor the sender changes its CPU.
 *
 * A plain pthread may send, forward and reply to ports of every kind but
 * serialize ports.  It receives from spin ports only, and the reply port of its
 * messages must be a spin port or a replyonly port.  It must have stopped
 * before lwkt_boot ends.
 */
#ifndef LWKT_MSGPORT_H
#define LWKT_MSGPORT_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* ms_flags: written by the side that the message belongs to. */
#define LWKT_MSGF_DONE		0x0001	/* complete, or never sent */
#define LWKT_MSGF_REPLY		0x0002	/* has been replied; stays set */
#define LWKT_MSGF_QUEUED	0x0004	/* on a port's queue */
#define LWKT_MSGF_SYNC		0x0008	/* the sender waits for this one */
#define LWKT_MSGF_INTRANSIT	0x0010	/* on its way to another CPU */
#define LWKT_MSGF_DROPABLE	0x0040	/* lwkt_dropmsg allowed */
#define LWKT_MSGF_ABORTABLE	0x0080	/* ms_abortfn valid */
#define LWKT_MSGF_PRIORITY	0x0100	/* the port's first queue */
#define LWKT_MSGF_RECEIPT	0x0200	/* call ms_receiptfn when queued */
#define LWKT_MSGF_FOREIGN	0x0400	/* a plain pthread has it */
#define LWKT_MSGF_NORESCHED	0x0800	/* the receiver need not run at once */
#define LWKT_MSGF_USER0		0x00010000	/* 16 bits for the program */

/* ms_mpflags: written by both sides, atomically. */
#define LWKT_MSGF_MP_ABORTED	0x0001	/* lwkt_abortmsg was called */
#define LWKT_MSGF_MP_WAITTD	0x0002	/* a thread sleeps on it */
#define LWKT_MSGF_MP_WAITPTH	0x0004	/* a pthread waits on it (spin) */

#define LWKT_EASYNC		99	/* putport: a reply will come */

struct lwkt_msg {
	struct lwkt_msg	*ms_next;	/* in the queue of its port */
	struct lwkt_msg	**ms_prevp;
	lwkt_port_t	 ms_target;	/* the port that it was sent to */
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
 * The functions of a port, for programs that write their own kind of port or
 * replace a function of an existing port.  lwkt_initport(3) has all rules.
 *
 * getport	take the next message off the queue, and return it or NULL.
 * putport	a message arrives, in the sender's context.  LWKT_EASYNC: the
 *		port has taken it, a reply will come.  Any other value is the
 *		result.
 * waitport	getport, but wait.  NULL only if interrupted, with LWKT_PCATCH.
 * replyport	a reply arrives, in the receiver's context.  As soon as the
 *		message has LWKT_MSGF_DONE it belongs to its sender.  It is
 *		queued unless LWKT_MSGF_SYNC is set.
 * waitmsg	the sender waits until the message is done, takes it off the
 *		queue and returns ms_error.
 * dropmsg	take a queued message that is not a reply off the queue; it is
 *		done.  Returns 0 or ENOENT.
 * waitport_timed, waitmsg_timed	the same with a time limit: NULL,
 *		EWOULDBLOCK.
 *
 * If a plain pthread calls putport or replyport, LWKT_MSGF_FOREIGN is set.  If
 * a CPU continues what the same function began in a pthread,
 * LWKT_MSGF_INTRANSIT is set.
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
		struct port_watch *mp_watch; /* spin port: threads in select */
	};
	int		(*mp_directfn)(lwkt_port_t, lwkt_msg_t);
	void		 *mp_data;	/* the program's */
	uint64_t	  mp_reserved[4]; /* senders read the fields above */
	struct lwkt_msgq  mp_msgq;	/* normal messages */
	struct lwkt_msgq  mp_prioq;	/* LWKT_MSGF_PRIORITY */
	uint32_t	  mp_flags;	/* do threads wait, select */
	uint32_t	  mp_lock;	/* from here on for spin ports */
	uint32_t	  mp_waiters;	/* threads in lwkt_waitport */
	uint32_t	  mp_inflight;	/* pthreads' messages, left to mp_cpu */
	int		  mp_cpu;	/* the CPU for pthreads' messages */
};

/*
 * Initialise a port in the caller's memory.  When the memory goes away, the
 * port must be empty and no thread may wait on it.
 * Context: any; lwkt_initport_thread: any lwkt context.  Blocks: no.
 *
 * A thread port of td; a spin port.
 */
LWKT_API void lwkt_initport_thread(lwkt_port_t port, lwkt_thread_t td);
LWKT_API void lwkt_initport_spin(lwkt_port_t port);
/* A port that only takes replies, and calls replyfn for each. */
LWKT_API void lwkt_initport_replyonly(lwkt_port_t port,
    void (*replyfn)(lwkt_port_t, lwkt_msg_t));
/* A port that marks replies done and otherwise ignores them: lwkt_checkmsg. */
LWKT_API void lwkt_initport_replyonly_null(lwkt_port_t port);
/* A port that only takes messages, and calls putfn (see putport) for each. */
LWKT_API void lwkt_initport_putonly(lwkt_port_t port,
    int (*putfn)(lwkt_port_t, lwkt_msg_t));
/* A port whose use panics. */
LWKT_API void lwkt_initport_panic(lwkt_port_t port);
/*
 * A port protected by serializer sz.  Only threads that hold sz may send,
 * reply, receive or wait there.  A wait releases sz meanwhile.
 */
LWKT_API void lwkt_initport_serialize(lwkt_port_t port,
    struct lwkt_serialize *sz);
/*
 * Return the thread port that the calling thread has from its creation on: its
 * usual reply port.  Context: thread.
 */
LWKT_API lwkt_port_t lwkt_curport(void);
/* The same of td, which must be alive or held.  Context: any lwkt context. */
LWKT_API lwkt_port_t lwkt_threadport(lwkt_thread_t td);

/*
 * Let fn carry out messages to a thread or spin port in the sender's context.
 * fn returns the result, or LWKT_EASYNC, without having touched the message, to
 * have it queued.  fn is called only if the sender is a thread, in no hard
 * section and without a spinlock, and the message wants no receipt.
 *
 * Thread port: fn is called while the owner waits for messages on the sender's
 * CPU and none is queued, in a critical section, and must not block.  It is
 * always called if the owner sends to itself by lwkt_domsg; then it may block.
 * Spin port: fn is called for a lwkt_domsg if no message is queued, and may
 * block.
 * Context: any lwkt context, before anybody sends to the port.  Blocks: no.
 * Panics for another kind of port.
 */
LWKT_API void lwkt_port_setdirect(lwkt_port_t port,
    int (*fn)(lwkt_port_t, lwkt_msg_t));

/*
 * Initialise a port with functions of the program.  No function may be NULL; a
 * port of lwkt_initport_panic has functions that panic.  ops must stay.
 * Context: any.  Blocks: no.
 */
LWKT_API void lwkt_initport(lwkt_port_t port,
    const struct lwkt_port_ops *ops);
/*
 * Building blocks for such functions.  They take no lock: the caller ensures
 * that no other code uses the port meanwhile.  Context: any.  Blocks: no.
 */
/* Queue a request; if its sender wants a receipt, give it. */
LWKT_API void lwkt_port_enqueue(lwkt_port_t port, lwkt_msg_t msg);
/* Take the first message off the queue and return it, or NULL. */
LWKT_API lwkt_msg_t lwkt_port_dequeue(lwkt_port_t port);
/* Take msg off the queue. */
LWKT_API void lwkt_port_unqueue(lwkt_port_t port, lwkt_msg_t msg);
/* Do all that dropmsg has to do.  Returns 0, or ENOENT if it is not queued. */
LWKT_API int lwkt_port_drop(lwkt_port_t port, lwkt_msg_t msg);
/* Do all that replyport has to do; msg is then not the caller's any more. */
LWKT_API void lwkt_port_done(lwkt_port_t port, lwkt_msg_t msg);

/*
 * Initialise a message before its first use; reply is the port for its reply,
 * flags are LWKT_MSGF_PRIORITY, _NORESCHED, _DROPABLE and the program's bits.
 * Context: any.  Blocks: no.
 */
LWKT_API void lwkt_initmsg(lwkt_msg_t msg, lwkt_port_t reply, int flags);
/* The same; lwkt_abortmsg calls abortfn. */
LWKT_API void lwkt_initmsg_abortable(lwkt_msg_t msg, lwkt_port_t reply,
    int flags, void (*abortfn)(lwkt_msg_t));
/*
 * Have receiptfn called once, just before the receiver can see the message in a
 * queue: by the CPU of the port's owner; for a spin or serialize port by the
 * sender.  The rules of an IPI callback hold.  To be called by the sender
 * before it sends the message.
 */
LWKT_API void lwkt_setmsg_receipt(lwkt_msg_t msg,
    void (*receiptfn)(lwkt_msg_t, lwkt_port_t));

/*
 * Send msg; its reply is queued on its reply port.  Until then the message must
 * not be touched.
 * Context: any lwkt context, or a plain pthread.  Blocks: no, unless a putfn of
 * lwkt_initport_putonly does.
 */
LWKT_API void lwkt_sendmsg(lwkt_port_t port, lwkt_msg_t msg);
/*
 * The same in two steps.  _prepare marks the message as sent, for
 * lwkt_checkmsg; it may be called with a spinlock held.  _start, called without
 * one, gives the message to the port.
 */
LWKT_API void lwkt_sendmsg_prepare(lwkt_port_t port, lwkt_msg_t msg);
LWKT_API void lwkt_sendmsg_start(lwkt_port_t port, lwkt_msg_t msg);
/*
 * lwkt_sendmsg to a thread port whose owner belongs to the calling CPU; panics
 * if it does not.  So no IPI is sent.
 */
LWKT_API void lwkt_sendmsg_oncpu(lwkt_port_t port, lwkt_msg_t msg);
/*
 * Send msg, wait for its reply, which is not queued, and return its ms_error.
 * flags: 0 or LWKT_PCATCH, see lwkt_waitmsg.  The reply port is one at which
 * the caller may call lwkt_waitmsg.  Panics for a message with
 * LWKT_MSGF_DROPABLE.
 * Context: thread; with a spin port as the reply port also a plain pthread.
 * Blocks: yes, unless the port completes the message at once.
 */
LWKT_API int lwkt_domsg(lwkt_port_t port, lwkt_msg_t msg, int flags);
/*
 * Pass a received message on to another port, whose receiver replies.
 * Context: any lwkt context, or a plain pthread.  Blocks: no.
 * Returns: LWKT_EASYNC: a reply will come; else the result, already replied.
 */
LWKT_API int lwkt_forwardmsg(lwkt_port_t port, lwkt_msg_t msg);
/*
 * Give a received message back to its sender, with the result error.
 * Context: any lwkt context, or a plain pthread.  Blocks: no.
 */
LWKT_API void lwkt_replymsg(lwkt_msg_t msg, int error);
/*
 * lwkt_replymsg(msg, error), unless msg is NULL, and then
 * lwkt_waitport(port, flags): what a server does for each message.  It is the
 * faster way if the sender is a thread of this CPU in lwkt_domsg.
 * Context: as for lwkt_waitport.  Blocks: yes.  Returns: the next message; NULL
 * if the wait was interrupted and flags is LWKT_PCATCH.  msg has been replied
 * in any case.
 */
LWKT_API void *lwkt_replywait(lwkt_msg_t msg, int error, lwkt_port_t port,
    int flags);

/*
 * Take the next message or reply of the port.  lwkt_getport returns NULL if
 * there is none.  lwkt_waitport waits; it returns NULL only if it was
 * interrupted and flags is LWKT_PCATCH.
 * Context: thread: the owner of a thread port, the holder of the serializer of
 * a serialize port.  For a spin port also a plain pthread and, for
 * lwkt_getport, callbacks.  Blocks: lwkt_waitport.
 */
LWKT_API void *lwkt_getport(lwkt_port_t port);
LWKT_API void *lwkt_waitport(lwkt_port_t port, int flags);
/*
 * The same for at most timeout_ns (0: do not wait): NULL also when over.  A
 * plain pthread may pass 0 or LWKT_FOREVER only.
 */
LWKT_API void *lwkt_waitport_timed(lwkt_port_t port, int flags,
    int64_t timeout_ns);
#define LWKT_SELECT_MAX		16
/*
 * Wait for a message on n ports, 1 to LWKT_SELECT_MAX, and take the next one of
 * the first port that has one.  The ports are thread ports of the caller and
 * spin ports; others panic.  *whichp (whichp may be NULL) gets the index of the
 * port; without a message -EWOULDBLOCK or -EINTR.
 * Context: thread; a plain pthread with spin ports only and timeout_ns 0 or
 * LWKT_FOREVER.
 * Blocks: for at most timeout_ns.  Returns: the message, or NULL.
 */
LWKT_API void *lwkt_port_select(const lwkt_port_t *ports, int n, int *whichp,
    int flags, int64_t timeout_ns);
/*
 * Wait for the reply of msg, take it off the reply port, and return its
 * ms_error.  The reply port is a thread port of the caller, a spin port, or a
 * serialize port whose serializer the caller holds.  With LWKT_PCATCH an
 * interrupt aborts an abortable message; the call still waits for the reply.
 * If the reply is not EINTR, the interrupt stays pending.  Panics for a message
 * with LWKT_MSGF_DROPABLE.
 * Context: thread; for a spin port also a plain pthread.  Blocks: yes.
 */
LWKT_API int lwkt_waitmsg(lwkt_msg_t msg, int flags);
/*
 * The same for at most timeout_ns.  A plain pthread may pass 0 or LWKT_FOREVER
 * only.
 * Returns: 0: the reply was taken, its result is ms_error.  EWOULDBLOCK: the
 * reply has not come, and the message still belongs to the receiver.
 */
LWKT_API int lwkt_waitmsg_timed(lwkt_msg_t msg, int flags,
    int64_t timeout_ns);
/* Return 1 if msg is done, else 0.  Context: any.  Blocks: no. */
LWKT_API int lwkt_checkmsg(lwkt_msg_t msg);
/*
 * The sender asks the receiver to end an abortable message early: ms_abortfn is
 * called, once.  The reply still comes.  If msg is not abortable, or is done,
 * nothing happens.
 * Context: the sender; if msg is a system call, thread only.  Blocks: no; for a
 * system call of another CPU it spins until that CPU has served the abort, and
 * executes messages.
 */
LWKT_API void lwkt_abortmsg(lwkt_msg_t msg);
/*
 * The receiver takes a queued message with LWKT_MSGF_DROPABLE off its target
 * port.  The message is then done, and no reply comes.  Without the flag it
 * panics.
 * Context: thread.  Blocks: no.  Returns: 0; ENOENT: it is not queued.
 */
LWKT_API int lwkt_dropmsg(lwkt_msg_t msg);

LWKT_END_DECLS

#endif
