/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of byte-string keys that grows and shrinks one bucket at a time.
 *
 * The table allocates each node: d_keyoff bytes, and the key after them.
 * Between struct kv_node and the key there is room for the user's fields.
 */
#ifndef KV_DICT_H
#define KV_DICT_H

#include "base/kv.h"

struct kv_node {
	struct kv_node	*n_next;	/* in its bucket */
	uint32_t	 n_hash;	/* the low half of kv_hash() */
	uint32_t	 n_klen;
};

struct kv_dict {
	struct kv_node	***d_seg;	/* i > 0: buckets from 2^(i+1) on */
	int64_t		 d_count;
	uint32_t	 d_nbuckets;	/* 0: nothing allocated yet */
	uint16_t	 d_keyoff;
	uint16_t	 d_longest;	/* no chain was ever longer */
};

typedef void (*kv_visit_t)(struct kv_node *n, void *arg);

struct kv_node	*kv_dict_find(const struct kv_dict *d, uint64_t hash,
		    const void *key, size_t klen);
struct kv_node	*kv_dict_add(struct kv_dict *d, uint64_t hash,
		    const void *key, size_t klen);
void		 kv_dict_remove(struct kv_dict *d, struct kv_node *n);
uint64_t	 kv_dict_scan(const struct kv_dict *d, uint64_t cursor,
		    kv_visit_t fn, void *arg);
struct kv_node	*kv_dict_random(const struct kv_dict *d, uint64_t *rng);
size_t		 kv_dict_drain(struct kv_dict *d, size_t max, kv_visit_t fn,
		    void *arg);

static inline char *
kv_node_key(const struct kv_dict *d, const struct kv_node *n)
{
	return (char *)(uintptr_t)n + d->d_keyoff;
}

#endif
