/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages through thread ports: every CPU, every way to send and to reply.
 */
#include <lwkt/msgport.h>
#include <lwkt/systimer.h>

#include "core/util.h"

#define CLIENTS		4
#define MESSAGES	8

/* What a message asks the server for. */
enum what { W_ADD, W_FORWARD, W_HOLD, W_STOP };

struct request {
	struct lwkt_msg	 r_msg;		/* first */
	enum what	 r_what;
	int		 r_client;
	int		 r_seq;
	int		 r_a, r_sum;
};

static uint32_t received, replied, aborted, receipts;
static int last_seq[CLIENTS];
static struct request *held;

static void
request_init(struct request *r, enum what what, int flags)
{
	memset(r, 0, sizeof(*r));
	lwkt_initmsg(&r->r_msg, lwkt_curport(), flags);
	r->r_what = what;
}

/* Serve until told to stop; arg: the port to forward to, or NULL. */
static void
server(void *arg)
{
	struct request *r;

	for (;;) {
		r = lwkt_waitport(lwkt_curport(), 0);
		ADD(received, 1);
		check((r->r_msg.ms_flags & (LWKT_MSGF_DONE |
		    LWKT_MSGF_QUEUED | LWKT_MSGF_REPLY)) == 0, "flags %#x",
		    r->r_msg.ms_flags);
		switch (r->r_what) {
		case W_STOP:
			lwkt_replymsg(&r->r_msg, 0);
			return;
		case W_FORWARD:
			r->r_what = W_ADD;
			lwkt_forwardmsg(arg, &r->r_msg);
			break;
		case W_HOLD:
			STORE(held, r);
			lwkt_wakeup(&held);
			break;
		case W_ADD:
			check(r->r_seq > last_seq[r->r_client],
			    "client %d: %d after %d", r->r_client, r->r_seq,
			    last_seq[r->r_client]);
			last_seq[r->r_client] = r->r_seq;
			r->r_sum += r->r_a;
			lwkt_replymsg(&r->r_msg, r->r_a);
			break;
		}
	}
}

static lwkt_thread_t
server_start(int cpu, lwkt_port_t next)
{
	STORE(received, 0);
	STORE(replied, 0);
	STORE(aborted, 0);
	STORE(receipts, 0);
	STORE(held, NULL);
	memset(last_seq, -1, sizeof(last_seq));
	return spawn_on(cpu, server, next);
}

static void
server_stop(lwkt_thread_t td)
{
	struct request r;

	request_init(&r, W_STOP, 0);
	check(lwkt_domsg(lwkt_threadport(td), &r.r_msg, 0) == 0, "stop");
	join(td);
}

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

/* The receiver ends a held message early. */
static void
abort_reply_remote(void *arg)
{
	struct request *r = arg;

	if (LOAD(held) == r) {
		STORE(held, NULL);
		lwkt_replymsg(&r->r_msg, EINTR);
	}
}

static void
abort_held(lwkt_msg_t msg)
{
	ADD(aborted, 1);
	lwkt_send_ipiq(1 % lwkt_ncpus(), abort_reply_remote, msg);
}

static void
abort_client(void *arg)
{
	int *error = arg;
	struct request r;

	memset(&r, 0, sizeof(r));
	lwkt_initmsg_abortable(&r.r_msg, lwkt_curport(), 0, abort_held);
	r.r_what = W_HOLD;
	*error = lwkt_domsg(target, &r.r_msg, LWKT_PCATCH);
	lwkt_abortmsg(&r.r_msg);	/* done: nothing */
	/* An interrupt that did not end the wait is still there. */
	if (*error == 0)
		check(lwkt_tsleep(&target, LWKT_PCATCH, "left",
		    LWKT_FOREVER) == EINTR, "the interrupt got lost");
}

static int
abort_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL), ctd;
	int error = -1;

	(void)arg;
	target = lwkt_threadport(td);
	ctd = spawn_on(2, abort_client, &error);
	while (LOAD(held) == NULL)
		lwkt_tsleep(&held, 0, "held", MS);
	lwkt_interrupt(ctd);
	join(ctd);
	check(error == EINTR, "error %d", error);
	check(LOAD(aborted) == 1, "aborted %u times", LOAD(aborted));
	server_stop(td);
	return 0;
}

static void
reply_held(void *arg)
{
	struct request *r;

	(void)arg;
	lwkt_crit_enter();
	if ((r = LOAD(held)) != NULL) {
		STORE(held, NULL);
		lwkt_replymsg(&r->r_msg, 0);
	}
	lwkt_crit_exit();
}

/* The reply and the abort race; exactly one of them ends the message. */
static int
abort_race_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL), ctd, rtd;
	int error = -1;

	(void)arg;
	target = lwkt_threadport(td);
	ctd = spawn_on(2, abort_client, &error);
	while (LOAD(held) == NULL)
		lwkt_tsleep(&held, 0, "held", MS);
	rtd = spawn_on(1, reply_held, NULL);
	lwkt_interrupt(ctd);
	join(ctd);
	join(rtd);
	check(error == EINTR || error == 0, "error %d", error);
	check(LOAD(aborted) <= 1, "aborted %u times", LOAD(aborted));
	server_stop(td);
	return 0;
}

/* A message without an abort function is waited for all the same. */
static int
not_abortable_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL);
	struct request r;

	(void)arg;
	request_init(&r, W_ADD, 0);
	r.r_a = 3;
	lwkt_interrupt(lwkt_self());
	check(lwkt_domsg(lwkt_threadport(td), &r.r_msg, LWKT_PCATCH) == 3,
	    "result");
	check(lwkt_waitport(lwkt_curport(), LWKT_PCATCH) == NULL, "pending");
	server_stop(td);
	return 0;
}

static uint32_t ended;		/* waits, by an interrupt */

static void
interrupted_receiver(void *arg)
{
	struct request *r;

	(void)arg;
	while ((r = lwkt_waitport(lwkt_curport(), LWKT_PCATCH)) == NULL ||
	    r->r_what != W_STOP) {
		if (r != NULL)
			lwkt_replymsg(&r->r_msg, 0);
		else
			ADD(ended, 1);
	}
	lwkt_replymsg(&r->r_msg, 0);
}

static int
waitport_interrupt_body(void *arg)
{
	lwkt_thread_t td;
	struct request r;

	(void)arg;
	STORE(ended, 0);
	td = spawn_on(1, interrupted_receiver, NULL);
	request_init(&r, W_ADD, 0);
	lwkt_interrupt(td);
	check(lwkt_domsg(lwkt_threadport(td), &r.r_msg, 0) == 0, "served");
	lwkt_interrupt(td);
	await(&ended, 1);	/* for ever, if none is */
	request_init(&r, W_STOP, 0);
	check(lwkt_domsg(lwkt_threadport(td), &r.r_msg, 0) == 0, "stop");
	join(td);
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

static int
twice_body(void *arg)
{
	struct request r;

	(void)arg;
	request_init(&r, W_ADD, 0);
	lwkt_sendmsg(lwkt_curport(), &r.r_msg);
	lwkt_sendmsg(lwkt_curport(), &r.r_msg);
	return 0;
}

static int
reply_twice_body(void *arg)
{
	struct request r;

	(void)arg;
	request_init(&r, W_ADD, 0);
	lwkt_sendmsg(lwkt_curport(), &r.r_msg);
	lwkt_waitport(lwkt_curport(), 0);
	lwkt_replymsg(&r.r_msg, 0);
	lwkt_replymsg(&r.r_msg, 0);
	return 0;
}

static void
ends(void *arg)
{
	(void)arg;
}

static int
exited_body(void *arg)
{
	lwkt_thread_t td = spawn_on(lwkt_cpuid(), ends, NULL);
	lwkt_port_t port = lwkt_threadport(td);
	struct request r;

	(void)arg;
	lwkt_hold(td);
	join(td);
	request_init(&r, W_ADD, 0);
	lwkt_sendmsg(port, &r.r_msg);
	return 0;
}

static int
dropable_body(void *arg)
{
	struct request r;

	(void)arg;
	request_init(&r, W_ADD, LWKT_MSGF_DROPABLE);
	lwkt_domsg(lwkt_curport(), &r.r_msg, 0);
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
not_owner_body(void *arg)
{
	lwkt_thread_t td = spawn_on(0, server, NULL);

	(void)arg;
	lwkt_getport(lwkt_threadport(td));
	return 0;
}

int
main(void)
{
	panics("a message sent twice panics", twice_body, "not the sender's");
	panics("a message replied twice panics", reply_twice_body,
	    "not the receiver's");
	panics("a message to a thread that has ended panics", exited_body,
	    "which has ended");
	panics("waiting for a dropable message panics", dropable_body,
	    "no thread can wait");
	panics("a panic port panics", panic_port_body, "takes no messages");
	panics("receiving from another's port panics", not_owner_body,
	    "belongs to thread");
	sim_explore("domsg goes there and back", sync_body, NULL, 200);
	sim_explore("sent = received = replied, in order", async_body, NULL,
	    100);
	sim_explore("messages and replies follow a thread that moves",
	    chase_body, NULL, 200);
	sim_explore("a message is forwarded", forward_body, NULL, 100);
	sim_explore("priority messages come first", priority_body, NULL, 20);
	sim_explore("waitmsg takes one reply out of several", waitmsg_body,
	    NULL, 100);
	sim_explore("a port may answer at once", putonly_body, NULL, 20);
	sim_explore("a function takes the reply, another the receipt",
	    replyonly_body, NULL, 100);
	sim_explore("a queued message is dropped", drop_body, NULL, 20);
	sim_explore("an interrupt aborts a message", abort_body, NULL, 200);
	sim_explore("abort and reply race", abort_race_body, NULL, 200);
	sim_explore("what is not abortable is waited for",
	    not_abortable_body, NULL, 50);
	sim_explore("an interrupt ends waitport", waitport_interrupt_body,
	    NULL, 100);
	sim_explore("timers and IPI callbacks send", callback_body, NULL,
	    100);
	return tap_done();
}
