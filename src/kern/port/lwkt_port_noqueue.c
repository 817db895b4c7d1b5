/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports without a queue.  USES no other file of the room.
 *
 * THEORY
 * Such a port calls a function of the program for each message (putonly) or for
 * each reply (replyonly), or only marks a reply done (null), or refuses both
 * (panic).  Nothing is queued, so no thread can receive or wait at such a port:
 * a call that the port cannot serve panics.
 *
 * Source: DragonFly lwkt_msgport.c: its null, panic, putonly, replyonly ports.
 */
#include "kern/port/port_var.h"

/* The functions for calls that a port does not serve: all panic. */
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

/* Mark the reply done and pass it to mp_replyfn, which may free it. */
static void
replyonly_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	msg_setdone(msg, msg->ms_flags | LWKT_MSGF_REPLY);
	port->mp_replyfn(port, msg);
}

/* Mark the reply done, and nothing else. */
static void
null_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port;
	msg_setdone(msg, msg->ms_flags | LWKT_MSGF_REPLY);
}

/* Have the program's function do the work or take msg; return its result. */
static int
putonly_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	return port->mp_putfn(port, msg);
}

/* The functions that all kinds without a queue share. */
#define PANIC_OPS							\
	.getport = panic_getport, .waitmsg = panic_waitmsg,		\
	.waitport = panic_waitport, .dropmsg = panic_dropmsg,		\
	.waitport_timed = panic_waitport_timed,				\
	.waitmsg_timed = panic_waitmsg_timed

/*
 * Make port a port that calls replyfn for each reply and takes no requests.
 * Any context; never blocks.
 */
void
lwkt_initport_replyonly(lwkt_port_t port,
    void (*replyfn)(lwkt_port_t, lwkt_msg_t))
{
	static const struct lwkt_port_ops ops = { PANIC_OPS,
		.putport = panic_putport, .replyport = replyonly_replyport };

	port_init(port, &ops);
	port->mp_replyfn = replyfn;
}

static const struct lwkt_port_ops null_ops = { PANIC_OPS,
	.putport = panic_putport, .replyport = null_replyport };

struct lwkt_port lwkt__port_null = { .mp_ops = &null_ops };

/*
 * Make port a port that marks each reply done and takes no requests.  Any
 * context; never blocks.
 */
void
lwkt_initport_replyonly_null(lwkt_port_t port)
{
	port_init(port, &null_ops);
}

/*
 * Make port a port that calls putfn for each request and takes no replies.  The
 * results of putfn are those of putport.  Any context; never blocks.
 */
void
lwkt_initport_putonly(lwkt_port_t port,
    int (*putfn)(lwkt_port_t, lwkt_msg_t))
{
	static const struct lwkt_port_ops ops = { PANIC_OPS,
		.putport = putonly_putport, .replyport = panic_replyport };

	port_init(port, &ops);
	port->mp_putfn = putfn;
}

/* Make port a port whose every use panics.  Any context; never blocks. */
void
lwkt_initport_panic(lwkt_port_t port)
{
	static const struct lwkt_port_ops ops = { PANIC_OPS,
		.putport = panic_putport, .replyport = panic_replyport };

	port_init(port, &ops);
}
