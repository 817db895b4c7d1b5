/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc and kfree: on one CPU, or freed on the other.
 */
#include <lwkt/lwkt.h>
#include <lwkt/malloc2.h>

static LWKT_MALLOC_DEFINE(M_BENCH, "bench", "blocks");

static inline void *
take(size_t size)
{
	return (lwkt_kmalloc_quick(size, M_BENCH, LWKT_M_WAITOK));
}

static inline void
give(void *p)
{
	lwkt_kfree(p, M_BENCH);
}

static inline void
turn(void)
{
	lwkt_yield();
	__builtin_ia32_pause();
}

#include "malloc.h"

static long ncpus, n;

static void
gives(void *arg)
{
	(void)arg;
	malloc_gives(n);
}

static int
bench(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	if (ncpus == 1) {
		malloc_64("lwkt", n);
		malloc_many("lwkt", n / MALLOC_MANY / 4);
		return (0);
	}
	bench_check(lwkt_create(gives, NULL, &td, NULL, LWKT_JOINABLE, 1,
	    "gives") == 0, "create");
	malloc_takes("lwkt", n);
	return (lwkt_join(td));
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	cfg.lc_ncpus = (int)(ncpus = bench_arg(argc, argv, 1, 1));
	n = bench_arg(argc, argv, 2, ncpus == 1 ? 20000000 : 5000000);
	return (lwkt_boot(&cfg, bench, NULL));
}
