/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: every kind of lock, under timeouts, interrupts and plain pthreads,
 * on real CPUs.
 *
 * Conservation: each entry under a lock adds 1 to a plain counter of that lock
 * and to one of the thread's own; in the end they agree, and no lock is held
 * or waited for.
 */
#include <lwkt/lock.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/sync.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/util.h"
#include "torture/torture.h"

#define THREADS		24
#define PTHREADS	2

enum kind { SPIN, SERIALIZE, MTX, LOCKMGR, RWLOCK, READ_OFTEN, MUTEX, KINDS };

static struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("spin");
static struct lwkt_serialize serialize = LWKT_SERIALIZE_INITIALIZER;
static struct lwkt_mtx mtx = LWKT_MTX_INITIALIZER("mtx");
static struct lwkt_lock lock = LWKT_LOCK_INITIALIZER("lock", 50000, 0);
static struct lwkt_rwlock rwlock = LWKT_RWLOCK_INITIALIZER("rwlock");
static struct lwkt_rwlock often = LWKT_RWLOCK_INITIALIZER("read often");
static struct lwkt_mutex mutex = LWKT_MUTEX_INITIALIZER("mutex");

static uint64_t done[KINDS];		/* under its lock */
static uint64_t wanted[KINDS];		/* atomic */
static uint64_t refused;		/* atomic */
static lwkt_thread_t td[THREADS];
static uint32_t noise_over;

/* Inside lock k, alone; blocks if it may. */
static void
enter(enum kind k, struct rng *r)
{
	uint64_t n = done[k];

	if (k != SPIN && rng_below(r, 8) == 0)
		lwkt_yield();
	if (k != SPIN && rng_below(r, 64) == 0)
		lwkt_sleep_ns(1 + rng_below(r, 20000));
	done[k] = n + 1;
	ADD(wanted[k], 1);
}

static void
use_mtx(struct rng *r)
{
	int error;

	if (rng_below(r, 3) == 0) {
		error = lwkt_mtx_lock_sh(&mtx, LWKT_PCATCH,
		    rng_below(r, 50000));
		if (error == 0 && lwkt_mtx_upgrade_try(&mtx) == 0) {
			enter(MTX, r);
			lwkt_mtx_downgrade(&mtx);
		}
	} else {
		error = lwkt_mtx_lock_ex(&mtx, LWKT_PCATCH,
		    rng_below(r, 3) ? LWKT_FOREVER : rng_below(r, 50000));
		if (error == 0)
			enter(MTX, r);
	}
	if (error == 0)
		lwkt_mtx_unlock(&mtx);
	else
		ADD(refused, 1);
}

static void
use_lockmgr(struct rng *r)
{
	static const unsigned how[] = { 0, LWKT_LK_NOWAIT, LWKT_LK_TIMELOCK,
		LWKT_LK_PCATCH, LWKT_LK_SLEEPFAIL, 0 };
	int up = rng_below(r, 2);
	int error;

	error = lwkt_lockmgr(&lock, how[rng_below(r, 6)] |
	    (up ? LWKT_LK_SHARED : LWKT_LK_EXCLUSIVE));
	if (error == 0 && up)
		error = lwkt_lockmgr(&lock, how[rng_below(r, 6)] |
		    (rng_below(r, 2) ? LWKT_LK_UPGRADE : LWKT_LK_EXCLUPGRADE));
	if (error != 0) {
		ADD(refused, 1);
		return;
	}
	enter(LOCKMGR, r);
	if (rng_below(r, 4) == 0)
		(void)lwkt_lockmgr(&lock, LWKT_LK_DOWNGRADE);
	(void)lwkt_lockmgr(&lock, LWKT_LK_RELEASE);
}

static void
use_rwlock(struct rng *r)
{
	int write = rng_below(r, 2);
	int64_t timeout = rng_below(r, 3) ? LWKT_FOREVER :
	    rng_below(r, 20000);
	int error;

	error = write ? lwkt_rwlock_write(&rwlock, timeout) :
	    lwkt_rwlock_read(&rwlock, timeout);
	if (error != 0) {
		ADD(refused, 1);
		return;
	}
	if (write)
		enter(RWLOCK, r);
	lwkt_rwlock_unlock(&rwlock);
}

/* Mostly read, so that it is biased often; some readers move. */
static void
use_read_often(struct rng *r)
{
	int64_t timeout = rng_below(r, 3) ? LWKT_FOREVER :
	    rng_below(r, 20000);
	uint64_t n;

	if (rng_below(r, 64) == 0) {
		if (lwkt_rwlock_write(&often, timeout) != 0)
			return;
		enter(READ_OFTEN, r);
	} else {
		if (lwkt_rwlock_read(&often, timeout) != 0)
			return;
		n = done[READ_OFTEN];
		if (rng_below(r, 8) == 0)
			lwkt_yield();
		if (rng_below(r, 256) == 0)
			lwkt_migratecpu((int)rng_below(r,
			    (uint32_t)lwkt_ncpus()));
		check(n == done[READ_OFTEN], "written beside a reader");
	}
	lwkt_rwlock_unlock(&often);
}

static void
use_mutex(struct rng *r)
{
	if (rng_below(r, 3))
		lwkt_mutex_lock(&mutex);
	else if (lwkt_mutex_timedlock(&mutex, rng_below(r, 20000)) != 0)
		return;
	enter(MUTEX, r);
	lwkt_mutex_unlock(&mutex);
}

static void
use(enum kind k, struct rng *r)
{
	switch (k) {
	case SPIN:
		if (rng_below(r, 2)) {
			lwkt_spin_lock(&spin);
			enter(SPIN, r);
		} else {
			lwkt_spin_lock_shared(&spin);
			if (lwkt_spin_lock_upgrade_try(&spin))
				enter(SPIN, r);
		}
		lwkt_spin_unlock_any(&spin);
		break;
	case SERIALIZE:
		if (rng_below(r, 2))
			lwkt_serialize_enter(&serialize);
		else
			lwkt_serialize_adaptive_enter(&serialize);
		enter(SERIALIZE, r);
		lwkt_serialize_exit(&serialize);
		break;
	case MTX:
		use_mtx(r);
		break;
	case LOCKMGR:
		use_lockmgr(r);
		break;
	case RWLOCK:
		use_rwlock(r);
		break;
	case READ_OFTEN:
		use_read_often(r);
		break;
	default:
		use_mutex(r);
	}
}

static void
worker(void *arg)
{
	struct rng r = { torture_seed + (uint64_t)(uintptr_t)arg };

	/* The noise must not meet a thread that has ended. */
	while (!LOAD(noise_over)) {
		use((enum kind)rng_below(&r, KINDS), &r);
		if (rng_below(&r, 4) == 0)
			lwkt_yield();
	}
}

/* A plain pthread can use the mutex alone. */
static void *
stranger(void *arg)
{
	(void)arg;
	while (!torture_over()) {
		lwkt_mutex_lock(&mutex);
		done[MUTEX]++;
		ADD(wanted[MUTEX], 1);
		lwkt_mutex_unlock(&mutex);
	}
	return NULL;
}

static void
noise(void *arg)
{
	struct rng r = { torture_seed + 77 };

	(void)arg;
	while (!torture_over()) {
		lwkt_interrupt(td[rng_below(&r, THREADS)]);
		lwkt_schedule(td[rng_below(&r, THREADS)]);
		lwkt_sleep_ns(1 + rng_below(&r, 50000));
	}
	STORE(noise_over, 1);
}

static int
body(void *arg)
{
	pthread_t pth[PTHREADS];
	lwkt_thread_t ntd;
	int i;

	(void)arg;
	for (i = 0; i < THREADS; i++)
		td[i] = spawn_on(i, worker, (void *)(uintptr_t)i);
	for (i = 0; i < PTHREADS; i++)
		if (pthread_create(&pth[i], NULL, stranger, NULL) != 0)
			abort();
	ntd = spawn_on(0, noise, NULL);
	join(ntd);
	join_all(td, THREADS);
	for (i = 0; i < PTHREADS; i++)
		pthread_join(pth[i], NULL);
	for (i = 0; i < KINDS; i++) {
		check(done[i] == wanted[i], "lock %d: %llu of %llu", i,
		    (unsigned long long)done[i],
		    (unsigned long long)wanted[i]);
		check(done[i] != 0, "lock %d was never had", i);
	}
	lwkt_spin_uninit(&spin);
	check(serialize.sz_lock == 0, "serializer %#x", serialize.sz_lock);
	check(!lwkt_mtx_islocked(&mtx), "mtx %#x", mtx.m_lock);
	lwkt_lockuninit(&lock);
	check(lwkt_rwlock_write(&often, 0) == 0, "rwlock %#x",
	    often.rw_mtx.m_lock);
	lwkt_rwlock_unlock(&often);
	check(mutex.mu_word == 0, "mutex %#llx",
	    (unsigned long long)mutex.mu_word);
	diag("%llu entries of the mutex, %llu requests refused, %lld biases",
	    (unsigned long long)done[MUTEX], (unsigned long long)refused,
	    (long long)counter("lwkt.rwlock_biases"));
	return 0;
}

int
main(int argc, char **argv)
{
	setenv("LWKT_TUNE", "lwkt.rwlock_bias=16", 1);
	return torture_run(argc, argv, "every lock excludes, and ends free",
	    body);
}
