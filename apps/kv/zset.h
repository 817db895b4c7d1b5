/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sorted set: members by name, and in the order of score and name.
 */
#ifndef KV_ZSET_H
#define KV_ZSET_H

#include "db.h"

struct kv_member;
struct kv_zset;

struct kv_zset	*kv_zset_new(void);
struct kv_zset	*kv_zset(struct kv_obj *obj);
struct kv_member *kv_zset_find(struct kv_zset *z, const void *name,
		    size_t len);
void		 kv_zset_add(struct kv_zset *z, const void *name, size_t len,
		    double score);
void		 kv_zset_rescore(struct kv_zset *z, struct kv_member *m,
		    double score);
void		 kv_zset_remove(struct kv_zset *z, struct kv_member *m);
uint64_t	 kv_zset_rank(struct kv_zset *z, struct kv_member *m);
struct kv_member *kv_zset_at(struct kv_zset *z, uint64_t rank);
struct kv_member *kv_zset_step(struct kv_member *m, bool back);
uint64_t	 kv_zset_before(struct kv_zset *z,
		    bool (*before)(struct kv_member *, const void *),
		    const void *arg);
double		 kv_member_score(const struct kv_member *m);
const char	*kv_member_name(const struct kv_member *m, size_t *lenp);
void		 kv_zset_check(struct kv_zset *z);

/* A score, as ZADD takes it. */
bool		 kv_score_arg(struct kv_op *op, int arg, double *scorep);

#endif
