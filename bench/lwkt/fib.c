/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fib NCPUS [N [ROUNDS]]: fork and join.  fib(N) creates a thread for
 * fib(N - 1), computes fib(N - 2) itself and joins the thread.
 *
 * A thread has a higher priority than its creator, so the tree is walked depth
 * first and few threads live at a time.  The threads of the first levels are
 * dealt to the CPUs; the rest stay where their creator is.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

#define DEALT	8		/* levels */

struct call {
	long	n, result, threads;
	int	level;
};

static unsigned int dealt;

static void	fib(void *arg);

static lwkt_thread_t
start_thread(struct call *call)
{
	lwkt_thread_t td;
	int cpu = lwkt_cpuid();

	if (call->level <= DEALT)
		cpu = (int)(__atomic_add_fetch(&dealt, 1, __ATOMIC_RELAXED) %
		    (unsigned int)lwkt_ncpus());
	bench_check(lwkt_create(fib, call, &td, NULL,
	    LWKT_JOINABLE | LWKT_NOSTART, cpu, "fib") == 0, "create");
	lwkt_setpri_initial(td, LWKT_PRI_KERN_DAEMON + call->level);
	lwkt_schedule(td);
	return (td);
}

static void
fib(void *arg)
{
	struct call *self = arg, forked, own;
	lwkt_thread_t td;

	if (self->n < 2) {
		self->result = self->n;
		self->threads = 0;
		return;
	}
	forked.n = self->n - 1;
	forked.level = self->level + 1;
	td = start_thread(&forked);
	own.n = self->n - 2;
	own.level = self->level + 2;
	fib(&own);
	lwkt_join(td);
	self->result = forked.result + own.result;
	self->threads = forked.threads + own.threads + 1;
}

static int
bench(void *arg)
{
	struct call root = *(struct call *)arg;
	long rounds = root.threads, threads = 0;
	int64_t begin = bench_now();
	char name[32];

	for (long i = 0; i < rounds; i++) {
		fib(&root);
		threads += root.threads;
	}
	snprintf(name, sizeof(name), "fib-%d", lwkt_ncpus());
	bench_report(name, "lwkt",
	    (double)(bench_now() - begin) / (double)threads, "ns");
	bench_check(root.result == bench_fib(root.n), "wrong sum %ld",
	    root.result);
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };
	struct call root = { .n = bench_arg(argc, argv, 2, 20) };

	cfg.lc_ncpus = (int)bench_arg(argc, argv, 1, 1);
	root.threads = bench_arg(argc, argv, 3, 100);
	return (lwkt_boot(&cfg, bench, &root));
}
