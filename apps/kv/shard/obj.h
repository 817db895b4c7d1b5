/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The values of keys: strings, and objects with elements.
 */
#ifndef KV_OBJ_H
#define KV_OBJ_H

#include "shard/dict.h"

#include <bsd/sys/tree.h>

enum kv_type {
	KV_INT, KV_STRING,		/* both strings; the value itself */
	KV_LIST, KV_HASH, KV_SET, KV_ZSET, /* struct kv_obj */
	KV_SPACE,			/* a keyspace, also in the trash */
	KV_ANY				/* of a family: any type */
};

/*
 * An object, whose elements are in a table.  The elements of a keyspace, a hash
 * and a list are struct kv_ent, and those of a set are struct kv_node.  Those
 * of a sorted set are struct kv_member, which are in a tree as well.
 */
struct kv_obj {
	struct kv_obj	*o_next;	/* in the shard's trash */
	uint32_t	 o_pins;	/* operations under way on it */
	uint8_t		 o_type;
	bool		 o_excl;	/* one of them changes it */
	bool		 o_dead;	/* no key has it any more */
	struct kv_dict	 o_dict;
	union {
		int64_t	 o_first;	/* of a list: the first one's name */
		RB_HEAD(kv_ztree, kv_member) o_tree;	/* of a sorted set */
	};
};

/* A key or a field and its value, or an element of a list. */
struct kv_ent {
	struct kv_node	 e_node;
	union {
		int64_t		 e_int;
		struct kv_blob	*e_blob;
		struct kv_obj	*e_obj;
	};
	struct kv_timer	*e_timer;	/* NULL: no end */
	uint8_t		 e_type;
	char		 e_key[];
};

#endif
