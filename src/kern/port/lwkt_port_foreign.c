/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages that plain pthreads send and reply.  USES lwkt_msgport.c.
 *
 * THEORY
 * A pthread leaves the message to a CPU (ipi/foreign.c).  That CPU puts or
 * replies the message in place of the pthread.  Meanwhile the message is on no
 * port, so its two links are free: they serve as the item of the CPU's list.
 */
#include "kern/ipi/ipi_var.h"
#include "kern/port/port_var.h"

COUNTER(foreign, "lwkt.msg_foreign", "messages sent to this CPU by plain "
    "pthreads");

CTASSERT(offsetof(struct lwkt_msg, ms_prevp) ==
    offsetof(struct lwkt_msg, ms_next) + offsetof(struct foreign, fo_fn),
    "two links are a struct foreign");

/*
 * Put msg on its target port.  If the put function, which may be one of the
 * program, returns a result, reply msg with it.
 */
static void
foreign_put(lwkt_msg_t msg)
{
	int error = msg->ms_target->mp_ops->putport(msg->ms_target, msg);

	if (error != LWKT_EASYNC) {
		msg_setflags(msg,
		    msg->ms_flags & ~(uint32_t)LWKT_MSGF_INTRANSIT);
		lwkt_replymsg(msg, error);
	}
}

/*
 * The callback of msg_push(), on the CPU: put the message, or reply it if it is
 * a reply, as the pthread would have done.
 */
static void
msg_arrives(struct foreign *fo)
{
	lwkt_msg_t msg = container_of((struct lwkt_msg **)(void *)fo,
	    struct lwkt_msg, ms_next);

	counter_inc(mygd()->gd_cntbias, foreign);
	msg_setflags(msg, msg->ms_flags & ~(uint32_t)LWKT_MSGF_FOREIGN);
	if (msg->ms_flags & LWKT_MSGF_REPLY)
		msg->ms_reply->mp_ops->replyport(msg->ms_reply, msg);
	else
		foreign_put(msg);
}

/* Leave msg to a CPU.  Any context; never blocks. */
void
msg_push(int cpu, lwkt_msg_t msg)
{
	struct foreign *fo = (struct foreign *)(void *)&msg->ms_next;

	fo->fo_fn = msg_arrives;
	foreign_push(cpu, fo);
}
