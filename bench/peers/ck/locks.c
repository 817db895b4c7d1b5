/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Concurrency Kit: its usual spinlock, the same with back-off where others
 * have a mutex, its rwlock (which spins), and where others have an rwlock its
 * big-reader lock, of which each reader has a part of its own.
 */
#include <ck_brlock.h>
#include <ck_rwlock.h>
#include <ck_spinlock.h>
#include "locks.h"

static _Alignas(64) ck_spinlock_t spin = CK_SPINLOCK_INITIALIZER;
static _Alignas(64) ck_rwlock_t rwlock = CK_RWLOCK_INITIALIZER;
static _Alignas(64) ck_brlock_t brlock = CK_BRLOCK_INITIALIZER;

LOCK_EXCLUSIVE(spin, ck_spinlock_lock(&spin), ck_spinlock_unlock(&spin))
LOCK_EXCLUSIVE(backoff, ck_spinlock_lock_eb(&spin), ck_spinlock_unlock(&spin))
LOCK_SHARED(rwlock, ck_rwlock_read_lock(&rwlock),
    ck_rwlock_read_unlock(&rwlock))

static void
brlock_loop(long times)
{
	_Alignas(64) ck_brlock_reader_t self = CK_BRLOCK_READER_INITIALIZER;

	ck_brlock_read_register(&brlock, &self);
	for (long i = 0; i < times; i++) {
		ck_brlock_read_lock(&brlock, &self);
		(void)locks_counter;
		ck_brlock_read_unlock(&self);
	}
	ck_brlock_read_unregister(&brlock, &self);
}

static const struct lock_kind kinds[] = {
	{ "spin", spin_loop, 0 },
	{ "mutex", backoff_loop, 0 },
	{ "spin-shared", rwlock_loop, 1 },
	{ "rwlock", brlock_loop, 1 },
	{ 0 }
};

int
main(int argc, char **argv)
{
	return (locks_by_pthreads(argc, argv, kinds, "ck"));
}
