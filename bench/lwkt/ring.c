/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring [HOPS]: a token goes round 1,000 threads of one CPU.  It is a message
 * that each thread forwards to the port of the next.  The last round ends the
 * threads, and the last thread of it replies.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

#define THREADS	1000

struct token {
	struct lwkt_msg	msg;
	long		hops;
};

static struct lwkt_port port[THREADS];
static lwkt_thread_t member[THREADS];
static long n;

static void
hand_on(void *arg)
{
	long self = (lwkt_port_t)arg - port, hops;
	struct token *token;

	do {
		token = lwkt_waitport(&port[self], 0);
		hops = ++token->hops;
		if (hops == n + THREADS)
			lwkt_replymsg(&token->msg, 0);
		else
			lwkt_forwardmsg(&port[(self + 1) % THREADS],
			    &token->msg);
	} while (hops <= n);
}

static int
bench(void *arg)
{
	struct token token = { .hops = 0 };
	int64_t begin, took;

	(void)arg;
	for (int i = 0; i < THREADS; i++) {
		bench_check(lwkt_create(hand_on, &port[i], &member[i], NULL,
		    LWKT_JOINABLE | LWKT_NOSTART, 0, "member") == 0, "create");
		lwkt_initport_thread(&port[i], member[i]);
		lwkt_schedule(member[i]);
	}
	lwkt_yield();			/* all wait */
	lwkt_initmsg(&token.msg, lwkt_curport(), 0);
	begin = bench_now();
	lwkt_domsg(&port[0], &token.msg, 0);
	took = bench_now() - begin;
	for (int i = 0; i < THREADS; i++)
		lwkt_join(member[i]);
	bench_report("ring-1000", "lwkt",
	    (double)took / (double)token.hops, "ns");
	bench_check(token.hops == n + THREADS, "%ld hops", token.hops);
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_stksize = BENCH_STACK };

	n = bench_arg(argc, argv, 1, 5000000);
	return (lwkt_boot(&cfg, bench, NULL));
}
