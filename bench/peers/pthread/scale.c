/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads on all CPUs at once: switches by sched_yield() and by condition
 * variables, two threads a CPU, and round trips between pairs of CPUs by
 * semaphores.  See bench/lwkt/scale.c.
 */
#include <semaphore.h>
#include "bench.h"

#define CPUS_MAX	1024

static long n;
static int ncpus;

static struct cpu {
	_Alignas(64) volatile long turn;
	volatile int	last;
	pthread_mutex_t	lock;
	pthread_cond_t	mine[2];
	sem_t		asked, answered;
} cpus[CPUS_MAX];

struct worker {
	struct cpu     *cpu;
	int		self;		/* 0 or 1 of its CPU */
	pthread_t	td;
};

static void
yielder(struct worker *w)
{
	for (long i = 0; i < n; i++) {
		w->cpu->turn += w->cpu->last != w->self;
		w->cpu->last = w->self;
		sched_yield();
	}
}

static void
waker(struct worker *w)
{
	pthread_mutex_lock(&w->cpu->lock);
	for (long i = 0; i < n; i++) {
		while (w->cpu->turn % 2 != w->self)
			pthread_cond_wait(&w->cpu->mine[w->self],
			    &w->cpu->lock);
		w->cpu->turn++;
		pthread_cond_signal(&w->cpu->mine[!w->self]);
	}
	pthread_mutex_unlock(&w->cpu->lock);
}

static void
wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		continue;
}

static void
talker(struct worker *w)
{
	int is_server = (int)(w->cpu - cpus) % 2;

	if (w->self == 1)
		return;
	for (long i = 0; i < n; i++) {
		if (is_server) {
			wait_for(&w->cpu->asked);
			w->cpu->turn++;
			sem_post(&w->cpu->answered);
		} else {
			sem_post(&w->cpu[1].asked);
			wait_for(&w->cpu[1].answered);
			w->cpu->turn++;
		}
	}
}

static const struct kind {
	const char     *name;
	void		(*fn)(struct worker *w);
	long		times;
	int		pairs;		/* two CPUs count once */
} kinds[] = {
	{ "yield", yielder, 200000, 0 },
	{ "wakeup", waker, 50000, 0 },
	{ "msg", talker, 20000, 1 },
};
static const struct kind *kind;

static void *
run(void *arg)
{
	struct worker *w = arg;

	bench_pin((int)(w->cpu - cpus));
	kind->fn(w);
	return (NULL);
}

static void
measure(void)
{
	static struct worker w[2 * CPUS_MAX];
	int64_t begin = bench_now(), took;
	long done = 0;
	char name[32];

	for (int i = 0; i < 2 * ncpus; i++) {
		w[i].cpu = &cpus[i / 2];
		w[i].self = i % 2;
		bench_check(pthread_create(&w[i].td, NULL, run, &w[i]) == 0,
		    "create");
	}
	for (int i = 0; i < 2 * ncpus; i++)
		pthread_join(w[i].td, NULL);
	took = bench_now() - begin;
	for (int i = 0; i < ncpus; i++)
		done += cpus[i].turn;
	bench_check(kind->fn == yielder ? done >= n * ncpus / 4 :
	    done == (kind->pairs ? 1 : 2) * n * ncpus, "%ld times", done);
	snprintf(name, sizeof(name), "%s-%d", kind->name, ncpus);
	bench_report(name, "pthread", (double)done * 1e3 / (double)took /
	    (kind->pairs ? 2 : 1), "M/s");
}

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			kind = &kinds[i];
	bench_check(kind != NULL, "usage: scale KIND NCPUS [TIMES]");
	ncpus = (int)bench_arg(argc, argv, 2, 1);
	bench_check(!kind->pairs || ncpus % 2 == 0, "%s needs pairs of CPUs",
	    kind->name);
	n = bench_arg(argc, argv, 3, kind->times);
	for (int i = 0; i < ncpus; i++) {
		pthread_mutex_init(&cpus[i].lock, NULL);
		pthread_cond_init(&cpus[i].mine[0], NULL);
		pthread_cond_init(&cpus[i].mine[1], NULL);
		sem_init(&cpus[i].asked, 0, 0);
		sem_init(&cpus[i].answered, 0, 0);
	}
	measure();
	return (0);
}
