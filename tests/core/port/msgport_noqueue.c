/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports without a queue: they call a function, mark a reply done, or panic.
 */
#include "core/port/server.h"

static int
put_sync(lwkt_port_t port, lwkt_msg_t msg)
{
	check(port->mp_data == &received, "port data");
	msg->ms_u.i64 = 42;
	return ENOSPC;
}

static int
putonly_body(void *arg)
{
	struct lwkt_port port;
	struct request r;

	(void)arg;
	lwkt_initport_putonly(&port, put_sync);
	port.mp_data = &received;
	request_init(&r, W_ADD, 0);
	check(lwkt_domsg(&port, &r.r_msg, 0) == ENOSPC, "domsg");
	check(lwkt_getport(lwkt_curport()) == NULL, "domsg queued a reply");
	lwkt_sendmsg(&port, &r.r_msg);
	check(lwkt_waitport(lwkt_curport(), 0) == &r, "sendmsg");
	check(r.r_msg.ms_error == ENOSPC && r.r_msg.ms_u.i64 == 42, "result");
	return 0;
}

static void
count_reply(lwkt_port_t port, lwkt_msg_t msg)
{
	check(lwkt_checkmsg(msg), "done");
	ADD(*(uint32_t *)port->mp_data, 1);
	lwkt_wakeup(port->mp_data);
}

static void
count_receipt(lwkt_msg_t msg, lwkt_port_t port)
{
	check(msg->ms_target == port, "target");
	check(LOAD(received) == 0, "received before the receipt");
	ADD(receipts, 1);
}

static int
replyonly_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL);
	struct lwkt_port port;
	struct request r;

	(void)arg;
	lwkt_initport_replyonly(&port, count_reply);
	port.mp_data = &replied;
	request_init(&r, W_ADD, 0);
	lwkt_initmsg(&r.r_msg, &port, 0);
	lwkt_setmsg_receipt(&r.r_msg, count_receipt);
	lwkt_sendmsg(lwkt_threadport(td), &r.r_msg);
	await_asleep(&replied, 1);
	check(LOAD(receipts) == 1, "%u receipts", LOAD(receipts));
	server_stop(td);
	return 0;
}

static int
panic_port_body(void *arg)
{
	struct lwkt_port port;
	struct request r;

	(void)arg;
	lwkt_initport_panic(&port);
	request_init(&r, W_ADD, 0);
	lwkt_sendmsg(&port, &r.r_msg);
	return 0;
}

static int
null_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL);
	struct lwkt_port port;
	struct request r;
	int i;

	(void)arg;
	lwkt_initport_replyonly_null(&port);
	request_init(&r, W_ADD, 0);
	lwkt_initmsg(&r.r_msg, &port, 0);
	r.r_a = 4;
	for (i = 0; i < 2; i++) {
		r.r_seq = i;
		lwkt_sendmsg(lwkt_threadport(td), &r.r_msg);
		while (!lwkt_checkmsg(&r.r_msg))
			lwkt_sleep_ns(1000);
		check(r.r_msg.ms_error == 4, "error %d", r.r_msg.ms_error);
	}
	server_stop(td);
	return 0;
}

static int
null_wait_body(void *arg)
{
	struct lwkt_port port;
	struct request r;

	(void)arg;
	lwkt_initport_replyonly_null(&port);
	request_init(&r, W_ADD, 0);
	lwkt_initmsg(&r.r_msg, &port, 0);
	lwkt_sendmsg(lwkt_curport(), &r.r_msg);
	lwkt_waitmsg(&r.r_msg, 0);
	return 0;
}

int
main(void)
{
	panics("a panic port panics", panic_port_body, "takes no messages");
	panics("waiting at a null port panics", null_wait_body,
	    "no thread can wait");
	sim_explore("a port may answer at once", putonly_body, NULL, 20);
	sim_explore("a function takes the reply, another the receipt",
	    replyonly_body, NULL, 100);
	sim_explore("a null port marks the message done", null_body, NULL,
	    100);
	return tap_done();
}
