/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thread ports and spin ports: the vectors of both kinds, and the functions
 * that initialize a port.
 * USES lwkt_port_thread.c, lwkt_port_spin.c, lwkt_port_wait.c,
 * lwkt_port_direct.c.
 *
 * THEORY
 * The vector of a port (mp_ops) says of which kind the port is.  Each of the
 * two kinds has a second vector for ports with a direct function, which differs
 * in putport.  A vector names functions of lwkt_port_wait.c and
 * lwkt_port_direct.c, and these files use the file of the kind.  A file uses
 * only files before it (port_var.h).  So the vectors cannot be in the file of
 * the kind; they are here, after all these files.
 */
#include "kern/port/port_var.h"

#define THREAD_OPS							\
	.getport = thread_getport, .waitmsg = thread_waitmsg,		\
	.waitport = thread_waitport, .replyport = thread_replyport,	\
	.dropmsg = thread_dropmsg,					\
	.waitport_timed = thread_waitport_timed,			\
	.waitmsg_timed = thread_waitmsg_timed

#define SPIN_OPS							\
	.getport = spin_getport, .waitmsg = spin_waitmsg,		\
	.waitport = spin_waitport, .replyport = spin_replyport,		\
	.dropmsg = spin_dropmsg, .waitport_timed = spin_waitport_timed,	\
	.waitmsg_timed = spin_waitmsg_timed

const struct lwkt_port_ops lwkt__port_thread_ops = { THREAD_OPS,
	.putport = thread_putport };
static const struct lwkt_port_ops thread_direct_ops = { THREAD_OPS,
	.putport = thread_putport_direct };
static const struct lwkt_port_ops spin_ops = { SPIN_OPS,
	.putport = spin_putport };
static const struct lwkt_port_ops spin_direct_ops = { SPIN_OPS,
	.putport = spin_putport_direct };

/* Make port a thread port of td.  Any lwkt context; never blocks. */
void
lwkt_initport_thread(lwkt_port_t port, lwkt_thread_t td)
{
	port_init(port, &lwkt__port_thread_ops);
	port->mp_td = td;
}

/* Make port a spin port.  Any context; never blocks. */
void
lwkt_initport_spin(lwkt_port_t port)
{
	port_init(port, &spin_ops);
}

/*
 * Give the thread port or spin port a direct function (lwkt_port_direct.c).
 * Panics if port is of another kind, or has a direct function already.
 * Any lwkt context, before the first message is sent; never blocks.
 */
void
lwkt_port_setdirect(lwkt_port_t port, int (*fn)(lwkt_port_t, lwkt_msg_t))
{
	if (port->mp_ops == &lwkt__port_thread_ops)
		port->mp_ops = &thread_direct_ops;
	else if (port->mp_ops == &spin_ops)
		port->mp_ops = &spin_direct_ops;
	else
		lwkt_panic("lwkt_port_setdirect: port %p is neither a thread "
		    "port nor a spin port", (void *)port);
	port->mp_directfn = fn;
}
