/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that serves requests at its port, and the requests.
 */
#ifndef LWKT_TESTS_CORE_SERVER_H
#define LWKT_TESTS_CORE_SERVER_H

#include <lwkt/msgport.h>

#include "core/util.h"

#define CLIENTS		4

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

UTIL void
request_init(struct request *r, enum what what, int flags)
{
	memset(r, 0, sizeof(*r));
	lwkt_initmsg(&r->r_msg, lwkt_curport(), flags);
	r->r_what = what;
}

/* Serve until told to stop; arg: the port to forward to, or NULL. */
UTIL void
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

UTIL lwkt_thread_t
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

UTIL void
server_stop(lwkt_thread_t td)
{
	struct request r;

	request_init(&r, W_STOP, 0);
	check(lwkt_domsg(lwkt_threadport(td), &r.r_msg, 0) == 0, "stop");
	join(td);
}

#endif
