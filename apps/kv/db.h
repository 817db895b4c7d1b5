/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of one shard, and what the commands on keys are made of.
 *
 * A command is a function on a shard and an operation (struct kv_op).  It runs
 * on the shard's CPU, does not block or switch, and takes about 100 us at
 * most: one that has more to do returns KV_MORE and is called again, after
 * others had their turn.
 */
#ifndef KV_DB_H
#define KV_DB_H

#include "dict.h"
#include "reply.h"

#define KV_SLICE	512	/* elements handled in one turn */

enum kv_type {
	KV_INT, KV_BLOB,		/* strings: the value itself */
	KV_LIST, KV_HASH, KV_SET, KV_ZSET,	/* struct kv_obj */
	KV_SPACE			/* a keyspace on its way out */
};

/* The common head of everything with elements. */
struct kv_obj {
	struct kv_obj	*o_next;	/* in the shard's trash */
	uint32_t	 o_pins;	/* operations under way on it */
	uint8_t		 o_type;
	bool		 o_excl;	/* one of them changes it */
	bool		 o_dead;	/* no key has it any more */
};

/* A hash, a set or a keyspace: nodes in a table. */
struct kv_table {
	struct kv_obj	 t_obj;
	struct kv_dict	 t_dict;
};

/* A key and its value. */
struct kv_ent {
	struct kv_node	 e_node;
	union {
		int64_t		 e_int;
		struct kv_blob	*e_blob;
		struct kv_obj	*e_obj;
	};
	uint32_t	 e_timer;	/* place in the heap; 0: no end */
	uint8_t		 e_type;
	char		 e_key[];
};

struct kv_timer {
	int64_t		 t_when;	/* ms since 1970 */
	struct kv_ent	*t_ent;
};

struct kv_db {
	struct kv_dict	 db_keys;
	struct kv_timer	*db_heap;	/* from 1; the next to expire first */
	uint32_t	 db_timers;
	uint32_t	 db_captimers;
	struct kv_obj	*db_trash;	/* freed bit by bit */
	int64_t		 db_now;	/* ms since 1970, of this turn */
	uint64_t	 db_rng;
	uint64_t	 db_hits, db_misses, db_expired;
};

struct kv_cmd;

/* One command on one key (or one shard), from parsing to its reply. */
struct kv_op {
	int		(*op_fn)(struct kv_db *, struct kv_op *);
	const struct kv_cmd *op_cmd;
	struct kv_arg	*op_argv;
	int		 op_argc;
	unsigned int	 op_shard;
	uint64_t	 op_hash;	/* of the key */
	struct kv_reply	*op_out;
	struct kv_op	*op_next;	/* of the same shard */
	size_t		 op_from, op_to;	/* its part of the reply */
	size_t		 op_arg0;	/* argv, while that still may move */
	/* Kept from turn to turn, and zero before the first. */
	struct kv_obj	*op_pin;
	void		*op_at;
	uint64_t	 op_pos;
	int64_t		 op_left;
	int64_t		 op_result;	/* for who gathers */
};

/* What a command returns. */
enum { KV_DONE, KV_MORE, KV_GO };

/* db.c */
void	 kv_db_init(struct kv_db *db);
struct kv_ent *kv_db_find(struct kv_db *db, uint64_t hash, const void *key,
	    size_t klen);
struct kv_ent *kv_db_add(struct kv_db *db, uint64_t hash, const void *key,
	    size_t klen);
void	 kv_db_del(struct kv_db *db, struct kv_ent *e);
void	 kv_db_take(struct kv_db *db, struct kv_ent *e);
void	 kv_db_put(struct kv_db *db, struct kv_ent *e, uint64_t hash);
void	 kv_db_flush(struct kv_db *db);
size_t	 kv_db_sweep(struct kv_db *db, size_t max);
void	 kv_ent_clear(struct kv_db *db, struct kv_ent *e);

struct kv_ent *kv_op_ent(struct kv_db *db, struct kv_op *op);
struct kv_ent *kv_op_read(struct kv_db *db, struct kv_op *op);
int	 kv_op_open(struct kv_db *db, struct kv_op *op, enum kv_type type,
	    bool change, struct kv_obj **objp);
struct kv_obj *kv_op_create(struct kv_db *db, struct kv_op *op,
	    struct kv_obj *obj);
int	 kv_op_pause(struct kv_op *op, struct kv_obj *obj, bool change);
int	 kv_op_close(struct kv_db *db, struct kv_op *op, struct kv_obj *obj);
bool	 kv_op_i64(struct kv_op *op, int arg, int64_t *valp);
bool	 kv_op_count(struct kv_op *op, int arg, int64_t *valp);
bool	 kv_clip_range(uint64_t len, int64_t *startp, int64_t *endp);
int	 kv_op_arity(struct kv_op *op);
int	 kv_op_syntax(struct kv_op *op);
int	 kv_op_wrongtype(struct kv_op *op);

/* The count of elements, and freeing them: max at a time; 0: all gone. */
uint64_t kv_obj_count(const struct kv_obj *obj);
size_t	 kv_list_drain(struct kv_obj *obj, size_t max);
uint64_t kv_list_count(const struct kv_obj *obj);
struct kv_obj *kv_table_new(enum kv_type type, size_t keyoff, size_t size);
void	 kv_member_free(struct kv_node *n, void *arg);
void	 kv_field_free(struct kv_node *n, void *arg);

/* expire.c */
#define KV_NEVER	INT64_MAX
void	 kv_expire_set(struct kv_db *db, struct kv_ent *e, int64_t when);
int64_t	 kv_expire_get(const struct kv_db *db, const struct kv_ent *e);
int64_t	 kv_expire_next(const struct kv_db *db);
size_t	 kv_expire_some(struct kv_db *db, size_t max);
bool	 kv_expire_parse(struct kv_db *db, struct kv_op *op, int arg,
	    bool seconds, bool absolute, int64_t *whenp);

static inline const struct kv_arg *
kv_op_key(const struct kv_op *op)
{
	return &op->op_argv[1];
}

#endif
