/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tree of threads, ten children each, a million leaves: every thread adds up
 * what its children return.
 *
 * Children have a higher priority than their parent, so the tree is walked
 * depth first and few threads live at a time.  The first ten are dealt to the
 * CPUs; the rest stay where their parent is.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

#define FANOUT	10

struct node {
	uint64_t	number, leaves, sum;
	int		depth;
};

static void	walk(void *arg);

static lwkt_thread_t
start_child(struct node *parent, struct node *child, int i)
{
	lwkt_thread_t td;
	int cpu = parent->depth == 0 ? i % lwkt_ncpus() : lwkt_cpuid();

	child->depth = parent->depth + 1;
	child->leaves = parent->leaves / FANOUT;
	child->number = parent->number + (uint64_t)i * child->leaves;
	bench_check(lwkt_create(walk, child, &td, NULL,
	    LWKT_JOINABLE | LWKT_NOSTART, cpu, "node") == 0, "create");
	lwkt_setpri_initial(td, LWKT_PRI_KERN_DAEMON + child->depth);
	lwkt_schedule(td);
	return (td);
}

static void
walk(void *arg)
{
	struct node *self = arg, child[FANOUT];
	lwkt_thread_t td[FANOUT];

	if (self->leaves == 1) {
		self->sum = self->number;
		return;
	}
	for (int i = 0; i < FANOUT; i++)
		td[i] = start_child(self, &child[i], i);
	self->sum = 0;
	for (int i = 0; i < FANOUT; i++) {
		lwkt_join(td[i]);
		self->sum += child[i].sum;
	}
}

static int
bench(void *arg)
{
	struct node root = { .leaves = (uint64_t)*(long *)arg };
	int64_t begin;
	char name[32];

	begin = bench_now();
	walk(&root);
	snprintf(name, sizeof(name), "skynet-%d", lwkt_ncpus());
	bench_report(name, "lwkt", (double)(bench_now() - begin) / 1e6, "ms");
	bench_check(root.sum == root.leaves * (root.leaves - 1) / 2,
	    "wrong sum %llu", (unsigned long long)root.sum);
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };
	long leaves;

	cfg.lc_ncpus = (int)bench_arg(argc, argv, 1, 1);
	leaves = bench_arg(argc, argv, 2, 1000000);
	return (lwkt_boot(&cfg, bench, &leaves));
}
