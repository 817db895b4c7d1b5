/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mtx of the tests of mtx.
 */
#ifndef LWKT_TESTS_CORE_LOCK_MTX_H
#define LWKT_TESTS_CORE_LOCK_MTX_H

#include <lwkt/mtx.h>

#include "core/holders.h"

static struct lwkt_mtx mtx;
static uint32_t next_id;

UTIL void
fresh(void)
{
	lwkt_mtx_init(&mtx, "m");
	holders_fresh();
	next_id = 0;
}

static uint32_t locked;

UTIL void
lock_and_keep(void *arg)
{
	(void)arg;
	lwkt_mtx_lock(&mtx);
	STORE(locked, 1);
	(void)lwkt_sleep("test", 0);
}

#endif
