/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rwlocks of the tests of rwlocks.
 */
#ifndef LWKT_TESTS_CORE_LOCK_RWLOCK_H
#define LWKT_TESTS_CORE_LOCK_RWLOCK_H

#include <lwkt/sync.h>
#include <stdlib.h>

#include "core/holders.h"

static struct lwkt_rwlock rw, other;
static uint32_t next_id, round_now, done, inside, stop;	/* atomic */

UTIL void
fresh(void)
{
	lwkt_rwlock_init(&rw, "rw");
	lwkt_rwlock_init(&other, "other");
	next_id = round_now = done = inside = stop = 0;
	holders_fresh();
}

UTIL void
read_lock(struct lwkt_rwlock *l)
{
	check(lwkt_rwlock_read(l, LWKT_FOREVER) == 0, "not read");
}

UTIL void
write_lock(struct lwkt_rwlock *l)
{
	check(lwkt_rwlock_write(l, LWKT_FOREVER) == 0, "not written");
}

/* Check that nobody has the lock. */
UTIL void
is_free(struct lwkt_rwlock *l)
{
	int error = lwkt_rwlock_write(l, 0);

	check(error == 0, "\"%s\" is not free: errno %d, word %#x",
	    l->rw_mtx.m_name, error, l->rw_mtx.m_lock);
	if (error != 0)
		return;
	lwkt_rwlock_unlock(l);
	check(l->rw_mtx.m_lock == 0, "the word is left %#x",
	    l->rw_mtx.m_lock);
}

#endif
