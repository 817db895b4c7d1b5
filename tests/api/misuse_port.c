/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages and ports: each error of the program is reported.
 */
#include <lwkt/serialize.h>

#include "api/misuse.h"

static struct lwkt_msg msg;
static struct lwkt_port port;

static int
send_twice(void *arg)
{
	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_sendmsg(&port, &msg);
	lwkt_sendmsg(&port, &msg);
	return 0;
}

static int
reply_own(void *arg)
{
	(void)arg;
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_replymsg(&msg, 0);
	return 0;
}

static int
replywait_own(void *arg)
{
	(void)arg;
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_replywait(&msg, 0, lwkt_curport(), 0);
	return 0;
}

static int
replywait_foreign_port(void *arg)
{
	(void)arg;
	lwkt_replywait(NULL, 0, lwkt_threadport(start(nothing, LWKT_NOSTART,
	    0)), 0);
	return 0;
}

static int
forward_own(void *arg)
{
	(void)arg;
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_forwardmsg(lwkt_curport(), &msg);
	return 0;
}

static int
wait_dropable(void *arg)
{
	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_initmsg(&msg, lwkt_curport(), LWKT_MSGF_DROPABLE);
	lwkt_sendmsg(&port, &msg);
	return lwkt_waitmsg(&msg, 0);
}

static int
wait_dropable_timed(void *arg)
{
	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_initmsg(&msg, lwkt_curport(), LWKT_MSGF_DROPABLE);
	lwkt_sendmsg(&port, &msg);
	return lwkt_waitmsg_timed(&msg, 0, 1000);
}

static int
drop_undropable(void *arg)
{
	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_sendmsg(&port, &msg);
	return lwkt_dropmsg(&msg);
}

static void
put_nothing(lwkt_port_t to, lwkt_msg_t what)
{
	(void)to, (void)what;
}

static int
wait_replyonly(void *arg)
{
	(void)arg;
	lwkt_initport_replyonly(&port, put_nothing);
	lwkt_waitport(&port, 0);
	return 0;
}

static int
wait_replyonly_timed(void *arg)
{
	(void)arg;
	lwkt_initport_replyonly_null(&port);
	lwkt_waitport_timed(&port, 0, 1000);
	return 0;
}

static int
reply_putonly(void *arg)
{
	(void)arg;
	lwkt_initport_panic(&port);
	lwkt_initmsg(&msg, &port, 0);
	lwkt_sendmsg(lwkt_curport(), &msg);
	lwkt_waitport(lwkt_curport(), 0);
	lwkt_replymsg(&msg, 0);
	return 0;
}

static int
unserialized(void *arg)
{
	static struct lwkt_serialize sz;

	(void)arg;
	lwkt_serialize_init(&sz);
	lwkt_initport_serialize(&port, &sz);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_sendmsg(&port, &msg);
	return 0;
}

static int
half_a_port(void *arg)
{
	static const struct lwkt_port_ops ops = { .getport = lwkt_getport };

	(void)arg;
	lwkt_initport(&port, &ops);
	return 0;
}

static int
queue_twice(void *arg)
{
	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_sendmsg(&port, &msg);
	lwkt_port_enqueue(&port, &msg);
	return 0;
}

static int
select_foreign_port(void *arg)
{
	lwkt_port_t theirs;

	(void)arg;
	theirs = lwkt_threadport(start(nothing, LWKT_NOSTART, 0));
	lwkt_port_select(&theirs, 1, NULL, 0, 0);
	return 0;
}

static int
wait_foreign_port(void *arg)
{
	(void)arg;
	lwkt_waitport(lwkt_threadport(start(nothing, LWKT_NOSTART, 0)), 0);
	return 0;
}

static int
panic_port(void *arg)
{
	(void)arg;
	lwkt_initport_panic(&port);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_sendmsg(&port, &msg);
	return 0;
}

static void
replier(void *arg)
{
	lwkt_msg_t m = lwkt_waitport(lwkt_curport(), 0);

	(void)arg;
	lwkt_replymsg(m, 0);
	lwkt_replymsg(m, 0);
}

static int
reply_twice(void *arg)
{
	lwkt_thread_t td = start(replier, LWKT_JOINABLE, 0);

	(void)arg;
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_domsg(lwkt_threadport(td), &msg, 0);
	return lwkt_join(td);
}

static const struct misuse cases[] = {
	{ "sending twice", send_twice, "is not the sender's" },
	{ "replying to one's own message", reply_own,
	    "is not the receiver's" },
	{ "replying to it and waiting", replywait_own,
	    "is not the receiver's" },
	{ "waiting at another's port for the next", replywait_foreign_port,
	    "belongs to thread" },
	{ "forwarding what was not received", forward_own,
	    "is not the receiver's" },
	{ "waiting for a dropable message", wait_dropable,
	    "no thread can wait for it" },
	{ "waiting for one some time", wait_dropable_timed,
	    "no thread can wait for it" },
	{ "dropping what is not dropable", drop_undropable,
	    "dropped without LWKT_MSGF_DROPABLE" },
	{ "waiting at a replyonly port", wait_replyonly, "has no queue" },
	{ "waiting at a null port", wait_replyonly_timed, "has no queue" },
	{ "replying to a panic port", reply_putonly, "takes no replies" },
	{ "a serialize port without its serializer", unserialized,
	    "thread \"main\", which does not hold serializer" },
	{ "a port without functions", half_a_port, "is missing" },
	{ "queueing a message twice", queue_twice, "is queued already" },
	{ "selecting another thread's port", select_foreign_port,
	    "belongs to thread \"victim\", not to \"main\"" },
	{ "waiting on another thread's port", wait_foreign_port,
	    "belongs to thread \"victim\", not to \"main\"" },
	{ "sending to a port that must not be used", panic_port,
	    "which takes no messages" },
	{ "replying twice", reply_twice, "replied before" },
};

int
main(void)
{
	return misuse_run(cases, sizeof(cases) / sizeof(cases[0]));
}
