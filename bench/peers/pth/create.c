/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GNU Pth: create a thread that does nothing, join it.
 */
#include <pth.h>
#include "bench.h"

static void *
nothing(void *arg)
{
	++*(long *)arg;
	return (NULL);
}

int
main(int argc, char **argv)
{
	long n = bench_arg(argc, argv, 1, 100000), ran = 0;
	pth_attr_t attr;
	int64_t begin;
	pth_t td;

	bench_check(pth_init(), "init");
	attr = pth_attr_new();
	pth_attr_set(attr, PTH_ATTR_STACK_SIZE, BENCH_STACK);
	begin = bench_now();
	for (long i = 0; i < n; i++) {
		td = pth_spawn(attr, nothing, &ran);
		bench_check(td != NULL, "create");
		pth_join(td, NULL);
	}
	bench_report("create-join", "pth",
	    (double)(bench_now() - begin) / (double)n, "ns");
	bench_check(ran == n, "%ld of %ld ran", ran, n);
	return (0);
}
