/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs `locks KIND NCPUS [THREADS [TIMES]]` share.  One lock of
 * that kind is taken and released TIMES times in all, by THREADS threads (1) of
 * each of NCPUS CPUs.  Each thread changes a counter while it holds the lock;
 * one that holds it shared only reads the counter.
 *
 * The figure is KIND-NCPUS, the ns of one taking.  If THREADS is not 1, it is
 * KIND-NCPUSxTHREADS, the takings in M/s.
 */
#ifndef BENCH_LOCKS_H
#define BENCH_LOCKS_H

#include "bench.h"

#define LOCKS_THREADS_MAX	1024

static _Alignas(64) volatile long locks_counter;

struct lock_kind {
	const char     *name;
	void		(*loop)(long times);
	int		shared;
};

#define LOCK_LOOP(kind, take, work, give)				\
static void								\
kind ## _loop(long times)						\
{									\
	for (long i = 0; i < times; i++) {				\
		take;							\
		work;							\
		give;							\
	}								\
}
#define LOCK_EXCLUSIVE(kind, take, give)				\
	LOCK_LOOP(kind, take, locks_counter = locks_counter + 1, give)
#define LOCK_SHARED(kind, take, give)					\
	LOCK_LOOP(kind, take, (void)locks_counter, give)

struct locks {
	struct lock_kind kind;
	int		ncpus, percpu, nthreads;
	long		each;		/* takings of a thread */
};

static inline struct locks
locks_plan(int argc, char **argv, const struct lock_kind *kinds)
{
	struct locks l;

	bench_check(argc > 1, "usage: locks KIND NCPUS [THREADS [TIMES]]");
	while (kinds->name != NULL && strcmp(kinds->name, argv[1]) != 0)
		kinds++;
	bench_check(kinds->name != NULL, "no lock '%s'", argv[1]);
	l.kind = *kinds;
	l.ncpus = (int)bench_arg(argc, argv, 2, 1);
	l.percpu = (int)bench_arg(argc, argv, 3, 1);
	l.nthreads = l.ncpus * l.percpu;
	bench_check(l.nthreads <= LOCKS_THREADS_MAX, "too many threads");
	l.each = bench_arg(argc, argv, 4, 20000000) / l.nthreads;
	return (l);
}

static inline void
locks_report(const struct locks *l, const char *impl, int64_t took_ns)
{
	long takings = l->each * l->nthreads;
	char name[64];

	bench_check(l->kind.shared || locks_counter == takings,
	    "%ld, not %ld", locks_counter, takings);
	if (l->percpu == 1) {
		snprintf(name, sizeof(name), "%s-%d", l->kind.name, l->ncpus);
		bench_report(name, impl, (double)took_ns / (double)takings,
		    "ns");
	} else {
		snprintf(name, sizeof(name), "%s-%dx%d", l->kind.name,
		    l->ncpus, l->percpu);
		bench_report(name, impl, (double)takings * 1e3 /
		    (double)took_ns, "M/s");
	}
}

/* The same with pthreads, bound to the CPUs in turn. */

struct locks_thread {
	const struct locks *locks;
	pthread_t	td;
	int		cpu;
};

static inline void *
locks_thread(void *arg)
{
	struct locks_thread *self = arg;

	bench_pin(self->cpu);
	self->locks->kind.loop(self->locks->each);
	return (NULL);
}

static inline int
locks_by_pthreads(int argc, char **argv, const struct lock_kind *kinds,
    const char *impl)
{
	static struct locks_thread thread[LOCKS_THREADS_MAX];
	struct locks l = locks_plan(argc, argv, kinds);
	int64_t begin = bench_now();

	for (int i = 0; i < l.nthreads; i++) {
		thread[i].locks = &l;
		thread[i].cpu = i % l.ncpus;
		bench_check(pthread_create(&thread[i].td, NULL, locks_thread,
		    &thread[i]) == 0, "create %d", i);
	}
	for (int i = 0; i < l.nthreads; i++)
		pthread_join(thread[i].td, NULL);
	locks_report(&l, impl, bench_now() - begin);
	return (0);
}

#endif
