/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sorted set: members by name, and in the order of score and name.
 */
#ifndef KV_ZTREE_H
#define KV_ZTREE_H

#include "shard/obj.h"

struct kv_member {
	struct kv_node		 m_node;
	RB_ENTRY(kv_member)	 m_link;
	double			 m_score;
	uint64_t		 m_size;	/* of the subtree */
	char			 m_name[];
};

typedef bool (*kv_before_t)(const struct kv_member *, const void *);

struct kv_member *kv_zset_add(struct kv_obj *z, uint64_t hash,
		    const struct kv_arg *name, double score);
void		 kv_zset_unlink(struct kv_obj *z, struct kv_member *m);
void		 kv_zset_rescore(struct kv_obj *z, struct kv_member *m,
		    double score);
uint64_t	 kv_zset_rank(const struct kv_member *m);
struct kv_member *kv_zset_at(struct kv_obj *z, uint64_t rank);
struct kv_member *kv_zset_step(struct kv_member *m, bool back);
uint64_t	 kv_zset_before(struct kv_obj *z, kv_before_t before,
		    const void *arg);

#endif
