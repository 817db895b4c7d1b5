/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serialize ports: a serializer protects the queue.
 * USES lwkt_msgport.c, lwkt_port_user.c, lwkt_port_thread.c.
 *
 * THEORY
 * A serializer may already protect a device or a connection.  Then the port of
 * the device needs no lock of its own.  The caller of each function of the port
 * holds the serializer, and a wait releases it while the thread sleeps.  The
 * thread enters the sleep queue before it releases the serializer (the
 * interlock of kern_synch.c).  So the next thread that takes the serializer and
 * puts a message wakes the sleeper.
 *
 * A sender that waits for its reply at a port of another kind still holds the
 * serializer.  The receiver needs the serializer, so both would wait for ever.
 * putport panics if the sender calls lwkt_domsg() and the reply port is its own
 * thread port; other cases are not detected.
 *
 * INVARIANTS
 * PZ1 Only the holder of the serializer accesses the queues, mp_waiters and the
 *     flags of the messages that are queued at the port.
 *
 * A woken waiter competes for the serializer with all other threads, and one of
 * these may take the message first.  So the sender of each message wakes one
 * waiter, if there is one, even if it has woken another before.
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
 * Release the serializer, sleep on ident, take the serializer again.  Return
 * the result of lwkt_tsleep(): 0, EWOULDBLOCK or EINTR.  The interlock comes
 * before the release: a wake-up between the release and the sleep is not lost.
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

/*
 * The functions of the port.  All are called by a thread that holds the
 * serializer, which also holds it when they return.
 *
 * getport: return the next message, NULL if there is none; never blocks.
 */
static void *
serialize_getport(lwkt_port_t port)
{
	assert_held(port, NULL);
	return port_dequeue(port);
}

/*
 * waitport_timed: wait for a message, take it and return it.  Return NULL when
 * the time is over, or the thread is interrupted and flags has LWKT_PCATCH.
 * May block.
 */
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

/* waitport: serialize_waitport_timed() without a time limit. */
static void *
serialize_waitport(lwkt_port_t port, int flags)
{
	return serialize_waitport_timed(port, flags, LWKT_FOREVER);
}

/* Wake one of the threads that wait for a message of the port, if any. */
static void
wake_receiver(lwkt_port_t port)
{
	if (port->mp_waiters != 0)
		lwkt_wakeup_domain_one(port, PDOMAIN_PORT);
}

/*
 * putport: queue msg, after its receipt function, if any, was called.  Wake one
 * waiter.  Return LWKT_EASYNC; never blocks.
 */
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

/*
 * replyport: mark msg done, and wake the thread that waits for it.  Unless msg
 * is SYNC, also queue it and wake one thread that waits for any message.  Never
 * blocks.
 */
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
 * Wait until msg is done or the deadline has passed.  After an interrupt, abort
 * msg, with the serializer released, and continue to wait for its reply.  intr
 * is LWKT_PCATCH or 0.  Return EINTR if the wait was interrupted, else 0; the
 * caller tests whether msg is done.
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

/*
 * waitmsg_timed: wait for the reply of msg.  If it has come, take it off the
 * queue and return 0.  Return EWOULDBLOCK when the time is over.  LWKT_PCATCH
 * in flags has an effect only if msg is abortable: an interrupt then aborts
 * msg.  The interrupt stays pending unless the result of msg is EINTR.
 * May block.
 */
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

/* waitmsg: wait for the reply of msg without a time limit; return ms_error. */
static int
serialize_waitmsg(lwkt_msg_t msg, int flags)
{
	(void)serialize_waitmsg_timed(msg, flags, LWKT_FOREVER);
	return msg->ms_error;
}

/*
 * dropmsg: take the request msg off the queue, mark it done and return 0.
 * Return ENOENT if msg is not queued at the port, or is a reply.  Never blocks.
 */
static int
serialize_dropmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	assert_held(port, msg);
	return lwkt_port_drop(port, msg);
}

/* Make port a serialize port of sz.  Any context; never blocks. */
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
