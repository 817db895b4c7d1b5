/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values one way, from a thread of CPU 0 to a thread of CPU 1, through a pipe
 * of 1024 slots: one value a call, or 64.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

#define DEPTH	1024
#define BATCH	64

static struct lwkt_pipe pipe_;
static uint64_t slots[DEPTH];
static uint64_t n, sum, got;
static size_t batch;

static void
reader(void *arg)
{
	uint64_t v[BATCH];
	ssize_t k;

	(void)arg;
	while ((k = lwkt_pipe_read(&pipe_, v, batch, LWKT_FOREVER)) > 0) {
		for (ssize_t i = 0; i < k; i++)
			sum += v[i];
		got += (uint64_t)k;
	}
}

static void
write_all(void)
{
	uint64_t v[BATCH], sent = 0;

	while (sent < n) {
		for (size_t i = 0; i < batch; i++)
			v[i] = sent++;
		lwkt_pipe_write(&pipe_, v, batch, LWKT_FOREVER);
	}
	lwkt_pipe_close_writer(&pipe_);
}

static int
bench(void *arg)
{
	lwkt_thread_t td;
	int64_t begin;

	(void)arg;
	lwkt_pipe_init(&pipe_, slots, sizeof(slots[0]), DEPTH, "stream");
	bench_check(lwkt_create(reader, NULL, &td, NULL, LWKT_JOINABLE, 1,
	    "reader") == 0, "create");
	begin = bench_now();
	write_all();
	lwkt_join(td);
	bench_report(batch == 1 ? "stream-single" : "stream-batch", "lwkt",
	    (double)n * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(got == n && sum == n * (n - 1) / 2, "lost values");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 2, .lc_stksize = BENCH_STACK };

	batch = (size_t)bench_arg(argc, argv, 1, 1);
	bench_check(batch >= 1 && batch <= BATCH, "at most %d values a call",
	    BATCH);
	n = (uint64_t)bench_arg(argc, argv, 2, 10000000) * (uint64_t)batch;
	return (lwkt_boot(&cfg, bench, NULL));
}
