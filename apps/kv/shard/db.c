/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of one shard: find, add, delete; and when they end.
 *
 * THEORY: only code on the shard's CPU touches the shard, and that code does
 * not switch threads, so there is no lock.  Values of many elements are not
 * freed at once but go to the trash, which a thread of low priority empties in
 * small steps (kv_db_sweep).
 *
 * INVARIANTS
 * DB1 An object in the trash has no pins and no key.
 * DB2 The t_ent of an entry's timer (e_timer) is that entry.  The timer is in
 *     db_timers if the entry is in db_keys, and in no tree if the keyspace of
 *     the entry is in the trash.
 */
#include "shard/db.h"
#include "shard/ztree.h"

#include <assert.h>

#define FREE_AT_ONCE	64	/* elements that are freed at once */

struct kv_timer {
	RB_ENTRY(kv_timer) t_link;
	int64_t		 t_when;	/* ms since 1970 */
	struct kv_ent	*t_ent;
};

/* Compare two timers: by time, then by address, so that none are equal. */
static int
earlier(const struct kv_timer *a, const struct kv_timer *b)
{
	int c = (a->t_when > b->t_when) - (a->t_when < b->t_when);

	return c != 0 ? c : (a > b) - (a < b);
}

RB_GENERATE_INTERNAL(kv_timers, kv_timer, t_link, earlier,
    static __attribute__((unused)))

/* Initialize a shard, which is all zero: its keyspace and its random state. */
void
kv_db_init(struct kv_db *db)
{
	db->db_keys = kv_obj_new(KV_SPACE);
	db->db_rng = kv_hash(&db, sizeof(db)) | 1;
}

/* Make an object without elements. */
struct kv_obj *
kv_obj_new(enum kv_type type)
{
	struct kv_obj *obj = kv_zalloc(sizeof(*obj));

	obj->o_type = (uint8_t)type;
	obj->o_dict.d_keyoff = (uint16_t)(
	    type == KV_ZSET ? offsetof(struct kv_member, m_name) :
	    type == KV_SET ? sizeof(struct kv_node) :
	    offsetof(struct kv_ent, e_key));
	return obj;
}

/* Put an object into the trash. */
static void
trash(struct kv_db *db, struct kv_obj *obj)
{
	assert(obj->o_pins == 0);				/* DB1 */
	obj->o_next = db->db_trash;
	db->db_trash = obj;
}

/* Free an entry, which is in no table, and its value. */
static void
ent_free(struct kv_node *n, void *arg)
{
	struct kv_ent *e = (struct kv_ent *)n;

	kv_ent_clear(arg, e);
	if (e->e_timer != NULL)
		kv_free(e->e_timer);				/* DB2 */
	kv_free(e);
}

/* Free about max elements of an object.  Returns 0 if none was left. */
static size_t
drain(struct kv_db *db, struct kv_obj *obj, size_t max)
{
	bool ents = obj->o_type != KV_SET && obj->o_type != KV_ZSET;

	return kv_dict_drain(&obj->o_dict, max, ents ? ent_free : NULL, db);
}

/* Free about max elements of the trash.  Returns 0 if it was empty. */
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

/* Free an object that no key and no pin has any more; if large, trash it. */
void
kv_obj_free(struct kv_db *db, struct kv_obj *obj)
{
	if (obj->o_dict.d_count > FREE_AT_ONCE) {
		trash(db, obj);					/* DB1 */
		return;
	}
	while (drain(db, obj, FREE_AT_ONCE) > 0)
		continue;
	kv_free(obj);
}

/* Free the value of an entry, which becomes the number 0. */
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

/* Take an entry out of the shard.  The caller owns it then; it has no timer. */
void
kv_db_take(struct kv_db *db, struct kv_ent *e)
{
	kv_expire_set(db, e, KV_NEVER);
	kv_dict_remove(&db->db_keys->o_dict, &e->e_node);
}

/* Delete a key. */
void
kv_db_del(struct kv_db *db, struct kv_ent *e)
{
	kv_db_take(db, e);
	ent_free(&e->e_node, db);
}

/*
 * Find the entry of a key.  Returns NULL if there is none.  An entry whose time
 * is over is deleted, as if there were none.
 */
struct kv_ent *
kv_db_find(struct kv_db *db, uint64_t hash, const struct kv_arg *key)
{
	struct kv_ent *e = (struct kv_ent *)kv_dict_find(&db->db_keys->o_dict,
	    hash, key->a_p, key->a_len);

	if (e != NULL && kv_expire_get(e) <= db->db_now) {
		kv_db_del(db, e);
		db->db_count[KV_N_EXPIRED]++;
		return NULL;
	}
	return e;
}

/* Add an entry for a key that has none: the number 0. */
struct kv_ent *
kv_db_add(struct kv_db *db, uint64_t hash, const struct kv_arg *key)
{
	return (struct kv_ent *)kv_dict_add(&db->db_keys->o_dict, hash,
	    key->a_p, key->a_len);
}

/* Delete all keys: the keyspace goes to the trash, whatever its size. */
void
kv_db_flush(struct kv_db *db)
{
	trash(db, db->db_keys);
	db->db_keys = kv_obj_new(KV_SPACE);
	RB_INIT(&db->db_timers);				/* DB2 */
	db->db_ntimers = 0;
}

/* Set when a key ends; with KV_NEVER it does not end. */
void
kv_expire_set(struct kv_db *db, struct kv_ent *e, int64_t when)
{
	struct kv_timer *t = e->e_timer;

	if (t != NULL) {
		RB_REMOVE(kv_timers, &db->db_timers, t);
		db->db_ntimers--;
	}
	if (when == KV_NEVER) {
		kv_free(t);
		e->e_timer = NULL;
		return;
	}
	if (t == NULL)
		e->e_timer = t = kv_alloc(sizeof(*t));
	t->t_when = when;
	t->t_ent = e;						/* DB2 */
	RB_INSERT(kv_timers, &db->db_timers, t);
	db->db_ntimers++;
}

/* Return when a key ends. */
int64_t
kv_expire_get(const struct kv_ent *e)
{
	return e->e_timer != NULL ? e->e_timer->t_when : KV_NEVER;
}

/* Return when the next key of the shard ends. */
int64_t
kv_expire_next(struct kv_db *db)
{
	struct kv_timer *t = RB_MIN(kv_timers, &db->db_timers);

	return t != NULL ? t->t_when : KV_NEVER;
}

/* Delete up to max keys whose time is over; return how many. */
size_t
kv_expire_some(struct kv_db *db, size_t max)
{
	size_t n = 0;

	for (; n < max && kv_expire_next(db) <= db->db_now; n++) {
		kv_db_del(db, RB_MIN(kv_timers, &db->db_timers)->t_ent);
		db->db_count[KV_N_EXPIRED]++;
	}
	return n;
}
