/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions run on another CPU, one way: each IPI notifies its target, or 63
 * are passive and the 64th notifies it.
 */
#include <lwkt/lwkt.h>
#include <lwkt/ipiq.h>
#include "bench.h"

static long n;

struct sink {
	uint64_t	count, sum;
};

static void
take(void *arg1, int arg2)
{
	struct sink *sink = arg1;

	sink->count++;
	sink->sum += (uint64_t)arg2;
}

static void
stream(const char *name, long passive)
{
	_Alignas(64) struct sink sink = { 0 };
	int64_t begin = bench_now();
	unsigned seq = 0;

	for (long i = 0; i < n; i++) {
		if (i % (passive + 1) != passive)
			lwkt_send_ipiq_passive(1, take, &sink, (int)i);
		else
			seq = lwkt_send_ipiq2(1, take, &sink, (int)i);
	}
	lwkt_wait_ipiq(1, seq);
	bench_report(name, "lwkt",
	    (double)n * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(sink.count == (uint64_t)n && sink.sum ==
	    (uint64_t)n * (uint64_t)(n - 1) / 2, "lost messages");
}

static int
bench(void *arg)
{
	(void)arg;
	stream("ipi-single", 0);
	stream("ipi-batch", 63);
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 2, .lc_stksize = BENCH_STACK };

	n = bench_arg(argc, argv, 1, 3000000) / 64 * 64;
	return (lwkt_boot(&cfg, bench, NULL));
}
