/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message or a port that is not used as its owner may use it: each call
 * panics.
 */
#include "core/port/server.h"

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
	panics("waiting for a dropable message panics", dropable_body,
	    "no thread can wait");
	panics("receiving from another's port panics", not_owner_body,
	    "belongs to thread");
	return tap_done();
}
