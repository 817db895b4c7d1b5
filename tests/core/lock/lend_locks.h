/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The locks of the tests of lent priority: lock i is a mutex if i is even, a
 * mtx if it is odd.
 */
#ifndef LWKT_TESTS_CORE_LOCK_LEND_LOCKS_H
#define LWKT_TESTS_CORE_LOCK_LEND_LOCKS_H

#include <lwkt/sync.h>

#include "core/lock/lend.h"
#include "core/util.h"
#include "kern/lock/lend_var.h"

#define LOCKS	(LEND_HOPS + 6)	/* more than a fall passes */

static struct lwkt_mutex mutex[LOCKS];
static struct lwkt_mtx mtx[LOCKS];
static struct lwkt_sem gate;
static uint32_t ready, done, stop, gave_up;	/* atomic */

UTIL void
fresh(void)
{
	int i;

	for (i = 0; i < LOCKS; i++) {
		lwkt_mutex_init(&mutex[i], "mutex");
		lwkt_mtx_init(&mtx[i], "mtx");
	}
	lwkt_sem_init(&gate, 0, "gate");
	ready = done = stop = gave_up = 0;
}

/* Take lock i.  Returns 0 or EWOULDBLOCK. */
UTIL int
lock(int i, int64_t timeout_ns)
{
	return i % 2 ? lwkt_mtx_lock_ex(&mtx[i], 0, timeout_ns) :
	    lwkt_mutex_timedlock(&mutex[i], timeout_ns);
}

UTIL void
unlock(int i)
{
	if (i % 2)
		lwkt_mtx_unlock(&mtx[i]);
	else
		lwkt_mutex_unlock(&mutex[i]);
}

UTIL unsigned
waiters(int i)
{
	return i % 2 ? mtx_waiters(&mtx[i]) : park_count(&mutex[i]);
}

#endif
