/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Message ports, as a program sees them: every function once.
 */
#include <errno.h>
#include <lwkt/lwkt.h>
#include <lwkt/serialize.h>
#include <pthread.h>
#include <string.h>

#include "tap.h"

struct job {
	struct lwkt_msg	j_msg;		/* first */
	int		j_value;	/* negative: the end */
};

static lwkt_thread_t
start(void (*fn)(void *), void *arg, int cpu)
{
	lwkt_thread_t td;

	if (lwkt_create(fn, arg, &td, NULL, LWKT_JOINABLE, cpu, "server") != 0)
		lwkt_panic("no thread");
	return td;
}

/* Double what comes; odd numbers are an error. */
static void
doubler(void *arg)
{
	lwkt_port_t port = lwkt_curport();
	struct job *j = lwkt_replywait(NULL, 0, port, 0);

	(void)arg;
	while (j->j_value >= 0) {
		j->j_msg.ms_u.i64 = 2 * (int64_t)j->j_value;
		j = lwkt_replywait(&j->j_msg, j->j_value % 2 ? EDOM : 0, port,
		    0);
	}
	j->j_msg.ms_u.i64 = 2 * (int64_t)j->j_value;
	lwkt_replymsg(&j->j_msg, 0);
}

/* Pass everything on. */
static void
forwarder(void *arg)
{
	struct job *j;
	int value;

	do {
		j = lwkt_waitport(lwkt_curport(), 0);
		value = j->j_value;
		(void)lwkt_forwardmsg(lwkt_threadport(arg), &j->j_msg);
	} while (value >= 0);
}

static int
ask(lwkt_port_t port, struct job *j, int value)
{
	j->j_value = value;
	lwkt_initmsg(&j->j_msg, lwkt_curport(), 0);
	return lwkt_domsg(port, &j->j_msg, 0);
}

static void
synchronous(void)
{
	lwkt_thread_t far = start(doubler, NULL, 1);
	lwkt_thread_t near = start(forwarder, far, 0);
	struct job j;

	is_int(ask(lwkt_threadport(far), &j, 4), 0, "a call to another CPU");
	is_int(j.j_msg.ms_u.i64, 8, "brings its value back");
	is_int(ask(lwkt_threadport(near), &j, 7), EDOM,
	    "a forwarded call brings its error back");
	is_int(ask(lwkt_threadport(near), &j, -2), 0, "the servers end");
	lwkt_join(near);
	lwkt_join(far);
}

static void
queues(void)
{
	struct lwkt_port port;
	struct job j[4];

	lwkt_initport_thread(&port, lwkt_self());
	ok(lwkt_getport(&port) == NULL, "a new port is empty");
	for (int i = 0; i < 4; i++) {
		lwkt_initmsg(&j[i].j_msg, lwkt_curport(),
		    (i == 2 ? LWKT_MSGF_PRIORITY : 0) |
		    (i == 1 ? LWKT_MSGF_DROPABLE : 0));
		is_int(lwkt_checkmsg(&j[i].j_msg), 1,
		    "a message that was never sent is complete");
		lwkt_sendmsg(&port, &j[i].j_msg);
	}
	is_int(lwkt_checkmsg(&j[0].j_msg), 0, "one on its way is not");
	ok(lwkt_waitport(&port, 0) == &j[2], "a priority message comes first");
	is_int(lwkt_dropmsg(&j[1].j_msg), 0, "a message is dropped");
	is_int(lwkt_dropmsg(&j[1].j_msg), ENOENT, "once");
	ok(lwkt_waitport(&port, 0) == &j[0], "then in their order");
	ok(lwkt_getport(&port) == &j[3], "without the dropped one");
	lwkt_replymsg(&j[2].j_msg, ESRCH);
	lwkt_replymsg(&j[0].j_msg, 0);
	lwkt_replymsg(&j[3].j_msg, 0);
	is_int(lwkt_waitmsg(&j[0].j_msg, 0), 0, "a reply in the middle");
	ok(lwkt_waitport(lwkt_curport(), 0) == &j[2], "replies queue up");
	is_int(j[2].j_msg.ms_error, ESRCH, "with their errors");
	ok((j[2].j_msg.ms_flags & LWKT_MSGF_REPLY) != 0,
	    "and are marked as replies");
	ok(lwkt_getport(lwkt_curport()) == &j[3], "all of them");
	ok(lwkt_getport(lwkt_curport()) == NULL, "and no more");
}

static lwkt_msg_t seen;			/* by a function of a port */
static int aborts;

static void
see_reply(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port;
	seen = msg;
}

static int
put_done(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port;
	seen = msg;
	return ENOTSUP;
}

static void
see_receipt(lwkt_msg_t msg, lwkt_port_t port)
{
	(void)port;
	seen = msg;
}

static void
count_abort(lwkt_msg_t msg)
{
	(void)msg;
	aborts++;
}

static void
special_ports(void)
{
	struct lwkt_port port, reply;
	struct job j;

	lwkt_initport_replyonly(&reply, see_reply);
	lwkt_initport_spin(&port);
	seen = NULL;
	lwkt_initmsg(&j.j_msg, &reply, 0);
	lwkt_setmsg_receipt(&j.j_msg, see_receipt);
	lwkt_sendmsg(&port, &j.j_msg);
	ok(seen == &j.j_msg, "the receipt is given");
	seen = NULL;
	ok(lwkt_waitport(&port, 0) == &j, "a spin port gives the message");
	lwkt_replymsg(&j.j_msg, 0);
	ok(seen == &j.j_msg, "a replyonly port gets the reply");

	seen = NULL;
	lwkt_initport_putonly(&port, put_done);
	is_int(ask(&port, &j, 1), ENOTSUP, "a putonly port answers at once");
	ok(seen == &j.j_msg, "with its own function");
	lwkt_initport_panic(&reply);

	lwkt_initport_spin(&port);
	lwkt_initmsg_abortable(&j.j_msg, lwkt_curport(), 0, count_abort);
	lwkt_sendmsg(&port, &j.j_msg);
	lwkt_abortmsg(&j.j_msg);
	lwkt_abortmsg(&j.j_msg);
	is_int(aborts, 1, "the abort function is called once");
	ok((j.j_msg.ms_mpflags & LWKT_MSGF_MP_ABORTED) != 0,
	    "the receiver sees it");
	ok(lwkt_getport(&port) == &j, "the message is still there");
	lwkt_replymsg(&j.j_msg, EINTR);
	is_int(lwkt_waitmsg(&j.j_msg, 0), EINTR, "and is replied as always");
}

static int
run_here(lwkt_port_t port, lwkt_msg_t msg)
{
	struct job *j = (struct job *)msg;

	(void)port;
	if (j->j_value < 0)
		return LWKT_EASYNC;	/* the owner shall see the end */
	j->j_msg.ms_u.i64 = 3 * (int64_t)j->j_value;
	return 0;
}

static void
tripler(void *arg)
{
	struct job *j = lwkt_waitport(lwkt_curport(), 0);

	*(int *)arg = j->j_value;
	lwkt_replymsg(&j->j_msg, EDOM);
}

static void
ways_to_send(void)
{
	struct lwkt_port port, nowhere;
	int first = 0;
	lwkt_thread_t td = start(tripler, &first, 0);
	struct job j;

	lwkt_port_setdirect(lwkt_threadport(td), run_here);
	lwkt_yield();			/* it waits now */
	is_int(ask(lwkt_threadport(td), &j, 5), 0, "a message runs here");
	is_int(j.j_msg.ms_u.i64, 15, "with its result");
	is_int(ask(lwkt_threadport(td), &j, -1), EDOM, "or is queued");
	lwkt_join(td);
	is_int(first, -1, "the owner saw the second alone");

	lwkt_initport_thread(&port, lwkt_self());
	lwkt_initmsg(&j.j_msg, lwkt_curport(), LWKT_MSGF_NORESCHED);
	lwkt_sendmsg_prepare(&port, &j.j_msg);
	ok(lwkt_getport(&port) == NULL, "a prepared message is not there");
	lwkt_sendmsg_start(&port, &j.j_msg);
	ok(lwkt_getport(&port) == &j, "a started one is");
	lwkt_initport_replyonly_null(&nowhere);
	lwkt_replymsg(&j.j_msg, 0);
	lwkt_waitmsg(&j.j_msg, 0);
	lwkt_initmsg(&j.j_msg, &nowhere, 0);
	lwkt_sendmsg_oncpu(&port, &j.j_msg);
	ok(lwkt_waitport_timed(&port, 0, 1000000) == &j, "one to this CPU");
	lwkt_replymsg(&j.j_msg, ESRCH);
	is_int(lwkt_checkmsg(&j.j_msg), 1, "a null port completes it");
	is_int(j.j_msg.ms_error, ESRCH, "with its error");
}

static void
several_ports(void)
{
	struct lwkt_port spin, own;
	lwkt_port_t ports[2];
	struct job j[2];
	int which;

	lwkt_initport_spin(&spin);
	lwkt_initport_thread(&own, lwkt_self());
	ports[0] = &own;
	ports[1] = &spin;
	for (int i = 0; i < 2; i++) {
		lwkt_initmsg(&j[i].j_msg, lwkt_curport(), 0);
		lwkt_sendmsg(ports[1 - i], &j[i].j_msg);
	}
	ok(lwkt_port_select(ports, 2, &which, 0, LWKT_FOREVER) == &j[1],
	    "the first port comes first");
	is_int(which, 0, "and says so");
	ok(lwkt_port_select(ports, 2, &which, 0, 0) == &j[0], "then another");
	is_int(which, 1, "with its index");
	ok(lwkt_port_select(ports, 2, &which, 0, 1000000) == NULL,
	    "nothing comes in time");
	is_int(which, -EWOULDBLOCK, "which is said");
	is_int(lwkt_waitmsg_timed(&j[0].j_msg, 0, 1000000), EWOULDBLOCK,
	    "nor does a reply");
	lwkt_replymsg(&j[0].j_msg, 4);
	is_int(lwkt_waitmsg_timed(&j[0].j_msg, 0, 1000000), 0, "now it does");
	is_int(j[0].j_msg.ms_error, 4, "with its error");
}

static struct lwkt_serialize device;
static struct lwkt_port device_port;

static void
device_thread(void *arg)
{
	struct job *j;

	(void)arg;
	lwkt_serialize_enter(&device);
	j = lwkt_waitport(&device_port, 0);
	ok(lwkt_serialize_held(&device), "a wait gives the serializer back");
	lwkt_replymsg(&j->j_msg, 11);
	lwkt_serialize_exit(&device);
}

static void
serialized(void)
{
	struct lwkt_port answers;
	lwkt_thread_t td;
	struct job j;

	lwkt_serialize_init(&device);
	lwkt_initport_serialize(&device_port, &device);
	lwkt_initport_serialize(&answers, &device);
	td = start(device_thread, NULL, 1);
	lwkt_serialize_enter(&device);
	lwkt_initmsg(&j.j_msg, &answers, 0);
	is_int(lwkt_domsg(&device_port, &j.j_msg, 0), 11,
	    "a call from under the serializer");
	lwkt_serialize_exit(&device);
	lwkt_join(td);
}

static void
deserter(void *arg)
{
	(void)arg;
	lwkt_sleep_ns(1000000);
}

static void
ended(void)
{
	lwkt_thread_t td = start(deserter, NULL, 0);
	struct job j;

	lwkt_yield();
	is_int(ask(lwkt_threadport(td), &j, 1), ESRCH,
	    "the end of a thread answers what it did not");
	lwkt_join(td);
}

static void
interrupted(void)
{
	lwkt_interrupt(lwkt_self());
	ok(lwkt_waitport(lwkt_curport(), LWKT_PCATCH) == NULL,
	    "an interrupt ends a wait");
}

static struct lwkt_port door;		/* for a pthread */

static void *
stranger(void *arg)
{
	struct lwkt_port answers;
	struct job j;
	int *good = arg;

	lwkt_initport_spin(&answers);
	for (int i = 0; i < 100; i++) {
		j.j_value = i;
		lwkt_initmsg(&j.j_msg, &answers, 0);
		*good += lwkt_domsg(&door, &j.j_msg, 0) == i % 7;
	}
	j.j_value = -1;
	lwkt_initmsg(&j.j_msg, &answers, 0);
	lwkt_sendmsg(&door, &j.j_msg);
	*good += lwkt_waitport(&answers, 0) == &j;
	return NULL;
}

static void
foreign(void)
{
	struct job *j;
	int good = 0, value;
	pthread_t pt;

	lwkt_initport_spin(&door);
	if (!ok(pthread_create(&pt, NULL, stranger, &good) == 0, "a pthread"))
		return;
	do {
		j = lwkt_waitport(&door, 0);
		value = j->j_value;
		lwkt_replymsg(&j->j_msg, value < 0 ? 0 : value % 7);
	} while (value >= 0);
	pthread_join(pt, NULL);
	is_int(good, 101, "is answered each time");
}

static int
body(void *arg)
{
	(void)arg;
	synchronous();
	queues();
	special_ports();
	ways_to_send();
	several_ports();
	serialized();
	ended();
	interrupted();
	foreign();
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	is_int(lwkt_boot(&cfg, body, NULL), 0, "the kernel ran");
	return tap_done();
}
