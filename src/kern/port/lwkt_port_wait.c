/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wait on several ports at once, and wait with a time limit.
 * USES lwkt_msgport.c, lwkt_port_selword.c, lwkt_port_thread.c,
 * lwkt_port_spin.c.
 *
 * THEORY
 * A thread that selects first tries the ports in order, and takes a message of
 * the first port that has one.  If none has, it enters a sleep queue, on an
 * ident of its own (the interlock), and tries again in the same way.  At each
 * port that is empty it now leaves a request to be woken, in the same step: at
 * a thread port MPF_WAITPORT, as lwkt_waitport does; at a spin port an entry in
 * its list, under its lock.  If all ports were empty, the thread sleeps.  If a
 * message arrives at a spin port before that, it finds the request, and its
 * wake-up takes the thread off the sleep queue, so the sleep returns at once.
 * (At a thread port none arrives before that: the thread is in a critical
 * section.)  At the end the thread takes its requests back.  If a message of
 * another spin port has woken it too, and one is still queued there, the thread
 * wakes the next receiver of that port (spin_unwatch).
 *
 * The order of the ports is their priority: each pass begins with the first.
 *
 * A pthread that selects sets MPF_SELECT at the empty ports, and sleeps on the
 * word of all pthreads that select (lwkt_port_selword.c).
 *
 * INVARIANTS
 * PW1 While a thread sleeps in a select, each of its ports has its request, or
 *    has woken the thread since.
 *
 * Source: select(2); DragonFly has no such wait.
 */
#include "kern/sleep/synch_var.h"
#include "kern/lock/lock_var.h"
#include "kern/port/port_var.h"

#include <errno.h>
#include <lwkt/synch.h>

COUNTER(selects, "lwkt.port_selects", "sleeps on several ports, or timed");

struct port_select {
	const lwkt_port_t *se_ports;
	int		 se_n;
	int		 se_which;	/* index of the message's port */
	int		 se_asked;	/* no port from here on has a request */
	struct port_watch se_watch[LWKT_SELECT_MAX];
};

/*
 * Panic unless n is 1 to LWKT_SELECT_MAX and all ports are spin ports or thread
 * ports of the caller.
 */
static void
assert_kinds(const lwkt_port_t *ports, int n)
{
	lwkt_thread_t self = machine_oncpu() != NULL ? curthread : NULL;
	lwkt_thread_t owner;
	int i;

	KASSERTF(n > 0 && n <= LWKT_SELECT_MAX, "%d ports, must be 1 to %d", n,
	    LWKT_SELECT_MAX);
	for (i = 0; i < n; i++) {
		owner = port_owner(ports[i]);
		if (owner == NULL && !port_is_spin(ports[i]))
			lwkt_panic("lwkt_port_select: port %p (%d) is neither "
			    "a thread port nor a spin port", (void *)ports[i],
			    i);
		if (owner != NULL && owner != self)
			lwkt_panic("lwkt_port_select: port %p (%d) belongs to "
			    "thread \"%s\", not to \"%s\"", (void *)ports[i], i,
			    owner->td_name,
			    self != NULL ? self->td_name : "a pthread");
	}
}

/*
 * Return the next message of port i.  If there is none, return NULL, and have
 * the port wake the caller for the next message.
 */
static lwkt_msg_t
take_or_ask(struct port_select *se, int i)
{
	lwkt_port_t port = se->se_ports[i];
	lwkt_msg_t msg;

	if (port_is_spin(port))
		return spin_watch(port, &se->se_watch[i]);
	msg = port_dequeue(port);
	if (msg == NULL)
		port->mp_flags |= MPF_WAITPORT;			/* PT2 */
	return msg;
}

/*
 * Try the ports in order.  Return a message of the first port that has one, and
 * set se_which.  Have each empty port before it wake the caller for the next
 * message.  If all ports are empty, return NULL.
 */
static lwkt_msg_t
take_first(struct port_select *se)
{
	lwkt_msg_t msg = NULL;
	int i;

	for (i = 0; i < se->se_n && msg == NULL; i++) {
		msg = take_or_ask(se, i);
		if (i >= se->se_asked)
			se->se_asked = i + 1;
		if (msg != NULL)
			se->se_which = i;
	}
	return msg;
}

/* Take back the requests of take_first(). */
static void
ask_no_more(struct port_select *se)
{
	int i;

	for (i = 0; i < se->se_asked; i++) {
		if (port_is_spin(se->se_ports[i]))
			spin_unwatch(se->se_ports[i], &se->se_watch[i]);
		else
			se->se_ports[i]->mp_flags &= ~MPF_WAITPORT;
	}
}

/*
 * Return 1 if nothing seems to be queued on the port.  This is read without the
 * lock of the port, so as not to take its cache line from senders: a hint.
 */
static int __lwkt_no_tsan
looks_empty(const struct lwkt_port *port)
{
	return port->mp_msgq.mq_first == NULL &&
	    port->mp_prioq.mq_first == NULL;
}

/* Take a message of the first port that has one; leave no requests. */
static lwkt_msg_t
take_ready(struct port_select *se)
{
	lwkt_msg_t msg;
	int i;

	for (i = 0; i < se->se_n; i++) {
		if (looks_empty(se->se_ports[i]))
			continue;
		msg = port_is_spin(se->se_ports[i]) ?
		    spin_getport(se->se_ports[i]) :
		    port_dequeue(se->se_ports[i]);
		if (msg != NULL) {
			se->se_which = i;
			return msg;
		}
	}
	return NULL;
}

/*
 * Select as a thread, in a critical section.  Returns 0 with a message, else
 * EWOULDBLOCK or EINTR.  In the loop the interlock comes before the ports are
 * tried (PW1).
 */
static int
select_td(struct port_select *se, int intr, int64_t deadline,
    lwkt_msg_t *msgp)
{
	int error = 0, i;

	if ((*msgp = take_ready(se)) != NULL)
		return 0;
	for (i = 0; i < se->se_n; i++)
		se->se_watch[i] = (struct port_watch){ .pw_ident = se };
	for (;;) {
		lwkt_tsleep_interlock(se, PDOMAIN_PORT);
		*msgp = take_first(se);
		if (*msgp != NULL || error != 0)
			break;
		counter_inc(mygd()->gd_cntbias, selects);
		error = lwkt_tsleep(se, PDOMAIN_PORT | LWKT_PINTERLOCKED |
		    intr, "ports", wait_left(deadline));	/* PW1 */
	}
	lwkt_tsleep_remove();
	ask_no_more(se);
	if (*msgp == NULL)
		return error;
	if (error == EINTR)
		intr_repost(curthread);	/* a message came all the same */
	return 0;
}

/* Select as a plain pthread, on spin ports.  Returns 0 or EWOULDBLOCK. */
static int
select_pthread(struct port_select *se, int64_t timeout_ns, lwkt_msg_t *msgp)
{
	uint32_t count;
	int i;

	for (;;) {
		count = select_count_read();	/* PO1 */
		for (i = 0; i < se->se_n; i++) {
			*msgp = spin_watch(se->se_ports[i], NULL);
			se->se_which = i;
			if (*msgp != NULL)
				return 0;
		}
		if (timeout_ns == 0)
			return EWOULDBLOCK;
		select_count_wait(count);
	}
}

/*
 * Return a message of the first port that has one; *whichp is the index of the
 * port.  Return NULL if none comes in time, or if flags has LWKT_PCATCH and the
 * thread is interrupted; *whichp is then -EWOULDBLOCK or -EINTR.  whichp may be
 * NULL.  Called by a thread, or by a plain pthread on spin ports.  May block.
 */
void *
lwkt_port_select(const lwkt_port_t *ports, int n, int *whichp, int flags,
    int64_t timeout_ns)
{
	struct port_select se;
	lwkt_thread_t self;
	lwkt_msg_t msg;
	int error;

	assert_kinds(ports, n);
	se.se_ports = ports;
	se.se_n = n;
	se.se_which = -1;
	se.se_asked = 0;
	if (machine_oncpu() != NULL) {
		self = curthread;
		crit_enter_td(self);
		error = select_td(&se, flags & LWKT_PCATCH,
		    wait_deadline(timeout_ns), &msg);
		crit_exit_td(self);
	} else {
		port_assert_timeout(ports[0], timeout_ns);
		error = select_pthread(&se, limit_ns(timeout_ns), &msg);
	}
	if (whichp != NULL)
		*whichp = error == 0 ? se.se_which : -error;
	return msg;
}

/* lwkt_waitport() with a time limit on a thread port: a select of one port. */
void *
thread_waitport_timed(lwkt_port_t port, int flags, int64_t timeout_ns)
{
	return lwkt_port_select(&port, 1, NULL, flags, timeout_ns);
}

/*
 * Return 0 if msg is not done.  If it is done, take it off the queue of `port`,
 * its reply port, and return 1.  (A SYNC message that is done is in no queue.)
 */
static int
reply_taken(lwkt_port_t port, lwkt_msg_t msg)
{
	if ((msg_lookflags(msg) & LWKT_MSGF_DONE) == 0)
		return 0;
	if (msg->ms_flags & LWKT_MSGF_QUEUED)
		port_remove(port, msg);
	return 1;
}

/*
 * Sleep until a message or reply comes to port, at most `left` ns; return the
 * result of lwkt_tsleep().  This CPU handles the reply.  The critical section
 * keeps it from doing so before the thread sleeps.  The handler of the reply
 * schedules the thread directly: it does not wake the ident.
 */
static int
sleep_for_reply(lwkt_port_t port, lwkt_msg_t msg, int intr, int64_t left)
{
	int error;

	port->mp_flags |= MPF_WAITPORT | MPF_WAITSYNC;		/* PT2 */
	counter_inc(mygd()->gd_cntbias, selects);
	error = lwkt_tsleep(msg, PDOMAIN_PORT | intr, "waitmsg", left);
	port->mp_flags &= ~(MPF_WAITPORT | MPF_WAITSYNC);
	return error;
}

/*
 * Wait for the reply of msg at a thread port.  If it has come, take it off the
 * queue and return 0, also if an interrupt aborted msg.  Return EWOULDBLOCK at
 * the time limit.  An interrupt stays pending unless the result of msg is
 * EINTR.  Called by the owner of the port; may block.
 */
int
thread_waitmsg_timed(lwkt_msg_t msg, int flags, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	int intr = msg_lookflags(msg) & LWKT_MSGF_ABORTABLE ?
	    flags & LWKT_PCATCH : 0;
	lwkt_port_t port = msg->ms_reply;
	lwkt_thread_t self = curthread;
	int done, error = 0, interrupted = 0;

	if (port->mp_td != self)
		lwkt_panic("port %p belongs to thread \"%s\", not to \"%s\"",
		    (void *)port, port->mp_td->td_name, self->td_name);
	crit_enter_td(self);
	self->td_cold->tc_waitmsg = msg;	/* thread_waits() reads it */
	while ((done = reply_taken(port, msg)) == 0 && error != EWOULDBLOCK) {
		error = sleep_for_reply(port, msg, intr, wait_left(deadline));
		if (error == EINTR) {
			interrupted = 1;
			intr = 0;
			lwkt_abortmsg(msg);
		}
	}
	self->td_cold->tc_waitmsg = NULL;
	if (interrupted && !(done && msg->ms_error == EINTR))
		intr_repost(self);
	crit_exit_td(self);
	return done ? 0 : EWOULDBLOCK;
}
