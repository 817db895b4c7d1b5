/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State Threads: a tree of threads, ten children each, a million leaves.
 */
#include <st.h>
#include "bench.h"

#define FANOUT	10

struct node {
	uint64_t	number, leaves, sum;
};

static void *
walk(void *arg)
{
	struct node *self = arg, child[FANOUT];
	st_thread_t td[FANOUT];

	if (self->leaves == 1) {
		self->sum = self->number;
		return (NULL);
	}
	for (uint64_t i = 0; i < FANOUT; i++) {
		child[i].leaves = self->leaves / FANOUT;
		child[i].number = self->number + i * child[i].leaves;
		td[i] = st_thread_create(walk, &child[i], 1, BENCH_STACK);
		bench_check(td[i] != NULL, "create");
	}
	self->sum = 0;
	for (int i = 0; i < FANOUT; i++) {
		st_thread_join(td[i], NULL);
		self->sum += child[i].sum;
	}
	return (NULL);
}

int
main(int argc, char **argv)
{
	struct node root = { .leaves = (uint64_t)bench_arg(argc, argv, 2,
	    1000000) };
	int64_t begin;

	bench_check(st_init() == 0, "init");
	begin = bench_now();
	walk(&root);
	bench_report("skynet-1", "st", (double)(bench_now() - begin) / 1e6,
	    "ms");
	bench_check(root.sum == root.leaves * (root.leaves - 1) / 2,
	    "wrong sum %llu", (unsigned long long)root.sum);
	return (0);
}
