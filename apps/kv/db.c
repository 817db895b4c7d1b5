/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of one shard: find, add, delete.
 *
 * THEORY: only code on the shard's CPU touches it, and that code does not
 * switch threads, so there is no lock.  Values of many elements are not freed
 * on the spot but go to the trash, which a thread of low priority empties bit
 * by bit (kv_db_sweep).
 *
 * INVARIANTS
 * I1 an object in the trash has no pins and no key.
 * I2 e_timer != 0: db_heap[e_timer].t_ent is this entry.
 */
#include "db.h"

#include <assert.h>

#define FREE_AT_ONCE	64	/* elements that are freed on the spot */

void
kv_db_init(struct kv_db *db)
{
	db->db_keys = kv_obj_new(KV_SPACE);
	db->db_rng = kv_hash(&db, sizeof(db)) | 1;
}

struct kv_obj *
kv_obj_new(enum kv_type type)
{
	struct kv_obj *obj = kv_zalloc(type == KV_ZSET ? sizeof(*obj) :
	    offsetof(struct kv_obj, o_root));

	obj->o_type = (uint8_t)type;
	if (type == KV_ZSET)
		obj->o_dict.d_keyoff = (uint32_t)kv_member_keyoff();
	else if (type == KV_SET)
		obj->o_dict.d_keyoff = sizeof(struct kv_node);
	else if (type != KV_LIST)
		obj->o_dict.d_keyoff = offsetof(struct kv_ent, e_key);
	return obj;
}

static void
trash(struct kv_db *db, struct kv_obj *obj)
{
	assert(obj->o_pins == 0);				/* I1 */
	obj->o_next = db->db_trash;
	db->db_trash = obj;
}

static void
ent_free(struct kv_node *n, void *arg)
{
	kv_ent_clear(arg, (struct kv_ent *)n);
	kv_free(n);
}

/* Free about max elements of an object; 0: there are none left. */
static size_t
drain(struct kv_db *db, struct kv_obj *obj, size_t max)
{
	bool ents = obj->o_type == KV_SPACE || obj->o_type == KV_HASH;

	return obj->o_type == KV_LIST ? kv_list_drain(obj, max) :
	    kv_dict_drain(&obj->o_dict, max, ents ? ent_free : NULL, db);
}

/* Free about max elements of what is in the trash; 0: it is empty. */
size_t
kv_db_sweep(struct kv_db *db, size_t max)
{
	struct kv_obj *obj = db->db_trash;
	size_t done;

	if (obj == NULL)
		return 0;
	/* An entry of a keyspace may put its own object in front of it. */
	db->db_trash = obj->o_next;
	done = drain(db, obj, max);
	if (done > 0)
		trash(db, obj);
	else
		kv_free(obj);
	return done + 1;
}

/* No key and no pin has it any more. */
void
kv_obj_free(struct kv_db *db, struct kv_obj *obj)
{
	if (kv_obj_count(obj) > FREE_AT_ONCE) {
		trash(db, obj);
		return;
	}
	while (drain(db, obj, FREE_AT_ONCE) > 0)
		continue;
	kv_free(obj);
}

/* Free the value; the entry is to get another, or to go. */
void
kv_ent_clear(struct kv_db *db, struct kv_ent *e)
{
	if (e->e_type == KV_STRING) {
		kv_blob_unref(e->e_blob);
	} else if (e->e_type != KV_INT) {
		e->e_obj->o_dead = true;
		if (e->e_obj->o_pins == 0)
			kv_obj_free(db, e->e_obj);
	}
	e->e_type = KV_INT;
	e->e_int = 0;
}

/* Take an entry out of the shard; it stays alive, without its timer. */
void
kv_db_take(struct kv_db *db, struct kv_ent *e)
{
	kv_expire_set(db, e, KV_NEVER);
	kv_dict_remove(&db->db_keys->o_dict, &e->e_node);
}

void
kv_db_del(struct kv_db *db, struct kv_ent *e)
{
	kv_db_take(db, e);
	ent_free(&e->e_node, db);
}

/* The entry of a key; NULL if there is none or its time is over. */
struct kv_ent *
kv_db_find(struct kv_db *db, uint64_t hash, const struct kv_arg *key)
{
	struct kv_ent *e = (struct kv_ent *)kv_dict_find(&db->db_keys->o_dict,
	    hash, key->a_p, key->a_len);

	if (e != NULL && e->e_timer != 0 &&
	    kv_expire_get(db, e) <= db->db_now) {
		kv_db_del(db, e);
		db->db_count[KV_N_EXPIRED]++;
		return NULL;
	}
	return e;
}

/* A new entry for a key that has none: the number 0. */
struct kv_ent *
kv_db_add(struct kv_db *db, uint64_t hash, const struct kv_arg *key)
{
	return (struct kv_ent *)kv_dict_add(&db->db_keys->o_dict, hash,
	    key->a_p, key->a_len);
}

/* Everything goes to the trash at once, whatever its size. */
void
kv_db_flush(struct kv_db *db)
{
	trash(db, db->db_keys);
	db->db_keys = kv_obj_new(KV_SPACE);
	kv_free(db->db_heap);
	db->db_heap = NULL;
	db->db_timers = db->db_captimers = 0;
}
