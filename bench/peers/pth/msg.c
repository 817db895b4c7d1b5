/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GNU Pth: a message to another thread's port, and its reply.
 */
#include <pth.h>
#include "bench.h"

struct question {
	pth_message_t	msg;
	long		value;
};

static pth_msgport_t port;
static long n;

static void *
server(void *arg)
{
	pth_event_t ev = pth_event(PTH_EVENT_MSG, port);
	struct question *q;

	for (long i = 0; i < n; i++) {
		while ((q = (void *)pth_msgport_get(port)) == NULL)
			pth_wait(ev);
		q->value++;
		pth_msgport_reply(&q->msg);
	}
	return (arg);
}

int
main(int argc, char **argv)
{
	struct question q = { .value = 0 };
	pth_msgport_t reply;
	pth_event_t ev;
	int64_t begin;
	pth_t td;

	n = bench_arg(argc, argv, 2, 50000);
	bench_check(pth_init(), "init");
	port = pth_msgport_create("server");
	reply = pth_msgport_create("client");
	ev = pth_event(PTH_EVENT_MSG, reply);
	td = pth_spawn(PTH_ATTR_DEFAULT, server, NULL);
	q.msg.m_replyport = reply;
	begin = bench_now();
	for (long i = 0; i < n; i++) {
		pth_msgport_put(port, &q.msg);
		while (pth_msgport_get(reply) == NULL)
			pth_wait(ev);
	}
	bench_report("msg-local", "pth",
	    (double)(bench_now() - begin) / (double)n, "ns");
	pth_join(td, NULL);
	bench_check(q.value == n, "%ld answers, not %ld", q.value, n);
	return (0);
}
