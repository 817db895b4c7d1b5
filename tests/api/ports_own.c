/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports of a program's own: a whole kind, made with public functions only, and
 * a thread port with one function replaced.
 */
#include <errno.h>
#include <lwkt/lwkt.h>
#include <lwkt/sync.h>
#include <pthread.h>
#include <stddef.h>

#include "tap.h"

struct job {
	struct lwkt_msg	j_msg;		/* first */
	int		j_due;		/* what is due first comes first */
	int		j_last;
};

/*
 * A port that gives the message due first, under a mutex: threads and pthreads
 * send, receive and wait.
 */
struct due_port {
	struct lwkt_port dp_port;	/* first */
	struct lwkt_mutex dp_mutex;
	struct lwkt_cond dp_cond;
};

static struct due_port *
enter(lwkt_port_t port)
{
	struct due_port *dp = (struct due_port *)port;

	lwkt_mutex_lock(&dp->dp_mutex);
	return dp;
}

static void
leave(struct due_port *dp)
{
	lwkt_mutex_unlock(&dp->dp_mutex);
}

/* A reply has no date: as it comes. */
static struct job *
take_due(lwkt_port_t port)
{
	lwkt_msg_t msg, best = port->mp_msgq.mq_first;

	for (msg = best; msg != NULL; msg = msg->ms_next)
		if ((msg->ms_flags & LWKT_MSGF_REPLY) == 0 &&
		    ((struct job *)msg)->j_due < ((struct job *)best)->j_due)
			best = msg;
	if (best != NULL)
		lwkt_port_unqueue(port, best);
	return (struct job *)best;
}

static void *
due_getport(lwkt_port_t port)
{
	struct due_port *dp = enter(port);
	struct job *j = take_due(port);

	leave(dp);
	return j;
}

static void *
due_waitport_timed(lwkt_port_t port, int flags, int64_t timeout_ns)
{
	struct due_port *dp = enter(port);
	struct job *j;
	int error = 0;

	(void)flags;
	while ((j = take_due(port)) == NULL && error == 0)
		error = lwkt_cond_wait(&dp->dp_cond, &dp->dp_mutex,
		    timeout_ns);
	leave(dp);
	return j;
}

static void *
due_waitport(lwkt_port_t port, int flags)
{
	return due_waitport_timed(port, flags, LWKT_FOREVER);
}

static int
due_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	struct due_port *dp = enter(port);

	lwkt_port_enqueue(port, msg);
	lwkt_cond_broadcast(&dp->dp_cond);
	leave(dp);
	return LWKT_EASYNC;
}

static void
due_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	struct due_port *dp = enter(port);

	lwkt_port_done(port, msg);
	lwkt_cond_broadcast(&dp->dp_cond);
	leave(dp);
}

static int
due_waitmsg_timed(lwkt_msg_t msg, int flags, int64_t timeout_ns)
{
	struct due_port *dp = enter(msg->ms_reply);
	int error = 0;

	(void)flags;
	while (!lwkt_checkmsg(msg) && error == 0)
		error = lwkt_cond_wait(&dp->dp_cond, &dp->dp_mutex,
		    timeout_ns);
	if (lwkt_checkmsg(msg)) {
		error = 0;
		if (msg->ms_flags & LWKT_MSGF_QUEUED)
			lwkt_port_unqueue(msg->ms_reply, msg);
	}
	leave(dp);
	return error;
}

static int
due_waitmsg(lwkt_msg_t msg, int flags)
{
	(void)due_waitmsg_timed(msg, flags, LWKT_FOREVER);
	return msg->ms_error;
}

static int
due_dropmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	struct due_port *dp = enter(port);
	int error = lwkt_port_drop(port, msg);

	leave(dp);
	return error;
}

static void
due_init(struct due_port *dp)
{
	static const struct lwkt_port_ops ops = {
		.getport = due_getport, .putport = due_putport,
		.waitmsg = due_waitmsg, .waitport = due_waitport,
		.replyport = due_replyport, .dropmsg = due_dropmsg,
		.waitport_timed = due_waitport_timed,
		.waitmsg_timed = due_waitmsg_timed
	};

	lwkt_mutex_init(&dp->dp_mutex, "due");
	lwkt_cond_init(&dp->dp_cond, "due");
	lwkt_initport(&dp->dp_port, &ops);
}

static struct due_port due, answers;
static int receipts;

static void
count_receipt(lwkt_msg_t msg, lwkt_port_t port)
{
	receipts += msg->ms_target == port;
}

static void
order(void)
{
	static const int dates[] = { 30, 10, 40, 20 };
	struct job j[4];
	int i;

	for (i = 0; i < 4; i++) {
		j[i].j_due = dates[i];
		lwkt_initmsg(&j[i].j_msg, &answers.dp_port,
		    i == 2 ? LWKT_MSGF_DROPABLE : 0);
		lwkt_setmsg_receipt(&j[i].j_msg, count_receipt);
		lwkt_sendmsg(&due.dp_port, &j[i].j_msg);
	}
	is_int(receipts, 4, "each gives a receipt");
	ok(lwkt_getport(&due.dp_port) == &j[1], "what is due first");
	is_int(lwkt_dropmsg(&j[2].j_msg), 0, "one is dropped");
	is_int(lwkt_checkmsg(&j[2].j_msg), 1, "and complete");
	is_int(lwkt_dropmsg(&j[2].j_msg), ENOENT, "once");
	ok(lwkt_waitport(&due.dp_port, 0) == &j[3], "comes first");
	ok(lwkt_waitport_timed(&due.dp_port, 0, 1000) == &j[0], "then later");
	ok(lwkt_waitport_timed(&due.dp_port, 0, 1000) == NULL, "that is all");
	is_int(lwkt_waitmsg_timed(&j[0].j_msg, 0, 1000), EWOULDBLOCK,
	    "no reply yet");
	lwkt_replymsg(&j[0].j_msg, 7);
	lwkt_replymsg(&j[1].j_msg, 8);
	lwkt_replymsg(&j[3].j_msg, 9);
	is_int(lwkt_waitmsg(&j[1].j_msg, 0), 8, "one reply of several");
	is_int(lwkt_waitmsg_timed(&j[3].j_msg, 0, 1000), 0, "another");
	ok(lwkt_waitport(&answers.dp_port, 0) == &j[0], "the rest in order");
	ok(lwkt_getport(&answers.dp_port) == NULL, "no reply is left");
}

/* Serve the port of due messages until the last. */
static void
serve(void)
{
	struct job *j;
	int last;

	do {
		j = lwkt_waitport(&due.dp_port, 0);
		last = j->j_last;
		lwkt_replymsg(&j->j_msg, j->j_due % 100);
	} while (!last);
}

static void
thread_server(void *arg)
{
	(void)arg;
	serve();
}

static void *
pthread_server(void *arg)
{
	(void)arg;
	serve();
	return NULL;
}

/* Replies at this kind of port; also, from threads, at the caller's own. */
static int
ask(lwkt_port_t mine)
{
	struct job j = { .j_last = 0 };
	int good = 0, i;

	for (i = 0; i < 200; i++) {
		j.j_due = i;
		j.j_last = i == 199;
		lwkt_initmsg(&j.j_msg, i % 2 && mine != NULL ? mine :
		    &answers.dp_port, 0);
		good += lwkt_domsg(&due.dp_port, &j.j_msg, 0) == i % 100;
	}
	return good;
}

static void *
pthread_client(void *arg)
{
	*(int *)arg = ask(NULL);
	return NULL;
}

static lwkt_thread_t
start(void (*fn)(void *), void *arg, int cpu)
{
	lwkt_thread_t td;

	if (lwkt_create(fn, arg, &td, NULL, LWKT_JOINABLE, cpu, "server") != 0)
		lwkt_panic("no thread");
	return td;
}

static void
traffic(void)
{
	lwkt_thread_t td = start(thread_server, NULL, 1);
	pthread_t pt;
	int good = 0;

	is_int(ask(lwkt_curport()), 200, "between threads");
	lwkt_join(td);
	td = start(thread_server, NULL, 0);
	if (pthread_create(&pt, NULL, pthread_client, &good) != 0)
		return;
	lwkt_join(td);
	pthread_join(pt, NULL);
	is_int(good, 200, "from a pthread to a thread");
	if (pthread_create(&pt, NULL, pthread_server, NULL) != 0)
		return;
	is_int(ask(lwkt_curport()), 200, "from a thread to a pthread");
	pthread_join(pt, NULL);
}

/*
 * A thread port with another put function: a call to oneself is carried out,
 * and a question for the number of messages is answered on the way.
 */
static const struct lwkt_port_ops *old_ops;
static struct lwkt_port wrapped;
static int seen_local, seen_foreign, seen_second;

static int
count_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	struct job *j = (struct job *)msg;

	if (msg->ms_flags & LWKT_MSGF_FOREIGN)
		seen_foreign++;
	else if (msg->ms_flags & LWKT_MSGF_INTRANSIT)
		seen_second++;
	else
		seen_local++;
	if ((msg->ms_flags & LWKT_MSGF_FOREIGN) == 0 && j->j_due < 0)
		return seen_local;
	if ((msg->ms_flags & LWKT_MSGF_SYNC) != 0 &&
	    (msg->ms_flags & LWKT_MSGF_FOREIGN) == 0 &&
	    port->mp_data == lwkt_self())
		return 77;
	return old_ops->putport(port, msg);
}

static void
wrap(lwkt_port_t port)
{
	static struct lwkt_port_ops ops;

	lwkt_initport_thread(port, lwkt_self());
	old_ops = port->mp_ops;
	ops = *old_ops;
	ops.putport = count_putport;
	port->mp_ops = &ops;
	port->mp_data = lwkt_self();
}

static void
send_to_wrapped(void *arg)
{
	struct job j = { .j_due = 5 };

	lwkt_initmsg(&j.j_msg, lwkt_curport(), 0);
	*(int *)arg = lwkt_domsg(&wrapped, &j.j_msg, 0);
}

static void *
pthread_to_wrapped(void *arg)
{
	struct job j = { .j_due = 5 };
	struct lwkt_port back;

	lwkt_initport_spin(&back);
	lwkt_initmsg(&j.j_msg, &back, 0);
	((int *)arg)[0] = lwkt_domsg(&wrapped, &j.j_msg, 0);
	j.j_due = -1;
	__atomic_store_n((int *)arg + 1, lwkt_domsg(&wrapped, &j.j_msg, 0),
	    __ATOMIC_RELEASE);
	return NULL;
}

static void
one_function(void)
{
	struct job j = { .j_due = 1 }, *got;
	int result[2] = { -1, -1 };
	lwkt_thread_t td;
	pthread_t pt;

	wrap(&wrapped);
	lwkt_initmsg(&j.j_msg, lwkt_curport(), 0);
	is_int(lwkt_domsg(&wrapped, &j.j_msg, 0), 77, "a call to oneself");
	j.j_due = -1;
	is_int(lwkt_domsg(&wrapped, &j.j_msg, 0), 2, "a quick answer");
	lwkt_sendmsg(&wrapped, &j.j_msg);
	is_int(lwkt_waitmsg(&j.j_msg, 0), 3, "as a reply, too");
	td = start(send_to_wrapped, result, 1);
	got = lwkt_waitport(&wrapped, 0);
	lwkt_replymsg(&got->j_msg, got->j_due);
	lwkt_join(td);
	is_int(result[0], 5, "from another CPU: the old way");
	is_int(seen_local, 4, "each message was seen once");
	if (pthread_create(&pt, NULL, pthread_to_wrapped, result) != 0)
		return;
	got = lwkt_waitport(&wrapped, 0);
	lwkt_replymsg(&got->j_msg, got->j_due + 1);
	while (__atomic_load_n(&result[1], __ATOMIC_ACQUIRE) == -1)
		lwkt_sleep_ns(100000);
	pthread_join(pt, NULL);
	is_int(result[0], 6, "from a pthread");
	is_int(seen_foreign, 2, "seen there");
	is_int(seen_second, 2, "and here");
	is_int(result[1], 4, "answered here");
}

static int
body(void *arg)
{
	(void)arg;
	due_init(&due);
	due_init(&answers);
	order();
	traffic();
	one_function();
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	is_int(lwkt_boot(&cfg, body, NULL), 0, "the kernel ran");
	return tap_done();
}
