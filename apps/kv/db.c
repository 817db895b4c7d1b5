/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of one shard: find, add, delete, and the rules by which commands
 * of several turns share a value.
 *
 * THEORY: only code on the shard's CPU touches it, and that code does not
 * switch threads, so there is no lock.  A command that needs several turns
 * pins the value it works on.  Others may read a pinned value; whoever would
 * change it, or would look at it while the pinner changes it, comes again in
 * a later turn.  So each command is atomic on its key, however long it takes.
 * Deleting never waits: the key is gone at once, and the value when its last
 * pin is.
 *
 * Values of many elements are not freed on the spot but go to the trash, which
 * a thread of low priority empties bit by bit (kv_db_sweep).
 *
 * INVARIANTS
 * I1 no entry has an object without elements between two commands.
 * I2 an object in the trash has no pins and no key.
 * I3 e_timer != 0: db_heap[e_timer].t_ent is this entry.
 */
#include "command.h"

#include <assert.h>
#include <string.h>

#define FREE_AT_ONCE	64	/* elements that are freed on the spot */

void
kv_db_init(struct kv_db *db)
{
	memset(db, 0, sizeof(*db));
	kv_dict_init(&db->db_keys, offsetof(struct kv_ent, e_key));
	db->db_rng = kv_hash(&db, sizeof(db)) | 1;
}

struct kv_obj *
kv_table_new(enum kv_type type, size_t keyoff, size_t size)
{
	struct kv_table *t = kv_zalloc(size);

	t->t_obj.o_type = (uint8_t)type;
	kv_dict_init(&t->t_dict, keyoff);
	return &t->t_obj;
}

uint64_t
kv_obj_count(const struct kv_obj *obj)
{
	if (obj->o_type == KV_LIST)
		return kv_list_count(obj);
	return ((const struct kv_table *)obj)->t_dict.d_count;
}

static void
trash(struct kv_db *db, struct kv_obj *obj)
{
	assert(obj->o_pins == 0);				/* I2 */
	obj->o_next = db->db_trash;
	db->db_trash = obj;
}

void
kv_member_free(struct kv_node *n, void *arg)
{
	(void)arg;
	kv_free(n);
}

static void
ent_free(struct kv_node *n, void *arg)
{
	struct kv_ent *e = (struct kv_ent *)n;

	kv_ent_clear(arg, e);
	kv_free(e);
}

/* Free about max elements of an object; 0: there are none left. */
static size_t
drain(struct kv_db *db, struct kv_obj *obj, size_t max)
{
	static const kv_visit_t free_fn[] = {
		[KV_HASH] = kv_field_free, [KV_SET] = kv_member_free,
		[KV_ZSET] = kv_member_free, [KV_SPACE] = ent_free,
	};
	struct kv_table *t = (struct kv_table *)obj;

	if (obj->o_type == KV_LIST)
		return kv_list_drain(obj, max);
	return kv_dict_drain(&t->t_dict, max, free_fn[obj->o_type], db);
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
static void
obj_free(struct kv_db *db, struct kv_obj *obj)
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
	if (e->e_type == KV_BLOB) {
		kv_blob_unref(e->e_blob);
	} else if (e->e_type != KV_INT) {
		e->e_obj->o_dead = true;
		if (e->e_obj->o_pins == 0)
			obj_free(db, e->e_obj);
	}
	e->e_type = KV_INT;
	e->e_int = 0;
}

/* Take an entry out of the shard; it stays alive, without its timer. */
void
kv_db_take(struct kv_db *db, struct kv_ent *e)
{
	kv_expire_set(db, e, KV_NEVER);
	kv_dict_remove(&db->db_keys, &e->e_node);
}

void
kv_db_put(struct kv_db *db, struct kv_ent *e, uint64_t hash)
{
	kv_dict_insert(&db->db_keys, &e->e_node, hash);
}

void
kv_db_del(struct kv_db *db, struct kv_ent *e)
{
	kv_db_take(db, e);
	kv_ent_clear(db, e);
	kv_free(e);
}

/* The entry of a key; NULL if there is none or its time is over. */
struct kv_ent *
kv_db_find(struct kv_db *db, uint64_t hash, const void *key, size_t klen)
{
	struct kv_ent *e = (struct kv_ent *)kv_dict_find(&db->db_keys, hash,
	    key, klen);

	if (e != NULL && e->e_timer != 0 &&
	    kv_expire_get(db, e) <= db->db_now) {
		kv_db_del(db, e);
		db->db_expired++;
		return NULL;
	}
	return e;
}

/* A new entry for a key that has none: the number 0. */
struct kv_ent *
kv_db_add(struct kv_db *db, uint64_t hash, const void *key, size_t klen)
{
	struct kv_ent *e = kv_alloc(sizeof(*e) + klen);

	e->e_node.n_klen = (uint32_t)klen;
	e->e_int = 0;
	e->e_timer = 0;
	e->e_type = KV_INT;
	memcpy(e->e_key, key, klen);
	kv_db_put(db, e, hash);
	return e;
}

/* Everything goes to the trash at once, whatever its size. */
void
kv_db_flush(struct kv_db *db)
{
	struct kv_obj *obj = kv_table_new(KV_SPACE, 0,
	    sizeof(struct kv_table));

	((struct kv_table *)obj)->t_dict = db->db_keys;
	trash(db, obj);
	kv_dict_init(&db->db_keys, offsetof(struct kv_ent, e_key));
	kv_free(db->db_heap);
	db->db_heap = NULL;
	db->db_timers = db->db_captimers = 0;
}

struct kv_ent *
kv_op_ent(struct kv_db *db, struct kv_op *op)
{
	const struct kv_arg *key = kv_op_key(op);

	return kv_db_find(db, op->op_hash, key->a_p, key->a_len);
}

/* The same for a command that reads, which counts. */
struct kv_ent *
kv_op_read(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e = kv_op_ent(db, op);

	if (e != NULL)
		db->db_hits++;
	else
		db->db_misses++;
	return e;
}

/*
 * The object of the command's key, to read or to change it; NULL if the key
 * has no value.  Unless KV_GO comes, the command returns what this returned:
 * KV_DONE, an error was replied; KV_MORE, somebody else works on it.
 */
int
kv_op_open(struct kv_db *db, struct kv_op *op, enum kv_type type,
    bool change, struct kv_obj **objp)
{
	struct kv_ent *e;

	*objp = op->op_pin;
	if (op->op_pin != NULL)
		return KV_GO;
	e = change ? kv_op_ent(db, op) : kv_op_read(db, op);
	if (e == NULL)
		return KV_GO;
	if (e->e_type != type)
		return kv_op_wrongtype(op);
	if (e->e_obj->o_excl || (change && e->e_obj->o_pins > 0))
		return KV_MORE;
	*objp = e->e_obj;
	return KV_GO;
}

/* Give the command's key, which has no value, this one. */
struct kv_obj *
kv_op_create(struct kv_db *db, struct kv_op *op, struct kv_obj *obj)
{
	const struct kv_arg *key = kv_op_key(op);
	struct kv_ent *e = kv_db_add(db, op->op_hash, key->a_p, key->a_len);

	e->e_type = obj->o_type;
	e->e_obj = obj;
	return obj;
}

/* The turn is over; go on with this object in the next one. */
int
kv_op_pause(struct kv_op *op, struct kv_obj *obj, bool change)
{
	if (op->op_pin == NULL) {
		op->op_pin = obj;
		obj->o_pins++;
		obj->o_excl = change;
	}
	return KV_MORE;
}

/*
 * The command is done with the object (NULL: it has none).  A pin goes, and
 * so does a key whose last element went (I1).
 */
int
kv_op_close(struct kv_db *db, struct kv_op *op, struct kv_obj *obj)
{
	struct kv_ent *e;

	if (obj == NULL)
		return KV_DONE;
	if (op->op_pin != NULL) {
		op->op_pin = NULL;
		obj->o_pins--;
		obj->o_excl = false;
		if (obj->o_dead && obj->o_pins == 0) {
			obj_free(db, obj);
			return KV_DONE;
		}
	}
	if (!obj->o_dead && kv_obj_count(obj) == 0) {
		e = kv_op_ent(db, op);
		if (e != NULL && e->e_type == obj->o_type && e->e_obj == obj)
			kv_db_del(db, e);
	}
	return KV_DONE;
}

bool
kv_op_i64(struct kv_op *op, int arg, int64_t *valp)
{
	const struct kv_arg *a = &op->op_argv[arg];

	if (kv_parse_i64(a->a_p, a->a_len, valp))
		return true;
	kv_reply_error(op->op_out,
	    "ERR value is not an integer or out of range");
	return false;
}

/* A number of elements, which is not negative. */
bool
kv_op_count(struct kv_op *op, int arg, int64_t *valp)
{
	const struct kv_arg *a = &op->op_argv[arg];

	if (kv_parse_i64(a->a_p, a->a_len, valp) && *valp >= 0)
		return true;
	kv_reply_error(op->op_out,
	    "ERR value is out of range, must be positive");
	return false;
}

/*
 * Indexes from start to end of len elements, negative from the end: clipped
 * to those that exist; false if there are none.
 */
bool
kv_clip_range(uint64_t len, int64_t *startp, int64_t *endp)
{
	int64_t start = *startp, end = *endp, n = (int64_t)len;

	if (start < 0)
		start = start < -n ? 0 : start + n;
	if (end < 0)
		end = end < -n ? -1 : end + n;
	if (end >= n)
		end = n - 1;
	*startp = start;
	*endp = end;
	return start <= end;
}

int
kv_op_arity(struct kv_op *op)
{
	kv_reply_error(op->op_out, "ERR wrong number of arguments for '%s' "
	    "command", op->op_cmd->c_name);
	return KV_DONE;
}

int
kv_op_syntax(struct kv_op *op)
{
	kv_reply_error(op->op_out, "ERR syntax error");
	return KV_DONE;
}

int
kv_op_wrongtype(struct kv_op *op)
{
	kv_reply_error(op->op_out, "WRONGTYPE Operation against a key "
	    "holding the wrong kind of value");
	return KV_DONE;
}
