/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions shared by the commands of several types.
 */
#ifndef KV_VALUE_H
#define KV_VALUE_H

#include "shard/op.h"

/* string.c: strings, which are values of keys, fields and elements. */
struct kv_arg kv_ent_bytes(const struct kv_ent *e, char num[static KV_NUMLEN]);
void	 kv_say_value(struct kv_reply *r, const struct kv_ent *e);
void	 kv_ent_store(struct kv_db *db, struct kv_ent *e,
	    const struct kv_arg *val);
void	 kv_ent_add(struct kv_op *op, struct kv_ent *e, int64_t delta,
	    const char *no_number);

/* table.c: elements by name. */
struct kv_node *kv_elem_find(struct kv_obj *obj, const struct kv_arg *name);
void	 kv_elem_remove(struct kv_op *op, struct kv_node *n);
void	 kv_remove_each(struct kv_op *op);
void	 kv_card(struct kv_op *op);

extern const struct kv_family kv_string_family, kv_list_family;
extern const struct kv_family kv_hash_family, kv_set_family, kv_zset_family;

#endif
