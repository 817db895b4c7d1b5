/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on keys, whatever their values are: the part of each that runs on
 * one shard.
 */
#include "keys.h"
#include "command.h"

#include <string.h>

static const char *const type_names[] = {
	[KV_INT] = "string", [KV_BLOB] = "string", [KV_LIST] = "list",
	[KV_HASH] = "hash", [KV_SET] = "set", [KV_ZSET] = "zset",
};

int
kv_cmd_type(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e = kv_op_ent(db, op);

	kv_reply_status(op->op_out, e != NULL ? type_names[e->e_type] :
	    "none");
	return KV_DONE;
}

static int
ttl(struct kv_db *db, struct kv_op *op, bool seconds)
{
	struct kv_ent *e = kv_op_ent(db, op);
	int64_t left;

	if (e == NULL) {
		left = -2;
	} else if (kv_expire_get(db, e) == KV_NEVER) {
		left = -1;
	} else {
		left = kv_expire_get(db, e) - db->db_now;
		if (seconds)
			left = (left + 500) / 1000;
	}
	kv_reply_int(op->op_out, left);
	return KV_DONE;
}

int
kv_cmd_ttl(struct kv_db *db, struct kv_op *op)
{
	return ttl(db, op, true);
}

int
kv_cmd_pttl(struct kv_db *db, struct kv_op *op)
{
	return ttl(db, op, false);
}

int
kv_cmd_persist(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e = kv_op_ent(db, op);
	bool had = e != NULL && e->e_timer != 0;

	if (had)
		kv_expire_set(db, e, KV_NEVER);
	kv_reply_int(op->op_out, had);
	return KV_DONE;
}

struct expire_opts {
	bool	o_nx, o_xx, o_gt, o_lt;
};

/* The options from argument 3 on; false: an error was replied. */
static bool
expire_options(struct kv_op *op, struct expire_opts *o)
{
	for (int i = 3; i < op->op_argc; i++) {
		const struct kv_arg *a = &op->op_argv[i];

		if (kv_arg_is(a, "nx")) {
			o->o_nx = true;
		} else if (kv_arg_is(a, "xx")) {
			o->o_xx = true;
		} else if (kv_arg_is(a, "gt")) {
			o->o_gt = true;
		} else if (kv_arg_is(a, "lt")) {
			o->o_lt = true;
		} else {
			kv_reply_error(op->op_out,
			    "ERR Unsupported option %.*s",
			    a->a_len < 128 ? (int)a->a_len : 128, a->a_p);
			return false;
		}
	}
	if (o->o_nx && (o->o_xx || o->o_gt || o->o_lt)) {
		kv_reply_error(op->op_out, "ERR NX and XX, GT or LT options "
		    "at the same time are not compatible");
		return false;
	}
	if (o->o_gt && o->o_lt) {
		kv_reply_error(op->op_out, "ERR GT and LT options at the "
		    "same time are not compatible");
		return false;
	}
	return true;
}

static int
expire(struct kv_db *db, struct kv_op *op, bool seconds, bool absolute)
{
	struct expire_opts o = { 0 };
	int64_t when, old;
	struct kv_ent *e;
	bool has;

	if (!expire_options(op, &o) ||
	    !kv_expire_parse(db, op, 2, seconds, absolute, &when))
		return KV_DONE;
	e = kv_op_ent(db, op);
	if (e == NULL) {
		kv_reply_int(op->op_out, 0);
		return KV_DONE;
	}
	old = kv_expire_get(db, e);
	has = old != KV_NEVER;
	if ((o.o_nx && has) || (o.o_xx && !has) ||
	    (o.o_gt && (!has || when <= old)) || (o.o_lt && when >= old)) {
		kv_reply_int(op->op_out, 0);
		return KV_DONE;
	}
	if (when <= db->db_now)
		kv_db_del(db, e);
	else
		kv_expire_set(db, e, when);
	kv_reply_int(op->op_out, 1);
	return KV_DONE;
}

int
kv_cmd_expire(struct kv_db *db, struct kv_op *op)
{
	return expire(db, op, true, false);
}

int
kv_cmd_pexpire(struct kv_db *db, struct kv_op *op)
{
	return expire(db, op, false, false);
}

int
kv_cmd_expireat(struct kv_db *db, struct kv_op *op)
{
	return expire(db, op, true, true);
}

int
kv_cmd_pexpireat(struct kv_db *db, struct kv_op *op)
{
	return expire(db, op, false, true);
}

/* One key of DEL. */
int
kv_op_del(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e = kv_op_ent(db, op);

	if (e != NULL) {
		kv_db_del(db, e);
		op->op_result = 1;
	}
	return KV_DONE;
}

/* One key of EXISTS. */
int
kv_op_exists(struct kv_db *db, struct kv_op *op)
{
	op->op_result = kv_op_read(db, op) != NULL;
	return KV_DONE;
}

int
kv_op_dbsize(struct kv_db *db, struct kv_op *op)
{
	op->op_result = (int64_t)db->db_keys.d_count;
	return KV_DONE;
}

int
kv_op_flush(struct kv_db *db, struct kv_op *op)
{
	(void)op;
	kv_db_flush(db);
	return KV_DONE;
}

struct visit {
	struct kv_db	*v_db;
	struct kv_op	*v_op;
};

/* Reply a key if it is alive and wanted. */
static void
visit_key(struct kv_node *n, void *arg)
{
	struct visit *v = arg;
	struct kv_op *op = v->v_op;
	const struct kv_scan *s = op->op_at;
	struct kv_ent *e = (struct kv_ent *)n;

	op->op_left--;
	if (kv_expire_get(v->v_db, e) <= v->v_db->db_now)
		return;
	if (s->s_type != NULL && !kv_arg_is(s->s_type, type_names[e->e_type]))
		return;
	if (s->s_pattern != NULL && !kv_glob(s->s_pattern->a_p,
	    s->s_pattern->a_len, e->e_key, n->n_klen))
		return;
	kv_reply_bulk(op->op_out, e->e_key, n->n_klen);
	op->op_result++;
}

/*
 * Keys from cursor op_pos on, until op_left were seen or the shard is at its
 * end; op_at says which ones to reply, op_result how many those are.
 */
int
kv_op_scan(struct kv_db *db, struct kv_op *op)
{
	struct visit v = { db, op };

	for (int i = 0; op->op_left > 0; i++) {
		if (i == KV_SLICE)
			return KV_MORE;
		op->op_pos = kv_dict_scan(&db->db_keys, op->op_pos, visit_key,
		    &v);
		if (op->op_pos == 0)
			break;
	}
	return KV_DONE;
}

/* A random key, if there is one; some tries if what it finds has expired. */
int
kv_op_randomkey(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e;

	for (int i = 0; i < 100; i++) {
		e = (struct kv_ent *)kv_dict_random(&db->db_keys,
		    &db->db_rng);
		if (e == NULL)
			break;
		if (kv_expire_get(db, e) > db->db_now) {
			kv_reply_bulk(op->op_out, e->e_key,
			    e->e_node.n_klen);
			op->op_result = 1;
			break;
		}
	}
	return KV_DONE;
}

/* The first half of RENAME: op_at gets the entry, op_left its end. */
int
kv_op_take(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *e = kv_op_ent(db, op);

	if (e == NULL)
		return KV_DONE;
	if (e->e_type >= KV_LIST && e->e_obj->o_pins > 0)
		return KV_MORE;
	op->op_left = kv_expire_get(db, e);
	kv_db_take(db, e);
	op->op_at = e;
	return KV_DONE;
}

/* The second half: under its new name, perhaps on another shard. */
int
kv_op_put(struct kv_db *db, struct kv_op *op)
{
	struct kv_ent *from = op->op_at, *old = kv_op_ent(db, op), *e;
	const struct kv_arg *key = kv_op_key(op);

	if (old != NULL)
		kv_db_del(db, old);
	e = kv_db_add(db, op->op_hash, key->a_p, key->a_len);
	e->e_type = from->e_type;
	memcpy(&e->e_int, &from->e_int, sizeof(e->e_int));
	kv_expire_set(db, e, op->op_left);
	kv_free(from);
	return KV_DONE;
}

/* Both halves on one shard, in one turn; op_result: there was such a key. */
int
kv_op_rename(struct kv_db *db, struct kv_op *op)
{
	const struct kv_arg *to = &op->op_argv[2];
	struct kv_op put = *op;

	if (kv_op_take(db, op) == KV_MORE)
		return KV_MORE;
	if (op->op_at == NULL)
		return KV_DONE;
	put.op_at = op->op_at;
	put.op_left = op->op_left;
	put.op_argv = &op->op_argv[1];
	put.op_hash = kv_hash(to->a_p, to->a_len);
	op->op_result = 1;
	return kv_op_put(db, &put);
}
