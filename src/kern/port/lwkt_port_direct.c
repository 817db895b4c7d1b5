/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Direct functions: the sender carries out the message.  No queue, no switch.
 * USES lwkt_port_thread.c, lwkt_port_spin.c.
 *
 * THEORY
 * Suppose that the owner of a thread port waits for messages on this CPU, and
 * nothing is queued.  A message would wake it, and until it waits again it
 * alone would touch its data.  A function that the sender calls instead, and
 * that does not block, has the same right.  The owner cannot run before the
 * sender gives up the CPU, and the critical section keeps all other code of
 * this CPU away.  So the function may use the owner's data without a lock.  A
 * message that is queued during the call wakes the owner as always.
 *
 * An owner that waits for the reply to a message may be in the middle of its
 * work on another one.  So it is not idle, and the function is not called.
 *
 * An owner that does a lwkt_domsg to its own port would wait for ever.  So in
 * this case the function is called whatever is queued, by the owner itself, and
 * may block.  (If msg wants a receipt, or the function returns LWKT_EASYNC, msg
 * is queued, and the owner does wait for ever.)
 *
 * A spin port has no owner.  A sender that would wait for the message anyway
 * acts as one more receiver.
 *
 * INVARIANTS
 * PD1 MPF_DIRECT is set during a call for another thread.  Such calls do not
 *    nest at one port, and a switch during one ends in a panic.
 *
 * Source: the direct function of DragonFly's first device messages, and its
 * netisr, which carries out synchronous messages to itself.
 */
#include "kern/cpu/crit.h"
#include "kern/port/port_var.h"

COUNTER(direct, "lwkt.msg_direct", "messages carried out by their sender");

/* A message with one of these flags is put as usual. */
#define MSGF_NOTDIRECT	(LWKT_MSGF_FOREIGN | LWKT_MSGF_INTRANSIT |	\
			 LWKT_MSGF_RECEIPT)

/*
 * Return 1 if the caller is in thread context, else 0: in a callback or hard
 * section, in a rendezvous, or with a spinlock held.
 */
static inline int
in_thread(struct globaldata *gd)
{
	return (gd->gd_intr_nesting | gd->gd_cscount | gd->gd_spinlocks) == 0;
}

/*
 * Return 1 if all of this is true, else 0: the owner of the thread port belongs
 * to this CPU; it waits for any message, or was woken from that wait and has
 * not run yet; no message is queued; no direct function runs for the owner.
 * Critical section.
 */
static inline int
owner_is_idle(struct globaldata *gd, lwkt_port_t port)
{
	lwkt_thread_t td = port->mp_td;

	/* Acquire: pairs with the release in thread_finish_migrate(). */
	return atomic_load_acq_ptr((const uintptr_t *)&td->td_gd) ==
	    (uintptr_t)gd &&
	    (port->mp_flags & (MPF_WAITPORT | MPF_DIRECT)) == MPF_WAITPORT &&
	    td->td_cold->tc_waitmsg == NULL && port_is_empty(port);
}

/*
 * Call the direct function on behalf of the owner, and return its result.
 * Panics if the function has blocked.  Critical section.
 */
static int
call_for_owner(lwkt_thread_t self, lwkt_port_t port, lwkt_msg_t msg)
{
	uint64_t switches = self->td_switches;
	int error;

	no_unwind();
	port->mp_flags |= MPF_DIRECT;				/* PD1 */
	error = port->mp_directfn(port, msg);
	port->mp_flags &= ~MPF_DIRECT;
	if (self->td_switches != switches)
		lwkt_panic("the direct function of port %p of thread \"%s\" "
		    "blocked; it must return LWKT_EASYNC instead", (void *)port,
		    port->mp_td->td_name);
	return error;
}

/*
 * error is the result of the direct function.  If it is LWKT_EASYNC, put msg as
 * usual and return the result of that; else return error.
 */
static int
answer(lwkt_port_t port, lwkt_msg_t msg, int error,
    int (*put)(lwkt_port_t, lwkt_msg_t))
{
	if (error == LWKT_EASYNC)
		return put(port, msg);
	counter_inc(mygd()->gd_cntbias, direct);
	return error;
}

/*
 * putport: call the direct function if the owner is idle, or if the caller is
 * the owner and msg is SYNC.  Return its result.  If the function returns
 * LWKT_EASYNC or is not called, put msg as usual.  It is not called if msg has
 * one of MSGF_NOTDIRECT, or outside thread context.
 */
int
thread_putport_direct(lwkt_port_t port, lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags;
	int error = LWKT_EASYNC;
	lwkt_thread_t self;

	no_unwind();
	if ((flags & MSGF_NOTDIRECT) || !in_thread(mygd()))
		return thread_putport(port, msg);
	self = curthread;
	if (port->mp_td != self) {
		crit_enter_td(self);
		if (owner_is_idle(mygd(), port))
			error = call_for_owner(self, port, msg);
		crit_exit_td(self);
	} else if (flags & LWKT_MSGF_SYNC) {
		error = port->mp_directfn(port, msg);
	}
	return answer(port, msg, error, thread_putport);
}

/*
 * putport: call the direct function if msg is SYNC (lwkt_domsg) and no message
 * is queued or left to a CPU, and return its result.  The other cases are as in
 * thread_putport_direct().
 */
int
spin_putport_direct(lwkt_port_t port, lwkt_msg_t msg)
{
	uint32_t flags = msg->ms_flags;
	int error;

	no_unwind();
	if ((flags & MSGF_NOTDIRECT) || (flags & LWKT_MSGF_SYNC) == 0 ||
	    !in_thread(mygd()) || !spin_idle(port))
		return spin_putport(port, msg);
	error = port->mp_directfn(port, msg);
	return answer(port, msg, error, spin_putport);
}
