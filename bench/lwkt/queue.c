/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue NCPUS [ITEMS]: one thread puts, one gets, through a bounded queue of
 * 1024, both on one CPU or each on its own.
 */
#include <lwkt/lwkt.h>
#include <lwkt/sync.h>
#include "bench.h"

#define DEPTH	1024

static struct lwkt_queue queue;
static uintptr_t n, sum;

static void
getter(void *arg)
{
	void *item;

	(void)arg;
	while (lwkt_queue_get(&queue, &item, LWKT_FOREVER) == 0)
		sum += (uintptr_t)item;
}

static int
bench(void *arg)
{
	static void *slot[DEPTH];
	int ncpus = lwkt_ncpus();
	int64_t begin;
	lwkt_thread_t td;

	(void)arg;
	lwkt_queue_init(&queue, slot, DEPTH, "bench");
	begin = bench_now();
	bench_check(lwkt_create(getter, NULL, &td, NULL, LWKT_JOINABLE,
	    ncpus - 1, "getter") == 0, "create");
	for (uintptr_t i = 0; i < n; i++)
		lwkt_queue_put(&queue, (void *)i, LWKT_FOREVER);
	lwkt_queue_close(&queue);
	lwkt_join(td);
	bench_report(ncpus == 1 ? "queue-1" : "queue-2", "lwkt",
	    (double)n * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(sum == n * (n - 1) / 2, "lost items");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	cfg.lc_ncpus = (int)bench_arg(argc, argv, 1, 1);
	n = (uintptr_t)bench_arg(argc, argv, 2, 3000000);
	return (lwkt_boot(&cfg, bench, NULL));
}
