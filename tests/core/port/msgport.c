/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages through thread ports, there and back: every CPU, every way to send,
 * in order, and while their threads move.
 */
#include <lwkt/systimer.h>

#include "core/port/server.h"

#define MESSAGES	8

/* Scenario A; also on one CPU. */
static int
sync_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL);
	struct request r;
	int i, error;

	(void)arg;
	request_init(&r, W_ADD, 0);
	for (i = 0; i < 5; i++) {
		r.r_seq = i;
		r.r_a = i;
		error = lwkt_domsg(lwkt_threadport(td), &r.r_msg, 0);
		check(error == i, "error %d, not %d", error, i);
		check(lwkt_checkmsg(&r.r_msg), "done");
	}
	check(r.r_sum == 10, "sum %d", r.r_sum);
	check(lwkt_getport(lwkt_curport()) == NULL, "a reply was queued");
	server_stop(td);
	return 0;
}

static lwkt_port_t target;

static void
async_client(void *arg)
{
	struct request r[MESSAGES], *back;
	int me = (int)(uintptr_t)arg, i;

	for (i = 0; i < MESSAGES; i++) {
		request_init(&r[i], W_ADD, 0);
		r[i].r_client = me;
		r[i].r_seq = i;
		r[i].r_a = i;
		lwkt_sendmsg(target, &r[i].r_msg);
	}
	for (i = 0; i < MESSAGES; i++) {
		back = lwkt_waitport(lwkt_curport(), 0);
		check(back == &r[i], "reply %d out of order", i);
		check(back->r_msg.ms_error == i && back->r_sum == i, "%d", i);
		check(back->r_msg.ms_flags & LWKT_MSGF_REPLY, "no reply");
		ADD(replied, 1);
	}
}

/* Sent = received = replied, in order for each sender. */
static int
async_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL), ctd[CLIENTS];
	int i;

	(void)arg;
	target = lwkt_threadport(td);
	for (i = 0; i < CLIENTS; i++)
		ctd[i] = spawn_on(i, async_client, (void *)(uintptr_t)i);
	join_all(ctd, CLIENTS);
	check(received == CLIENTS * MESSAGES, "received %u", received);
	check(replied == CLIENTS * MESSAGES, "replied %u", replied);
	server_stop(td);
	return 0;
}

static void
nomad(void *arg)
{
	struct request *r;
	int cpu = 0, stop = 0;

	(void)arg;
	while (!stop) {
		lwkt_migratecpu(cpu++ % lwkt_ncpus());
		r = lwkt_waitport(lwkt_curport(), 0);
		stop = r->r_what == W_STOP;	/* replied, it may be gone */
		lwkt_replymsg(&r->r_msg, r->r_a);
	}
}

static void
nomad_client(void *arg)
{
	struct request r[3], *back;
	int i;

	for (i = 0; i < 3; i++) {
		request_init(&r[i], W_ADD, 0);
		lwkt_sendmsg(target, &r[i].r_msg);
	}
	for (i = 0; i < 3; i++) {
		lwkt_migratecpu((i + (int)(uintptr_t)arg) % lwkt_ncpus());
		back = lwkt_waitport(lwkt_curport(), 0);
		check(back >= r && back < r + 3, "a strange reply");
	}
}

/* Owners move while messages and replies are on their way. */
static int
chase_body(void *arg)
{
	lwkt_thread_t td = spawn_on(1, nomad, NULL), ctd[CLIENTS];
	int i;

	(void)arg;
	target = lwkt_threadport(td);
	for (i = 0; i < CLIENTS; i++)
		ctd[i] = spawn_on(i, nomad_client, (void *)(uintptr_t)i);
	join_all(ctd, CLIENTS);
	server_stop(td);
	return 0;
}

/* The first server passes the message on (lwkt_forwardmsg). */
static int
forward_body(void *arg)
{
	lwkt_thread_t last = server_start(2, NULL);
	lwkt_thread_t first = spawn_on(1, server, lwkt_threadport(last));
	struct request r;

	(void)arg;
	request_init(&r, W_FORWARD, 0);
	r.r_a = 7;
	check(lwkt_domsg(lwkt_threadport(first), &r.r_msg, 0) == 7, "error");
	check(r.r_sum == 7, "sum %d", r.r_sum);
	check(r.r_msg.ms_target == lwkt_threadport(last), "target");
	server_stop(first);
	server_stop(last);
	return 0;
}

static int
priority_body(void *arg)
{
	static const int flags[] = { 0, LWKT_MSGF_PRIORITY, 0,
	    LWKT_MSGF_PRIORITY };
	static const int order[] = { 1, 3, 0, 2 };
	struct request r[4];
	lwkt_port_t self = lwkt_curport();
	int i;

	(void)arg;
	for (i = 0; i < 4; i++) {
		request_init(&r[i], W_ADD, flags[i]);
		lwkt_sendmsg(self, &r[i].r_msg);
	}
	for (i = 0; i < 4; i++)
		check(lwkt_waitport(self, 0) == &r[order[i]], "place %d", i);
	check(lwkt_getport(self) == NULL, "empty");
	return 0;
}

/* waitmsg takes its own message out of the middle of the queue. */
static int
waitmsg_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL);
	struct request r[3];
	int i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		request_init(&r[i], W_ADD, 0);
		r[i].r_seq = r[i].r_a = i;
		lwkt_sendmsg(lwkt_threadport(td), &r[i].r_msg);
	}
	check(lwkt_waitmsg(&r[1].r_msg, 0) == 1, "the second");
	check(lwkt_waitport(lwkt_curport(), 0) == &r[0], "the first");
	check(lwkt_waitmsg(&r[2].r_msg, 0) == 2, "the last");
	check(lwkt_getport(lwkt_curport()) == NULL, "empty");
	server_stop(td);
	return 0;
}

static int
drop_body(void *arg)
{
	struct request r[2];
	lwkt_port_t self = lwkt_curport();
	int i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		request_init(&r[i], W_ADD, LWKT_MSGF_DROPABLE);
		lwkt_sendmsg(self, &r[i].r_msg);
	}
	check(lwkt_dropmsg(&r[0].r_msg) == 0, "queued");
	check(lwkt_checkmsg(&r[0].r_msg), "done");
	check(lwkt_dropmsg(&r[0].r_msg) == ENOENT, "dropped twice");
	check(lwkt_waitport(self, 0) == &r[1], "the other");
	check(lwkt_dropmsg(&r[1].r_msg) == ENOENT, "received");
	lwkt_replymsg(&r[1].r_msg, 0);
	check(lwkt_dropmsg(&r[1].r_msg) == ENOENT, "a reply");
	check(lwkt_waitport(self, 0) == &r[1], "the reply");
	return 0;
}

static void
send_from_timer(struct lwkt_systimer *st, void *arg)
{
	struct request *r = arg;

	(void)st;
	lwkt_sendmsg(target, &r->r_msg);
}

static void
send_from_ipi(void *arg)
{
	struct request *r = arg;

	lwkt_sendmsg(target, &r->r_msg);
}

/* Callbacks cannot block, but they can send. */
static int
callback_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL);
	struct lwkt_systimer st;
	struct request r[2];

	(void)arg;
	target = lwkt_threadport(td);
	request_init(&r[0], W_ADD, 0);
	request_init(&r[1], W_ADD, 0);
	r[1].r_client = 1;
	lwkt_systimer_init_oneshot(&st, send_from_timer, &r[0], MS / 10);
	lwkt_send_ipiq(2 % lwkt_ncpus(), send_from_ipi, &r[1]);
	lwkt_waitport(lwkt_curport(), 0);
	lwkt_waitport(lwkt_curport(), 0);
	check(lwkt_checkmsg(&r[0].r_msg) && lwkt_checkmsg(&r[1].r_msg),
	    "replies");
	server_stop(td);
	return 0;
}

int
main(void)
{
	sim_explore("domsg goes there and back", sync_body, NULL, 200);
	sim_explore("sent = received = replied, in order", async_body, NULL,
	    100);
	sim_explore("messages and replies follow a thread that moves",
	    chase_body, NULL, 200);
	sim_explore("a message is forwarded", forward_body, NULL, 100);
	sim_explore("priority messages come first", priority_body, NULL, 20);
	sim_explore("waitmsg takes one reply out of several", waitmsg_body,
	    NULL, 100);
	sim_explore("a queued message is dropped", drop_body, NULL, 20);
	sim_explore("timers and IPI callbacks send", callback_body, NULL,
	    100);
	return tap_done();
}
