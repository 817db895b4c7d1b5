/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hashes: a table of fields, each with its name and a reference to its value.
 */
#include "command.h"

#include <string.h>

struct field {
	struct kv_node	 f_node;
	struct kv_blob	*f_val;
	char		 f_name[];
};

static struct kv_dict *
dict(struct kv_obj *obj)
{
	return &((struct kv_table *)obj)->t_dict;
}

static struct field *
find(struct kv_obj *obj, const struct kv_arg *name)
{
	if (obj == NULL)
		return NULL;
	return (struct field *)kv_dict_find(dict(obj),
	    kv_hash(name->a_p, name->a_len), name->a_p, name->a_len);
}

void
kv_field_free(struct kv_node *n, void *arg)
{
	(void)arg;
	kv_blob_unref(((struct field *)n)->f_val);
	kv_free(n);
}

/* The object to change, made if the key has none. */
static int
open_or_create(struct kv_db *db, struct kv_op *op, struct kv_obj **objp)
{
	int st = kv_op_open(db, op, KV_HASH, true, objp);

	if (st == KV_GO && *objp == NULL)
		*objp = kv_op_create(db, op, kv_table_new(KV_HASH,
		    offsetof(struct field, f_name), sizeof(struct kv_table)));
	return st;
}

/* Set a field to a value whose reference it takes over; is it new? */
static bool
set(struct kv_obj *obj, const struct kv_arg *name, struct kv_blob *val)
{
	uint64_t hash = kv_hash(name->a_p, name->a_len);
	struct field *f = (struct field *)kv_dict_find(dict(obj), hash,
	    name->a_p, name->a_len);

	if (f != NULL) {
		kv_blob_unref(f->f_val);
		f->f_val = val;
		return false;
	}
	f = kv_alloc(sizeof(*f) + name->a_len);
	f->f_node.n_klen = (uint32_t)name->a_len;
	f->f_val = val;
	memcpy(f->f_name, name->a_p, name->a_len);
	kv_dict_insert(dict(obj), &f->f_node, hash);
	return true;
}

int
kv_cmd_hset(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st;

	if (op->op_argc % 2 != 0)
		return kv_op_arity(op);
	st = open_or_create(db, op, &obj);
	if (st != KV_GO)
		return st;
	for (int n = 0; (int)op->op_pos + 2 < op->op_argc; op->op_pos += 2) {
		struct kv_arg *a = &op->op_argv[op->op_pos + 2];

		if (n++ == KV_SLICE)
			return kv_op_pause(op, obj, true);
		op->op_result += set(obj, &a[0], kv_blob_arg(&a[1]));
	}
	kv_reply_int(op->op_out, op->op_result);
	return kv_op_close(db, op, obj);
}

static void
reply_field(struct kv_op *op, struct kv_obj *obj, const struct kv_arg *name)
{
	struct field *f = find(obj, name);

	if (f == NULL)
		kv_reply_null(op->op_out);
	else
		kv_reply_blob(op->op_out, f->f_val);
}

int
kv_cmd_hget(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_HASH, false, &obj);

	if (st == KV_GO)
		reply_field(op, obj, &op->op_argv[2]);
	return st == KV_MORE ? KV_MORE : KV_DONE;
}

int
kv_cmd_hmget(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_HASH, false, &obj);

	if (st != KV_GO)
		return st;
	if (op->op_pos == 0)
		kv_reply_array(op->op_out, (uint64_t)op->op_argc - 2);
	for (int n = 0; (int)op->op_pos + 2 < op->op_argc; op->op_pos++) {
		if (n++ == KV_SLICE && obj != NULL)
			return kv_op_pause(op, obj, false);
		reply_field(op, obj, &op->op_argv[op->op_pos + 2]);
	}
	return kv_op_close(db, op, obj);
}

int
kv_cmd_hdel(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_HASH, true, &obj);

	if (st != KV_GO)
		return st;
	for (int n = 0; obj != NULL && (int)op->op_pos + 2 < op->op_argc;
	    op->op_pos++) {
		struct field *f;

		if (n++ == KV_SLICE)
			return kv_op_pause(op, obj, true);
		f = find(obj, &op->op_argv[op->op_pos + 2]);
		if (f != NULL) {
			kv_dict_remove(dict(obj), &f->f_node);
			kv_field_free(&f->f_node, NULL);
			op->op_result++;
		}
	}
	kv_reply_int(op->op_out, op->op_result);
	return kv_op_close(db, op, obj);
}

static void
visit_key(struct kv_node *n, void *arg)
{
	struct kv_op *op = arg;

	kv_reply_bulk(op->op_out, ((struct field *)n)->f_name, n->n_klen);
	op->op_left--;
}

static void
visit_val(struct kv_node *n, void *arg)
{
	struct kv_op *op = arg;

	kv_reply_blob(op->op_out, ((struct field *)n)->f_val);
	op->op_left--;
}

static void
visit_both(struct kv_node *n, void *arg)
{
	visit_key(n, arg);
	kv_reply_blob(((struct kv_op *)arg)->op_out,
	    ((struct field *)n)->f_val);
}

static int
all(struct kv_db *db, struct kv_op *op, kv_visit_t fn)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_HASH, false, &obj);
	uint64_t n;

	if (st != KV_GO)
		return st;
	if (op->op_pin == NULL) {
		n = obj != NULL ? kv_obj_count(obj) : 0;
		op->op_left = (int64_t)n;
		if (fn == visit_both)
			kv_reply_map(op->op_out, n);
		else
			kv_reply_array(op->op_out, n);
	}
	for (int i = 0; op->op_left > 0; i++) {
		if (i == KV_SLICE)
			return kv_op_pause(op, obj, false);
		op->op_pos = kv_dict_scan(dict(obj), op->op_pos, fn, op);
	}
	return kv_op_close(db, op, obj);
}

int
kv_cmd_hgetall(struct kv_db *db, struct kv_op *op)
{
	return all(db, op, visit_both);
}

int
kv_cmd_hkeys(struct kv_db *db, struct kv_op *op)
{
	return all(db, op, visit_key);
}

int
kv_cmd_hvals(struct kv_db *db, struct kv_op *op)
{
	return all(db, op, visit_val);
}

int
kv_cmd_hlen(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_HASH, false, &obj);

	if (st != KV_GO)
		return st;
	kv_reply_int(op->op_out,
	    obj != NULL ? (int64_t)kv_obj_count(obj) : 0);
	return KV_DONE;
}

int
kv_cmd_hexists(struct kv_db *db, struct kv_op *op)
{
	struct kv_obj *obj;
	int st = kv_op_open(db, op, KV_HASH, false, &obj);

	if (st != KV_GO)
		return st;
	kv_reply_int(op->op_out, find(obj, &op->op_argv[2]) != NULL);
	return KV_DONE;
}

int
kv_cmd_hincrby(struct kv_db *db, struct kv_op *op)
{
	int64_t delta, val = 0;
	char buf[KV_NUMLEN];
	struct kv_obj *obj;
	struct field *f;
	int st;

	if (!kv_op_i64(op, 3, &delta))
		return KV_DONE;
	st = open_or_create(db, op, &obj);
	if (st != KV_GO)
		return st;
	f = find(obj, &op->op_argv[2]);
	if (f != NULL && !kv_parse_i64(f->f_val->b_data, f->f_val->b_len,
	    &val)) {
		kv_reply_error(op->op_out,
		    "ERR hash value is not an integer");
	} else if (__builtin_add_overflow(val, delta, &val)) {
		kv_reply_error(op->op_out,
		    "ERR increment or decrement would overflow");
	} else {
		set(obj, &op->op_argv[2],
		    kv_blob_new(buf, kv_fmt_i64(buf, val)));
		kv_reply_int(op->op_out, val);
	}
	return kv_op_close(db, op, obj);
}
