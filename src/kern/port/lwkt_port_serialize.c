/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serialize ports: a serializer protects the queue.
 * USES lwkt_msgport.c, lwkt_port_user.c, lwkt_port_thread.c.
 *
 * THEORY
 * If a serializer protects a device or a connection already, its port needs no
 * lock of its own.  Every function is called with the serializer held, and a
 * wait releases it while the thread sleeps.  The thread enters the sleep queue
 * before it releases the serializer, so the next thread that enters it and puts
 * a message wakes the sleeper (the interlock of kern_synch.c).
 *
 * A sender that holds the serializer and waits for its reply at a port of
 * another kind would keep the receiver out for ever.  This is detected if the
 * reply port is the sender's own thread port.
 *
 * INVARIANTS
 * PZ1 The queues, mp_waiters and the flags of messages at the port: the
 *     serializer is held.
 *
 * A woken waiter competes for the serializer with all other threads.  So each
 * message that finds a waiter does one wakeup, as at a spin port.
 *
 * Source: DragonFly lwkt_msgport.c, serialize backend, and its zsleep.
 */
#include "kern/sleep/synch_var.h"
#include "kern/lock/lock_var.h"
#include "kern/port/port_var.h"

#include <errno.h>
#include <lwkt/serialize.h>
#include <lwkt/synch.h>

/* Panic unless the caller is a thread that holds the serializer (PZ1). */
static void
assert_held(lwkt_port_t port, lwkt_msg_t msg)
{
	if (machine_oncpu() == NULL)
		lwkt_panic("a pthread uses serialize port %p (message %p)",
		    (void *)port, (void *)msg);
	if (!lwkt_serialize_held(port->mp_serialize))		/* PZ1 */
		lwkt_panic("serialize port %p is used by thread \"%s\", which "
		    "does not hold serializer %p (message %p)", (void *)port,
		    curthread->td_name, (void *)port->mp_serialize,
		    (void *)msg);
}

/*
 * Sleep on ident with the serializer released; it is held before and after.
 * The interlock comes before the release: no wake-up in between is lost.
 */
static int
sleep_outside(lwkt_port_t port, const void *ident, int intr,
    const char *wmesg, int64_t deadline)
{
	int error;

	lwkt_tsleep_interlock(ident, PDOMAIN_PORT);
	lwkt_serialize_exit(port->mp_serialize);
	error = lwkt_tsleep(ident, PDOMAIN_PORT | LWKT_PINTERLOCKED | intr,
	    wmesg, wait_left(deadline));
	lwkt_serialize_enter(port->mp_serialize);
	return error;
}

static void *
serialize_getport(lwkt_port_t port)
{
	assert_held(port, NULL);
	return port_dequeue(port);
}

static void *
serialize_waitport_timed(lwkt_port_t port, int flags, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	lwkt_msg_t msg;
	int error = 0;

	assert_held(port, NULL);
	while ((msg = port_dequeue(port)) == NULL && error == 0) {
		port->mp_waiters++;
		error = sleep_outside(port, port, flags & LWKT_PCATCH, "port",
		    deadline);
		port->mp_waiters--;
	}
	if (msg != NULL && error == EINTR)
		intr_repost(curthread);
	return msg;
}

static void *
serialize_waitport(lwkt_port_t port, int flags)
{
	return serialize_waitport_timed(port, flags, LWKT_FOREVER);
}

/* Wake one thread that waits for a message. */
static void
wake_receiver(lwkt_port_t port)
{
	if (port->mp_waiters != 0)
		lwkt_wakeup_domain_one(port, PDOMAIN_PORT);
}

static int
serialize_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags;

	assert_held(port, msg);
	if ((flags & LWKT_MSGF_SYNC) && port_owner(msg->ms_reply) == curthread)
		lwkt_panic("thread \"%s\" waits for message %p with serializer "
		    "%p held, which its receiver needs", curthread->td_name,
		    (void *)msg, (void *)port->mp_serialize);
	port_enqueue(port, msg, msg_receipt(port, msg, flags));
	wake_receiver(port);
	return LWKT_EASYNC;
}

static void
serialize_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags | LWKT_MSGF_DONE | LWKT_MSGF_REPLY;
	uint32_t waits = atomic_load_32(&msg->ms_mpflags) &
	    LWKT_MSGF_MP_WAITTD;

	assert_held(port, msg);
	if (waits != 0)
		atomic_clear_32(&msg->ms_mpflags, waits);
	if (flags & LWKT_MSGF_SYNC) {
		/* Release: pairs with lwkt_checkmsg(). */
		atomic_store_rel_32(&msg->ms_flags, flags);
	} else {
		port_enqueue(port, msg, flags);
		wake_receiver(port);
	}
	if (waits != 0)
		lwkt_wakeup_domain(msg, PDOMAIN_PORT);
}

/*
 * Wait until msg is done or the deadline has passed.  Return EINTR if the wait
 * was interrupted, else 0.
 */
static int
wait_done(lwkt_port_t port, lwkt_msg_t msg, int intr, int64_t deadline)
{
	int interrupted = 0, error = 0;

	while ((msg_lookflags(msg) & LWKT_MSGF_DONE) == 0 &&
	    error != EWOULDBLOCK) {
		atomic_set_32(&msg->ms_mpflags, LWKT_MSGF_MP_WAITTD);
		error = sleep_outside(port, msg, intr, "waitmsg", deadline);
		if (error == EINTR) {
			lwkt_serialize_exit(port->mp_serialize);
			lwkt_abortmsg(msg);
			lwkt_serialize_enter(port->mp_serialize);
			interrupted = EINTR;
			intr = 0;
		}
	}
	return interrupted;
}

static int
serialize_waitmsg_timed(lwkt_msg_t msg, int flags, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	int intr = msg_lookflags(msg) & LWKT_MSGF_ABORTABLE ?
	    flags & LWKT_PCATCH : 0;
	lwkt_port_t port = msg->ms_reply;
	int interrupted, done;

	assert_held(port, msg);
	interrupted = wait_done(port, msg, intr, deadline);
	done = (msg_lookflags(msg) & LWKT_MSGF_DONE) != 0;
	if (msg->ms_flags & LWKT_MSGF_QUEUED && done)
		port_remove(port, msg);
	if (interrupted && !(done && msg->ms_error == EINTR))
		intr_repost(curthread);
	return done ? 0 : EWOULDBLOCK;
}

static int
serialize_waitmsg(lwkt_msg_t msg, int flags)
{
	(void)serialize_waitmsg_timed(msg, flags, LWKT_FOREVER);
	return msg->ms_error;
}

static int
serialize_dropmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	assert_held(port, msg);
	return lwkt_port_drop(port, msg);
}

/* Any context; never blocks. */
void
lwkt_initport_serialize(lwkt_port_t port, struct lwkt_serialize *sz)
{
	static const struct lwkt_port_ops ops = {
		.getport = serialize_getport, .putport = serialize_putport,
		.waitmsg = serialize_waitmsg, .waitport = serialize_waitport,
		.replyport = serialize_replyport, .dropmsg = serialize_dropmsg,
		.waitport_timed = serialize_waitport_timed,
		.waitmsg_timed = serialize_waitmsg_timed
	};

	port_init(port, &ops);
	port->mp_serialize = sz;
}
