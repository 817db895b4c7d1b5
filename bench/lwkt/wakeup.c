/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cost of a switch by which a thread wakes another one and blocks.  Two
 * threads of one CPU take turns: by tsleep and wakeup, by sleep and schedule,
 * by mutex and condition variables, by semaphores.
 */
#include <lwkt/lwkt.h>
#include <lwkt/sync.h>
#include "bench.h"

static long n;
static long turn;		/* counts up; even: player 0 */
static lwkt_thread_t player[2];
static struct lwkt_mutex lock = LWKT_MUTEX_INITIALIZER("turn");
static struct lwkt_cond mine[2] = {
	LWKT_COND_INITIALIZER("turn0"), LWKT_COND_INITIALIZER("turn1")
};
static struct lwkt_sem go[2] = {
	LWKT_SEM_INITIALIZER(1, "go0"), LWKT_SEM_INITIALIZER(0, "go1")
};

static void
by_address(void *arg)
{
	int self = (int)(intptr_t)arg;
	static char ident[2];

	for (long i = 0; i < n; i++) {
		while (turn % 2 != self)
			lwkt_tsleep(&ident[self], 0, "turn", LWKT_FOREVER);
		turn++;
		lwkt_wakeup(&ident[!self]);
	}
}

static void
by_thread(void *arg)
{
	int self = (int)(intptr_t)arg;

	for (long i = 0; i < n; i++) {
		while (turn % 2 != self)
			lwkt_sleep("turn", 0);
		turn++;
		lwkt_schedule(player[!self]);
	}
}

static void
by_cond(void *arg)
{
	int self = (int)(intptr_t)arg;

	lwkt_mutex_lock(&lock);
	for (long i = 0; i < n; i++) {
		while (turn % 2 != self)
			lwkt_cond_wait(&mine[self], &lock, LWKT_FOREVER);
		turn++;
		lwkt_cond_signal(&mine[!self]);
	}
	lwkt_mutex_unlock(&lock);
}

static void
by_sem(void *arg)
{
	int self = (int)(intptr_t)arg;

	for (long i = 0; i < n; i++) {
		lwkt_sem_wait(&go[self], LWKT_FOREVER);
		turn++;
		lwkt_sem_post(&go[!self], 1);
	}
}

static void
play(const char *name, void (*fn)(void *))
{
	int64_t begin = bench_now();

	turn = 0;
	for (intptr_t i = 0; i < 2; i++) {
		bench_check(lwkt_create(fn, (void *)i, &player[i], NULL,
		    LWKT_JOINABLE, 0, "player") == 0, "create");
		lwkt_hold(player[i]);	/* the last turn wakes one that ended */
	}
	for (int i = 0; i < 2; i++)
		lwkt_join(player[i]);
	bench_report(name, "lwkt",
	    (double)(bench_now() - begin) / (2.0 * (double)n), "ns");
	bench_check(turn == 2 * n, "%ld turns, not %ld", turn, 2 * n);
	for (int i = 0; i < 2; i++)
		lwkt_rele(player[i]);
}

static int
bench(void *arg)
{
	(void)arg;
	play("block-wakeup", by_address);
	play("block-schedule", by_thread);
	play("block-cond", by_cond);
	play("block-sem", by_sem);
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1, .lc_stksize = BENCH_STACK };

	n = bench_arg(argc, argv, 1, 5000000);
	return (lwkt_boot(&cfg, bench, NULL));
}
