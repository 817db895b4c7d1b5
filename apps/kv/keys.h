/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What KEYS and SCAN ask of a shard.
 */
#ifndef KV_KEYS_H
#define KV_KEYS_H

#include "db.h"

/* Which keys: NULL means all. */
struct kv_scan {
	const struct kv_arg	*s_pattern;
	const struct kv_arg	*s_type;
};

#endif
