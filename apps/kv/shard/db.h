/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of one shard: its keys, and when they end.
 */
#ifndef KV_DB_H
#define KV_DB_H

#include "shard/obj.h"

#define KV_NEVER	INT64_MAX	/* ms: the end of keys without one */

/* What a shard's CPU counts. */
enum kv_counter {
	KV_N_COMMANDS, KV_N_ACCEPTED, KV_N_IN, KV_N_OUT, KV_N_EXPIRED,
	KV_N_HITS, KV_N_MISSES, KV_N_KEYS, KV_N_ENDS, KV_NCOUNTERS
};

struct kv_db {
	struct kv_obj	*db_keys;
	RB_HEAD(kv_timers, kv_timer) db_timers;	/* the next to end first */
	uint64_t	 db_ntimers;
	struct kv_obj	*db_trash;	/* freed in small steps */
	struct kv_obj	 db_none;	/* the value of keys without one */
	int64_t		 db_now;	/* ms since 1970, of this turn */
	int64_t		 db_until;	/* ns, when this turn ends; 0: new */
	uint64_t	 db_rng;
	uint64_t	 db_count[KV_NCOUNTERS];
};

void	 kv_db_init(struct kv_db *db);
struct kv_ent *kv_db_find(struct kv_db *db, uint64_t hash,
	    const struct kv_arg *key);
struct kv_ent *kv_db_add(struct kv_db *db, uint64_t hash,
	    const struct kv_arg *key);
void	 kv_db_take(struct kv_db *db, struct kv_ent *e);
void	 kv_db_del(struct kv_db *db, struct kv_ent *e);
void	 kv_db_flush(struct kv_db *db);
size_t	 kv_db_sweep(struct kv_db *db, size_t max);
void	 kv_ent_clear(struct kv_db *db, struct kv_ent *e);
struct kv_obj *kv_obj_new(enum kv_type type);
void	 kv_obj_free(struct kv_db *db, struct kv_obj *obj);
void	 kv_expire_set(struct kv_db *db, struct kv_ent *e, int64_t when);
int64_t	 kv_expire_get(const struct kv_ent *e);
int64_t	 kv_expire_next(struct kv_db *db);
size_t	 kv_expire_some(struct kv_db *db, size_t max);

#endif
