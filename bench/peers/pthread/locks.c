/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pthreads: mutex, spinlock, and rwlock by readers.
 */
#include "locks.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;

LOCK_EXCLUSIVE(mutex, pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex))
LOCK_EXCLUSIVE(spin, pthread_spin_lock(&spin), pthread_spin_unlock(&spin))
LOCK_SHARED(rwlock, pthread_rwlock_rdlock(&rwlock),
    pthread_rwlock_unlock(&rwlock))

static const struct lock_kind kinds[] = {
	{ "mutex", mutex_loop, 0 },
	{ "spin", spin_loop, 0 },
	{ "rwlock", rwlock_loop, 1 },
	{ 0 }
};

int
main(int argc, char **argv)
{
	pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
	return (locks_by_pthreads(argc, argv, kinds, "pthread"));
}
