/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scale KIND NCPUS [TIMES]: rates that should grow with the number of CPUs,
 * measured on all of them at once: switches by yield, switches by sleep and
 * wakeup, message round trips between pairs of CPUs, functions sent from each
 * CPU to all others.
 */
#include <lwkt/lwkt.h>
#include <lwkt/ipiq.h>
#include "bench.h"

static long n;
static int ncpus;

static struct cpu {
	_Alignas(64) long turn;		/* its own CPU, or callbacks there */
	int		last;
	struct lwkt_port port;
} cpus[LWKT_MAXCPU];

struct question {
	struct lwkt_msg	msg;
	long		value;
};

/* Thread 0 or 1 of a CPU. */
struct worker {
	struct cpu     *cpu;
	int		self;
	lwkt_thread_t	td;
};

static void
yielder(struct worker *w)
{
	for (long i = 0; i < n; i++) {
		w->cpu->turn += w->cpu->last != w->self;
		w->cpu->last = w->self;
		lwkt_yield();
	}
}

static void
waker(struct worker *w)
{
	char *ident = (char *)w->cpu;

	for (long i = 0; i < n; i++) {
		while (w->cpu->turn % 2 != w->self)
			lwkt_tsleep(ident + w->self, 0, "turn", LWKT_FOREVER);
		w->cpu->turn++;
		lwkt_wakeup(ident + !w->self);
	}
}

/* CPUs 0, 2, ... ask their neighbours 1, 3, ... */
static void
talker(struct worker *w)
{
	struct question *q, mine = { .value = 0 };
	int is_server = (int)(w->cpu - cpus) % 2;

	if (w->self == 1)
		return;
	lwkt_initmsg(&mine.msg, lwkt_curport(), 0);
	for (long i = 0; i < n; i++) {
		if (is_server) {
			q = lwkt_waitport(&w->cpu->port, 0);
			q->value++;
			lwkt_replymsg(&q->msg, 0);
		} else {
			lwkt_domsg(&w->cpu[1].port, &mine.msg, 0);
		}
	}
	w->cpu->turn = is_server ? n : mine.value;
}

static void
take(void *arg1, int arg2)
{
	((struct cpu *)arg1)->turn += arg2;
}

static void
sender(struct worker *w)
{
	int self = (int)(w->cpu - cpus);
	unsigned seq[LWKT_MAXCPU] = { 0 };

	if (w->self == 1)
		return;
	for (long i = 0; i < n; i++) {
		int to = (self + 1 + (int)(i % (ncpus - 1))) % ncpus;

		seq[to] = lwkt_send_ipiq2(to, take, &cpus[to], 1);
	}
	for (int to = 0; to < ncpus; to++) {
		if (to != self)
			lwkt_wait_ipiq(to, seq[to]);
	}
}

/* Each of its TIMES a CPU counts `turns` turns; `event` turns are one event. */
static const struct kind {
	const char     *name;
	void		(*fn)(struct worker *w);
	long		times;
	int		turns, event;
	int		cpus;		/* a multiple of so many */
} kinds[] = {
	{ "yield", yielder, 5000000, 2, 1, 1 },
	{ "wakeup", waker, 2000000, 2, 1, 1 },
	{ "msg", talker, 500000, 1, 2, 2 },
	{ "ipi", sender, 2000000, 1, 1, 2 },
};
static const struct kind *kind;

/* Thread 0 starts thread 1, so that neither runs for long alone. */
static void
run(void *arg)
{
	struct worker *w = arg;

	if (w->self == 0)
		lwkt_schedule(w[1].td);
	kind->fn(w);
}

static int
bench(void *arg)
{
	static struct worker w[2 * LWKT_MAXCPU];
	long done = 0, want = kind->turns * n * ncpus;
	int64_t begin, took;
	char name[32];

	(void)arg;
	for (int i = 0; i < 2 * ncpus; i++) {
		w[i].cpu = &cpus[i / 2];
		w[i].self = i % 2;
		bench_check(lwkt_create(run, &w[i], &w[i].td, NULL,
		    LWKT_JOINABLE | LWKT_NOSTART, i / 2, "worker%d", i) == 0,
		    "create");
		if (i % 2 == 0)
			lwkt_initport_thread(&cpus[i / 2].port, w[i].td);
	}
	begin = bench_now();
	for (int i = 0; i < 2 * ncpus; i += 2)
		lwkt_schedule(w[i].td);
	for (int i = 0; i < 2 * ncpus; i++)
		lwkt_join(w[i].td);
	took = bench_now() - begin;
	for (int i = 0; i < ncpus; i++)
		done += cpus[i].turn;
	bench_check(done <= want && done >= want - 2 * ncpus,
	    "%ld times, not %ld", done, want);
	snprintf(name, sizeof(name), "%s-%d", kind->name, ncpus);
	bench_report(name, "lwkt", (double)done * 1e3 / (double)took /
	    kind->event, "M/s");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	for (size_t i = 0; argc > 1 && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			kind = &kinds[i];
	bench_check(kind != NULL, "usage: scale KIND NCPUS [TIMES]");
	ncpus = cfg.lc_ncpus = (int)bench_arg(argc, argv, 2, 1);
	bench_check(ncpus % kind->cpus == 0, "%s needs %d CPUs", kind->name,
	    kind->cpus);
	n = bench_arg(argc, argv, 3, kind->times);
	return (lwkt_boot(&cfg, bench, NULL));
}
