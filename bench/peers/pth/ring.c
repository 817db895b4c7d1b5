/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GNU Pth: a token goes round 1,000 threads.  It is a message that each thread
 * puts to the port of the next.  The last round ends the threads.
 */
#include <pth.h>
#include "bench.h"

#define MEMBERS	1000

static pth_msgport_t port[MEMBERS];
static pth_t member[MEMBERS];
static long hops, n;

static void *
hand_on(void *arg)
{
	long self = (pth_msgport_t *)arg - port, now;
	pth_event_t ev = pth_event(PTH_EVENT_MSG, port[self]);
	pth_message_t *token;

	do {
		while ((token = pth_msgport_get(port[self])) == NULL)
			pth_wait(ev);
		now = ++hops;
		if (now == n + MEMBERS)
			break;
		pth_msgport_put(port[(self + 1) % MEMBERS], token);
	} while (now <= n);
	return (NULL);
}

int
main(int argc, char **argv)
{
	pth_message_t token = { .m_replyport = NULL };
	pth_attr_t attr;
	int64_t begin;

	n = bench_arg(argc, argv, 1, 2000);
	bench_check(pth_init(), "init");
	attr = pth_attr_new();
	pth_attr_set(attr, PTH_ATTR_STACK_SIZE, BENCH_STACK);
	for (int i = 0; i < MEMBERS; i++) {
		port[i] = pth_msgport_create("member");
		member[i] = pth_spawn(attr, hand_on, &port[i]);
		bench_check(member[i] != NULL, "create");
	}
	pth_yield(NULL);
	begin = bench_now();
	pth_msgport_put(port[0], &token);
	for (int i = 0; i < MEMBERS; i++)
		pth_join(member[i], NULL);
	bench_report("ring-1000", "pth",
	    (double)(bench_now() - begin) / (double)hops, "ns");
	bench_check(hops == n + MEMBERS, "%ld hops", hops);
	return (0);
}
