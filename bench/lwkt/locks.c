/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every lock of lwkt, wanted by one CPU or by several.  The spinlock kinds are
 * the three tests of DragonFly's debug.spin_lock_test.
 */
#include <lwkt/lwkt.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/sync2.h>
#include <lwkt/token.h>
#include "locks.h"

static struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("bench");
static struct lwkt_token token = LWKT_TOKEN_INITIALIZER("bench");
static struct lwkt_mutex mutex = LWKT_MUTEX_INITIALIZER("bench");
static struct lwkt_mtx mtx = LWKT_MTX_INITIALIZER("bench");
static struct lwkt_rwlock rwlock = LWKT_RWLOCK_INITIALIZER("bench");
static struct lwkt_serialize serializer = LWKT_SERIALIZE_INITIALIZER;

LOCK_EXCLUSIVE(spin, lwkt_spin_lock(&spin), lwkt_spin_unlock(&spin))
LOCK_SHARED(spin_shared, lwkt_spin_lock_shared(&spin),
    lwkt_spin_unlock_shared(&spin))
LOCK_EXCLUSIVE(token, lwkt_gettoken(&token), lwkt_reltoken(&token))
LOCK_SHARED(token_shared, lwkt_gettoken_shared(&token), lwkt_reltoken(&token))
LOCK_EXCLUSIVE(mutex, lwkt_mutex_lock_quick(&mutex),
    lwkt_mutex_unlock_quick(&mutex))
LOCK_EXCLUSIVE(mutex_call, lwkt_mutex_lock(&mutex), lwkt_mutex_unlock(&mutex))
LOCK_EXCLUSIVE(mtx, lwkt_mtx_lock(&mtx), lwkt_mtx_unlock(&mtx))
LOCK_SHARED(rwlock, lwkt_rwlock_read(&rwlock, LWKT_FOREVER),
    lwkt_rwlock_unlock(&rwlock))
LOCK_EXCLUSIVE(serializer, lwkt_serialize_enter(&serializer),
    lwkt_serialize_exit(&serializer))

static const struct lock_kind kinds[] = {
	{ "spin", spin_loop, 0 },
	{ "spin-shared", spin_shared_loop, 1 },
	{ "token", token_loop, 0 },
	{ "token-shared", token_shared_loop, 1 },
	{ "mutex", mutex_loop, 0 },
	{ "mutex-call", mutex_call_loop, 0 },
	{ "mtx", mtx_loop, 0 },
	{ "rwlock", rwlock_loop, 1 },
	{ "serializer", serializer_loop, 0 },
	{ 0 }
};

static struct locks plan;

static void
worker(void *arg)
{
	(void)arg;
	plan.kind.loop(plan.each);
}

static int
bench(void *arg)
{
	static lwkt_thread_t td[LOCKS_THREADS_MAX];
	int64_t begin = bench_now();

	(void)arg;
	for (int i = 0; i < plan.nthreads; i++)
		bench_check(lwkt_create(worker, NULL, &td[i], NULL,
		    LWKT_JOINABLE, i % plan.ncpus, "worker%d", i) == 0,
		    "create");
	for (int i = 0; i < plan.nthreads; i++)
		lwkt_join(td[i]);
	locks_report(&plan, "lwkt", bench_now() - begin);
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	plan = locks_plan(argc, argv, kinds);
	cfg.lc_ncpus = plan.ncpus;
	return (lwkt_boot(&cfg, bench, NULL));
}
