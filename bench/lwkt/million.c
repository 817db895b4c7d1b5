/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A million threads at once, each blocked: the time to create, wake and finish
 * one, and the memory one takes while it waits.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

static long n, blocked, finished;
static int open_gate;

static void
waiter(void *arg)
{
	(void)arg;
	blocked++;
	while (!open_gate)
		lwkt_tsleep(&open_gate, 0, "gate", LWKT_FOREVER);
	finished++;
}

static int
bench(void *arg)
{
	lwkt_thread_t *td = arg;
	int64_t before, bytes, begin, took;

	before = bench_memory();
	begin = bench_now();
	for (long i = 0; i < n; i++)
		bench_check(lwkt_create(waiter, NULL, &td[i], NULL,
		    LWKT_JOINABLE, 0, "waiter") == 0, "create %ld", i);
	while (blocked < n)
		lwkt_yield();
	took = bench_now() - begin;
	bytes = bench_memory() - before;
	begin = bench_now();
	open_gate = 1;
	lwkt_wakeup(&open_gate);
	for (long i = 0; i < n; i++)
		lwkt_join(td[i]);
	took += bench_now() - begin;
	bench_check(finished == n, "%ld of %ld finished", finished, n);
	bench_report("million-time", "lwkt", (double)took / (double)n, "ns");
	bench_report("million-bytes", "lwkt", (double)bytes / (double)n, "B");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_stksize = BENCH_STACK };
	lwkt_thread_t *td;

	n = bench_arg(argc, argv, 1, 1000000);
	td = malloc((size_t)n * sizeof(*td));
	bench_check(td != NULL, "no memory");
	memset(td, 1, (size_t)n * sizeof(*td));	/* not to be counted */
	return (lwkt_boot(&cfg, bench, td));
}
