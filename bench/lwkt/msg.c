/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message there and back: to a thread of the same CPU, or of the next one.
 * The server replies and waits for the next message in one call.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

struct question {
	struct lwkt_msg	msg;
	long		value;
	int		stop;
};

static struct lwkt_port port;
static long n;
static int ncpus;

static void
server(void *arg)
{
	struct question *q = lwkt_waitport(&port, 0);

	(void)arg;
	for (; !q->stop; q = lwkt_replywait(&q->msg, 0, &port, 0))
		q->value++;
	lwkt_replymsg(&q->msg, 0);
}

static void
ask(struct question *q, long count)
{
	for (long i = 0; i < count; i++)
		lwkt_domsg(&port, &q->msg, 0);
}

static int
bench(void *arg)
{
	struct question q = { .value = 0 };
	lwkt_thread_t td;
	int64_t begin;

	(void)arg;
	bench_check(lwkt_create(server, NULL, &td, NULL,
	    LWKT_JOINABLE | LWKT_NOSTART, ncpus - 1, "server") == 0, "create");
	lwkt_initport_thread(&port, td);
	lwkt_initmsg(&q.msg, lwkt_curport(), 0);
	lwkt_schedule(td);
	ask(&q, 1000);
	begin = bench_now();
	ask(&q, n);
	bench_report(ncpus == 1 ? "msg-local" : "msg-cross", "lwkt",
	    (double)(bench_now() - begin) / (double)n, "ns");
	q.stop = 1;
	ask(&q, 1);
	lwkt_join(td);
	bench_check(q.value == n + 1000, "%ld answers, not %ld", q.value, n);
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	ncpus = cfg.lc_ncpus = (int)bench_arg(argc, argv, 1, 1);
	n = bench_arg(argc, argv, 2, ncpus == 1 ? 5000000 : 1000000);
	return (lwkt_boot(&cfg, bench, NULL));
}
