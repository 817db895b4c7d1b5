/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pairs [PAIRS [TRIPS]]: 10,000 pairs of threads of one CPU, all at once.  In
 * each pair one sends a message to the port of the other and waits for the
 * reply, so many times.  The time ends with the last reply: that 20,000 threads
 * end and give back their stacks is no part of the figure.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

struct pair {
	struct lwkt_port port;
	lwkt_thread_t	server, client;
	long		served;
};

struct question {
	struct lwkt_msg	msg;
	long		value;
};

static long npairs, trips, asking;
static int64_t end;

static void
server(void *arg)
{
	struct pair *pair = arg;
	struct question *q;

	while (pair->served < trips) {
		q = lwkt_waitport(&pair->port, 0);
		q->value++;
		pair->served++;
		lwkt_replymsg(&q->msg, 0);
	}
}

static void
client(void *arg)
{
	struct question q = { .value = 0 };
	struct pair *pair = arg;

	lwkt_initmsg(&q.msg, lwkt_curport(), 0);
	for (long i = 0; i < trips; i++)
		lwkt_domsg(&pair->port, &q.msg, 0);
	if (--asking == 0)
		end = bench_now();
	bench_check(q.value == trips, "%ld answers, not %ld", q.value, trips);
}

static lwkt_thread_t
create(void (*fn)(void *), struct pair *pair)
{
	lwkt_thread_t td;

	bench_check(lwkt_create(fn, pair, &td, NULL,
	    LWKT_JOINABLE | LWKT_NOSTART, 0, "pair") == 0, "create");
	return (td);
}

static int
bench(void *arg)
{
	struct pair *pair = arg;
	int64_t begin;

	for (long i = 0; i < npairs; i++) {
		pair[i].server = create(server, &pair[i]);
		lwkt_initport_thread(&pair[i].port, pair[i].server);
		pair[i].client = create(client, &pair[i]);
	}
	asking = npairs;
	begin = bench_now();
	for (long i = 0; i < npairs; i++) {
		lwkt_schedule(pair[i].server);
		lwkt_schedule(pair[i].client);
	}
	for (long i = 0; i < npairs; i++) {
		lwkt_join(pair[i].client);
		lwkt_join(pair[i].server);
		bench_check(pair[i].served == trips, "only %ld trips",
		    pair[i].served);
	}
	bench_report("pairs-10000", "lwkt", (double)(end - begin) /
	    (double)(npairs * trips), "ns");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_stksize = BENCH_STACK };
	struct pair *pair;

	npairs = bench_arg(argc, argv, 1, 10000);
	trips = bench_arg(argc, argv, 2, 100);
	pair = calloc((size_t)npairs, sizeof(*pair));
	bench_check(pair != NULL, "no memory");
	return (lwkt_boot(&cfg, bench, pair));
}
