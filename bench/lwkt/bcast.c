/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bcast NCPUS [THREADS [ROUNDS]]: threads sleep on one address, the same number
 * on each CPU.  One wakeup wakes all.  A round ends when the last one has run.
 */
#include <lwkt/lwkt.h>
#include <lwkt/sync.h>
#include "bench.h"

static long nthreads, rounds;
static int ncpus;
static long now;		/* the round; written by CPU 0; atomic */
static struct lwkt_waitgroup cpus_to_run;

static struct cpu {
	_Alignas(64) long threads;	/* of its own CPU */
	long		ran;
} cpu[LWKT_MAXCPU];

static void
sleep_in_round(long seen)
{
	while (__atomic_load_n(&now, __ATOMIC_ACQUIRE) == seen) {
		lwkt_tsleep_interlock(&now, 0);
		if (__atomic_load_n(&now, __ATOMIC_ACQUIRE) == seen)
			lwkt_tsleep(&now, LWKT_PINTERLOCKED, "round",
			    LWKT_FOREVER);
		else
			lwkt_tsleep_remove();
	}
}

/* Sleep in each round.  The run before round 1 only shows that it sleeps. */
static void
sleeper(void *arg)
{
	struct cpu *self = arg;

	for (long round = 0; ; round++) {
		if (++self->ran % self->threads == 0)
			lwkt_waitgroup_done(&cpus_to_run);
		if (round == rounds)
			break;
		sleep_in_round(round);
	}
}

static int64_t
play(void)
{
	int64_t took = 0, begin;

	for (long round = 1; round <= rounds; round++) {
		lwkt_waitgroup_wait(&cpus_to_run, LWKT_FOREVER);
		lwkt_waitgroup_add(&cpus_to_run, ncpus);
		begin = bench_now();
		__atomic_store_n(&now, round, __ATOMIC_RELEASE);
		lwkt_wakeup(&now);
		lwkt_waitgroup_wait(&cpus_to_run, LWKT_FOREVER);
		took += bench_now() - begin;
	}
	return (took);
}

static int
bench(void *arg)
{
	lwkt_thread_t *td = arg;
	char name[32];
	int64_t took;

	for (long i = 0; i < nthreads; i++)
		cpu[i % ncpus].threads++;
	lwkt_waitgroup_init(&cpus_to_run, (unsigned)ncpus, "bcast");
	for (long i = 0; i < nthreads; i++)
		bench_check(lwkt_create(sleeper, &cpu[i % ncpus], &td[i], NULL,
		    LWKT_JOINABLE, (int)(i % ncpus), "sleeper") == 0,
		    "create %ld", i);
	took = play();
	for (long i = 0; i < nthreads; i++)
		lwkt_join(td[i]);
	for (int i = 0; i < ncpus; i++)
		bench_check(cpu[i].ran == cpu[i].threads * (rounds + 1),
		    "%ld runs on cpu %d", cpu[i].ran, i);
	snprintf(name, sizeof(name), "wakeup-bcast-%d", ncpus);
	bench_report(name, "lwkt", (double)took / (double)(rounds * nthreads),
	    "ns");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	ncpus = cfg.lc_ncpus = (int)bench_arg(argc, argv, 1, 1);
	nthreads = bench_arg(argc, argv, 2, 10000);
	rounds = bench_arg(argc, argv, 3, 100);
	return (lwkt_boot(&cfg, bench, calloc((size_t)nthreads,
	    sizeof(lwkt_thread_t))));
}
