/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thread ports: one thread receives; its CPU does all the work, without a lock.
 * USES lwkt_msgport.c, lwkt_port_foreign.c.
 *
 * THEORY
 * The queues of a thread port are touched only on the CPU that owns the thread,
 * in a critical or leaf section.  A sender on that CPU appends the message, and
 * wakes the owner if it waits.  A sender on another CPU sends an IPI with the
 * message.  The callback checks the owner's CPU again, and sends the message on
 * if the owner has moved meanwhile.  Replies go the same way; the reply of a
 * SYNC message is marked done but not queued.
 *
 *	client, CPU 0		CPU 1			server, CPU 1
 *	domsg: put  --IPI-->	queue, wake server
 *	waits			server runs  --->	waitport, work
 *	mark done  <--IPI--				replymsg
 *	returns ms_error
 *
 * On one CPU this needs no locked instruction and no IPI, and the whole round
 * trip is two switches (lwkt_port_call.c).
 *
 * When a thread migrates, td_gd changes on the CPU that it leaves, after its
 * last switch there; then an IPI to the new CPU follows.  So at most one of the
 * two CPUs finds that the thread belongs to it, and what was queued on the old
 * CPU is visible on the new one.  (To a thread given away, lwkt_giveaway(3),
 * the program sends nothing until the new CPU has acquired it.)
 *
 * INVARIANTS
 * PT1 Queues and mp_flags of the port are accessed only on the owner's CPU, in
 *    a critical or leaf section.
 * PT2 The owner sets and clears MPF_WAITPORT and MPF_WAITSYNC in the section in
 *    which it waits.  So other code of the CPU sees them set only in three
 *    cases: the owner is blocked; it was made runnable and has not run yet; it
 *    is in lwkt_abortmsg().
 * PT3 The program sends no message to the port of a thread that has ended.
 *
 * Source: DragonFly lwkt_msgport.c, thread backend.
 */
#include "kern/sleep/synch_var.h"
#include "kern/port/port_var.h"

#include <errno.h>
#include <lwkt/ipiq.h>
#include <lwkt/synch.h>

COUNTER_SHARED(put_local, "lwkt.msg_local", "messages queued by the owner's "
    "CPU");
COUNTER(remote, "lwkt.msg_remote", "messages and replies sent by IPI");

/*
 * Panic if td, the owner of port, has ended (PT3), unless its structure is in
 * use for another thread by now.
 */
static inline void
assert_alive(lwkt_port_t port, lwkt_thread_t td)
{
	KASSERTF((td->td_flags & (TDF_EXITING | TDF_FREE)) == 0, /* PT3 */
	    "a message is sent to port %p of thread \"%s\", which has ended",
	    (void *)port, td->td_name);
}

/* Panic unless td, the caller, owns port. */
static inline void
assert_owner(lwkt_port_t port, lwkt_thread_t td)
{
	KASSERTF(port->mp_td == td, "port %p belongs to thread \"%s\", not "
	    "to \"%s\"", (void *)port, port->mp_td->td_name, td->td_name);
}

/*
 * Queue msg.  Wake the owner if it waits for a message that is queued, perhaps
 * another one.  On the owner's CPU, in a critical or leaf section.
 */
static inline void
queue_here(struct globaldata *gd, lwkt_port_t port, lwkt_msg_t msg,
    uint32_t flags)
{
	port_enqueue(port, msg, flags);				/* PT1 */
	if (port->mp_flags & MPF_WAITPORT)
		wake_local(gd, port->mp_td);
}

static void	thread_put_remote(void *arg);
static void	thread_reply_remote(void *arg);

/* Send msg to the owner's CPU by IPI; fn is called there.  Leaf section. */
static __lwkt_noinline void
send_on(struct globaldata *gd, lwkt_thread_t td, lwkt_msg_t msg,
    lwkt_ipifunc1_t fn)
{
	int cpu = owner_gd(td)->gd_m.mc_cpuid;

	crit_enter_td(curthread);				/* CR3 */
	counter_inc(gd->gd_cntbias, remote);
	msg_setflags(msg, msg->ms_flags | LWKT_MSGF_INTRANSIT);
	lwkt_send_ipiq(cpu, fn, msg);
	crit_exit_noyield(curthread);
}

/* Have the owner's CPU put or reply msg, for a plain pthread. */
static __lwkt_noinline void
send_foreign(lwkt_thread_t td, lwkt_msg_t msg, uint32_t flags)
{
	msg_setflags(msg, flags | LWKT_MSGF_INTRANSIT);
	msg_push(owner_gd(td)->gd_m.mc_cpuid, msg);
}

/* Do queue_here() for the rare flags RECEIPT and NORESCHED.  Leaf section. */
static __lwkt_noinline void
queue_special(struct globaldata *gd, lwkt_port_t port, lwkt_msg_t msg,
    uint32_t flags)
{
	crit_enter_td(curthread);				/* CR3 */
	flags = msg_receipt(port, msg, flags);
	if (flags & LWKT_MSGF_NORESCHED) {
		port_enqueue(port, msg, flags);			/* PT1 */
		if (port->mp_flags & MPF_WAITPORT)
			lwkt_schedule_noresched(port->mp_td);
	} else {
		queue_here(gd, port, msg, flags);
	}
	crit_exit_noyield(curthread);
}

/* Queue msg if this is the owner's CPU, else send it on.  Leaf section. */
static inline void
thread_put(struct globaldata *gd, lwkt_port_t port, lwkt_msg_t msg)
{
	lwkt_thread_t td = port->mp_td;
	uint32_t flags;

	if (unlikely(owner_gd(td) != gd)) {
		send_on(gd, td, msg, thread_put_remote);
		return;
	}
	assert_alive(port, td);
	counter_inc(gd->gd_cntbias, put_local);
	flags = msg->ms_flags & ~(uint32_t)LWKT_MSGF_INTRANSIT;
	if (unlikely(flags & (LWKT_MSGF_RECEIPT | LWKT_MSGF_NORESCHED)))
		queue_special(gd, port, msg, flags);
	else
		queue_here(gd, port, msg, flags);
}

/* The callback of send_on() for a request: continue thread_put(). */
static void
thread_put_remote(void *arg)
{
	lwkt_msg_t msg = arg;

	thread_put(mygd(), msg->ms_target, msg);
}

/*
 * putport: have msg queued on the owner's CPU, and return LWKT_EASYNC.  Any
 * context; never blocks.
 */
int
thread_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	lwkt_thread_t self;

	if (unlikely(msg->ms_flags & LWKT_MSGF_FOREIGN)) {
		send_foreign(port->mp_td, msg, msg->ms_flags);
		return LWKT_EASYNC;
	}
	self = curthread;
	leaf_enter(self);
	thread_put(mygd(), port, msg);
	leaf_exit(self);
	return LWKT_EASYNC;
}

/*
 * Mark the reply msg done, queue it unless it is SYNC, and wake the owner if it
 * waits, perhaps for another reply.  If this is not the owner's CPU, send msg
 * to that CPU instead.  Leaf section.
 */
static inline void
thread_reply(struct globaldata *gd, lwkt_port_t port, lwkt_msg_t msg)
{
	lwkt_thread_t td = port->mp_td;
	uint32_t flags = msg->ms_flags;

	if (unlikely(owner_gd(td) != gd)) {
		send_on(gd, td, msg, thread_reply_remote);
		return;
	}
	assert_alive(port, td);
	flags &= ~(uint32_t)LWKT_MSGF_INTRANSIT;
	flags |= LWKT_MSGF_DONE | LWKT_MSGF_REPLY;
	if ((flags & LWKT_MSGF_SYNC) == 0) {
		queue_here(gd, port, msg, flags);
		return;
	}
	msg_setflags(msg, flags);
	if (port->mp_flags & MPF_WAITSYNC)
		wake_local(gd, td);
}

/* The callback of send_on() for a reply: continue thread_reply(). */
static void
thread_reply_remote(void *arg)
{
	lwkt_msg_t msg = arg;

	thread_reply(mygd(), msg->ms_reply, msg);
}

/*
 * replyport: have msg marked done on the owner's CPU, and queued unless it is
 * SYNC.  Any context; never blocks.
 */
void
thread_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags | LWKT_MSGF_REPLY;
	lwkt_thread_t self;

	if (unlikely(flags & LWKT_MSGF_FOREIGN)) {
		send_foreign(port->mp_td, msg, flags);
		return;
	}
	self = curthread;
	leaf_enter(self);
	msg_setflags(msg, flags);
	thread_reply(mygd(), port, msg);
	leaf_exit(self);
}

/*
 * getport: return the next message, NULL if there is none.  The owner; never
 * blocks.
 */
void *
thread_getport(lwkt_port_t port)
{
	lwkt_thread_t self = caller_thread();
	lwkt_msg_t msg;

	assert_owner(port, self);
	crit_enter_td(self);
	msg = port_dequeue(port);
	crit_exit_td(self);
	return msg;
}

/*
 * If msg is NULL, take the next message off the queue and return it; NULL if
 * there is none.  Else take msg off the queue and return it if it is done; NULL
 * if it is not.
 */
static inline lwkt_msg_t
port_take(lwkt_port_t port, lwkt_msg_t msg)
{
	uint32_t flags;

	if (msg == NULL)
		return port_dequeue(port);
	flags = msg_lookflags(msg);
	if ((flags & LWKT_MSGF_DONE) == 0)
		return NULL;
	if (flags & LWKT_MSGF_QUEUED)
		port_remove(port, msg);
	return msg;
}

/*
 * Return the bit of mp_flags that the owner sets while it waits for msg.  If
 * msg is NULL, the owner waits for any message.
 */
static inline uint32_t
port_why(lwkt_msg_t msg)
{
	return msg != NULL && (msg_lookflags(msg) & LWKT_MSGF_SYNC) ?
	    MPF_WAITSYNC : MPF_WAITPORT;
}

/*
 * Wait until msg is done and return its ms_error.  If msg is NULL, wait for any
 * message and return it, or 0 if interrupted.  intr is LWKT_PCATCH or 0; an
 * interrupt aborts msg and does not end the wait for it.  The owner; may block.
 */
static __lwkt_noinline uintptr_t
port_wait_any(lwkt_port_t port, lwkt_msg_t msg, int intr)
{
	lwkt_thread_t self = curthread;
	uint32_t why = port_why(msg);
	int interrupted = 0;
	lwkt_msg_t got;

	crit_enter_td(self);
	self->td_cold->tc_waitmsg = msg;	/* thread_waits() reads it */
	while ((got = port_take(port, msg)) == NULL) {
		if (unlikely(interrupted) && msg == NULL)
			break;
		port->mp_flags |= why;				/* PT2 */
		if (likely(!intr)) {
			block_self(self, "port");
		} else if (lwkt_sleep("port", LWKT_PCATCH) != 0) {
			interrupted = 1;
			intr = 0;
			if (msg != NULL)
				lwkt_abortmsg(msg);
		}
		port->mp_flags &= ~why;
	}
	self->td_cold->tc_waitmsg = NULL;
	/*
	 * The interrupt is pending again unless it ended the wait or the result
	 * of msg is EINTR.
	 */
	if (unlikely(interrupted) &&
	    (msg != NULL ? msg->ms_error != EINTR : got != NULL))
		intr_repost(self);
	crit_exit_td(self);
	return msg != NULL ? (uintptr_t)msg->ms_error : (uintptr_t)got;
}

/* Return what a wait for msg returns, when it has taken `got`. */
static inline uintptr_t
port_result(lwkt_msg_t msg, lwkt_msg_t got)
{
	return msg != NULL ? (uintptr_t)msg->ms_error : (uintptr_t)got;
}

/* Trace the first half of a call of lwkt_port_call.c. */
static __lwkt_noinline void
port_trace(struct globaldata *gd, lwkt_msg_t msg, lwkt_thread_t next)
{
	if (msg != NULL) {
		ktr(gd, send, 1, msg->ms_flags & ~MSGF_STATE);
	} else {
		msg = next->td_cold->tc_waitmsg;
		ktr(gd, reply, msg->ms_error, msg->ms_flags & ~MSGF_STATE);
	}
}

/*
 * One function for requests and replies, so that client and server leave the
 * switch through the same frames.  A processor predicts a return from the calls
 * made before, and these were made by the thread that ran before the switch.
 * The callers jump to this function as their last act: they have no frame.
 */
__lwkt_noinline uintptr_t
port_block(lwkt_port_t port, lwkt_msg_t msg, lwkt_thread_t next, uint32_t why)
{
	struct globaldata *gd = mygd();
	lwkt_thread_t self = curthread;
	lwkt_msg_t got;

	self->td_cold->tc_waitmsg = msg;	/* thread_waits() reads it */
	port->mp_flags |= why;					/* PT2 */
	if (next != NULL && ktr_wanted(KTR_MSG))
		port_trace(gd, msg, next);
	block_pass(gd, self, next, "port");
	port->mp_flags &= ~(MPF_WAITPORT | MPF_WAITSYNC);
	msg = self->td_cold->tc_waitmsg;
	self->td_cold->tc_waitmsg = NULL;
	if (likely((got = port_take(port, msg)) != NULL))
		return (uintptr_t)leaf_exit_quick(
		    (void *)port_result(msg, got));
	leaf_exit(self);
	return port_wait_any(port, msg, 0);
}

/*
 * As port_wait_any(); panics unless the caller owns port.  The usual wait has
 * no LWKT_PCATCH, a caller for which may_block() is 1, and ends at the first
 * wake-up.  It is done in a leaf section.
 */
static inline uintptr_t
port_wait(lwkt_port_t port, lwkt_msg_t msg, int intr)
{
	lwkt_thread_t self = caller_thread();
	lwkt_msg_t got;

	assert_owner(port, self);
	if (unlikely(intr || !may_block(self)))
		return port_wait_any(port, msg, intr);
	leaf_enter(self);
	if ((got = port_take(port, msg)) == NULL)
		return port_block(port, msg, NULL, port_why(msg));
	leaf_exit(self);
	return port_result(msg, got);
}

/*
 * waitport: wait for a message, take it and return it.  Return NULL only if the
 * owner is interrupted and flags has LWKT_PCATCH.  The owner; may block.
 */
void *
thread_waitport(lwkt_port_t port, int flags)
{
	return (void *)port_wait(port, NULL, flags & LWKT_PCATCH);
}

/*
 * waitmsg: wait until msg is done, and return ms_error.  LWKT_PCATCH in flags
 * has an effect only if msg is abortable.  The owner of the reply port; may
 * block.
 */
int
thread_waitmsg(lwkt_msg_t msg, int flags)
{
	if (likely((msg_lookflags(msg) & LWKT_MSGF_ABORTABLE) == 0))
		flags = 0;
	return (int)port_wait(msg->ms_reply, msg, flags & LWKT_PCATCH);
}

/*
 * dropmsg: take the request msg off the queue, mark it done and return 0.
 * Return ENOENT if msg is not queued, or is a reply.  The owner; never blocks.
 */
int
thread_dropmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	lwkt_thread_t self = caller_thread();
	int error = ENOENT;

	assert_owner(port, self);
	crit_enter_td(self);
	if ((msg->ms_flags & (LWKT_MSGF_QUEUED | LWKT_MSGF_REPLY)) ==
	    LWKT_MSGF_QUEUED) {
		port_remove(port, msg);
		msg_setdone(msg, msg->ms_flags);
		error = 0;
	}
	crit_exit_td(self);
	return error;
}

/* Return the owner of a thread port; NULL for another kind of port. */
lwkt_thread_t
port_owner(const struct lwkt_port *port)
{
	return port->mp_ops->waitport == thread_waitport ? port->mp_td : NULL;
}

/*
 * Send msg to port as lwkt_sendmsg() does.  If port is a thread port, panic
 * unless its owner belongs to the caller's CPU; so no IPI is sent.
 */
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
