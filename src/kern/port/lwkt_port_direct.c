/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message carried out by its sender: no queue, no switch.
 *
 * THEORY
 * The owner of a thread port that waits for messages on this CPU, with nothing
 * queued, would be woken and be the only one to touch what it owns until it
 * waits again.  A function that the sender calls meanwhile, and that does not
 * block, has the same: the owner cannot run before the sender gives up the CPU,
 * and nobody else of this CPU comes between, for it is a critical section.  So
 * the function may do what the owner would have done, with the owner's data and
 * no lock.  What is queued during the call wakes the owner as always.
 *
 * An owner that waits for the reply to one message has not finished another: it
 * is not idle, and nothing is carried out for it.
 *
 * An owner that does a lwkt_domsg to its own port would wait for ever; there
 * the function is called always, by its own thread, and may block.
 *
 * A spin port has no owner: the sender is one receiver more, if it would wait
 * for the message anyway.
 *
 * INVARIANTS
 * PD1 MPF_DIRECT is set during the call for another thread, and never two calls
 *    are within each other; such a call sees no switch.
 *
 * Source: the direct function of DragonFly's first device messages, and its
 * netisr, which carries out synchronous messages to itself.
 */
#include "kern/cpu/crit.h"
#include "kern/port/port_var.h"

COUNTER(direct, "lwkt.msg_direct", "messages carried out by their sender");

#define MSGF_NOTDIRECT	(LWKT_MSGF_FOREIGN | LWKT_MSGF_INTRANSIT |	\
			 LWKT_MSGF_RECEIPT)

void
lwkt_port_setdirect(lwkt_port_t port, int (*fn)(lwkt_port_t, lwkt_msg_t))
{
	if (port->mp_ops == &lwkt__thread_ops)
		port->mp_ops = &lwkt__thread_direct_ops;
	else if (port->mp_ops == &lwkt__spin_ops)
		port->mp_ops = &lwkt__spin_direct_ops;
	else
		lwkt_panic("lwkt_port_setdirect: port %p is neither a thread "
		    "port nor a spin port", (void *)port);
	port->mp_directfn = fn;
}

/* May the caller run functions of the program that are no callbacks? */
static inline int
in_thread(struct globaldata *gd)
{
	return (gd->gd_intr_nesting | gd->gd_cscount | gd->gd_spinlocks) == 0;
}

static inline int
owner_is_idle(struct globaldata *gd, lwkt_port_t port)
{
	lwkt_thread_t td = port->mp_td;

	/* Pairs with the release in thread_finish_migrate(). */
	return atomic_load_acq_ptr((const uintptr_t *)&td->td_gd) ==
	    (uintptr_t)gd &&
	    (port->mp_flags & (MPF_WAITPORT | MPF_DIRECT)) == MPF_WAITPORT &&
	    td->td_cold->tc_waitmsg == NULL && port_is_empty(port);
}

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

/* What fn answered; a message that it left alone is put in the usual way. */
static int
answer(lwkt_port_t port, lwkt_msg_t msg, int error,
    int (*put)(lwkt_port_t, lwkt_msg_t))
{
	if (error == LWKT_EASYNC)
		return put(port, msg);
	counter_inc(mygd()->gd_cntbias, direct);
	return error;
}

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
